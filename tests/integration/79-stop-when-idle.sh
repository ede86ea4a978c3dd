#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Units that are started by connections, and stopped when nobody is connected (StopWhenIdleSec=).
# timeout: 240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/units.sh"
need_command curl nginx redis-server
mark_journal

at_exit() {
    host_sh 'systemctl stop "xi-*" "appswitch-start@xi-*"; rm -rf /etc/systemd/system/xi-* /srv/xi /tmp/xi-*; systemctl daemon-reload
        systemctl reset-failed "xi-*" "appswitch-start@xi-*"' >/dev/null 2>&1
}
stops() {
    journal_since | grep -c 'is stopped, as nobody was connected'
}
hold() {
    host systemd-run --quiet --collect --unit=xi-hold ax run --collect -- python3 -c "import socket, time
s = socket.create_connection(('xi-nginx', 80)); s.send(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); time.sleep($1)"
}

host_sh 'mkdir -p /srv/xi/tmp; cat >/srv/xi/nginx.conf <<CONF
daemon off; pid /srv/xi/pid; error_log /srv/xi/error.log; worker_processes 2; events { }
http { access_log off; keepalive_timeout 600s; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server { listen 80; listen [::]:80; location / { return 200 "started by a connect \$remote_addr\n"; } } }
CONF'
unit xi-nginx.service '[Service]' 'ExecStart=/usr/sbin/nginx -p /srv/xi -c nginx.conf' '[X-AppSwitch]' Name=xi-nginx Listen=80/tcp \
    StartOnConnect=yes StopWhenIdleSec=2 Expose=80:8081
host systemctl daemon-reload
host systemctl start appswitch-start@xi-nginx
run client -- curl -sS http://xi-nginx/
like "$OUT" 'started by a connect' 'it is started'
ok 'it is stopped when nobody is connected' wait_until 15 is_state xi-nginx inactive
is "$(stops)" 1 'which is a record'
hold 6
ok 'it is started again' wait_until 10 is_state xi-nginx active
sleep 5
is "$(state xi-nginx)" active 'and not stopped while a connection is open, though nothing comes by it'
ok 'but then' wait_until 15 is_state xi-nginx inactive

### from outside
host_sh 'systemd-run --quiet --collect --unit=xi-hold2 python3 -c "import socket, time
s = socket.create_connection((\"127.0.0.1\", 8081)); s.send(b\"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"); time.sleep(6)"'
ok 'a connection from outside starts it' wait_until 10 is_state xi-nginx active
sleep 5
is "$(state xi-nginx)" active 'and counts'
ok 'until it ends' wait_until 15 is_state xi-nginx inactive

### a restart of the daemon
hold 8
wait_until 10 is_state xi-nginx active
host systemctl restart appswitchd
sleep 4
is "$(state xi-nginx)" active 'a new daemon counts what was there'
ok 'and stops it in the end' wait_until 20 is_state xi-nginx inactive

### connects around the time that it is stopped at
unit xi-redis.service '[Service]' 'ExecStart=/usr/bin/redis-server --bind 0.0.0.0 --protected-mode no --save "" --dir /tmp' '[X-AppSwitch]' \
    Name=xi-redis Listen=6379/tcp StartOnConnect=yes StopWhenIdleSec=1s
unit xi-slow.service '[Service]' "ExecStart=/usr/bin/python3 $PROGRAMS/server-late.py 8000 0 /tmp/xi-slow" '[X-AppSwitch]' \
    Name=xi-slow Listen=8000/tcp StartOnConnect=yes StopWhenIdleSec=1s Expose=8000:8082
unit xi-nginx.service '[Service]' 'ExecStart=/usr/sbin/nginx -p /srv/xi -c nginx.conf' '[X-AppSwitch]' Name=xi-nginx Listen=80/tcp \
    StartOnConnect=yes StopWhenIdleSec=1s
host_sh 'for u in xi-nginx xi-slow xi-redis; do mkdir -p /etc/systemd/system/$u.service.d
        printf "[Unit]\nStartLimitIntervalSec=0\n" >/etc/systemd/system/$u.service.d/limit.conf; done
    systemctl daemon-reload; systemctl restart appswitch-start@xi-nginx appswitch-start@xi-slow appswitch-start@xi-redis'
mark_journal
churn() {
    client -- /usr/bin/python3 "$PROGRAMS/connect-churn.py" "$@"
}
CLIENT_TIMEOUT=90
churn xi-nginx 80 30 1.05 >"$scratch/churn1" 2>&1 &
churn1=$!
host timeout 90 /usr/bin/python3 "$PROGRAMS/connect-churn.py" 127.0.0.1 8082 30 1.1 >"$scratch/churn2" 2>&1 &
churn2=$!
for i in {1..12}; do
    host_sh 'timeout 20 ax run --collect -- redis-cli -h xi-redis ping'
    sleep 1.$((RANDOM % 10))
done >"$scratch/churn3" 2>&1
wait "$churn1" "$churn2"
like "$(cat "$scratch/churn1")" 'total: ([0-9]+) ok: ([0-9]+)$' 'connects of an app around that time never fail' || diag "$(cat "$scratch/churn1")"
like "$(cat "$scratch/churn2")" 'total: ([0-9]+) ok: ([0-9]+)$' 'nor those from outside' || diag "$(cat "$scratch/churn2")"
is "$(grep -c PONG "$scratch/churn3")" 12 'nor those of redis-cli' || diag "$(cat "$scratch/churn3")"
within "$(stops)" 5 200 'though they were stopped again and again'

### a daemon that is killed meanwhile
churn xi-nginx 80 25 1.05 >"$scratch/churn1" 2>&1 &
churn1=$!
for i in {1..8}; do
    sleep 2.$((RANDOM % 10))
    host systemctl kill -s KILL appswitchd
done
wait "$churn1"
like "$(cat "$scratch/churn1")" 'total: ([0-9]+) ok: ([0-9]+)$' 'nor if the daemon is killed time and again' || diag "$(cat "$scratch/churn1")"

### bad input
unit xi-bad.service '[Service]' 'ExecStart=/bin/true' '[X-AppSwitch]' Name=xi-bad StopWhenIdleSec=5
host systemctl daemon-reload
like "$(host ax verify xi-bad 2>&1)" 'StopWhenIdleSec= wants StartOnConnect=yes' 'it wants StartOnConnect='
unit xi-bad.service '[Service]' 'ExecStart=/bin/true' '[X-AppSwitch]' Name=xi-bad Listen=1/tcp StartOnConnect=yes StopWhenIdleSec=soon
like "$(host ax verify xi-bad 2>&1)" "Invalid StopWhenIdleSec= 'soon': it must be infinity, or a time of 1s to 365d" 'and a time'
done_testing
