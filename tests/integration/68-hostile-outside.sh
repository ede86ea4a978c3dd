#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What hostile apps, users and clients do where the switch meets the outside, it does not let them do to others.
# timeout: 120
. "$(dirname "$0")/lib.sh"
need_command ip
mark_journal

hostile=$PROGRAMS/hostile-outside.py conf=/etc/appswitch/appswitchd.conf.d/68-hostile.conf
at_exit() {
    host_sh 'systemctl stop ax-hostile-{dns,crowd,door,unit}
        rm -f '$conf' /run/systemd/system/ax-hostile-unit.service; systemctl daemon-reload; systemctl restart appswitchd
        ip netns del ax-hostile' >/dev/null 2>&1
}
host_sh 'ip netns add ax-hostile && ip -n ax-hostile link set lo up
    ip link add ax-hostile type veth peer name ax-hostile netns ax-hostile
    ip address add 192.0.2.1/24 dev ax-hostile; ip -n ax-hostile address add 192.0.2.53/24 dev ax-hostile
    ip link set ax-hostile up; ip -n ax-hostile link set ax-hostile up
    mkdir -p /etc/appswitch/appswitchd.conf.d; printf "[AppSwitch]\nDNSForward=192.0.2.53\n" >'$conf'; systemctl restart appswitchd' || bail 'there is an outside'
host systemd-run --quiet --collect --unit=ax-hostile-dns -p NetworkNamespacePath=/run/netns/ax-hostile \
    python3 "$PROGRAMS/name-server.py" 192.0.2.53
answers() {
    client --egress=yes -- getent hosts first.test
}
ok 'the name server answers' wait_until 20 answers

### apps that ask for more names than anybody can look up
for i in 1 2 3 4 5 6; do
    start_app --egress=yes -- python3 "$hostile" greedy mute.test
    ok "greedy app $i asks" wait_until 20 host grep -q ready "$APP_LOG"
done
run client --egress='*.test' -- python3 "$hostile" names 5 slow-300.test
is "$OUT" '{0: 5}' 'names of others are looked up'
for app in "${APPS[@]}"; do
    host ax kill --signal=KILL "$app"
done

### a crowd at a port that the app does not accept from
start_app --expose 80:8068 --expose 81:8069 -- python3 "$hostile" half 80 81
wait_for_listen "$APP" 81
host systemd-run --quiet --collect --unit=ax-hostile-crowd -p NetworkNamespacePath=/run/netns/ax-hostile -p LimitNOFILE=4096 \
    -p StandardOutput=file:/tmp/68-crowd python3 "$hostile" crowd 192.0.2.1 8068 1000
ok 'there is a crowd' wait_until 30 host grep -q ready /tmp/68-crowd
visit() {
    host ip netns exec ax-hostile python3 -c '
import socket
for i in range(50):
    with socket.create_connection(("192.0.2.1", 8069), 10) as s: data = s.recv(10)
print(data.decode())'
}
run visit
is "$OUT" served 'another port of it is served'

### a user who waits for a port that an app listens on again and again
start_app --expose 80:8070 -- python3 "$hostile" toggle 80 60
ok 'an app listens again and again' wait_until 20 host grep -q ready "$APP_LOG"
run host_as bob python3 "$hostile" thief 8070 4
is "$OUT$ERR" never 'nobody else binds its port of the host'

### a user who holds the door for units
host_sh 'printf "%s\n" "[Service]" User=alice TimeoutStartSec=10 "ExecStart=/bin/sleep 1000" "[X-AppSwitch]" Name=ax-hostile-unit \
    >/run/systemd/system/ax-hostile-unit.service; systemctl daemon-reload'
host systemd-run --quiet --collect --unit=ax-hostile-door -p User=bob -p LimitNOFILE=16384 -p StandardOutput=file:/tmp/68-door \
    python3 "$hostile" door /run/appswitch/unit 8192
ok 'a user holds the door' wait_until 20 host grep -q ready /tmp/68-door
run host systemctl start ax-hostile-unit
is "$STATUS" 0 'a unit starts'
is "$(host systemctl is-active ax-hostile-door)" active 'while he does'

is "$(journal_since -p err)" '' 'the journal has no error'
done_testing
