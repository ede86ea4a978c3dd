#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Who may reach an exposed port: by the guard, a table of nftables, and when a connection is accepted.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_command nft ip curl
mark_journal

exposed=$PROGRAMS/exposed.py
H4=198.51.100.1 H6=2001:db8:61::1
MANAGER=(io.appswitch1 /io/appswitch1 io.appswitch1.Manager)

### the world: who is .2 and ::2 there may reach what is exposed to him
host_sh 'ip netns add ax-guarded && ip -n ax-guarded link set lo up
    ip link add ax-gate type veth peer name ax-gate netns ax-guarded
    ip address add 198.51.100.1/24 dev ax-gate; ip address add 2001:db8:61::1/64 dev ax-gate nodad
    for i in 2 3 4; do
        ip -n ax-guarded address add 198.51.100.$i/24 dev ax-gate; ip -n ax-guarded address add 2001:db8:61::$i/64 dev ax-gate nodad
    done
    ip link set ax-gate up; ip -n ax-guarded link set ax-gate up' || bail 'a world beyond the host'
DROPIN=/run/systemd/system/appswitchd.service.d/61-guard.conf
at_exit() {
    # shellcheck disable=SC2016
    host_sh 'systemctl stop "ax-guarded-*"; ip netns del ax-guarded; nft delete table inet others
        rm -rf /tmp/guard-*; rm -f /run/appswitch/appswitchd.conf.d/61.conf
        if [ -e "$1" ]; then rm "$1"; systemctl daemon-reload; systemctl stop appswitchd; fi
        systemctl start appswitchd' "$DROPIN" >/dev/null 2>&1
}
# from SOURCE PORT: what a client hears there, by the family of the source; at once.
from() {
    local to=$H4
    [[ $1 != *:* ]] || to=$H6
    run host ip netns exec ax-guarded timeout 10 python3 "$exposed" ask "$to" "$2" "$1"
}
refused() {
    from "$2" "$3"
    like "$ERR" 'ConnectionRefused' "$1"
}
served() {
    from "$2" "$3"
    like "$OUT" '^me ' "$1"
}
# listed EXPRESSION: of `ax list exposed`, `x`.
listed() {
    host ax list exposed --json=short | /usr/bin/python3 -c 'import json, sys
x = json.load(sys.stdin)
print(eval(sys.argv[1]))' "$1"
}
table() {
    host nft list table inet appswitch 2>&1
}
has_table() {
    host nft list table inet appswitch
}
has_no_table() {
    ! has_table
}
# guarded PORT...: those are, and no others.
guarded() {
    [[ $(host nft -j list table inet appswitch 2>/dev/null | /usr/bin/python3 -c 'import json, sys
t = json.load(sys.stdin)["nftables"]
ports = {e[0] for o in t if "map" in o for e in o["map"].get("elem", [])}
chains = {o["chain"]["name"] for o in t if "chain" in o} - {"input"}
counters = {o["counter"]["name"].split("-")[1] for o in t if "counter" in o}
assert chains == {f"tcp-{p}" for p in ports} and counters == {str(p) for p in ports}, (ports, chains, counters)
print(*sorted(ports))' || true) == "$*" ]]
}

### nothing
is "$(host ax list exposed)" '0 exposed ports listed.' 'nothing is exposed'
ok 'and there is no table' has_no_table
host_sh 'nft "table inet others { chain theirs { type filter hook input priority 10; tcp dport 4242 counter drop; }; }"'

### networks
start_app --name guarded --ip 198.18.61.1 --ip fd00:61::1 --expose 7000:8061 --expose-from "198.51.100.2,2001:db8:61::2/128" -- \
    python3 "$exposed" serve 7000 epoll
app=$APP
wait_for_listen "$app" 7000
ok 'the port is guarded' wait_until 10 guarded 8061
served 'who may is served' 198.51.100.2 8061
served 'and by IPv6' 2001:db8:61::2 8061
refused 'who may not is refused' 198.51.100.3 8061
refused 'and by IPv6' 2001:db8:61::3 8061
run host timeout 10 python3 "$exposed" ask 127.0.0.1 8061
like "$ERR" 'ConnectionRefused' 'the host itself, too, if it is not named'
run table
like "$OUT" 'flags owner' 'the table has an owner'
like "$OUT" 'ip saddr 198\.51\.100\.2 return' 'it says who may'
like "$OUT" 'reject with tcp reset' 'and how all others are refused'
is "$(listed '[(p["address"], p["host_port"], p["port"], p["apps"], p["from"], p["listens"], p["accepted"], p["refused"], p["guarded"]) for p in x]')" \
    "[('0.0.0.0', 8061, 7000, ['$app'], ['198.51.100.2', '2001:db8:61::2'], True, 1, 0, True), ('::', 8061, 7000, ['$app'], ['198.51.100.2', '2001:db8:61::2'], True, 1, 0, True)]" \
    'ax list exposed says who may reach what'
is "$(listed '[p["packets_refused"] for p in x]')" '[2, 1]' 'how many were refused'
ok 'and what came' test "$(listed 'all(p["packets"] > 4 and p["bytes"] > 200 for p in x)')" = True
run host ax list exposed
like "$OUT" "0\.0\.0\.0:8061 +7000 +$app +198\.51\.100\.2,2001:db8:61::2 +listening +1 +2 +[0-9]+ +[0-9]+" 'as a table, too'
is "$(host_as nobody ax list exposed --no-legend | wc -l)" 2 'everybody may look'
is "$(journal_since --grep 'was refused a connection to.*of the host' | grep -c refused)" 0 'who is refused by the guard gets no further'
like "$(host busctl call "${MANAGER[@]}" ListExposed)" '^aa\{sv\} 2 ' 'the bus has it'

### others
before=$(table | sed 's/packets.*//')
run host nft flush ruleset
is "$STATUS" 0 'nft flush ruleset'
is "$(table | sed 's/packets.*//')" "$before" 'leaves the guard alone'
for try in 'delete table inet appswitch' 'flush table inet appswitch' 'add rule inet appswitch input accept' 'delete chain inet appswitch tcp-8061' \
    'add element inet appswitch tcp-ports { 1 : accept }'; do
    run host nft "$try"
    like "$ERR" 'Operation not permitted' "others cannot: nft $try"
done
is "$(table | sed 's/packets.*//')" "$before" 'so it is what it was'
host_sh 'nft "table inet others { chain theirs { type filter hook input priority 10; tcp dport 4242 counter drop; }; }"'

### several apps of one identity
start_app --name guarded --ip 198.18.61.1 --expose 7000:8061 --expose-from 198.51.100.3 -- python3 "$exposed" serve 7000 epoll
second=$APP
wait_for_listen "$second" 7000
may_too() {
    from 198.51.100.3 8061
    [[ $OUT == me* ]]
}
ok 'whom one of two is exposed to may reach it' wait_until 10 may_too
ids=$(for i in 2 3 2 3; do from 198.51.100.$i 8061; echo "$OUT" | awk '{ print $NF }'; done)
is "$(sort -u <<<"$ids" | wc -l) $(sed -n 1p <<<"$ids")$(sed -n 2p <<<"$ids")" \
    "2 $(sed -n 3p <<<"$ids")$(sed -n 4p <<<"$ids")" 'and gets that one'
refused 'nobody else' 198.51.100.4 8061
stop_app "$second"
may_not() {
    from 198.51.100.3 8061
    [[ $ERR == *ConnectionRefused* ]]
}
ok 'no more when that is gone' wait_until 10 may_not
unlike "$(table)" '198\.51\.100\.3' 'nor is it in the table'

### connections are looked at, cut and counted
host_sh 'cat >/tmp/guard-hold.py <<PY
import socket, sys, time
held = [socket.create_connection((sys.argv[1], 8061), 5, source_address=("198.51.100.2", 0)) for _ in range(int(sys.argv[2]))]
print("held", flush=True)
closed = 0
for s in held:
    s.settimeout(None)
    while s.recv(4096): pass
    closed += 1
    print("closed", closed, flush=True)
PY'
host systemd-run --quiet --collect --unit=ax-guarded-hold -p NetworkNamespacePath=/run/netns/ax-guarded \
    -p StandardOutput=file:/tmp/guard-hold.out python3 /tmp/guard-hold.py "$H4" 4
ok 'connections are held' wait_until 10 host grep -q held /tmp/guard-hold.out
seen() {
    host ax list connections --json=short | /usr/bin/python3 -c 'import json, sys
x = [c for c in json.load(sys.stdin) if c["server"] == sys.argv[1] and not c["client"]]
print(eval(sys.argv[2]))' "$app" "$1"
}
is "$(seen 'len(x), {(c["client_address"], c["address"], c["port"], c["transport"], c["state"], c["bytes_in"] > 0) for c in x}')" \
    "(4, {('198.51.100.2', '$H4', 8061, 'tcp', 'established', True)})" 'they are listed, as the client sees them'
host systemctl restart appswitchd
ok 'the daemon is back' wait_until 20 host ax list
is "$(seen 'len(x)')" 4 'a new daemon knows them'
is "$(host busctl call "${MANAGER[@]}" CutConnections s "$app")" 'uu 4 0' 'they are cut'
ok 'which is their end' wait_until 10 host grep -q 'closed 4' /tmp/guard-hold.out
is "$(seen 'len(x)')" 0 'and they are no more'

host systemd-run --quiet --collect --unit=ax-guarded-server -p NetworkNamespacePath=/run/netns/ax-guarded \
    python3 "$exposed" serve 7005 poll
ok 'somebody beyond the host listens' wait_until 10 host python3 "$exposed" ask 198.51.100.2 7005
start_app --name guarded-client --ip 198.18.61.2 --egress 198.51.100.2 -- python3 "$PROGRAMS/hold.py" 198.51.100.2 7005 2 500
ok 'an app is connected to there' wait_until 10 host grep -q connected "$APP_LOG"
is "$(host ax list connections --json=short | /usr/bin/python3 -c 'import json, sys
print({(c["client_address"], c["server"], c["address"], c["port"], c["bytes_out"]) for c in json.load(sys.stdin) if c["client"] == sys.argv[1]})' "$APP")" \
    "{('198.18.61.2', '', '198.51.100.2', 7005, 500)}" 'connections by egress are listed, too'
is "$(host busctl call "${MANAGER[@]}" CutConnections s "$APP")" 'uu 2 0' 'and cut'
ok 'which is their end' wait_until 10 host grep -q 'closed 2' "$APP_LOG"
stop_app "$APP"
start_app --name guard-least --strategy least-connections --expose 7000:8064 -- python3 "$exposed" serve 7000 epoll
least=("$APP")
wait_for_listen "$APP" 7000
host_sh 'sed -i "s/8061/int(sys.argv[3])/" /tmp/guard-hold.py'
host systemd-run --quiet --collect --unit=ax-guarded-hold -p NetworkNamespacePath=/run/netns/ax-guarded \
    -p StandardOutput=file:/tmp/guard-hold.out python3 /tmp/guard-hold.py "$H4" 4 8064
ok 'an app has four' wait_until 10 host grep -q held /tmp/guard-hold.out
start_app --name guard-least --expose 7000:8064 -- python3 "$exposed" serve 7000 epoll
least+=("$APP")
wait_for_listen "$APP" 7000
# What is remembered of choices is gone: only the kernel knows.
host systemctl restart appswitchd
ok 'the daemon is back' wait_until 20 host ax list
# Four more at once all have to go to the other one.
even() {
    run host ip netns exec ax-guarded python3 -c 'import socket, sys
held = [socket.create_connection((sys.argv[1], 8064), 5) for _ in range(4)]
print(len({s.recv(4096).split()[-1] for s in held}))' "$H4"
    [[ $OUT == 1 ]]
}
ok 'who has fewest gets the next ones' wait_until 60 even
stop_app "${least[0]}"
stop_app "${least[1]}"

### while no daemon is there
packets=$(listed 'x[0]["packets"]')
host systemd-run --quiet --collect --unit=ax-guarded-monitor -p StandardOutput=file:/tmp/guard-monitor nft -n monitor
host_sh 'sleep 0.5; nft add table inet begin; nft delete table inet begin'
ok 'changes are watched' wait_until 10 host grep -q 'delete table inet begin' /tmp/guard-monitor
for how in restart kill; do
    if [[ $how == restart ]]; then
        host systemctl restart appswitchd
    else
        host kill -KILL "$(host systemctl show -P MainPID appswitchd)"
    fi
    ok "$how: the daemon is back" wait_until 20 host ax list
    ok "$how: and knows what is guarded" wait_until 10 test "$(listed 'x[0]["guarded"]')" = True
    served "$how: who may is served" 198.51.100.2 8061
    refused "$how: who may not is refused" 198.51.100.3 8061
done
host systemctl stop ax-guarded-monitor
is "$(host grep -c 'table inet appswitch$' /tmp/guard-monitor)" 0 'the table was there all the time'
ok 'and its counters went on' test "$(listed 'x[0]["packets"]')" -gt "$packets"

### a port that is taken
host systemd-run --quiet --collect --unit=ax-guarded-holder python3 -m http.server --bind 127.0.0.1 8062
ok 'somebody has a port' wait_until 10 host curl -s -o /dev/null http://127.0.0.1:8062/
run client --expose 7000:8062 -- true
like "$ERR" "taken by python3 \(PID $(host systemctl show -P MainPID ax-guarded-holder), ax-guarded-holder\.service\)" 'the error says who it is'
ok 'and nothing is left of it' guarded 8061
host systemctl stop ax-guarded-holder

### in parallel, with others at it, and restarts
host_sh 'cat >/tmp/guard-fuzz <<"SH"
for n in 1 2 3 4 5 6; do
    ax run --quiet --collect --name "guard-fuzz-$1" --expose "7000:$((8100 + $1)),7100-7103:$((8200 + 4 * $1))-$((8203 + 4 * $1))" \
        --expose-from "10.$1.$n.0/24,2001:db8:$n::/48" -- true </dev/null
    ax run --quiet --collect --name guard-fuzz-shared --expose 7000:8199 --expose-from "10.$1.$n.1" -- true </dev/null
done
SH
for i in 1 2 3 4 5 6 7 8; do sh /tmp/guard-fuzz $i >/tmp/guard-fuzz-$i 2>&1 & done
(for n in 1 2 3 4 5 6 7 8 9 10; do nft flush ruleset; nft "table inet others { chain theirs { tcp dport 4242 drop; }; }"; sleep 0.3; done) &
(for n in 1 2 3; do sleep 1; if [ $n = 2 ]; then kill -KILL $(systemctl show -P MainPID appswitchd); else systemctl restart appswitchd; fi; done) &
wait'
ok 'the daemon is back' wait_until 20 host ax list
ok 'all is as it was' wait_until 20 guarded 8061 || diag "$(table)"
is "$(listed '[p["host_port"] for p in x]')" '[8061, 8061]' 'to who lists it, too'
is "$(table | sed 's/packets.*//')" "$before" 'rule by rule'
# A port that is exposed by both families is two sockets.
many=()
for i in 0 1 2; do
    start_app --name guard-many-$i --expose "$((9000 + 256 * i))-$((9255 + 256 * i)):$((9000 + 256 * i))-$((9255 + 256 * i))" \
        --expose-from localhost -- sleep 1000
    many+=("$APP")
done
is "$(listed 'len(x)')" $((2 + 2 * 768)) 'hundreds of ports'
# shellcheck disable=SC2046
ok 'are guarded' wait_until 10 guarded 8061 $(seq 9000 9767)
is "$(listed 'sum(p["guarded"] for p in x)')" $((2 + 2 * 768)) 'by each family'
for i in "${many[@]}"; do
    stop_app "$i"
done
ok 'and forgotten' wait_until 10 guarded 8061

### the name server for the host
host_sh 'mkdir -p /run/appswitch/appswitchd.conf.d; printf "[AppSwitch]\nHostNames=yes\n" >/run/appswitch/appswitchd.conf.d/61.conf
    systemctl restart appswitchd'
ok 'the daemon is back' wait_until 20 host ax list
has_name_server() {
    [[ $(table) == *'chain udp-53 {'*'iif "lo" return'*drop* ]]
}
ok 'its ports are guarded' wait_until 10 has_name_server
run host dig +short +time=5 +tries=1 guarded.ax.internal @127.0.0.97
is "$OUT" 198.18.61.1 'and the host has it'
host_sh 'rm /run/appswitch/appswitchd.conf.d/61.conf; systemctl restart appswitchd'
ok 'the daemon is back' wait_until 20 host ax list
ok 'without it only what is exposed is guarded' wait_until 10 guarded 8061

### the end
stop_app "$app"
ok 'with the last one the table is gone' wait_until 10 has_no_table
like "$(host nft list table inet others)" 'tcp dport 4242' 'that of others is not'
start_app --name guarded --expose 7000:8061 -- sleep 1000
ok 'there is one again' wait_until 10 guarded 8061
host systemctl stop appswitchd
ok 'it goes when the service is stopped' has_no_table

### without nf_tables
host_sh 'mkdir -p "${1%/*}"; printf "[Service]\nRestrictAddressFamilies=\nRestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n" >"$1"
    systemctl daemon-reload; systemctl start appswitchd' "$DROPIN"
ok 'the daemon is back' wait_until 20 host ax list
mark_journal
start_app --name guarded --ip 198.18.61.1 --ip fd00:61::1 --expose 7000:8061 --expose-from 198.51.100.2 -- \
    python3 "$exposed" serve 7000 epoll
wait_for_listen "$APP" 7000
served 'who may is served' 198.51.100.2 8061
for i in 3 4; do
    from 198.51.100.$i 8061
    like "$ERR" 'ConnectionReset|BrokenPipe|IndexError' "who may not gets nothing ($i)"
done
is "$(listed '[(p["accepted"], p["refused"], p["guarded"], p["packets"]) for p in x][0]')" '(1, 2, False, 0)' 'as is counted'
start_app --name guarded2 --expose 7000:8063 -- sleep 1000
is "$(journal_since | grep -c 'nftables cannot be used')" 1 'that there is no guard is said once'
like "$(journal_since)" '198\.51\.100\.3:[0-9]+ was refused a connection to 0\.0\.0\.0:8061 of the host: no app there is exposed to it' \
    'and who was refused'
is "$(journal_since --output=verbose | grep -c '^ *APPSWITCH_HOST_ADDRESS=0.0.0.0:8061$')" 2 'with fields'
ok 'no table' has_no_table
host_sh 'rm "$1"; systemctl daemon-reload; systemctl restart appswitchd' "$DROPIN"
ok 'the daemon is back' wait_until 20 host ax list
ok 'with nf_tables all is guarded again' wait_until 10 guarded 8061 8063
refused 'who may not is refused' 198.51.100.3 8061
is "$(journal_since -p err | grep -v 'Failed with result\|Main process exited')" '' 'the journal has no error'
done_testing
