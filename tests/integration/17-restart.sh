#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The daemon is restarted or killed under load: no app notices but by waiting a moment.
# timeout: 240
. "$(dirname "$0")/lib.sh"

echo_py=$PROGRAMS/echo.py load=$PROGRAMS/load.py
mark_journal

main_pid() {
    host systemctl show -P MainPID "$1"
}
ready() {
    [[ $(host systemctl is-active appswitchd) == active ]] && host ax list
}
apps_listed() {
    host ax list --json=short | /usr/bin/python3 -c 'import json, sys
apps = json.load(sys.stdin)
for a in apps: a["listens"].sort(key=str)
print(json.dumps(sorted(apps, key=lambda a: a["id"]), sort_keys=True))'
}

start_app --name restart-server --ip 198.18.17.1 --tag zone=default --tag role=server -- python3 "$echo_py" one 7 16
server=$APP server_log=$APP_LOG
wait_for_listen "$server" 7
start_app --name restart-server --ip 198.18.17.1 -- python3 "$echo_py" two 7 16
server2_log=$APP_LOG
wait_for_listen "$APP" 7
AS_USER=alice start_app --name restart-alice --ip 198.18.17.2 -- python3 "$echo_py" alice 7
wait_for_listen "$APP" 7
alice=$APP alice_log=$APP_LOG
start_app -- python3 "$load" hold 198.18.17.1 7 20 3600
hold=$APP hold_log=$APP_LOG
ok 'connections are held' wait_until 10 host grep -q held "$hold_log"
start_app --name restart-wait --ip 198.18.17.3 -- python3 -c '
import select, socket
# One waits in a blocking accept, one in poll.
import threading
def blocking(l):
    while True:
        s, peer = l.accept()
        s.sendall(b"accept\n"); s.sendall(s.recv(100)); s.close()
def polling(l):
    l.setblocking(False)
    e = select.epoll(); e.register(l, select.EPOLLIN | select.EPOLLET)
    while True:
        e.poll()
        try:
            while True:
                s, peer = l.accept()
                s.setblocking(True)
                s.sendall(b"poll\n"); s.sendall(s.recv(100)); s.close()
        except BlockingIOError: pass
def timed(l):
    l.settimeout(3600)
    blocking(l)
for f, port in (blocking, 1), (polling, 2), (timed, 3):
    threading.Thread(target=f, args=(socket.create_server(("", port)),)).start()'
for port in 1 2 3; do
    wait_for_listen "$APP" "$port"
done
before=$(apps_listed)
leaders=$(host ax list --json=short | grep -o '"leader":[0-9]*' | sort)

### after a restart and after a kill all is as it was
for how in restart kill; do
    pid=$(main_pid appswitchd)
    if [[ $how == restart ]]; then
        host systemctl restart appswitchd
    else
        host kill -KILL "$pid"
    fi
    ok "$how: the daemon is back" wait_until 10 ready
    isnt "$(main_pid appswitchd)" "$pid" "$how: it is another process"
    is "$(apps_listed)" "$before" "$how: ax list is the same"
    is "$(host ax list --json=short | grep -o '"leader":[0-9]*' | sort)" "$leaders" "$how: no app died"
    run client -- sh -c 'for p in 1 2 3; do python3 "$0" order 198.18.17.3 $p 1; done' "$load"
    is "$OUT" $'accept\npoll\naccept' "$how: who waited in accept or epoll before is served"
    run client -- python3 "$load" connects 198.18.17.1 7 10
    is "$OUT" 'one:5 two:5' "$how: instances share"
    run client -- python3 "$load" connects restart-server 7 2
    is "$OUT" 'one:1 two:1' "$how: names are known"
    run client -- dig +short restart-alice.ax.internal
    is "$OUT" 198.18.17.2 "$how: those of users, too"
    run client --tag role=server -- python3 "$load" connects 198.18.17.1 7 3
    is "$OUT" 'one:3' "$how: tags count"
    run host_as alice ax run --name restart-server -- true
    is "$STATUS" 1 "$how: names belong to whom they belonged"
    run host_as alice ax run --name restart-alice -- ip -4 -brief address
    like "$OUT" '198\.18\.17\.2' "$how: to alice, too"
    like "$(host systemctl show -P NFileDescriptorStore appswitchd)" '^[1-9]' "$how: descriptors are kept"
done
is "$(host systemctl is-active "appswitch-$hold.scope")" active 'connections that were held live on'

### again and again under load
# under_load SECONDS TEXT SCRIPT: connections without pause, while the script does its worst in the host.
under_load() {
    local loads lost answered
    host_sh 'load=$1 seconds=$2 script=$3
        ax run --quiet -- python3 "$load" load 198.18.17.1 7 "$seconds" 8 >/tmp/restart-load 2>&1 </dev/null &
        ax run --quiet -- python3 "$load" load restart-alice 7 "$seconds" 2 >/tmp/restart-load2 2>&1 </dev/null &
        sleep 0.5
        eval "$script"
        wait' "$load" "$1" "$3"
    loads=$(host cat /tmp/restart-load /tmp/restart-load2)
    diag "connections: $(tr '\n' ' ' <<<"$loads")"
    # A daemon that is killed while the kernel hands a descriptor over (SECCOMP_ADDFD_FLAG_SEND) leaves the call
    # answered without one: accept(2) returns 0. That is the kernel's doing, and the only way in which a connection
    # may be lost.
    lost=$(grep -o 'failed[^:]*:[0-9]*' <<<"$loads" | awk -F: '{n += $NF} END {print n + 0}')
    answered=$({ app_log "$server_log"; app_log "$server2_log"; app_log "$alice_log"; } | grep -c 'Socket operation on non-socket')
    diag "lost: $lost; accepts that the kernel answered without a descriptor: $((answered - answered_before))"
    ok "$2: no connection is lost by us" test "$lost" -le $((answered - answered_before))
    answered_before=$answered
    like "$loads" 'good:[0-9]{3,}.*good:[0-9]{2,}' 'and many were made'
}
answered_before=0
under_load 8 '24 kills and three restarts under load' '
    for i in $(seq 24); do
        until pid=$(systemctl show -P MainPID appswitchd) && [ "$pid" -gt 0 ]; do sleep 0.05; done
        kill -KILL "$pid"; sleep 0.2$i
        if [ $((i % 8)) = 0 ]; then systemctl restart appswitchd; sleep 0.2; fi
    done'
under_load 12 'killed 60 times while it starts' "python3 $PROGRAMS/kill-starting.py appswitchd.service 60 60"
ok 'the daemon is back' wait_until 10 ready
is "$(apps_listed)" "$before" 'ax list is the same'
is "$(host systemctl is-active "appswitch-$hold.scope")" active 'connections that were held live on'
is "$(host grep -c . "$hold_log")" 2 'and carry data' || diag "$(host cat "$hold_log")"
run client -- sh -c 'for p in 1 2 3; do python3 "$0" order 198.18.17.3 $p 1; done' "$load"
is "$OUT" $'accept\npoll\naccept' 'who waited is served'

### while there is no daemon
# A connect in the meantime waits for the next one. An app that ends in the meantime is gone afterwards.
start_app --name restart-gone --ip 198.18.17.4 -- sleep 1000
gone=$APP
host_sh 'printf "[Service]\nRestartSec=2s\n" >/run/restart.conf; mkdir -p /run/systemd/system/appswitchd.service.d
    mv /run/restart.conf /run/systemd/system/appswitchd.service.d/; systemctl daemon-reload
    kill -KILL $(systemctl show -P MainPID appswitchd); sleep 0.2; systemctl is-active appswitchd
    kill -KILL '"$(host ax list --json=short | /usr/bin/python3 -c 'import json, sys
print(*(a["leader"] for a in json.load(sys.stdin) if a["id"] == sys.argv[1]))' "$gone")"'
    systemctl stop appswitch-'"$alice"'.scope
    sleep 0.2
    true' >"$scratch/meantime" 2>&1
isnt "$(<"$scratch/meantime")" active 'the daemon is away for a while'
ok 'the daemon is back' wait_until 10 ready
run host ax list
unlike "$OUT" "$gone" 'an app that was killed meanwhile is gone'
unlike "$OUT" "$alice" 'one whose scope was stopped meanwhile, too'
like "$OUT" "$server" 'the others are there'
run host ls /run/appswitch/apps
unlike "$OUT" "$gone|$alice" 'no record of them is left'
run client -- dig restart-gone.ax.internal
like "$OUT" 'NXDOMAIN' 'nor a name'
host_sh 'rm -r /run/systemd/system/appswitchd.service.d; systemctl daemon-reload'

# Its leader is known, too, and can be sent a signal.
start_app --name restart-leader -- python3 -c '
import signal, subprocess
signal.signal(signal.SIGUSR1, lambda *_: print("got it", flush=True))
child = subprocess.Popen(["sleep", "1000"])
while True: signal.pause()'
leader=$APP leader_log=$APP_LOG
sleep 0.3
host kill -KILL "$(main_pid appswitchd)"
ok 'the daemon is back' wait_until 10 ready
host ax kill --kill-whom=leader --signal=USR1 "$leader"
ok 'the leader gets a signal by the next daemon' wait_until 5 host grep -q 'got it' "$leader_log"
host ax stop "$leader"

# ax run is told the end of its app though the daemon was away, and its SIGKILL still stops the app.
run host_sh 'ax run -- sh -c "sleep 1; exit 7" & sleep 0.3; kill -KILL $(systemctl show -P MainPID appswitchd); wait $!; echo $?'
is "$OUT" 7 'ax run over a restart: the exit status comes through'
run host_sh 'ax run --unit appswitch-restart-x.scope -- sleep 71 & sleep 0.3; kill -KILL $(systemctl show -P MainPID appswitchd)
    for i in $(seq 50); do ax list >/dev/null 2>&1 && break; sleep 0.1; done; kill -KILL $!; sleep 1; pgrep -fx "sleep 71"; echo $?'
is "$OUT" 1 'ax run that is killed after a restart takes its app with it'
run host_sh 'ax run --unit appswitch-restart-y.scope -- sleep 72 & sleep 0.3; kill -STOP $(systemctl show -P MainPID appswitchd); kill -KILL $!
    kill -KILL $(systemctl show -P MainPID appswitchd)
    for i in $(seq 50); do ax list >/dev/null 2>&1 && break; sleep 0.1; done; sleep 1; pgrep -fx "sleep 72"; echo $?'
is "$OUT" 1 'ax run that is killed while there is no daemon, too'

### the helpers
for unit in appswitch-dnsd appswitch-exec; do
    pid=$(main_pid "$unit")
    if [[ $pid == 0 ]]; then
        fail "$unit runs" "it does not"
        continue
    fi
    host kill -KILL "$pid"
    run client -- python3 "$load" connects restart-server 7 2
    is "$OUT" 'one:1 two:1' "$unit is killed: apps start and names are known"
    run host_sh 'ax run -- sh -c "sleep 1; exit 8" & sleep 0.3; kill -KILL $(systemctl show -P MainPID '"$unit"'); wait $!; echo $?'
    is "$OUT" 8 "$unit is killed: a running app ends well"
    like "$(host ax list --no-legend)" "$server" "$unit is killed: apps live"
    host systemctl restart "$unit"
    run client -- python3 "$load" connects restart-server 7 2
    is "$OUT" 'one:1 two:1' "$unit is restarted: apps start and names are known"
done
# Many times: the start limit must not be hit.
host_sh 'for i in $(seq 8); do for u in appswitch-dnsd appswitch-exec; do p=$(systemctl show -P MainPID $u); [ "$p" = 0 ] || kill -KILL $p 2>/dev/null; done; sleep 0.15; done'
run client -- python3 "$load" connects restart-server 7 2
is "$OUT" 'one:1 two:1' 'killed again and again: apps start and names are known'

### the manager, and the bus
host systemctl daemon-reexec
run client -- python3 "$load" connects restart-server 7 2
is "$OUT" 'one:1 two:1' 'systemd is re-executed'
host kill -KILL "$(main_pid appswitchd)"
ok 'and the daemon is killed' wait_until 10 ready
run client -- python3 "$load" connects restart-server 7 2
is "$OUT" 'one:1 two:1' 'all goes on'

# (A unit that is masked, as 13-bad-input does with it in the same boot, has no room for descriptors: "Exchange full".)
is "$(journal_since --unit=appswitch-dnsd --unit=appswitch-exec --priority=err | grep -v "Failed with result\|Main process exited\|^Failed to start\|Failed to add fd to store: Exchange full")" '' \
    'the journal has no error'

### stop means the end
# sleep is not deaf by itself; a server in accept would be.
host systemctl stop appswitchd
is "$(host systemctl list-units --plain --no-legend 'appswitch-*.scope' | wc -l)" 0 'systemctl stop: no scope is left' ||
    diag "$(host systemctl list-units --plain --no-legend 'appswitch-*.scope')"
is "$(host_sh 'pgrep -fc "[e]cho.py|[l]oad.py"')" 0 'no app lives on, deaf'
is "$(host ls /run/appswitch/apps)" '' 'no record is left'
run host ax list --no-legend
is "$STATUS$OUT" 0 'afterwards it is started anew, with no app'
run client -- echo again
is "$OUT" again 'and apps run'

done_testing
