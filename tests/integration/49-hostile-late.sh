#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Memory of apps that answers when they are dead, or never, as somebody else has it in his hands.
# timeout: 180
. "$(dirname "$0")/lib.sh"

echo_py=$PROGRAMS/echo.py load=$PROGRAMS/load.py late=$PROGRAMS/hostile-late.py

outside() { # NAME ARG...
    host systemd-run --quiet --collect --unit="late-$1" -p StandardOutput=file:"/tmp/late-$1" -p StandardError=file:"/tmp/late-$1" \
        python3 "$late" "${@:2}"
    wait_until 10 host grep -q ready "/tmp/late-$1" || bail "$1 begins" "$(host cat "/tmp/late-$1")"
}
# shellcheck disable=SC2317
at_exit() {
    host systemctl stop late-take-over late-hold 2>/dev/null
}

start_app --name late-server --ip 198.18.49.1 -- python3 "$echo_py" good 7
wait_for_listen "$APP" 7

### who has the number of a dead caller
outside take-over take-over /tmp/late-take-over.socket
start_app -- python3 "$late" leave /tmp/late-take-over.socket 198.18.49.1 7
wait_until 10 host grep -q left "$APP_LOG" || bail 'the caller ends' "$(app_log)"
wait_until 10 host grep -qE 'untouched|written' /tmp/late-take-over
is "$(host cat /tmp/late-take-over)" $'ready\nuntouched' 'an answer that is late is not written into the memory of another process'
stop_app "$APP"

### threads that never come back
# LeakSanitizer stops all threads of a process that ends, and waits for those that cannot be stopped.
if host_sh 'grep -q libasan "/proc/$(systemctl show -P MainPID appswitchd)/maps"'; then
    skip 'threads that never come back' 'LeakSanitizer would wait for them'
    done_testing
    exit 0
fi
before=$(host systemctl show -P MainPID appswitchd)
outside hold hold /tmp/late-hold.socket
most=0
for _ in {1..16}; do
    start_app -- python3 "$late" stay /tmp/late-hold.socket
    # shellcheck disable=SC2317
    ended() {
        ! host ax list --no-legend | grep -q "^$APP "
    }
    wait_until 10 ended || bail 'an app whose memory does not answer is ended' "$APP"
    n=$(host_sh 'ls "/proc/$(systemctl show -P MainPID appswitchd)/task" | wc -l')
    most=$((n > most ? n : most))
done
within "$most" 1 40 'apps that are dead do not hold up more threads than there may be' || diag "threads: $most"
isnt "$(host systemctl show -P MainPID appswitchd)" "$before" 'as the daemon gives way to a new one'
like "$(host journalctl -u appswitchd -o cat --since -2min)" 'hold up too many threads' 'which the journal explains'
run client -- python3 "$load" connects 198.18.49.1 7 20
is "$OUT" good:20 'and others are served'

done_testing
