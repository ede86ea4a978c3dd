#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# More apps that make calls without a pause than the loop waits for by poll(2) (trap/hot.h): they take turns, and so do all others.
. "$(dirname "$0")/lib.sh"

N=14
calls=$PROGRAMS/calls.py
apps=()
for ((i = 0; i < N; i++)); do
    start_app --name "share-$i" -- python3 "$calls" 12
    apps+=("$APP")
    logs[i]=$APP_LOG
done
wait_until 20 host_sh "grep -q ready ${logs[N - 1]}"

# While all of them call:
ok 'a call to the daemon is answered' wait_until 5 host ax list
run host_sh "ax run --quiet -- python3 $calls 0"
like "$OUT" '[0-9]' 'an app that begins and ends among them is served'
victim=${apps[0]}
host ax kill --signal=KILL "$victim"
ended() {
    ! host ax list --no-legend | grep -q "^$victim "
}
ok 'one that is killed in the middle of it is found to have ended' wait_until 5 ended

wait_until 40 host_sh "for log in ${logs[*]:1}; do grep -q calls \$log || exit 1; done"
run host_sh "for log in ${logs[*]:1}; do sed -n 's/ calls\$//p' \$log; done | sort -n"
is "$(wc -l <<<"$OUT")" $((N - 1)) 'all of the others went on to the end'
least=$(head -1 <<<"$OUT") most=$(tail -1 <<<"$OUT")
diag "calls of an app: $least to $most"
ok 'nobody had less than a third of what another one had' test $((3 * least)) -ge "$most"

### closed listeners, which are looked for a part at a time, by nobody's asking (what ax list asks for looks, too)
many=$PROGRAMS/listen-many.py
services() {
    host busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager ListServices | grep -o '"tcp"' | wc -l
}
has_services() {
    [[ $(services) == "$1" ]]
}
before=$(services)
start_app --name many-1 -- python3 -S "$many" 10000 700 100
start_app --name many-2 -- python3 -S "$many" 10000 700 600
ok 'two apps listen on 700 ports each' wait_until 10 has_services $((before + 1400))
ok 'and close most and some of them: all that are left are there, and no others' wait_until 20 has_services $((before + 700))

done_testing
