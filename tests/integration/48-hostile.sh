#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What apps do to the switch, the switch does not let them do to others.
# timeout: 300
. "$(dirname "$0")/lib.sh"

echo_py=$PROGRAMS/echo.py load=$PROGRAMS/load.py hostile=$PROGRAMS/hostile.py

start_app --name hostile-server --ip 198.18.48.1 -- python3 "$echo_py" good 7
wait_for_listen "$APP" 7
serves() {
    run client -- python3 "$load" connects 198.18.48.1 7 20
    is "$OUT" good:20 "$1: others are served"
}

### memory that never answers
start_app -- python3 "$hostile" memory
ended() {
    ! host ax list --no-legend | grep -q "^$1 "
}
serves 'memory that does not answer'
ok 'an app whose memory does not answer is ended' wait_until 10 ended "$APP"
like "$(host journalctl -u appswitchd -o cat --since -1min)" "$APP holds up the switch" 'the journal says why'
serves 'after that'

### sockets that hold up who asks them
for what in lock toggle; do
    start_app -- python3 "$hostile" "$what"
    wait_until 10 host grep -q ready "$APP_LOG"
    sleep 1
    serves "$what"
    host ax kill --signal=KILL "$APP" 2>/dev/null
done

### more calls that wait than there is room for
start_app --name hostile-accepts -- python3 "$hostile" accepts 50 110
ok 'thousands of accepts wait' wait_until 20 host grep -q ready "$APP_LOG"
sleep 1
serves 'thousands of calls that wait'
host ax kill --signal=KILL "$APP"

### a connection is a connection to where it was made
# The server has something that is for itself alone.
start_app --name hostile-target --ip 198.18.48.2 -- python3 -c '
import socket, threading, time
inside = socket.create_server(("127.0.0.1", 81))
def serve(l, name):
    while True:
        s, _ = l.accept()
        try:
            s.sendall(name)
            if name == b"inside\n": print("somebody got in", flush=True)
        except OSError: pass
threading.Thread(target=serve, args=(inside, b"inside\n")).start()
serve(socket.create_server(("", 80)), b"outside\n")'
target_log=$APP_LOG
wait_for_listen "$APP" 80
for shortcut in unix tcp; do
    run client --shortcut=$shortcut -- python3 "$hostile" reuse 198.18.48.2 80 81
    is "$OUT" 'done' "$shortcut: a connection leads nowhere else in the namespace of the server"
done
host systemd-run --quiet --collect --unit=hostile-take -p StandardOutput=file:/tmp/hostile-take \
    python3 "$hostile" take /tmp/hostile-socket 81
ok 'a confederate outside waits' wait_until 5 host grep -q ready /tmp/hostile-take
run client --shortcut=tcp -- python3 "$hostile" give 198.18.48.2 80 /tmp/hostile-socket
is "$OUT" 'done' 'an app gives its connection away'
wait_until 10 host grep -q done /tmp/hostile-take
is "$(host cat /tmp/hostile-take)" $'ready\ndone' 'nor for somebody outside who was given it'
unlike "$(app_log "$target_log")" 'somebody got in' 'and nobody got in'

### more listeners than the daemon could be told of when it starts: their names come in one environment variable
many=()
for i in 1 2 3; do
    start_app --name "hostile-many$i" --ip "198.18.48.3$i" -- python3 -c '
import signal, socket
listeners = [socket.create_server(("", 10000 + i)) for i in range(1000)]
signal.pause()'
    many+=("$APP")
    wait_for_listen "$APP" 10999 60
done
host_sh 'systemctl restart appswitchd'
ok 'the daemon starts with thousands of listeners' wait_until 30 host ax list
run client -- python3 -c '
import socket
for i in range(1000):
    socket.create_connection(("198.18.48.31", 10000 + i)).close()
print("all")'
is "$OUT" all 'and knows those of who came first'
serves 'with them'
for app in "${many[@]}"; do
    stop_app "$app"
done

### connections that are never accepted: those to another port of the app cost as much as before
two_queues=$PROGRAMS/two-queues.py
start_app --name hostile-queues --ip 198.18.48.40 -- python3 "$two_queues" serve 7001 7002
queues=$APP
wait_for_listen "$queues" 7002
processor_time() { # of the daemon's loop, in µs
    host_sh 'read -r ns _ <"/proc/$(systemctl show -P MainPID appswitchd)/schedstat"; echo "$((ns / 1000))"'
}
took() {
    local begin
    begin=$(processor_time)
    is "$(client -- python3 "$two_queues" ask 198.18.48.40 7002 1000)" 'served 1000' "$1"
    TOOK=$(($(processor_time) - begin))
}
took 'a thousand connections'
few=$TOOK
start_app -- python3 "$PROGRAMS/hold.py" 198.18.48.40 7001 400
ok 'four hundred are never accepted' wait_until 20 host grep -q connected "$APP_LOG"
took 'a thousand connections beside them'
within "$TOOK" 0 "$((3 * few))" 'take no longer' || diag "µs: $few, then $TOOK"
pid=$(host ax list --json=short | /usr/bin/python3 -c 'import json, sys; print(*(a["leader"] for a in json.load(sys.stdin) if a["id"] == sys.argv[1]))' "$queues")
host kill -STOP "$pid"
holder=$APP
start_app -- python3 "$two_queues" together 198.18.48.40 7002 60
wait_until 20 host grep -q waiting "$APP_LOG" || bail 'some wait'
host systemctl restart appswitchd
host kill -CONT "$pid"
wait_until 20 host grep -q served "$APP_LOG"
is "$(app_log | tail -n 1)" 'served 60' 'and a restart loses none'
stop_app "$holder"
stop_app "$queues"

done_testing
