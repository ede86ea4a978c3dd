#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Which instance gets a connection: by turns, by chance, by what is open, by who asks; and which gets none.
# Where chance decides, the bounds are such that it leaves them less than once in 10^9 runs.
# timeout: 400
. "$(dirname "$0")/lib.sh"
need_command curl

echo_py=$PROGRAMS/echo.py load=$PROGRAMS/load.py

# instance GREETING [OPTION...]: an instance that greets so; sets APP
instance() {
    start_app "${@:2}" -- python3 "$echo_py" "$1" 7
    wait_for_listen "$APP" 7
}
# web GREETING [OPTION...]: a web server whose page is that
web() {
    # shellcheck disable=SC2016
    start_app "${@:2}" -- sh -c 'd=$(mktemp -d) && cd "$d" && echo "$0" >index.html && exec python3 -m http.server 80' "$1"
    wait_for_listen "$APP" 80
}
# curls NAME N: who answered how often
curls() {
    # shellcheck disable=SC2016
    client -- sh -c 'for i in $(seq "$1"); do curl -4 -sS "http://$0/" || echo failed; done' "$1" "$2" | sort | uniq -c | awk '{ printf "%s%s:%s", s, $2, $1; s = " " }'
}
# count GREETING: how often, of the last run
count() {
    local n
    n=$(tr ' ' '\n' <<<"$OUT" | sed -n "s/^$1://p")
    echo "${n:-0}"
}
app_path() {
    host_sh 'busctl call --json=short io.appswitch1 /io/appswitch1 io.appswitch1.Manager GetApp s "$1" | sed "s,.*\(/io/[^\"]*\)\".*,\1,"' "$1"
}
property() {
    host busctl get-property io.appswitch1 "$(app_path "$1")" io.appswitch1.App "$2"
}

for who in root alice; do
    case $who in
        root) AS_USER='' net=198.18.51 ;;
        alice) AS_USER=alice net=198.18.151 ;;
    esac
    p=st-$who

    ### in turn, by weight
    web a --name "$p-web"
    a=$APP
    web b --name "$p-web"
    b=$APP
    web c --name "$p-web" --weight 300
    c=$APP
    is "$(property "$a" Weight) $(property "$c" Weight) $(property "$a" Strategy)" 'u 100 u 300 s "round-robin"' "$who: properties"
    is "$(curls "$p-web" 50)" 'a:10 b:10 c:30' "$who: round-robin by weight"
    host ax stop "$b"
    is "$(curls "$p-web" 20)" 'a:5 c:15' "$who: those that are left share by theirs"
    web d --name "$p-web" --weight 1000
    is "$(curls "$p-web" 56)" 'a:4 c:12 d:40' "$who: who comes has its share at once"
    for app in "$a" "$c" "$APP"; do
        host ax stop "$app"
    done

    ### by chance: 600 times 1/4 is 150 with a standard deviation of 10.6, of which 6.5 are allowed
    instance a --name "$p-random" --strategy random
    a=$APP
    instance b --name "$p-random" --weight 300
    b=$APP
    is "$(property "$b" Strategy)" 's "random"' "$who: who joins has the strategy of the first"
    run client -- python3 "$load" connects "$p-random" 7 600
    within "$(count a)" 81 219 "$who: random by weight"
    is "$(($(count a) + $(count b)))" 600 "$who: none is lost"
    run client -- python3 "$load" order "$p-random" 7 400
    # How often the same one is chosen twice in a row: 10/16 of 399 times, 249, deviation 9.7 and some for the dependence.
    within "$(tr ' ' '\n' <<<"$OUT" | awk '$1 == last { n++ } { last = $1 } END { print n + 0 }')" 150 345 "$who: random is no turn"

    ### the first one says how
    run client --name "$p-random" --strategy round-robin -- echo good
    is "$STATUS" 1 "$who: another strategy than the first one's is refused"
    like "$ERR" "Connections to $p-random are balanced by random, as its first app has it, not by round-robin" "$who: and says why"
    run client --name "$p-random" --strategy random -- echo good
    is "$OUT" good "$who: the same is good"
    host ax stop "$a"
    host ax stop "$b"
    run client --name "$p-random" --strategy least-connections -- echo good
    is "$OUT" good "$who: when all are gone the next one is the first"

    ### the fewest connections: who holds some gets no more until the others have as many
    instance a --name "$p-least" --strategy least-connections
    a=$APP
    instance b --name "$p-least"
    b=$APP
    start_app -- python3 "$load" hold "$p-least" 7 6 3600
    hold=$APP
    ok "$who: connections are held" wait_until 20 host grep -q held "$APP_LOG"
    instance c --name "$p-least"
    c=$APP
    # What has been made and is not counted yet may be missed for a moment, so that c can get a few more.
    run client -- python3 -c '
import socket, sys, time
held, order = [], ""
while len(order) < 100 and not {"a", "b"} <= set(order):
    s = socket.create_connection((sys.argv[1], 7))
    held.append(s)
    order += s.recv(100).decode().strip()
    time.sleep(0.02)
print(order)' "$p-least"
    like "$OUT" '^ccc' "$who: a new instance gets connections until it has as many"
    like "$OUT" '^c+(a.*b|b.*a)' "$who: and then the others have their share again"
    for app in "$hold" "$a" "$b" "$c"; do
        host ax stop "$app"
    done

    ### by who asks
    instance a --name "$p-hash" --strategy source-hash
    a=$APP
    instance b --name "$p-hash" --weight 100
    b=$APP
    # Each of 31 clients, all in one line: that none gets the one or the other has a chance of 2^-30.
    clients() {
        # shellcheck disable=SC2016
        "$LAB" exec "$HOST" ${AS_USER:+--uid "$AS_USER"} -- bash -c 'for i in {1..31}; do
            ax run --quiet --ip "$1.$i" -- bash -c "exec 3<>/dev/tcp/\$0/7; read -r who <&3; printf %s \"\$who\"" "$2"
        done' bash "$net" "$p-hash" </dev/null
    }
    first=$(clients)
    like "$first" '^[ab]{31}$' "$who: source-hash: all are served"
    like "$first" 'a.*b|b.*a' "$who: by more than one"
    is "$(clients)" "$first" "$who: a client gets the same one again"
    run client --ip "$net.7" -- python3 "$load" connects "$p-hash" 7 20
    is "$OUT" "${first:6:1}:20" "$who: each time"
    run client --ip "$net.7" -- python3 "$load" connects "$(app_address "$a" 6)" 7 5
    is "$OUT" "${first:6:1}:5" "$who: by IPv6, too"
    instance x --name "$p-hash" --weight 200
    x=$APP
    second=$(clients)
    is "${#second}" 31 "$who: source-hash with one more: all are served"
    moved=0 wrong=''
    for ((i = 0; i < 31; i++)); do
        [[ ${second:i:1} == "${first:i:1}" ]] && continue
        [[ ${second:i:1} == x ]] || wrong+=" $i:${first:i:1}${second:i:1}"
        moved=$((moved + 1))
    done
    is "$wrong" '' "$who: no client moves but to the new one"
    diag "$moved of 31 clients moved to one of weight 200 beside two of 100"
    # Each moves with a chance of 1/2: that none does, 2^-31.
    within "$moved" 1 31 "$who: which gets some"
    host ax stop "$x"
    is "$(clients)" "$first" "$who: when it goes, each has its old one"
    host systemctl restart appswitchd
    ok "$who: the daemon is back" wait_until 20 host ax list
    is "$(clients)" "$first" "$who: and after a restart of the daemon"
    host ax stop "$a"
    is "$(clients)" "$(printf 'b%.0s' {1..31})" "$who: who is left has all"
    host ax stop "$b"

    ### draining
    instance a --name "$p-drain"
    a=$APP
    instance b --name "$p-drain"
    b=$APP
    start_app -- python3 -c '
import socket, sys, time
# One connection to each instance, on which a word goes back and forth.
held = {}
while len(held) < 2:
    s = socket.create_connection((sys.argv[1], 7))
    held[s.recv(100)] = s
n = 0
while True:
    n += 1
    word = b"%06d" % n
    for s in held.values():
        s.sendall(word)
        assert s.recv(100) == word
    print("round", n, flush=True)
    time.sleep(0.05)' "$p-drain"
    hold=$APP hold_log=$APP_LOG
    rounds() {
        host_sh 'sed -n "s/^round //p" "$1" | tail -n 1' "$hold_log"
    }
    goes_on() {
        (($(rounds) > before + 3))
    }
    ok "$who: a connection to each is held" wait_until 20 host grep -q round "$hold_log"
    is "$(property "$a" Draining)" 'b false' "$who: property Draining"
    host systemd-run --quiet --collect --unit=balance-monitor -p StandardOutput=truncate:/tmp/balance-monitor \
        busctl monitor --json=short --match "type='signal',sender='io.appswitch1',member='PropertiesChanged'"
    ok "$who: somebody listens to signals" wait_until 20 host grep -q Monitoring /tmp/balance-monitor
    run host_as bob ax drain --no-ask-password "$a"
    is "$STATUS" 1 "$who: bob may not drain it"
    like "$ERR" 'Failed to drain app: .*[Nn]ot authorized.*manage-apps' "$who: and is told so"
    is "$(property "$a" Draining)" 'b false' "$who: it does not drain"
    run "$LAB" exec "$HOST" ${AS_USER:+--uid "$AS_USER"} -- ax drain "$a"
    is "$STATUS$OUT$ERR" 0 "$who: the owner may"
    is "$(property "$a" Draining)" 'b true' "$who: it drains"
    before=$(rounds)
    run client -- python3 "$load" connects "$p-drain" 7 10
    is "$OUT" 'b:10' "$who: it gets no new connections"
    ok "$who: those it has live on" wait_until 20 goes_on
    run client --name "$p-drain" -- python3 "$load" connects 127.0.0.1 7 4
    is "$OUT" 'b:4' "$who: nor by the loopback of its fellows"
    host systemctl restart appswitchd
    ok "$who: the daemon is back" wait_until 20 host ax list
    is "$(property "$a" Draining)" 'b true' "$who: it drains after a restart of the daemon"
    run client -- python3 "$load" connects "$p-drain" 7 4
    is "$OUT" 'b:4' "$who: and gets no new connections"
    host ax drain "$b"
    run client -- python3 "$load" connects "$p-drain" 7 2
    like "$OUT" 'Connection refused.*:2$' "$who: when all drain, connections are refused"
    run client -- python3 -c '
import errno, os, select, socket, sys
s = socket.socket(); s.setblocking(False)
assert s.connect_ex((sys.argv[1], 7)) == errno.EINPROGRESS
select.select([], [s], [], 20)
print(os.strerror(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))' "$(app_address "$a")"
    is "$OUT" 'Connection refused' "$who: to who does not wait as well"
    before=$(rounds)
    ok "$who: what is open lives on" wait_until 20 goes_on
    like "$(host ax status --no-pager "$a")" 'Balance: round-robin, weight 100, draining' "$who: ax status says so"
    run "$LAB" exec "$HOST" ${AS_USER:+--uid "$AS_USER"} -- ax drain --undo "$p-drain"
    is "$STATUS$OUT$ERR" 0 "$who: both are back, by their name"
    run client -- python3 "$load" connects "$p-drain" 7 10
    is "$OUT" 'a:5 b:5' "$who: and share again"
    host ax drain --undo "$a"
    host ax drain "$a"
    run host busctl call io.appswitch1 "$(app_path "$a")" io.appswitch1.App Drain b false
    is "$STATUS" 0 "$who: method Drain"
    is "$(property "$a" Draining)" 'b false' "$who: does it"
    run host busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager DrainApp sb "$a" true
    is "$STATUS $(property "$a" Draining)" '0 b true' "$who: method DrainApp"
    changes() {
        host cat /tmp/balance-monitor | /usr/bin/python3 -c 'import json, sys
print(*("ft"[m["payload"]["data"][1]["Draining"]["data"]] for m in map(json.loads, (line for line in sys.stdin if line.startswith("{")))
        if m["path"] == sys.argv[1] and "Draining" in m["payload"]["data"][1]), sep="")' "$(app_path "$a")"
    }
    all_said() {
        [[ $(changes) == tftft ]]
    }
    ok "$who: each change is signalled, and nothing else" wait_until 20 all_said || diag "$(changes)"
    host systemctl stop balance-monitor
    # An app that drains reaches itself, by loopback and by its address; its fellow does not reach it.
    start_app --name "$p-self" -- python3 -c '
import socket, sys, threading, time
l = socket.create_server(("", 8))
def serve():
    while True:
        s, _ = l.accept(); s.sendall(b"served"); s.close()
threading.Thread(target=serve).start()
while True:
    for host in "127.0.0.1", sys.argv[1]:
        print(socket.create_connection((host, 8)).recv(100).decode(), flush=True)
    time.sleep(0.05)' "$p-self"
    self=$APP self_log=$APP_LOG
    wait_for_listen "$self" 8
    host ax drain "$self"
    before=$(app_log "$self_log" | wc -l)
    reaches_itself() {
        (($(app_log "$self_log" | wc -l) > before + 10))
    }
    ok "$who: an app that drains reaches itself" wait_until 20 reaches_itself
    is "$(app_log "$self_log" | sed 1d | sort -u)" served "$who: each time" ||
        diag "$(app_log "$self_log" | head -n 3)"
    run client --name "$p-self" -- python3 "$load" connects 127.0.0.1 8 1
    like "$OUT" refused "$who: its fellow does not reach it"
    for app in "$hold" "$a" "$b" "$self"; do
        host ax stop "$app"
    done
done
AS_USER=

### one that listens and refuses: passed over, then rested, and tried again
web a --name st-refuse
a=$APP address=$(app_address "$APP") leader=$(property "$APP" Leader | cut -d' ' -f2)
web b --name st-refuse
b=$APP
is "$(curls st-refuse 10)" 'a:5 b:5' 'two good ones'
host nsenter -t "$leader" -n sh -c 'ip rule add pref 1 to "$0" ipproto tcp dport 80 prohibit && ip rule add pref 2 lookup local && ip rule del pref 0' "$address"
is "$(curls st-refuse 20)" 'b:20' 'one of which refuses: no connect fails'
like "$(host ax list --no-legend --full)" "$a +st-refuse .*\*:80" 'it is still there'
host nsenter -t "$(property "$b" Leader | cut -d' ' -f2)" -n sh -c 'ip rule add pref 1 to "$0" ipproto tcp dport 80 prohibit && ip rule add pref 2 lookup local && ip rule del pref 0' "$address"
run client -- python3 "$load" connects st-refuse 80 2
like "$OUT" 'refused.*:2$' 'when both refuse, so does the service'
host nsenter -t "$leader" -n ip rule add pref 0 lookup local
a_serves() {
    [[ $(curls st-refuse 1) == a:1 ]]
}
ok 'when all rest, they are tried all the same: the first that is good again serves' a_serves
host nsenter -t "$(property "$b" Leader | cut -d' ' -f2)" -n ip rule add pref 0 lookup local
both_serve() {
    [[ $(curls st-refuse 10) == 'a:5 b:5' ]]
}
ok 'after its rest the other one has its share again' wait_until 120 both_serve
# Shut down, it is gone at once.
start_app --name st-shut -- python3 -c '
import socket, time
l = socket.create_server(("", 7)); time.sleep(0.2); l.shutdown(socket.SHUT_RDWR); print("shut", flush=True); time.sleep(1000)'
ok 'one is shut down' wait_until 20 host grep -qx shut "$APP_LOG"
run client -- python3 "$load" connects st-shut 7 1
like "$OUT" refused 'it refuses'
not_listed() {
    ! host ax list --no-legend --full | grep -q 'st-shut.*\*:7 '
}
ok 'and is not listed' not_listed
host ax stop "$a"
host ax stop "$b"

### bad input
bad() {
    run host ax run "${@:3}" -- echo good
    is "$STATUS$OUT" 1 "$2: refused"
    like "$ERR" "$1" "$2: says what is allowed"
}
for weight in 0 1001 -1 1.5 '' x 99999999999999999999 4294967396; do
    bad 'weight.*(1 to 1000)' "weight '$weight'" --weight "$weight"
done
for strategy in '' round Random 'random,random' least; do
    bad 'Invalid strategy.*round-robin, random, least-connections or source-hash' "strategy '$strategy'" --strategy "$strategy"
done
run host busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager DrainApp sb nobody_1 true
like "$ERR" "There is no app 'nobody_1'" 'draining an app that is not there'
run host ax drain nobody
is "$STATUS" 1 'ax drain: no such app'
run host ax drain
like "$ERR" 'Which app' 'ax drain: none named'

### the configured strategy is for new identities
host_sh 'mkdir -p /run/appswitch/appswitchd.conf.d; printf "[AppSwitch]\nStrategy=source-hash\n" >/run/appswitch/appswitchd.conf.d/strategy.conf'
instance a --name st-old
old=$APP
host systemctl restart appswitchd
ok 'the daemon is back' wait_until 20 host ax list
instance a --name st-new
new=$APP
start_app --name st-old -- sleep 1000
is "$(property "$old" Strategy)$(property "$APP" Strategy)$(property "$new" Strategy)" 's "round-robin"s "round-robin"s "source-hash"' \
    'Strategy= is for new ones; those that are there keep theirs'
host_sh 'rm -r /run/appswitch/appswitchd.conf.d; systemctl restart appswitchd'
ok 'the daemon is back' wait_until 20 host ax list
is "$(property "$new" Strategy)" 's "source-hash"' 'also this one'

done_testing
