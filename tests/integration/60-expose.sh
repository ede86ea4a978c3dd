#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Ports of the host that are apps': who reaches them from a network beyond the host (a namespace that is joined to it),
# as whom, and when no more.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_command curl nginx ip
mark_journal

exposed=$PROGRAMS/exposed.py
H4=203.0.113.1 H6=2001:db8:60::1

### the world
host_sh 'mkdir -p /run/exposed; mkfifo /run/exposed/out.in; ip netns add ax-world && ip -n ax-world link set lo up
    ip link add ax-wire type veth peer name ax-wire netns ax-world
    ip address add 203.0.113.1/24 dev ax-wire; ip address add 2001:db8:60::1/64 dev ax-wire nodad
    for i in 2 3 4 5 6 7 8 9; do
        ip -n ax-world address add 203.0.113.$i/24 dev ax-wire; ip -n ax-world address add 2001:db8:60::$i/64 dev ax-wire nodad
    done
    ip link set ax-wire up; ip -n ax-world link set ax-wire up' || bail 'a world beyond the host'
at_exit() {
    # shellcheck disable=SC2086
    host_sh 'systemctl stop ax-world-*; ip netns del ax-world; rm -rf /srv/exposed /tmp/toggle-* /run/exposed /run/appswitch/appswitchd.conf.d/60.conf
        rm -f /etc/polkit-1/rules.d/30-appswitch-60.rules; systemctl restart polkit
        systemctl revert appswitchd' >/dev/null 2>&1
}
world() {
    host ip netns exec ax-world "$@"
}
ask() {
    run world python3 "$exposed" ask "$@"
}
# background UNIT CMD...: in the world, with input from a FIFO and output to a file, both named as the unit.
background() {
    host_sh 'mkdir -p /run/exposed; rm -f /run/exposed/$1.*; mkfifo /run/exposed/$1.in
        exec systemd-run --quiet --collect --unit="ax-world-$1" -p NetworkNamespacePath=/run/netns/ax-world -p LimitNOFILE=65536 \
            -p StandardOutput=file:/run/exposed/$1.out -p StandardError=file:/run/exposed/$1.err \
            sh -c "exec \"\$@\" <>/run/exposed/$1.in" sh "${@:2}"' "$@"
}
said() {
    host cat "/run/exposed/$1.out"
}
has_said() {
    host grep -q "$2" "/run/exposed/$1.out"
}
# Sends on what a unit holds, and waits for its end.
finish() {
    host_sh 'echo >/run/exposed/$1.in' "$1"
    wait_until 60 has_said "$1" 'good' || diag "$(host cat "/run/exposed/$1.err")"
}
daemon_fds() {
    host_sh 'ls /proc/$(systemctl show -P MainPID appswitchd)/fd | wc -l'
}

### the true client, in the log of nginx
host_sh 'mkdir -p /srv/exposed/tmp; cat >/srv/exposed/nginx.conf <<CONF
daemon off; pid /srv/exposed/pid; error_log /srv/exposed/error.log; worker_processes 2; events { }
http { access_log /srv/exposed/access.log combined; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp;
    uwsgi_temp_path tmp; scgi_temp_path tmp;
    server { listen 80; listen [::]:80; location / { return 200 "\$remote_addr \$server_addr \$server_port\n"; } } }
CONF'
start_app --name exposed-nginx --ip 198.18.60.1 --ip fd00:60::1 --expose 80:8060 -- nginx -p /srv/exposed -c nginx.conf
nginx=$APP
wait_for_listen "$nginx" 80
run world curl -sS --interface 203.0.113.4 "http://$H4:8060/"
is "$OUT" '203.0.113.4 198.18.60.1 80' 'nginx has the true address of a client, and its own'
run world curl -sS --interface 2001:db8:60::5 "http://[$H6]:8060/"
is "$OUT" '2001:db8:60::5 fd00:60::1 80' 'and by IPv6'
run host cut -d' ' -f1 /srv/exposed/access.log
is "$OUT" $'203.0.113.4\n2001:db8:60::5' 'it is what is in its log'
run host curl -sS http://127.0.0.1:8060/
is "$OUT" '127.0.0.1 198.18.60.1 80' 'the host itself can, too'
run host_sh 'busctl get-property io.appswitch1 "$(busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager GetApp s "$1" |
    cut -d\" -f2)" io.appswitch1.App Expose' "$nginx"
is "$OUT" 'as 1 "80:8060"' 'the bus says that it is exposed'
run host ax status exposed-nginx
like "$OUT" 'Exposes: 80:8060'$'\n''  *To: any' 'and so does ax status'
stop_app "$nginx"
run world curl -sS "http://$H4:8060/"
like "$ERR" 'Failed to connect|refused' 'with the app it is gone'
run host_sh 'ss -Htln "sport = :8060"; python3 -c "import socket; socket.create_server((\"\", 8060))"'
is "$STATUS$OUT" 0 'and the port is the host'"'s again"

### however it is accepted
for how in accept poll epoll workers asyncio; do
    start_app --name "exposed-$how" --ip 198.18.60.2 --ip fd00:60::2 --expose 7000:7060 -- python3 "$exposed" serve 7000 "$how"
    wait_for_listen "$APP" 7000
    ask "$H4" 7060
    like "$OUT" '^me 198\.18\.60\.2:7000 ' "$how: who is who"
    ask "$H6" 7060
    like "$OUT" '^me \[fd00:60::2\]:7000 ' "$how: and by IPv6"
    run world python3 "$exposed" queue "$H4" 7060 50
    like "$OUT" 'served 50' "$how: fifty at once"
    stop_app "$APP"
done
start_app --name exposed-tcp --ip 198.18.60.3 --shortcut=tcp --expose 7000:7060 -- python3 "$exposed" serve 7000 accept
wait_for_listen "$APP" 7000
ask "$H4" 7060
like "$OUT" '^me 198\.18\.60\.3:7000 ' '--shortcut=tcp makes no difference'
run client -- python3 "$exposed" ask 198.18.60.3 7000
like "$OUT" '^me 198\.18\.60\.3:7000 ' 'nor for other apps'
stop_app "$APP"
start_app --name exposed-four --ip 198.18.60.3 --expose 7000:7060 -- python3 "$exposed" serve 7000 four
wait_for_listen "$APP" 7000
ask "$H4" 7060
like "$OUT" '^me 198\.18\.60\.3:7000 ' 'a listener of IPv4 alone'
ask "$H6" 7060
like "$ERR" 'ConnectionRefused' 'refuses IPv6, so that clients take the other'
run host python3 "$exposed" ask localhost 7060
like "$OUT" '^me ' 'as they do'
stop_app "$APP"

### not yet, no more, and again
start_app --name exposed-later --expose 7000:7060 -- sleep 60
ask "$H4" 7060
like "$ERR" 'ConnectionRefused' 'nobody listens yet'
run host python3 -c 'import socket; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("", 7060))'
like "$ERR" 'Address already in use' 'but the port is not the host'"'s"
stop_app "$APP"
start_app --name exposed-toggle --expose 7000:7060 -- python3 "$exposed" toggle 7000
wait_for_listen "$APP" 7000
refuses() {
    ! world python3 -c 'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)' "$@"
}
ok 'it listens' world python3 -c 'import socket; socket.create_connection(("'"$H4"'", 7060), 2)'
host_sh 'echo >/tmp/toggle-7000'
ok 'it ends listening' wait_until 10 refuses "$H4" 7060
host_sh 'echo >/tmp/toggle-7000'
wait_for_listen "$APP" 7000
ok 'and listens again' world python3 -c 'import socket; socket.create_connection(("'"$H4"'", 7060), 2)'
stop_app "$APP"

### several instances
several=()
for i in 1 2 3; do
    start_app --name exposed-several --ip 198.18.60.4 --expose 7000:7060 -- python3 "$exposed" serve 7000 epoll
    wait_for_listen "$APP" 7000
    several+=("$APP")
done
start_app --name exposed-several -- python3 "$exposed" serve 7000 epoll
wait_for_listen "$APP" 7000
hidden=$APP
run world python3 "$exposed" tally "$H4" 7060 30
is "$OUT" '10 10 10' 'three that are exposed share in turn, one that is not gets none'
host ax drain "${several[0]}"
run world python3 "$exposed" tally "$H4" 7060 10
is "$OUT" '5 5' 'one that is drained gets none'
stop_app "${several[1]}"
run world python3 "$exposed" tally "$H4" 7060 10
is "$OUT" '10' 'one that is gone neither'
stop_app "${several[2]}"
ask "$H4" 7060
like "$ERR" 'ConnectionRefused' 'and with all gone or drained it is refused'
host ax drain --undo "${several[0]}"
ask "$H4" 7060
like "$OUT" '^me ' 'until the drained one is back'
stop_app "${several[0]}"
stop_app "$hidden"
for strategy in source-hash random least-connections; do
    for i in 1 2; do
        start_app --name "exposed-$strategy" --strategy "$strategy" --expose 7000:7060 -- python3 "$exposed" serve 7000 epoll
        wait_for_listen "$APP" 7000
        several[i]=$APP
    done
    run world python3 "$exposed" tally "$H4" 7060 20 203.0.113.6
    case $strategy in
        source-hash)
            is "$OUT" '20' 'source-hash: a client stays with one'
            OUT=''
            for i in 2 3 4 5 6 7 8 9; do
                OUT+="$(world python3 "$exposed" ask "$H4" 7060 203.0.113.$i | cut -d' ' -f3)"$'\n'
            done
            is "$(sort -u <<<"$OUT" | grep -c .)" 2 'and others go to the other'
            ;;
        least-connections) is "$(wc -w <<<"$OUT")" 2 'least-connections: both get some' ;;
        random) like "$OUT" '^[0-9]+ [0-9]+$' 'random: both get some' ;;
    esac
    stop_app "${several[1]}"
    stop_app "${several[2]}"
done

### whose port it is
start_app --name exposed-first --expose 7000:7060 -- sleep 100
first=$APP
run host ax run --name exposed-second --expose 7000:7060 -- true
like "$ERR" "Cannot be exposed at 0\.0\.0\.0:7060 of the host: app $first is exposed at 0\.0\.0\.0:7060, with its port 7000" 'a port that another app has'
run host ax run --name exposed-second --expose "7000:$H4:7060" -- true
like "$ERR" "Cannot be exposed at $H4:7060 of the host: app $first is exposed at 0\.0\.0\.0:7060" 'also at one address'
run host ax run --name exposed-first --expose 7001:7060 -- true
like "$ERR" "app $first is exposed at 0\.0\.0\.0:7060, with its port 7000" 'an instance that means another port of its own'
run host ax run --expose 80:8061 --expose 81:8061 -- true
like "$ERR" 'Cannot be exposed at 0\.0\.0\.0:8061' 'two ports of one app at one of the host'
host systemd-run --quiet --collect --unit=ax-world-taker python3 -m http.server --bind 0.0.0.0 8062
wait_until 10 host curl -sS -o /dev/null http://127.0.0.1:8062/
run host ax run --expose 80:8062 -- true
like "$ERR" 'Cannot be exposed at 0\.0\.0\.0:8062 of the host: it is taken by python3 \(PID [0-9]+, ax-world-taker\.service\)' 'a port that a program of the host has, named'
host systemctl stop ax-world-taker
run host ax run --expose 80:192.0.2.77:8062 -- true
like "$ERR" 'Cannot be exposed at 192\.0\.2\.77:8062: the host does not have this address' 'an address that the host does not have'
run host_sh 'for spec in 80 80:81/udp 80:x:81 53:5353 1-2:3 0:1; do ax run --expose $spec -- true; done'
is "$(grep -c 'Invalid expose' <<<"$ERR")" 6 'what cannot be understood'
like "$ERR" "'80:81/udp': it is UDP, which cannot be exposed yet" 'says why'
stop_app "$first"
start_app --name exposed-at --ip 198.18.60.5 --expose "7000:$H4:7060" --expose '7001:[::1]:7060' --expose 7001:127.0.0.1:7060 -- \
    python3 "$exposed" serve 7000 epoll
wait_for_listen "$APP" 7000
ask "$H4" 7060
like "$OUT" '^me ' 'one address of the host'
run host python3 "$exposed" ask 127.0.0.1 7060
like "$ERR" 'ConnectionRefused' 'and not another'
stop_app "$APP"
start_app --name exposed-range --ip 198.18.60.5 --expose 7000-7009:7060-7069 -- python3 "$exposed" serve 7004 epoll
wait_for_listen "$APP" 7004
ask "$H4" 7064
like "$OUT" '^me 198\.18\.60\.5:7004 ' 'a range of ports'
ask "$H4" 7065
like "$ERR" 'ConnectionRefused' 'each by itself'
stop_app "$APP"

### who may
start_app --name exposed-from --expose 7000:7060 --expose-from 203.0.113.4/31,2001:db8:60::4 -- python3 "$exposed" serve 7000 epoll
wait_for_listen "$APP" 7000
ask "$H4" 7060 203.0.113.5
like "$OUT" '^me ' 'a client of a network that may'
ask "$H6" 7060 2001:db8:60::4
like "$OUT" '^me ' 'and by IPv6'
ask "$H4" 7060 203.0.113.6
isnt "${OUT%% *}" me 'one that may not gets nothing'
ask "$H6" 7060 2001:db8:60::5
isnt "${OUT%% *}" me 'nor by IPv6'
stop_app "$APP"
host_sh 'cat >/etc/polkit-1/rules.d/30-appswitch-60.rules; chmod 644 /etc/polkit-1/rules.d/30-appswitch-60.rules
    systemctl reset-failed polkit 2>/dev/null; systemctl restart polkit' <<'RULES'
polkit.addRule(function(action, subject) {
    if (subject.user != "bob")
        return polkit.Result.NOT_HANDLED;
    if (action.id == "io.appswitch1.expose")
        return action.lookup("ports") == "7060-7061" && action.lookup("expose") == "80-81:7060-7061" && action.lookup("expose_from") == "any"
            ? polkit.Result.YES : polkit.Result.NO;
    return action.id == "io.appswitch1.run-app" ? polkit.Result.YES : polkit.Result.NOT_HANDLED;
});
RULES
run host_as bob ax run --expose 80-81:7060-7061 -- id -un
is "$OUT" bob 'polkit may let a user'
run host_as bob ax run --expose 80:7061 -- id -un
like "$ERR" 'Not authorized to expose 80:7061 .*io\.appswitch1\.expose\)' 'and not another port'
run host_as bob ax run --expose 80:80 -- id -un
like "$ERR" 'Not authorized to expose 80:80 .*io\.appswitch1\.expose-privileged\)' 'nor one that takes a privilege'
start_app --name exposed-low --expose 80:80 -- python3 "$exposed" serve 80 epoll
wait_for_listen "$APP" 80
ask "$H4" 80
like "$OUT" '^me ' 'root can have such a one'
stop_app "$APP"
AS_USER=bob start_app --name exposed-bob --expose 80-81:7060-7061 -- python3 "$exposed" serve 80 epoll
wait_for_listen "$APP" 80
background bob python3 "$exposed" hold "$H4" 7060 1
wait_until 20 has_said bob 'holding 1' || bail 'a connection to bob'
run host_sh 'ss -Htne "sport = :7060" | grep -c "uid:$(id -u bob) "'
within "$OUT" 1 9 'its connections are sockets of its user'
finish bob
LIMIT=/run/appswitch/appswitchd.conf.d/60.conf
host_sh 'mkdir -p "${1%/*}"; printf "[AppSwitch]\nExposedPortsPerUserMax=2\n" >"$1"; systemctl restart appswitchd' "$LIMIT"
wait_until 20 host ax list
run host_as bob ax run --name exposed-bob --expose 80-81:7060-7061 -- id -un
is "$OUT" bob 'another instance takes no more ports of the host' || diag "$ERR"
host_sh 'printf "[AppSwitch]\nExposedPortsPerUserMax=1\n" >"$1"; systemctl restart appswitchd' "$LIMIT"
wait_until 20 host ax list
ask "$H4" 7060
like "$OUT" '^me ' 'an app keeps its ports when a limit comes down'
run host_as bob ax run --expose 80-81:7060-7061 -- id -un
like "$ERR" 'more than 1 ports of the host, the most that ExposedPortsPerUserMax= allows' 'but there are no more'
host_sh 'rm "$1"; systemctl restart appswitchd' "$LIMIT"
wait_until 20 host ax list
stop_app "$APP"

### one that has room, but is none to go to: it is drained, or does not listen for the family
# More than can be accepted for one app (PENDING_PER_TRAP_MAX).
for why in drained four; do
    start_app --name exposed-no-way --expose 7000:7060 -- python3 "$exposed" serve 7000 "${why/drained/epoll}" 5
    other=$APP
    wait_for_listen "$other" 7000
    start_app --name exposed-no-way --expose 7000:7060 -- python3 "$exposed" serve 7000 epoll 5
    wait_for_listen "$APP" 7000
    if [[ $why == drained ]]; then
        run host ax drain "$other"
        is "$STATUS" 0 'one of two is drained'
    fi
    pid=$(host ax list --json=short | /usr/bin/python3 -c 'import json, sys; print(*(a["leader"] for a in json.load(sys.stdin) if a["id"] == sys.argv[1]))' "$APP")
    host kill -STOP "$pid"
    background "$why" python3 "$exposed" queue "$H6" 7060 700
    wait_until 20 has_said "$why" waiting || bail 'connections wait'
    wait_until 10 host_sh 'test "$(ss -Htn state established "sport = :7060" | wc -l)" -ge 700' || diag 'not all are established'
    host kill -CONT "$pid"
    wait_until 60 has_said "$why" served
    is "$(said "$why" | tail -n 1)" 'served 700' "$why: what the other one has no room for waits for it"
    stop_app "$other"
    stop_app "$APP"
done

### restarts
start_app --name exposed-stays --expose 7000:7060 -- python3 "$exposed" serve 7000 epoll 5
stays=$APP
wait_for_listen "$stays" 7000
background held python3 "$exposed" hold "$H4" 7060 200
wait_until 30 has_said held 'holding 200' || bail 'connections are held' "$(host cat /run/exposed/held.err)"
pid=$(host ax list --json=short | /usr/bin/python3 -c 'import json, sys; print(*(a["leader"] for a in json.load(sys.stdin) if a["id"] == sys.argv[1]))' "$stays")
# One that goes out again and again, for the other direction.
background greeter python3 "$exposed" serve 7061 epoll
start_app --egress 203.0.113.0/24 -- sh -c 'while :; do python3 "$1" hold 203.0.113.2 7061 1 <>"$2"; done' sh "$exposed" /run/exposed/out.in
out=$APP
for how in restart kill; do
    # The app stops for a while: some wait in its queue, some before it, the rest in the host's.
    host kill -STOP "$pid"
    background "queue-$how" python3 "$exposed" queue "$H4" 7060 300
    wait_until 20 has_said "queue-$how" waiting || bail 'connections wait'
    wait_until 10 host_sh 'test "$(ss -Htn state established "sport = :7060" | wc -l)" -ge 500' || diag 'not all are established'
    if [[ $how == kill ]]; then
        for _ in 1 2 3; do
            host systemctl kill -s KILL appswitchd
            wait_until 20 host ax list
        done
    else
        host systemctl restart appswitchd
    fi
    host kill -CONT "$pid"
    wait_until 60 has_said "queue-$how" served
    is "$(said "queue-$how" | tail -n 1)" 'served 300' "$how: what waits is not lost" || diag "$(host cat "/run/exposed/queue-$how.err")"
    ask "$H4" 7060
    like "$OUT" '^me ' "$how: and it goes on"
done
wait_until 20 host_sh 'test "$(ss -Htn state established "dport = :7061" | wc -l)" = 1'
host_sh 'echo >/run/exposed/out.in'
wait_until 20 host_sh 'ss -Htni state established "dport = :7061" | grep -q advmss'
run host_sh 'ss -Htni state established "dport = :7061" | grep -o "advmss:[0-9]*"'
is "$OUT" advmss:1448 'what goes out after a restart has segments of full size'
stop_app "$out"
finish held
is "$(said held | tail -n 1)" 'good 200' 'connections that were there live on'
run client -- true
run host_sh 'ss -Htln "sport = :7060" | wc -l'
is "$OUT" 2 'one socket for each family'
# The app is killed while connections wait.
host kill -STOP "$pid"
background dead python3 "$exposed" queue "$H4" 7060 50
wait_until 20 has_said dead waiting
host ax kill --kill-whom=all -s KILL "$stays"
wait_until 60 has_said dead served
is "$(said dead | tail -n 1)" 'served 0' 'with the app go those that wait for it'
wait_until 10 host_sh '! ax status "$1"' "$stays"
run host_sh 'ss -Htan "sport = :7060" | grep -v TIME-WAIT'
is "$OUT" '' 'and no socket is left'

### many
start_app --name exposed-many --expose 7000:7060 -- sh -c 'ulimit -n 20000; exec python3 "$1" serve 7000 epoll 4096' sh "$exposed"
wait_for_listen "$APP" 7000
before=$(daemon_fds)
background many python3 "$exposed" hold "$H4" 7060 10000
wait_until 60 has_said many 'holding' || bail 'so many are held' "$(host cat /run/exposed/many.err)"
is "$(said many)" 'holding 10000' 'ten thousand at once'
within "$(($(daemon_fds) - before))" -50 50 'of which the daemon has none'
finish many
is "$(said many | tail -n 1)" 'good 10000' 'all of them are good'
stop_app "$APP"

run journal_since _COMM=appswitchd --priority=warning
is "$OUT" '' 'nothing to warn of was said'
done_testing
