#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Units that are started by connections from outside (Expose=), and by those to virtual services.
# timeout: 240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/units.sh"
need_command curl nginx redis-server ip
mark_journal

at_exit() {
    host_sh 'systemctl stop "xa-*" "appswitch-start@xa-*"; ax remove xa-front; ip netns del xa-world
        rm -rf /etc/systemd/system/xa-* /srv/xa /tmp/xa-*; systemctl daemon-reload
        systemctl reset-failed "xa-*" "appswitch-start@xa-*"' >/dev/null 2>&1
}
# make NAME: reads it, and makes it known.
make() {
    host_sh 'systemctl daemon-reload; systemctl stop "$1"; systemctl restart "appswitch-start@$1"; systemctl reset-failed "$1"' "$1" 2>/dev/null
}
late() {
    sed -n 's/^late: //p' <<<"$OUT"
}

### the world, from where true addresses come
host_sh 'ip netns add xa-world && ip -n xa-world link set lo up && ip link add xa-wire type veth peer name xa-wire netns xa-world
    ip address add 203.0.113.65/29 dev xa-wire; ip address add 2001:db8:78::1/64 dev xa-wire nodad
    for i in 66 67; do ip -n xa-world address add 203.0.113.$i/29 dev xa-wire; done
    ip -n xa-world address add 2001:db8:78::2/64 dev xa-wire nodad
    ip link set xa-wire up; ip -n xa-world link set xa-wire up' || bail 'a world beyond the host'
world() {
    host ip netns exec xa-world "$@"
}

server="/usr/bin/python3 $PROGRAMS/server-late.py"
unit xa-web.service '[Service]' "ExecStart=$server 8000 1.3 /tmp/xa-web" '[X-AppSwitch]' Name=xa-web Listen=8000/tcp StartOnConnect=yes \
    Expose=8000:8078
make xa-web
is "$(state xa-web)" inactive 'it is known, and stopped'
run world curl -sS --interface 203.0.113.66 http://203.0.113.65:8078/
is "$OUT" 'started by a connect of 203.0.113.66' 'a connection to its port of the host starts it, and is of its true client' || diag "$ERR"
host systemctl stop xa-web
mark_journal
run host_connect_many 127.0.0.1 8078 100 /tmp/xa-web
like "$OUT" 'ok: 100' '100 at once get through' || diag "$ERR"
is "$(starts xa-web)" 1 'by one start'
host systemctl stop xa-web
run connect_many xa-web 8000 100 /tmp/xa-web
like "$OUT" 'ok: 100' 'as do those of an app'
within "$(late)" -500 600 'who need not wait for the kernel to repeat itself'

### families
host systemctl stop xa-web
run world curl -sS "http://[2001:db8:78::1]:8078/"
like "$ERR" 'refused|connect to server' 'by IPv6 it is refused, as it was never seen to listen for that'
is "$(state xa-web)" inactive 'and not started'
run host curl -sS http://localhost:8078/
like "$OUT" '^started by' 'so who tries both gets through'
host_sh 'mkdir -p /srv/xa/tmp; cat >/srv/xa/nginx.conf <<CONF
daemon off; pid /srv/xa/pid; error_log /srv/xa/error.log; worker_processes 2; events { }
http { access_log off; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server { listen 80; listen [::]:80; location / { return 200 "started by a connect \$remote_addr\n"; } } }
CONF'
unit xa-nginx.service '[Service]' 'ExecStart=/usr/sbin/nginx -p /srv/xa -c nginx.conf' '[X-AppSwitch]' Name=xa-nginx Listen=80/tcp \
    StartOnConnect=yes Expose=80:8079
make xa-nginx
run host curl -sS http://127.0.0.1:8079/
like "$OUT" '127.0.0.1' 'nginx by IPv4'
host systemctl stop xa-nginx
run world curl -sS "http://[2001:db8:78::1]:8079/"
like "$OUT" '2001:db8:78::2' 'and by IPv6, for which it was seen to listen'
host systemctl stop xa-nginx
host systemctl restart appswitchd
run world curl -sS "http://[2001:db8:78::1]:8079/"
like "$OUT" '2001:db8:78::2' 'a new daemon knows that, too'
host systemctl stop xa-nginx
run host_connect_many 127.0.0.1 8079 100
like "$OUT" 'ok: 100' '100 at once'

### who may not
unit xa-nginx.service '[Service]' 'ExecStart=/usr/sbin/nginx -p /srv/xa -c nginx.conf' '[X-AppSwitch]' Name=xa-nginx Listen=80/tcp \
    StartOnConnect=yes Expose=80:8079 ExposeFrom=203.0.113.66/32
make xa-nginx
run world curl -sS -m 3 --interface 203.0.113.67 http://203.0.113.65:8079/
isnt "$STATUS" 0 'the guard keeps out who may not'
is "$(state xa-nginx)" inactive 'and it is not started for him'
run world curl -sS -m 10 --interface 203.0.113.66 http://203.0.113.65:8079/
like "$OUT" '203.0.113.66' 'but for who may'
unit xa-redis.service '[Service]' 'ExecStart=/usr/bin/redis-server --bind 0.0.0.0 --protected-mode no --save "" --dir /tmp' '[X-AppSwitch]' \
    Name=xa-redis Listen=6379/tcp StartOnConnect=yes Expose=6379:8080
make xa-redis
run host_sh 'timeout 20 redis-cli -p 8080 set a started; timeout 20 redis-cli -p 8080 get a'
like "$OUT" 'started' 'redis, for a client that waits until it is there'

### a daemon that is restarted, and killed, while they wait
unit xa-web.service '[Service]' 'ExecStartPre=/bin/sh -c "until test -e /tmp/xa-go; do sleep 0.1; done"' "ExecStart=$server 8000 0 /tmp/xa-web" \
    '[X-AppSwitch]' Name=xa-web Listen=8000/tcp StartOnConnect=yes Expose=8000:8078
make xa-web
host_connect_many 127.0.0.1 8078 100 >"$scratch/outside" 2>&1 &
outside=$!
connect_many xa-web 8000 40 >"$scratch/inside" 2>&1 &
inside=$!
begun() {
    grep -q begun "$scratch/inside" && grep -q begun "$scratch/outside" && [[ $(state xa-web) == activating ]]
}
ok 'many wait, inside and outside' wait_until 20 begun
host systemctl kill -s KILL appswitchd
host systemctl restart appswitchd
host touch /tmp/xa-go
wait "$outside" "$inside"
like "$(cat "$scratch/outside")" 'ok: 100' 'restarts of the daemon are survived by those outside'
like "$(cat "$scratch/inside")" 'ok: 40' 'and inside'
host_sh 'systemctl stop xa-web; rm /tmp/xa-go'

### what cannot be started
unit xa-web.service '[Service]' Type=oneshot 'ExecStart=/bin/sh -c "until test -e /tmp/xa-go; do sleep 0.1; done; false"' '[X-AppSwitch]' \
    Name=xa-web Listen=8000/tcp StartOnConnect=yes Expose=8000:8078
make xa-web
mark_journal
failing() {
    : >"$scratch/inside"
    : >"$scratch/outside"
    host_connect_many 127.0.0.1 8078 100 >"$scratch/outside" 2>&1 &
    outside=$!
    connect_many xa-web 8000 40 >"$scratch/inside" 2>&1 &
    inside=$!
    wait_until 20 begun || fail 'they wait'
}
failing
host touch /tmp/xa-go
begin=$SECONDS
wait "$outside" "$inside"
like "$(cat "$scratch/outside")" 'Connection re(fused|set by peer): 100' 'if it fails all outside are refused'
like "$(cat "$scratch/inside")" 'Connection refused: 40' 'and inside'
within $((SECONDS - begin)) 0 3 'at once'
like "$(journal_since)" 'connections are refused, as xa-web.service could not be started' 'which is a record'
host_sh 'rm /tmp/xa-go; systemctl reset-failed xa-web'
failing
host systemctl kill -s KILL appswitchd
host touch /tmp/xa-go
wait "$outside" "$inside"
like "$(cat "$scratch/outside")" 'Connection re(fused|set by peer): 100' 'also if the daemon was killed meanwhile'
like "$(cat "$scratch/inside")" 'Connection refused: 40' 'and inside'
host_sh 'rm /tmp/xa-go; systemctl reset-failed xa-web'

### virtual services
unit xa-web.service '[Service]' "ExecStart=$server 8000 0.5 /tmp/xa-web" '[X-AppSwitch]' Name=xa-web Listen=8000/tcp StartOnConnect=yes
make xa-web
host ax create xa-front --port 80:8000 --backend app:xa-web --runtime
is "$(state xa-web)" inactive 'behind a virtual service it is stopped'
start_app --name xa-client -- sleep 1000
run host ax explain xa-client xa-front:80
like "$STATUS $OUT" '^0 +Allowed: .* of xa-front: .*; it starts xa-web\.service.*Backend: xa-web_.*Target: .*:8000' 'ax explain says who is started'
mark_journal
run connect_many xa-front 80 100 /tmp/xa-web
like "$OUT" 'ok: 100' '100 first connects to that get through' || diag "$ERR"
is "$(starts xa-web)" 1 'by one start'
within "$(late)" -500 600 'and are not late'
host systemctl stop xa-web
start_app --name xa-other -- /usr/bin/python3 "$PROGRAMS/server-late.py" 8000 0 /tmp/xa-other
wait_for_listen "$APP" 8000
host ax remove xa-front
host ax create xa-front --port 80:8000 --backend app:xa-web --backend app:xa-other --runtime
run connect_many xa-front 80 20
like "$OUT" 'ok: 20' 'if another backend runs'
is "$(state xa-web)" inactive 'it is not started'
stop_app "$APP"
run connect_many xa-front 80 20
like "$OUT" 'ok: 20' 'when that is gone'
is "$(state xa-web)" active 'it is'
host systemctl stop xa-web
unit xa-web.service '[Service]' Type=oneshot 'ExecStart=/bin/false' '[X-AppSwitch]' Name=xa-web Listen=8000/tcp StartOnConnect=yes
make xa-web
run connect_many xa-front 80 20
like "$OUT" 'Connection refused: 20' 'and a failure is told as ever'
done_testing
