#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Units that are apps and the outside: exposed ports, egress, sockets that the service manager hands over; and what
# `systemd-run` makes for users and at terminals.
# timeout: 120
. "$(dirname "$0")/lib.sh"
need_command curl nginx ip script
mark_journal

dir=/etc/systemd/system
host_sh 'ip netns add ax-world && ip -n ax-world link set lo up
    ip link add ax-wire type veth peer name ax-wire netns ax-world
    ip address add 203.0.113.1/24 dev ax-wire; ip link set ax-wire up; ip -n ax-world link set ax-wire up
    for i in 2 3; do ip -n ax-world address add 203.0.113.$i/24 dev ax-wire; done' || bail 'a world beyond the host'
at_exit() {
    host_sh 'systemctl stop nginx "xo-*" "user@*"; ip netns del ax-world; rm -rf /etc/systemd/system/xo-* /etc/systemd/system/nginx.service* /tmp/xo-*
        ln -s /dev/null /etc/systemd/system/nginx.service
        systemctl daemon-reload; systemctl reset-failed' >/dev/null 2>&1
}
world() {
    host ip netns exec ax-world "$@"
}
unit() {
    local name=$1
    shift
    printf '%s\n' "$@" | host tee "$dir/$name" >/dev/null
}
app_of() {
    host ax list --json=short | /usr/bin/python3 -c '
import json, sys
for app in json.load(sys.stdin):
    if app["unit"] == sys.argv[1]:
        print(app["id"])' "$1"
}

### nginx, with three lines
host_sh 'rm -f /etc/systemd/system/nginx.service; systemctl daemon-reload
    printf "[X-AppSwitch]\nName=xo-nginx\nExpose=80:8077\nExposeFrom=203.0.113.2\n" >/tmp/xo-lines
    printf "#!/bin/sh\nfor f; do :; done\nsed -i \"/^### Anything/r /tmp/xo-lines\" \"\$f\"\n" >/tmp/xo-editor; chmod +x /tmp/xo-editor'
run host_sh 'SYSTEMD_EDITOR=/tmp/xo-editor script -qec "systemctl edit nginx" /dev/null'
is "$STATUS" 0 'systemctl edit' || diag "$OUT"
run host systemctl start nginx
is "$STATUS" 0 'nginx starts' || diag "$(host systemctl status --no-pager nginx 2>&1)"
APP=$(app_of nginx.service)
wait_for_listen "$APP" 80
run world curl -sS --interface 203.0.113.2 -o /dev/null -w '%{http_code}' http://203.0.113.1:8077/
is "$OUT" 200 'it is reached from outside, at a port of the host'
is "$(host tail -n 1 /var/log/nginx/access.log | cut -d' ' -f1)" 203.0.113.2 'and logs the true address'
run world curl -sS --interface 203.0.113.3 http://203.0.113.1:8077/
is "$STATUS" 7 'ExposeFrom= keeps others away'
host systemctl restart nginx
APP=$(app_of nginx.service)
wait_for_listen "$APP" 80
run world curl -sS --interface 203.0.113.2 -o /dev/null -w '%{http_code}' http://203.0.113.1:8077/
is "$OUT" 200 'and again after a restart'
host systemctl stop nginx
run world curl -sS --interface 203.0.113.2 http://203.0.113.1:8077/
is "$STATUS" 7 'with the unit the port ends'

### egress
host systemd-run --quiet --unit=xo-there -p NetworkNamespacePath=/run/netns/ax-world python3 -m http.server --directory /srv 8070
there() {
    world curl -so /dev/null http://203.0.113.2:8070/
}
wait_until 10 there || diag 'nothing listens outside'
unit xo-out.service '[Service]' Type=oneshot \
    'ExecStart=/bin/sh -c "for i in 2 3; do curl -sS -o /dev/null -w %%{http_code} http://203.0.113.$$i:8070/; echo; done"' \
    StandardOutput=file:/tmp/xo-out StandardError=file:/tmp/xo-err '[X-AppSwitch]' Name=xo-out 'Egress=203.0.113.2:8070'
host_sh 'systemctl daemon-reload; systemctl start xo-out'
is "$(host cat /tmp/xo-out)" $'200\n000' 'Egress= lets a unit reach what it names'
like "$(journal_since)" 'xo-out_.*203\.0\.113\.3' 'and nothing else, which is in the journal'

### sockets that are handed over
unit xo-sock.socket '[Socket]' ListenStream=8071
unit xo-sock.service '[Service]' 'ExecStart=/usr/bin/python3 /tmp/xo-sock.py' '[X-AppSwitch]' Name=xo-sock Address=198.18.77.1
host tee /tmp/xo-sock.py >/dev/null <<'PY'
import socket
s = socket.socket(fileno=3)
while True:
    c, peer = s.accept()
    c.sendall(f"{peer[0].removeprefix('::ffff:')} {socket.gethostbyname('xo-sock')}\n".encode())
    c.close()
PY
unit xo-each.socket '[Socket]' ListenStream=8072 Accept=yes
unit 'xo-each@.service' '[Service]' 'ExecStart=/bin/sh -c "echo $$REMOTE_ADDR; getent hosts xo-each"' StandardInput=socket '[X-AppSwitch]' Name=xo-each
host_sh 'systemctl daemon-reload; systemctl start xo-sock.socket xo-each.socket'
take='import socket, sys
s = socket.create_connection(("203.0.113.1", int(sys.argv[1])))
print(s.makefile().read(), end="")'
run world python3 -c "$take" 8071
is "$OUT" '203.0.113.2 198.18.77.1' 'a socket that is handed over is one of the host, and the unit is an app'
run world python3 -c "$take" 8071
is "$OUT" '203.0.113.2 198.18.77.1' 'also for the second one'
run world python3 -c "$take" 8072
like "$OUT" '203\.0\.113\.2.*xo-each' 'Accept=yes: so is a connection'
each_is_gone() {
    [[ $(host ax list --no-legend) != *xo-each* ]]
}
ok 'and the app ends with it' wait_until 5 each_is_gone

### namespaces of other units
unit xo-joins.service '[Unit]' JoinsNamespaceOf=xo-sock.service '[Service]' PrivateTmp=yes ExecStart=/bin/true '[X-AppSwitch]' Name=xo-joins
host systemctl daemon-reload
run host systemctl start xo-joins
isnt "$STATUS" 0 'JoinsNamespaceOf= is refused'
run host ax verify xo-joins
like "$ERR" 'JoinsNamespaceOf= cannot be an app' 'and ax verify says so'

### terminals
run host_sh 'script -qec "ax systemd-run --quiet --pty --wait --collect -p AppSwitch=name=xo-pty sh -c \"tty; getent hosts xo-pty; exit 5\"" /dev/null'
is "$STATUS" 5 '--pty: the status'
like "$OUT" '/dev/pts/.*xo-pty' 'a terminal, in an app'
### users
uid=$(host id -u alice)
host systemctl start "user@$uid"
as_alice() {
    host runuser -u alice -- env XDG_RUNTIME_DIR="/run/user/$uid" "$@"
}
run as_alice ax systemd-run --user --quiet --pipe --wait --collect -p AppSwitch='name=xo-user' sh -c 'getent hosts xo-user; id -un; exit 6' </dev/null
is "$STATUS" 6 '--user: the status' || diag "$OUT" "$ERR"
like "$OUT" 'xo-user.alice' "what a user's manager starts for him is an app of his"
run as_alice ax systemd-run --quiet -p AppSwitch=name=xo-user true
like "$ERR" 'Only root .*see --user' 'a service of the system is for root, and the user is told what is for him'

done_testing
