#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Backends outside of all apps: in a network beyond the host (a namespace that is joined to it), and the host's own.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_command curl nginx redis-server redis-cli ip
mark_journal

outside=$PROGRAMS/outside.py hostile=$PROGRAMS/hostile.py

### what is outside
make_outside 53 54
at_exit() {
    host_sh 'for s in main six mixed nobody apps least; do
            busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager RemoveVirtualService s "outside-$s"
        done
        systemctl stop ax-outside-echo ax-outside-echo6 ax-outside-far ax-outside-nginx ax-outside-redis ax-outside-host
        ip netns del ax-outside' >/dev/null 2>&1
}

start_outside ax-outside-echo python3 "$outside" serve 192.0.2.2 7 8
start_outside ax-outside-echo6 python3 "$outside" serve 2001:db8:53::2 7 8
start_outside ax-outside-far python3 "$outside" serve 198.51.100.2 7007
host_sh 'mkdir -p /srv/outside/html /srv/outside/tmp; echo "hello from outside" >/srv/outside/html/index.html
    cat >/srv/outside/nginx.conf <<CONF
daemon off; pid /srv/outside/pid; error_log /srv/outside/error.log; events { }
http { access_log off; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server { listen 192.0.2.2:80; listen [2001:db8:53::2]:80; root /srv/outside/html; location /who { return 200 "\$remote_addr\n"; }
    location ~ ^/[0-9]+/[0-9]+\$ { return 200 "go \$uri\n"; } } }
CONF
    mkdir -p /srv/outside/redis'
start_outside ax-outside-nginx nginx -p /srv/outside -c nginx.conf
start_outside ax-outside-redis redis-server --bind 192.0.2.2 --port 6379 --protected-mode no --save '' --dir /srv/outside/redis
# One of the host, on its loopback.
host systemd-run --quiet --collect --unit=ax-outside-host python3 -m http.server --bind 127.0.0.1 --directory /srv/outside/html 8053
for at in '192.0.2.2 7' '2001:db8:53::2 8' '198.51.100.2 7007' '192.0.2.2 80' '192.0.2.2 6379'; do
    # shellcheck disable=SC2086
    wait_until 20 outside_listens $at || bail "the outside listens at $at"
done
wait_until 20 host curl -sS http://127.0.0.1:8053/ || bail 'the host listens'

# service ID ADDRESSES PORTS BACKENDS: a virtual service, each of these with blanks between.
service() {
    host_sh 'id=$1; shift; given=()
        for key in Addresses Ports Backends; do
            read -ra values <<<"$1"; shift
            given+=("$key" as "${#values[@]}" "${values[@]}")
        done
        exec busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager CreateVirtualService "sa{sv}b" "$id" 3 "${given[@]}" true' "$@" ||
        bail "make the virtual service $1"
}
V4=198.18.53.1 V6=fd00:53::1
service outside-main "$V4 $V6" '7 9 11:7007 80 81:8053 4000:40002 6379' \
    '192.0.2.2:7 192.0.2.2:9 198.51.100.2:7007 192.0.2.2:80 host:8053 host:40002 192.0.2.2:6379'
service outside-six '198.18.53.2 fd00:53::2' 17:7 '[2001:db8:53::2]:7'
service outside-mixed '198.18.53.3 fd00:53::3' 10 '192.0.2.2:9 192.0.2.2:10 192.0.2.2:7'
service outside-nobody 198.18.53.4 12 192.0.2.77:7

OWN4=198.18.53.9 OWN6=fd00:53::9
# own CMD...: an app of these addresses.
own() {
    client --name outside-client --ip "$OWN4" --ip "$OWN6" -- env OWN="$OWN4 $OWN6 ::ffff:$OWN4" "$@"
}

# What an app printed; before that stands what ax run says.
said() {
    app_log "$1" | sed 1d
}

### programs
run own curl -sS "http://$V4/"
is "$OUT" 'hello from outside' 'curl'
run own curl -sS "http://[$V6]/who"
is "$OUT" 192.0.2.1 'curl, IPv6 to a backend of IPv4; the server sees the host'
run own curl -sS -w '%{remote_ip} %{local_ip}' -o /dev/null "http://$V4/"
is "$OUT" "$V4 $OWN4" 'curl sees the service and itself'
run own curl -sS "http://$V4:81/"
is "$OUT" 'hello from outside' 'a service of the host on its loopback'
run own redis-cli -h "$V4" set greeting 'hello outside'
is "$OUT" OK 'redis-cli'
run own redis-cli -h "$V6" get greeting
is "$OUT" 'hello outside' 'redis-cli, IPv6'
run own redis-cli -h "$V4" client info
like "$OUT" ' addr=192\.0\.2\.1:' 'redis sees the host'
run own python3 "$outside" loops "$V4" 7 100
is "$OUT" 'good: 100' '100 connections at once, asyncio'
if command -v go >/dev/null; then
    cache=${BUILD_DIR:-$TESTS/../../build}/go-cache
    if said=$(cd "$TESTS/../programs/go" && CGO_ENABLED=0 GOFLAGS=-mod=mod GOPROXY=off GOCACHE=$cache GOPATH=$scratch/go \
        go build -trimpath -o "$scratch/web" . 2>&1); then
        push "$scratch/web" /usr/local/bin/go-web
        run own go-web get "http://$V4/"
        is "$OUT" 'hello from outside' 'Go'
        run own go-web many "http://[$V6]/" 10 20
        is "$OUT" 200 'Go, 200 connections of 10 goroutines, IPv6'
    else
        fail 'the Go program is built' "$said"
    fi
fi

# Connections to the outside have no mark that could mean something to the rules of the host.
host_sh 'for f in -4 -6; do ip $f rule add pref 1 not fwmark 0 unreachable; done'
run own python3 "$outside" loops "$V4" 7 10
is "$OUT" 'good: 10' 'a rule of the host for all that has a mark does not meet them'
run own python3 "$outside" loops 198.18.53.2 17 10
is "$OUT" 'good: 10' 'nor by IPv6'
host_sh 'for f in -4 -6; do ip $f rule del pref 1; done'

### names
for at in "$V4 7" "$V6 7" '198.18.53.2 17' 'fd00:53::2 17'; do
    # shellcheck disable=SC2086
    subtests "$at" own python3 "$outside" names $at
done
run own python3 "$outside" loops "::ffff:$V4" 7 3
is "$OUT" 'good: 3' 'an IPv4-mapped address'

### who refuses
refusals=$'ECONNREFUSED 0 ECONNREFUSED\nEINPROGRESS ECONNREFUSED\nECONNREFUSED 0 ECONNREFUSED\nEINPROGRESS ECONNREFUSED'
for v in $V4 $V6; do
    run own python3 "$outside" refused "$v" 9
    is "$OUT" "$refusals" "$v: a backend that refuses is a refusal"
done
for v in 198.18.53.3 fd00:53::3; do
    run own python3 "$outside" loops "$v" 10 20
    is "$OUT" 'good: 20' "$v: others that refuse are passed over, asyncio"
    run own sh -c 'for i in 1 2 3; do python3 "$0" wait "$1" 10; done' "$outside" "$v"
    is "$(grep -c "^$v$" <<<"$OUT")" 3 "$v: who waits, too"
done
range=$(host sysctl -n net.ipv4.ip_local_port_range)
host sysctl -q -w net.ipv4.ip_local_port_range='40000 40007'
run own python3 "$outside" itself "$V4" 4000 40
is "$OUT" ECONNREFUSED 'a port of the host that nobody listens on is not connected to itself'
host sysctl -q -w net.ipv4.ip_local_port_range="$range"
run own python3 "$outside" wait 198.18.53.4 12
is "$OUT" $'begins\nEHOSTUNREACH' 'a host that is not there: EHOSTUNREACH'

### who does not answer
mute_outside
start_app --name outside-interrupted -- python3 "$outside" interrupted "$V4" 11
ok 'a signal ends the call' wait_until 20 host grep -q interrupted "$APP_LOG"
log=$APP_LOG
start_app --name outside-restarted -- python3 "$outside" restarted "$V4" 11
log2=$APP_LOG
ok 'signals without end do not hold up who does not wait' wait_until 20 host grep -q EINPROGRESS "$log2"
subtests 'silence' own python3 "$outside" timeout "$V4" 11
# Many that wait, and are killed: they are forgotten.
open_files() {
    host_sh 'ls /proc/$(systemctl show -P MainPID appswitchd)/fd | wc -l'
}
files=$(open_files)
start_app --name outside-crowd -- python3 "$outside" crowd "$V4" 11 500
crowded() {
    (($(open_files) > files + 900))
}
ok '500 threads of an app wait' wait_until 30 crowded
run own python3 "$outside" loops "$V4" 7 50
is "$OUT" 'good: 50' 'which is nothing to others'
host ax kill --signal=KILL "$APP"
forgotten() {
    (($(open_files) <= files))
}
ok 'they are killed, and forgotten' wait_until 20 forgotten || diag "$files before, $(open_files) now"
syn_sent() {
    host_sh 'ss -Htn state syn-sent dst 198.51.100.2 | wc -l'
}
one_more() {
    (($(syn_sent) > before))
}
before=$(syn_sent)
start_app --name outside-wait -- python3 "$outside" wait "$V4" 11
log3=$APP_LOG
wait_until 20 one_more
host kill -KILL "$(host systemctl show -P MainPID appswitchd)"
wait_until 20 host ax list
before=$(syn_sent)
start_app --name outside-killed -- python3 "$outside" wait "$V4" 11
wait_until 20 one_more
before=$(syn_sent)
host ax kill --signal=KILL "$APP"
gone() {
    (($(syn_sent) < before))
}
ok 'who is killed while he waits leaves nothing behind' wait_until 20 gone
unmute_outside
ok 'the one that a signal ended goes on' wait_until 60 host grep -q "ready 0 $V4" "$log"
is "$(said "$log")" $'interrupted\nready 0 '"$V4" 'and is connected'
wait_until 60 host sh -c '[ $(grep -c ready "$0") = 2 ]' "$log2"
is "$(said "$log2")" $'EINPROGRESS\n0\nready 0\nready 0' 'nor keep they one that waits from being connected'
waited() {
    [[ $(said "$log3") == $'begins\n0\n'"$V4" ]]
}
ok 'a daemon that is killed meanwhile does not matter' wait_until 60 waited

### restart
start_app --name outside-hold --ip 198.18.53.8 -- python3 "$outside" hold "$V4" 7 20
hold=$APP hold_log=$APP_LOG
ok 'connections are held' wait_until 20 host grep -q held "$hold_log"
for how in restart kill; do
    if [[ $how == restart ]]; then
        host systemctl restart appswitchd
    else
        host kill -KILL "$(host systemctl show -P MainPID appswitchd)"
    fi
    ok "$how: the daemon is back" wait_until 10 host ax list
    sleep 0.3
done
host ax kill --signal=TERM "$hold"
wait_until 10 host grep -q bad "$hold_log"
is "$(said "$hold_log")" $'held\nbad: []' 'connections live on, and their names stay'

### a virtual service over TCP and by a pair
start_app --name outside-app --ip 198.18.53.7 --ip fd00:53::7 -- python3 "$outside" serve 0.0.0.0 8007
wait_for_listen "$APP" 8007
start_app --name outside-app6 --ip 198.18.53.6 --ip fd00:53::6 -- python3 "$outside" serve :: 8007
wait_for_listen "$APP" 8007
S4=198.18.53.5 S6=fd00:53::5
service outside-apps "$S4 $S6" 20:8007 'app:outside-app app:outside-app6'
for shortcut in unix tcp; do
    for v in $S4 $S6; do
        subtests "$shortcut, $v" client --shortcut=$shortcut --name outside-client --ip "$OWN4" --ip "$OWN6" -- \
            env OWN="$OWN4 $OWN6" python3 "$outside" names "$v" 20
        run client --shortcut=$shortcut --ip "$OWN4" --ip "$OWN6" -- python3 "$outside" loops "$v" 20 20
        is "$OUT" 'good: 20' "$shortcut, $v: asyncio"
    done
done
start_app --name outside-hold2 --shortcut=tcp -- python3 "$outside" hold "$S4" 20 5
ok 'connections by TCP are held' wait_until 20 host grep -q held "$APP_LOG"
host systemctl restart appswitchd
wait_until 10 host ax list
sleep 0.3
host ax kill --signal=TERM "$APP"
wait_until 10 host grep -q bad "$APP_LOG"
is "$(said "$APP_LOG")" $'held\nbad: []' 'and keep their names over a restart'

### they are looked at, cut and counted as those between apps
# seen APP EXPRESSION: of those of the app in `ax list connections`, `x`.
seen() {
    host ax list connections --json=short | /usr/bin/python3 -c 'import json, sys
x = [c for c in json.load(sys.stdin) if c["client"] == sys.argv[1]]
print(eval(sys.argv[2]))' "$@"
}
start_app --name outside-client --ip "$OWN4" --ip "$OWN6" -- python3 "$PROGRAMS/hold.py" "$V4" 7 5 1000
held=$APP held_log=$APP_LOG
ok 'connections are held' wait_until 20 host grep -q connected "$held_log"
is "$(seen "$held" '{(c["client_address"], c["server"], c["address"], c["port"], c["transport"], c["state"], c["own"]) for c in x}')" \
    "{('$OWN4', '', '$V4', 7, 'tcp', 'established', False)}" 'they are listed as the app sees them'
sent() {
    [[ $(seen "$held" '[(c["bytes_out"], c["bytes_in"] > 1000) for c in x]') == \
        "$(/usr/bin/python3 -c 'print([(1000, True)] * 5)')" ]]
}
ok 'each with its bytes' wait_until 20 sent
host systemctl restart appswitchd
ok 'the daemon is back' wait_until 20 host ax list
is "$(seen "$held" 'len(x)')" 5 'a new daemon knows them'
# One whose lock is held for ever cannot be looked into, and holds up nobody for long.
start_app --name outside-stuck -- python3 "$hostile" hold-lock "$V4" 7
ok 'an app holds the lock of its socket' wait_until 10 host grep -q ready "$APP_LOG"
is "$(seen "$held" 'len(x)')" 5 'the others are listed all the same'
like "$(journal_since)" "$APP: the kernel was held up while it counted bytes" 'which is said'
stop_app "$APP"
is "$(host busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager CutConnections s "$held")" 'uu 5 0' 'they can be cut'
ok 'which is their end' wait_until 20 host grep -q '^closed 5$' "$held_log"
is "$(seen "$held" 'len(x)')" 0 'and they are no more'
stop_app "$held"
host busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager CreateVirtualService 'sa{sv}b' outside-least 4 \
    Addresses as 1 198.18.53.10 Ports as 1 7 Backends as 2 192.0.2.2:7 192.0.2.2:8 Strategy s least-connections true >/dev/null ||
    bail 'make a virtual service'
# What the outside has of connections on a port.
outside_has() {
    host ip netns exec ax-outside ss -Htn state established sport = ":$1" | wc -l
}
start_app --name outside-many -- python3 "$PROGRAMS/hold.py" 198.18.53.10 7 8
many=$APP
ok 'connections to the one with the fewest are held' wait_until 20 host grep -q connected "$APP_LOG"
is "$(outside_has 7) $(outside_has 8)" '4 4' 'half of them at each'
# Those of one backend end; then it is its turn, until they are even.
host ip netns exec ax-outside ss -K state established sport = :7 >/dev/null
ok 'those of one backend end' wait_until 20 host grep -q '^closed 4$' "$APP_LOG"
even() {
    start_app --name outside-more -- python3 "$PROGRAMS/hold.py" 198.18.53.10 7 4
    wait_until 10 host grep -q connected "$APP_LOG"
    [[ "$(outside_has 7) $(outside_has 8)" == '4 4' ]] && return
    stop_app "$APP"
    return 1
}
ok 'and it gets the next ones' wait_until 60 even
stop_app "$APP"
stop_app "$many"

### nothing else is to be reached with it
mute_outside
AS_USER=alice subtests 'hostile' client -- python3 "$outside" hostile "$V4" 7 11 8053 192.0.2.2 8
unmute_outside
# Given to a confederate who has no network of his own, nor a filter.
host rm -f /tmp/outside-socket
host systemd-run --quiet --collect --unit=ax-outside-take -p PrivateNetwork=yes -p StandardOutput=file:/tmp/outside-take \
    python3 "$hostile" take /tmp/outside-socket 8053
ok 'a confederate waits' wait_until 10 host grep -q ready /tmp/outside-take
run client -- python3 "$hostile" give "$V4" 7 /tmp/outside-socket
is "$OUT" 'done' 'an app gives its connection away'
wait_until 20 host grep -q done /tmp/outside-take
is "$(host cat /tmp/outside-take)" $'ready\ndone' 'who leads nowhere else, either'

is "$(journal_since -p err | grep -v 'Failed with result\|Main process exited')" '' 'the journal has no error'
done_testing
