#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Unmodified servers behind ports of the host: nginx, HAProxy, redis, PostgreSQL, sshd, Apache, Go, Node, Java. Clients are in a
# network beyond the host, with the programs that go with them, and each server knows who they are.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_command nginx haproxy redis-server redis-cli psql pgbench sshd ssh ssh-keygen scp apache2 curl ab ip
bin=$(host_sh 'ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1')
[[ $bin ]] || skip_all 'no PostgreSQL server'

DIR=/srv/in H4=203.0.113.1 C4=203.0.113.2 H6=2001:db8:67::1 C6=2001:db8:67::2

at_exit() {
    host_sh 'ip netns del ax-in; rm -rf "$1" /home/alice/.ssh' "$DIR" >/dev/null 2>&1
}
host_sh 'ip netns add ax-in && ip -n ax-in link set lo up && ip link add ax-in type veth peer name ax-in netns ax-in || exit
    ip address add 203.0.113.1/24 dev ax-in; ip address add 2001:db8:67::1/64 dev ax-in nodad; ip link set ax-in up
    ip -n ax-in address add 203.0.113.2/24 dev ax-in; ip -n ax-in address add 2001:db8:67::2/64 dev ax-in nodad; ip -n ax-in link set ax-in up
    rm -rf "$1"; mkdir -p "$1"/{html,tmp}; head -c 10000000 /dev/urandom >"$1/html/big"; echo page >"$1/html/page"' "$DIR" ||
    bail 'a network beyond the host'
outside() {
    host ip netns exec ax-in "$@"
}
# serve NAME PORT:HOSTPORT [OPTION...] -- CMD...: an app that listens there.
serve() {
    local name=$1 spec=$2
    split_options "${@:3}"
    start_app --name "$name" --expose "$spec" "${OPTIONS[@]}" -- "${ARGS[@]}"
    wait_for_listen "$APP" "${spec%%:*}"
}

### nginx, and HAProxy in front of it
host_sh 'cd "$1"; cat >nginx.conf <<CONF
daemon off; pid $1/nginx.pid; error_log $1/error.log; worker_processes 2; events { }
http { access_log $1/access.log combined; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp;
    uwsgi_temp_path tmp; scgi_temp_path tmp; sendfile on;
    server { listen 80; listen [::]:80; root $1/html; location = /who { return 200 "\$remote_addr \$http_x_forwarded_for\n"; } } }
CONF
    cat >haproxy.cfg <<CONF
global
    nbthread 2
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    option forwardfor
    timeout connect 5s
    timeout client 20s
    timeout server 20s
frontend web
    bind :80
    bind [::]:80 v6only
    default_backend webs
backend webs
    server one in-nginx:80 init-addr last,libc,none
CONF' "$DIR"
serve in-nginx 80:6780 --ip 198.18.67.1 -- nginx -p $DIR -c $DIR/nginx.conf
run outside curl -sS "http://$H4:6780/who"
is "$OUT" "$C4 " 'nginx'
run outside curl -sS "http://[$H6]:6780/who"
is "$OUT" "$C6 " 'nginx, IPv6'
is "$(host sh -c "cut -d' ' -f1 $DIR/access.log | sort | tr '\n' ' '")" "$C6 $C4 " 'whose log has the true clients'
run outside sh -c "curl -sS http://$H4:6780/big | sha256sum"
is "${OUT%% *}" "$(sum_of $DIR/html/big)" 'a large file'
run outside ab -q -n 2000 -c 20 "http://$H4:6780/page"
like "$OUT" 'Complete requests: +2000.*Failed requests: +0' '2000 connections, 20 at a time'
run outside ab -q -k -n 5000 -c 20 "http://$H4:6780/page"
like "$OUT" 'Complete requests: +5000.*Failed requests: +0' '5000 requests on 20 connections'
serve in-haproxy 80:6781 -- haproxy -W -f $DIR/haproxy.cfg
log=$APP_LOG
run outside curl -sS "http://$H4:6781/who"
like "$OUT" "^[0-9a-f.:]+ $C4\$" 'HAProxy, which tells nginx who it is'
run outside curl -sS "http://[$H6]:6781/who"
like "$OUT" " $C6\$" 'HAProxy, IPv6'
like "$(app_log "$log")" "$C4:[0-9]+ .*GET /who" 'and its log has the true client'
run outside ab -q -n 1000 -c 10 "http://$H4:6781/page"
like "$OUT" 'Complete requests: +1000.*Failed requests: +0' '1000 connections by way of it'

### redis
serve in-redis 6379:6782 -- redis-server --bind '*' '-::*' --protected-mode no --save '' --dir $DIR
run outside redis-cli -h $H4 -p 6782 set greeting hello
is "$OUT" OK 'redis'
run outside redis-cli -h $H6 -p 6782 client list
like "$OUT" "addr=\[$C6\]:[0-9]+ laddr=\[[0-9a-f:]+\]:6379" 'which knows the client, and itself by its own address'
run outside redis-benchmark -h $H4 -p 6782 -t get,set -n 5000 -c 50 -q
like "$OUT" 'GET: [0-9.]+ requests per second' '50 clients'

### PostgreSQL
host_sh 'install -d -o postgres -g postgres "$2/pg"; cd /; runuser -u postgres -- "$1/initdb" -D "$2/pg/data" --auth=trust --no-sync -E UTF8 --locale=C &&
    printf "host all all 203.0.113.2/32 trust\nhost all all 2001:db8:67::2/128 trust\n" >"$2/pg/data/pg_hba.conf"' "$bin" "$DIR" >/dev/null 2>&1 ||
    bail 'initdb'
serve in-postgres 5432:6783 --uid postgres --gid postgres -- "$bin/postgres" -D $DIR/pg/data -c 'listen_addresses=*' \
    -c unix_socket_directories= -c fsync=off -c log_connections=on
sql() {
    outside psql -X -A -t -q -h "$1" -p 6783 -U postgres -c "$2" postgres
}
ok 'PostgreSQL, whose own rules are about the true client' wait_until 20 sql $H4 'select 1'
run sql $H4 'select host(inet_client_addr()), inet_server_port()'
is "$OUT" "$C4|5432" 'it knows him'
run sql $H6 'select host(inet_client_addr())'
is "$OUT" $C6 'also by IPv6'
run outside pgbench -h $H4 -p 6783 -U postgres -i -q postgres
run outside pgbench -h $H4 -p 6783 -U postgres -c 8 -j 2 -t 50 postgres
like "$STATUS $OUT" '^0 .*processed: 400/400' 'pgbench'
run host psql -X -h 127.0.0.1 -p 6783 -U postgres -c 'select 1' postgres
like "$ERR" 'no pg_hba\.conf entry for host "127\.0\.0\.1"' 'and refuses another client by his address'

### sshd
host_sh 'cd "$1"; mkdir -p /run/sshd; ssh-keygen -q -t ed25519 -N "" -f host_key; ssh-keygen -q -t ed25519 -N "" -f user_key
    install -d -o alice -g alice -m 700 /home/alice/.ssh; install -o alice -g alice -m 600 user_key.pub /home/alice/.ssh/authorized_keys
    printf "Port 22\nHostKey %s/host_key\nPidFile none\nUsePAM yes\nPasswordAuthentication no\nSubsystem sftp /usr/lib/openssh/sftp-server\n" "$1" >sshd_config' "$DIR"
serve in-ssh 22:6784 -- /usr/sbin/sshd -D -e -f $DIR/sshd_config
log=$APP_LOG
ssh=(-i $DIR/user_key -o UserKnownHostsFile=$DIR/known_hosts -o StrictHostKeyChecking=accept-new -o BatchMode=yes -o LogLevel=error)
run outside ssh "${ssh[@]}" -p 6784 alice@$H4 'id -un; echo $SSH_CONNECTION'
like "$OUT" $'^alice\n'"$C4 [0-9]+ [0-9.]+ 22\$" 'ssh'
like "$(app_log "$log")" "Accepted publickey for alice from $C4 port" 'and the log has the true client'
run outside scp -q "${ssh[@]}" -P 6784 $DIR/html/big "alice@[$H6]:big"
is "$STATUS $(sum_of /home/alice/big)" "0 $(sum_of $DIR/html/big)" 'scp'
host rm -f /home/alice/big

### Apache
host_sh 'cd "$1"; cat >apache.conf <<CONF
ServerRoot $1
ServerName in
PidFile $1/apache.pid
DefaultRuntimeDir $1
ErrorLog $1/apache.log
User nobody
Group nogroup
$(for m in mpm_event authz_core log_config unixd; do
    test ! -e /usr/lib/apache2/modules/mod_$m.so || echo "LoadModule ${m}_module /usr/lib/apache2/modules/mod_$m.so"
done)
Listen 80
DocumentRoot $1/html
LogFormat "%a %A %p" who
CustomLog $1/apache-access.log who
CONF' "$DIR"
serve in-apache 80:6785 --ip 198.18.67.5 -- apache2 -f $DIR/apache.conf -DFOREGROUND
run outside curl -sS "http://$H4:6785/page"
is "$OUT" page 'Apache'
is "$(host cat $DIR/apache-access.log)" "$C4 198.18.67.5 80" 'knows the client, and itself'

### runtimes
node=$(host_sh 'test -x /usr/bin/node && echo /usr/bin/node || command -v node') || node=''
if [[ $node ]]; then
    serve in-node 80:6786 --ip 198.18.67.6 -- "$node" "$PROGRAMS/node/web.js" serve 80 2
    run outside curl -sS "http://$H4:6786/path"
    like "$OUT" "\"client\":\"$C4\",\"server\":\"198\.18\.67\.6\",\"port\":80,.*\"path\":\"/path\"" 'Node, with workers'
    run outside "$node" "$PROGRAMS/node/web.js" many "http://[$H6]:6786" 20 10
    is "$OUT" 200 '200 connections'
fi
if host_sh 'command -v javac && mkdir -p "$2/java" && javac -d "$2/java" "$1/java/Web.java"' "$PROGRAMS" "$DIR" >/dev/null 2>&1; then
    java=(java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx128m -cp $DIR/java Web)
    serve in-java 80:6787 --ip 198.18.67.7 -- "${java[@]}" serve 80
    run outside curl -sS "http://$H4:6787/path"
    is "$OUT" "$C4 198.18.67.7 /path" 'Java'
    run outside ab -q -n 500 -c 10 "http://$H4:6787/path"
    like "$OUT" 'Complete requests: +500.*Failed requests: +0' '500 connections'
fi
if command -v go >/dev/null; then
    cache=${BUILD_DIR:-$TESTS/../../build}/go-cache
    if said=$(cd "$TESTS/../programs/go" && CGO_ENABLED=0 GOFLAGS=-mod=mod GOPROXY=off GOCACHE=$cache GOPATH=$scratch/go \
        go build -trimpath -o "$scratch/web" . 2>&1); then
        push "$scratch/web" /usr/local/bin/go-web
        serve in-go 80:6788 --ip 198.18.67.8 -- go-web serve :80
        run outside curl -sS "http://$H4:6788/path"
        is "$OUT" "$C4 198.18.67.8 /path" 'Go'
        run outside go-web many "http://[$H6]:6788" 10 50
        is "$OUT" 500 '500 connections'
    else
        fail 'the Go program is built' "$said"
    fi
fi

done_testing
