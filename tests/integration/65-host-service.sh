#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The host as a service: what listens on its loopback is reached as host.ax.internal, by the apps that share a tag with
# the virtual service `host` and by no others; and who may make that.
# timeout: 180
. "$(dirname "$0")/lib.sh"
need_command redis-server redis-cli psql
bin=$(host_sh 'ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1')
[[ $bin ]] || skip_all 'no PostgreSQL server'
RULES=/etc/polkit-1/rules.d/65-host-service.rules

at_exit() {
    host_sh 'ax remove host; ax remove alices-host; systemctl stop ax-host-redis ax-host-postgres
        rm -rf /srv/host-redis /srv/host-postgres /etc/appswitch/policy.d "$1"; ax policy reload' "$RULES" >/dev/null 2>&1
}
refused() { # TEXT REGEX
    isnt "$STATUS" 0 "$1: refused"
    like "$ERR" "$2" "$1: says why"
}

### services of the host, as Debian sets them up: on its loopback, for who is on it
host_sh 'install -d -o redis -g redis /srv/host-redis; install -d -o postgres -g postgres /srv/host-postgres; cd /
    runuser -u postgres -- "$1/initdb" -D /srv/host-postgres/data --auth=trust --no-sync -E UTF8 --locale=C' "$bin" >/dev/null 2>&1 ||
    bail 'initdb'
host systemd-run --quiet --collect --unit=ax-host-redis --uid=redis redis-server --bind 127.0.0.1 --port 6379 --protected-mode yes \
    --save '' --dir /srv/host-redis
host systemd-run --quiet --collect --unit=ax-host-postgres --uid=postgres "$bin/postgres" -D /srv/host-postgres/data \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off
ok 'redis runs on the host' wait_until 20 host redis-cli ping
ok 'and PostgreSQL' wait_until 20 host psql -X -h 127.0.0.1 -U postgres -c 'select 1' postgres

### who may make it
run host_as alice ax create host --port 6379 --backend host:6379 --tag app=shop --runtime
refused 'alice, who may run apps' '[Nn]ot authorized'
host_sh 'cat >"$1" <<RULE
polkit.addRule(function(action, subject) {
    if (subject.user != "alice")
        return polkit.Result.NOT_HANDLED;
    if (action.id == "io.appswitch1.manage-virtual-services")
        return polkit.Result.YES;
    if (action.id == "io.appswitch1.manage-host-services" && action.lookup("host-ports") == "6379" && action.lookup("names") != "host")
        return polkit.Result.YES;
    return polkit.Result.NOT_HANDLED;
});
RULE
chmod 644 "$1"' "$RULES"
alice_may() {
    host_as alice ax create alices-host --port 6379 --backend host:6379 --tag app=shop --runtime
}
ok 'a rule lets alice lead to a port of the host' wait_until 20 alice_may
run host_as alice ax edit alices-host --port 5432 --backend host:5432
refused 'to that one alone' 'manage-host-services'
run host_as alice ax edit alices-host --port 22 --backend "$(host hostname -I | cut -d' ' -f1):22"
refused 'by no address of the host either' 'manage-host-services'
run host_as alice ax edit alices-host --port 22 --backend 10.77.0.99:22
is "$STATUS" 0 'to another host is another matter'
run host_as alice ax create host --port 6379 --backend host:6379 --tag app=shop --runtime
refused 'and not by the name of the host' 'manage-host-services'
run host_as alice ax create host --port 6379 --backend app:web --runtime
refused 'even if an app is behind it' 'manage-host-services'
run host_as alice ax edit alices-host --name host
refused 'nor by a change' 'manage-host-services'
run host_as alice ax remove alices-host
is "$STATUS" 0 'what is hers she removes'
run host_as alice ax run --name host -- true
refused 'an app of that name' "Invalid name 'host': it is kept for services of this host"
run host ax run --name Host -- true
refused 'also of root, in capitals' "Invalid name 'Host': it is kept for services of this host"
run host ax create localhost --port 6379 --backend host:6379
refused 'localhost is no name' 'is reserved for loopback'
run host ax create host --port 6379 --backend 127.0.0.1:6379
refused 'nor is the address of the loopback a backend' 'for a service of the host give host:PORT'

run host ax create host --port 6379 --port 5432 --backend host:6379 --backend host:5432 --tag app=shop
is "$STATUS" 0 'root makes it'

### who reaches it
shop() {
    client --name shop --tag app=shop "$@"
}
run shop -- redis-cli -h host.ax.internal set greeting 'hello from the host'
is "$OUT" OK 'redis of the host, as host.ax.internal'
run shop -- redis-cli -h host get greeting
is "$OUT" 'hello from the host' 'and as host'
run shop -- redis-cli -h host client list
like "$OUT" 'addr=127\.0\.0\.1:[0-9]+ laddr=127\.0\.0\.1:6379' 'which is protected, and takes it for one of its own'
run shop -- psql -X -A -t -q -h host.ax.internal -U postgres -c 'select 6 * 7' postgres
is "$OUT" 42 'PostgreSQL of the host, one more port of the same name'
address=$(host ax list virtual-services --json=short | /usr/bin/python3 -c '
import json, sys
print([a for s in json.load(sys.stdin) if s["id"] == "host" for a in s["addresses"] if ":" not in a][0])')
run client --name stranger -- redis-cli -h host.ax.internal ping
like "$STATUS $ERR" '^1 .*(not known|No address|failure in name resolution)' 'without the tag the name does not exist'
run client --name stranger -- redis-cli -h "$address" ping
like "$STATUS $ERR" '^1 .*Permission denied' 'and the address is refused'
run shop -- redis-cli -h host -p 22 ping
like "$STATUS $ERR" '^1 .*Connection refused' 'there are no other ports'
run shop -- redis-cli -h 127.0.0.1 ping
like "$STATUS $ERR" '^1 .*Connection refused' 'loopback is that of the app'
run client --name stranger --egress yes -- redis-cli -h "$(host hostname -I | cut -d' ' -f1)" ping
like "$STATUS $ERR" '^1 .*Permission denied' 'nor do addresses of the host lead there for who may go out'

### rules and what they say
start_app --name shop-web --tag app=shop -- sleep infinity
shop_app=$APP
start_app --name stranger -- sleep infinity
stranger=$APP
run host ax explain "$shop_app" host:6379
is "$STATUS" 0 'explain: allowed'
run host ax explain "$stranger" host.ax.internal:6379
like "$STATUS $OUT" '^1 .*they share no tag' 'explain: no tag'
host_sh 'mkdir -p /etc/appswitch/policy.d
    printf "[Rule]\nFrom=app:shop-web app:shop\nTo=app:host\nPorts=5432\nAction=deny\nDescription=no database\n" >/etc/appswitch/policy.d/65-host.conf'
ok 'a rule about the host is read' host ax policy reload
run host ax explain "$shop_app" host:5432
like "$STATUS $OUT" '^1 .*no database' 'explain: a rule about a port of the host'
run shop -- psql -X -A -t -q -h host -U postgres -c 'select 6 * 7' postgres
like "$STATUS $ERR" '^2 .*Permission denied' 'which holds'
run shop -- redis-cli -h host get greeting
is "$OUT" 'hello from the host' 'for that port alone'

done_testing
