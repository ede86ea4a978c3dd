#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Units that are apps and the outside: exposed ports, egress, sockets that the service manager hands over; and what
# `systemd-run` makes for users and at terminals.
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/units.sh"
need_command curl nginx ip script
mark_journal

host_sh 'ip netns add ax-world && ip -n ax-world link set lo up
    ip link add ax-wire type veth peer name ax-wire netns ax-world
    ip address add 203.0.113.1/24 dev ax-wire; ip link set ax-wire up; ip -n ax-world link set ax-wire up
    for i in 2 3; do ip -n ax-world address add 203.0.113.$i/24 dev ax-wire; done' || bail 'a world beyond the host'
at_exit() {
    host_sh 'systemctl stop nginx "xo-*" "user@*"; ip netns del ax-world; rm -rf /etc/systemd/system/xo-* /etc/systemd/system/nginx.service* /tmp/xo-* /usr/local/xo-*
        ln -s /dev/null /etc/systemd/system/nginx.service
        systemctl daemon-reload; systemctl reset-failed' >/dev/null 2>&1
}
world() {
    host ip netns exec ax-world "$@"
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

### units of one app
# Of two units that join each other's namespaces what each of them sees of the other one, natively and as an app.
host tee /tmp/xo-see.sh >/dev/null <<'SH'
sees() { "$@" >/dev/null 2>&1 && echo yes || echo no; }
echo "tmp: $(sees test -e /tmp/xo-of-the-first)"
echo "shm: $(sees ipcs -m -i "$(ipcs -m | sed -n 's/^0x00077077 *\([0-9]*\).*/\1/p')")"
echo "loopback: $(sees curl -s -m 5 http://127.0.0.1:8078/)"
echo "network: $(sees test "$(readlink /proc/self/ns/net)" = "$(cat /tmp/xo-netns)")"
SH
joining=('[Service]' PrivateTmp=yes PrivateIPC=yes PrivateNetwork=yes)
first='ExecStart=/bin/bash -c "ip link set lo up; touch /tmp/xo-of-the-first; readlink /proc/self/ns/net >/tmp/xo-netns; python3 -c \"import ctypes; ctypes.CDLL(None).shmget(0x77077, 4096, 0o1600)\"; exec python3 -m http.server 8078"'
see='ExecStart=/bin/bash -c "while ! curl -s -m 1 -o /dev/null http://127.0.0.1:8078; do sleep 0.1; ((i++ < 50)) || break; done; bash /usr/local/xo-see.sh"'
host cp /tmp/xo-see.sh /usr/local/xo-see.sh
unit xo-first-native.service "${joining[@]}" "$first"
unit xo-second-native.service '[Unit]' JoinsNamespaceOf=xo-first-native.service "${joining[@]}" StandardOutput=append:/tmp/xo-native Type=oneshot "$see"
unit xo-first.service "${joining[@]}" "$first" '[X-AppSwitch]' Name=xo-joined Address=198.18.77.5
unit xo-second.service '[Unit]' JoinsNamespaceOf=xo-first.service "${joining[@]}" StandardOutput=append:/tmp/xo-app Type=oneshot "$see" \
    'ExecStartPost=/bin/sh -c "curl -s http://xo-joined:8078 >/tmp/xo-by-name"' ExecStartPost=+/bin/true '[X-AppSwitch]'
unit xo-third.service '[Unit]' JoinsNamespaceOf=xo-second.service '[Service]' User=alice PrivateTmp=yes 'ExecStart=/usr/bin/python3 -m http.server 8079' \
    '[X-AppSwitch]' Name=xo-joined Address=198.18.77.5
unit 'xo-many@.service' '[Unit]' JoinsNamespaceOf=xo-first.service '[Service]' 'ExecStart=/usr/bin/python3 -m http.server %i' '[X-AppSwitch]'
host systemctl daemon-reload
run host systemctl start xo-first-native xo-first
is "$STATUS" 0 'the first ones start' || diag "$(host journalctl --no-pager -n 20)"
run host systemctl start xo-second-native xo-second
is "$STATUS" 0 'and those that join them' || diag "$(host systemctl status --no-pager xo-second 2>&1)"
is "$(host cat /tmp/xo-native)" $'tmp: yes\nshm: yes\nloopback: yes\nnetwork: yes' 'natively, units that join share /tmp, IPC and the network'
run host ax verify xo-first xo-second
is "$STATUS $ERR" '0 ' 'ax verify finds nothing wrong with them, an empty section included'
is "$(host cat /tmp/xo-app)" "$(host cat /tmp/xo-native)" 'and so they do as one app'
is "$(host ax list --no-legend | grep -c xo-joined)" 1 'which it is'
run host systemctl start xo-third xo-many@8080
is "$STATUS" 0 'who joins one that joins, and an instance, start' || diag "$(host systemctl status --no-pager xo-third 2>&1)"
APP=$(app_of xo-first.service)
for port in 8078 8079 8080; do
    wait_for_listen "$APP" "$port"
    run client -- curl -s -o /dev/null -w '%{http_code}' "http://xo-joined:$port"
    is "$OUT" 200 "port $port is one of the app"
done
pid=$(host systemctl show -P MainPID xo-third)
host systemctl restart appswitchd
run client -- curl -s -o /dev/null -w '%{http_code}' http://xo-joined:8079
is "$OUT" 200 'over a restart of the daemon'
host systemctl restart xo-first
wait_for_listen "$APP" 8078
is "$(host systemctl show -P MainPID xo-third) $(app_of xo-first.service)" "$pid $APP" 'a restart of the first leaves the others and the app alone, as natively'
host systemctl stop xo-first
run client -- curl -s -o /dev/null -w '%{http_code}' http://xo-joined:8079
is "$OUT" 200 'the app is there as long as one of its units is'
host systemctl start xo-first
run host ax stop "$APP"
is "$STATUS $(host systemctl is-active xo-first xo-third xo-many@8080 | xargs)" '0 inactive inactive inactive' 'ax stop stops all of them'
is "$(host systemctl is-active appswitch-join@xo-first)" inactive 'and nothing is left'
run host systemctl start xo-third
is "$STATUS" 0 'one that joins starts without the first'
APP=$(app_of xo-first.service)
wait_for_listen "$APP" 8079
run host systemctl start xo-first
wait_for_listen "$APP" 8078
pass 'which joins it then'
host systemctl stop xo-first xo-third
joined_is_gone() {
    [[ $(host ax list --no-legend) != *xo-joined* && $(host systemctl is-active appswitch-join@xo-first) == inactive ]]
}
ok 'the app ends with the last of its units' wait_until 10 joined_is_gone

# refused_join UNIT REGEX TEXT: does not start, and says why
refused_join() {
    run host systemctl start "$1"
    isnt "$STATUS" 0 "$3: does not start"
    run host ax verify "$1"
    like "$ERR" "$2" "$3: ax verify says why"
}
unit xo-plain.service '[Service]' PrivateTmp=yes ExecStart=/bin/true
unit xo-bad1.service '[Unit]' JoinsNamespaceOf=xo-plain.service '[Service]' ExecStart=/bin/true '[X-AppSwitch]' Name=xo-bad
unit xo-bad2.service '[Unit]' JoinsNamespaceOf=xo-first.service '[Service]' ExecStart=/bin/true '[X-AppSwitch]' Name=xo-bad
unit xo-bad3.service '[Unit]' 'JoinsNamespaceOf=xo-first.service xo-sock.service' '[Service]' ExecStart=/bin/true '[X-AppSwitch]'
unit xo-round1.service '[Unit]' JoinsNamespaceOf=xo-round2.service '[Service]' 'ExecStart=/usr/bin/python3 -m http.server 8081' '[X-AppSwitch]' Name=xo-round
unit xo-round2.service '[Unit]' JoinsNamespaceOf=xo-round1.service '[Service]' 'ExecStart=/usr/bin/python3 -m http.server 8082' '[X-AppSwitch]'
host systemctl daemon-reload
refused_join xo-bad1 'xo-plain\.service must have a section \[X-AppSwitch\], too' 'who joins a unit that is no app'
refused_join xo-bad2 'of the app of xo-first\.service, so its section must say the same, or nothing' 'who joins one, and wants another name'
refused_join xo-bad3 'leads to the app of xo-first\.service and to that of xo-sock\.service' 'who joins two'
run host systemctl start xo-round1 xo-round2
is "$STATUS" 0 'two that join each other'
APP=$(app_of xo-round1.service)
wait_for_listen "$APP" 8081
wait_for_listen "$APP" 8082
pass 'are one app'
host systemctl stop xo-round1 xo-round2

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

done_testing
