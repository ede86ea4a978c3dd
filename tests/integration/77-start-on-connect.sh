#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Units that are started by the first connect to them.
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/units.sh"
mark_journal

at_exit() {
    host_sh 'systemctl stop "xs-*" "appswitch-start@xs-*"; rm -rf /etc/systemd/system/xs-* /srv/xs /tmp/xs-*; systemctl daemon-reload
        systemctl reset-failed "xs-*" "appswitch-start@xs-*"' >/dev/null 2>&1
}
host_sh 'mkdir -p /srv; echo started by a connect >/srv/xs'
unit xs-web.service '[Service]' 'ExecStartPre=/bin/sleep 1' 'ExecStart=/usr/bin/python3 -m http.server --directory /srv 8000' '[X-AppSwitch]' \
    Name=xs-web Listen=8000/tcp StartOnConnect=yes
host systemctl daemon-reload
like "$(host systemctl show -P Wants multi-user.target)" 'appswitch-start@xs-web\.service' 'it is wanted at boot'
ok 'it is made known' host systemctl start multi-user.target
is "$(state appswitch-start@xs-web)" active 'by that'
is "$(state xs-web)" inactive 'the unit is not started by that'
like "$(host ax list)" 'xs-web_.* xs-web\.service' 'ax list has it'
run client -- python3 -c 'import socket; print(socket.create_connection(("xs-web", 8001)))'
like "$ERR" 'refused' 'another port is refused'
is "$(state xs-web)" inactive 'and starts nothing'
start_app --name xs-client -- sleep 1000
run host ax explain xs-client xs-web:8000
like "$STATUS $OUT" '^0 +Allowed: .*; it starts xs-web\.service.*Backend: xs-web_' 'ax explain says that a connect starts it'
like "$(host ax --json=short explain xs-client xs-web:8000)" '"verdict":"starts"' 'to programs, too'
like "$(host ax --json=short explain xs-client xs-web:8001)" '"verdict":"no-backend"' 'and that one to another port does not'
is "$(state xs-web)" inactive 'to ask starts nothing'
run connect_many xs-web 8000 100
like "$OUT" 'ok: 100$' '100 first connects get through' || diag "$ERR"
is "$(starts xs-web)" 1 'by one start'
run connect_many xs-web 8000 20
like "$OUT" 'ok: 20$' 'as do others, when it listens'
like "$(host ax --json=short explain xs-client xs-web:8000)" '"verdict":"connects"' 'which ax explain says then'
host systemctl stop xs-web
is "$(state appswitch-start@xs-web)" active 'it is known when it is stopped again'
run connect_many xs-web 8000 4
like "$OUT" 'ok: 4$' 'and is started again'
host systemctl stop xs-web

### the daemon is restarted meanwhile
unit xs-web.service '[Service]' 'ExecStartPre=/bin/sh -c "until test -e /tmp/xs-go; do sleep 0.1; done"' \
    'ExecStart=/usr/bin/python3 -m http.server --directory /srv 8000' '[X-AppSwitch]' Name=xs-web Listen=8000/tcp StartOnConnect=yes
host systemctl daemon-reload
connect_many xs-web 8000 20 >"$scratch/waiting" 2>&1 &
pid=$!
begun() {
    grep -q begun "$scratch/waiting" && [[ $(state xs-web) == activating ]]
}
ok 'who connects waits' wait_until 20 begun
host systemctl restart appswitchd
host systemctl kill -s KILL appswitchd
host touch /tmp/xs-go
wait "$pid"
like "$(cat "$scratch/waiting")" 'ok: 20$' 'restarts of the daemon are survived'
host_sh 'systemctl stop xs-web'

### one user does not take all the room
host rm -f /tmp/xs-go
fill='
import collections, errno, resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) for _ in range(int(sys.argv[1]))]
address = socket.gethostbyname("xs-web")
results = collections.Counter(errno.errorcode[s.connect_ex((address, 8000))] for s in sockets)
print(*(f"{k}: {v}" for k, v in sorted(results.items())))'
AS_USER=alice run client -- python3 -c "$fill" 1100
is "$OUT" 'ECONNREFUSED: 76 EINPROGRESS: 1024' 'a bound holds for the connects of one user that wait' || diag "$ERR"
run client -- python3 -c "$fill" 100
is "$OUT" 'EINPROGRESS: 100' 'and those of others wait, too' || diag "$ERR"
host systemctl restart appswitchd
AS_USER=alice run client -- python3 -c "$fill" 10
is "$OUT" 'ECONNREFUSED: 10' 'the next daemon knows whose they are' || diag "$ERR"
host touch /tmp/xs-go
host_sh 'systemctl stop xs-web'

### what cannot be started
unit xs-web.service '[Service]' 'ExecStart=/bin/sh -c "sleep 2; false"' Type=oneshot '[X-AppSwitch]' Name=xs-web Listen=8000/tcp StartOnConnect=yes
host systemctl daemon-reload
mark_journal
run connect_many xs-web 8000 100
like "$OUT" 'Connection refused: 100$' 'all are refused if it fails'
is "$(journal_since | grep -c 'connections are refused, as xs-web.service could not be started')" 1 'by one record' || diag "$(journal_since)"
unit xs-web.service '[Service]' 'ExecStart=/bin/sleep 1' '[X-AppSwitch]' Name=xs-web Listen=8000/tcp StartOnConnect=yes
host_sh 'systemctl daemon-reload; systemctl reset-failed xs-web'
run connect_many xs-web 8000 10
like "$OUT" 'Connection refused: 10$' 'and if it ends before it listens'
unit xs-bad.service '[Service]' 'ExecStart=/bin/true' '[X-AppSwitch]' Name=xs-bad StartOnConnect=yes
host systemctl daemon-reload
run host ax systemd-run -p AppSwitch='name=xs Listen=80/tcp StartOnConnect=yes' true
like "$ERR" 'wants a unit file' 'a transient unit cannot be'
like "$(host ax verify xs-bad 2>&1)" 'StartOnConnect= wants Listen=' 'ports are wanted'
ok 'it is forgotten' host systemctl stop appswitch-start@xs-web
is "$(host ax list --no-legend | grep -c xs-web)" 0 'then'
done_testing
