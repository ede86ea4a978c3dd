#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# ax run is transparent: what a program gets and gives is the same as without.
# timeout: 180
. "$(dirname "$0")/lib.sh"

# same TEXT SCRIPT: a script does the same with AX empty and with AX="ax run" ($AX is to stand before a program);
# its output is compared, which it is to end with what it is about.
same() {
    local native app
    native=$(host_sh "AX=''; $2" 2>&1; echo "status $?")
    app=$(host_sh "AX='ax run --'; $2" 2>&1; echo "status $?")
    if [[ $native == "$app" && $native != "status 127" ]]; then
        pass "$1"
    else
        fail "$1" "differences (< native, > app):" "$(diff <(printf '%s\n' "$native") <(printf '%s\n' "$app"))"
    fi
}

### streams
host_sh 'head -c 20000000 /dev/urandom >/tmp/run-big'
same 'binary input and output of 20 MB' 'cat /tmp/run-big | $AX cat | sha256sum'
same 'standard error is apart from standard output' '$AX sh -c "echo out; echo err >&2" 2>/tmp/run-err; echo --; cat /tmp/run-err'
same 'files as streams, with their positions' 'printf "one\ntwo\nthree\n" >/tmp/run-f; exec 3</tmp/run-f; read a <&3
    $AX head -c 4 <&3; $AX cat <&3; exec 4>/tmp/run-o; echo a >&4; $AX echo b >&4; $AX echo c >>/tmp/run-o; cat /tmp/run-o'
run host_sh 'ax run -- sh -c "cat; echo \$?" <&-; ax run -- sh -c "echo x; echo y >&2" <&- >&- 2>/tmp/run-closed; echo $?; cat /tmp/run-closed'
is "$OUT" $'0\n0\ny' 'a stream that is closed is /dev/null'
same 'standard input at its end' '$AX wc -c </dev/null'
same 'reader gone: SIGPIPE' 'set -o pipefail; $AX yes | head -n 3; echo ${PIPESTATUS[0]}'
same 'standard output full' '$AX sh -c "echo x >&1" >/dev/full; echo $?'
same 'a pipe from one app into another' '$AX seq 100000 | $AX sort -n | $AX tail -n 1'

### ends
same 'exit statuses' 'for i in 0 1 2 77 126 127 200 203 254 255; do $AX sh -c "exit $i"; echo $?; done'
same 'wait status of a program that a signal ends' 'export AX; python3 -c "
import os, subprocess
ax = os.environ[\"AX\"].split()
for s in 1, 2, 3, 4, 6, 8, 9, 10, 11, 12, 13, 14, 15, 24, 34:
    # No core files.
    print(s, subprocess.run(ax + [\"sh\", \"-c\", \"ulimit -c 0; kill -%d \$\$\" % s]).returncode)"'
same 'a status comes at once, though a child has the output' 'time=$SECONDS; $AX sh -c "sleep 5 >/dev/null 2>&1 & exit 3"; echo $? $((SECONDS - time < 3))'

### arguments and environment
same 'arguments of all kinds' '$AX python3 '$PROGRAMS'/state.py "" " " "a  b" "$(printf "x\ny\t")" -- -x --help "\$HOME" "%s" "*" "é" "$(printf "\351\377")" "" | grep argv'
same 'an argument of 100 KB, and 5000 arguments' '$AX sh -c "echo \${#1}" sh "$(head -c 100000 /dev/zero | tr "\0" x)"; $AX sh -c "echo \$#" sh $(seq 5000)'
same 'the name of the program, as argv[0] and by $PATH' 'mkdir -p /tmp/run-bin; printf "#!/bin/sh\necho found \$0 \$1\n" >/tmp/run-bin/run-me; chmod +x /tmp/run-bin/run-me
    PATH=/tmp/run-bin:$PATH; $AX run-me 1; $AX /tmp/run-bin/run-me 2; cd /tmp; $AX ./run-bin/run-me 3'
same 'a script without an interpreter line' 'printf "echo \$1 script\n" >/tmp/run-plain; chmod +x /tmp/run-plain; $AX /tmp/run-plain a'
same 'the environment, in its order' 'env -i B=2 A=1 PATH="$PATH" EMPTY= "X=a=b" "NL=$(printf "a\nb")" "U=é" LANG=C.UTF-8 "odd name=1" "1=x" \
    BASH_FUNC_f%%="() { :; }" $AX env -0 | od -c'
same 'an environment with values that are not UTF-8' 'env -i PATH="$PATH" "L=$(printf "\351")" $AX env -0 | od -c'
same 'no environment but a program with a path' 'env -i $(command -v ${AX%% *}) ${AX#ax} /usr/bin/env'
same 'an environment of 1 MB' 'for i in $(seq 10); do export "BIG$i=$(head -c 100000 /dev/zero | tr "\0" y)"; done; $AX env | grep ^BIG | sha256sum'

### the rest that is inherited
same 'working directory, umask, limits, nice, signals, credentials' 'mkdir -p "/tmp/run d/é"; cd "/tmp/run d/é"; umask 027
    ulimit -Sn 333; ulimit -Hn 4444; ulimit -c 7; ulimit -v 9000000; ulimit -Sf 77777; ulimit -s 12345; ulimit -t 5000
    nice -n 7 $AX python3 '$PROGRAMS'/state.py </dev/null | grep -Ev "^(fd [12]|Groups)"'
same 'no soft limit is above what the caller has' 'ulimit -a >/tmp/run-native; $AX bash -c "ulimit -a"'
same 'a working directory that only its descriptor reaches' 'rm -rf /tmp/run-deep; mkdir -p /tmp/run-deep/a; cd /tmp/run-deep/a; mv /tmp/run-deep /tmp/run-moved; touch here; $AX ls; rm -rf /tmp/run-moved'
same 'a root of a mount that is over another' 'cd /proc/sys/kernel; $AX cat ostype'

### signals to ax reach the app
cat >"$scratch/signals.py" <<'PY'
# signals.py AX...: sends signals to a program that tells of them, which is run by way of the words given.
import signal, subprocess, sys, time
signals = [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT, signal.SIGQUIT, signal.SIGALRM,
           signal.SIGCONT, signal.SIGWINCH, signal.SIGRTMIN + 3, signal.SIGTERM]
program = """
import os, signal, sys, time
def got(n, _):
    os.write(1, str(n).encode() + b"\\n") # print() must not be called while it runs
    if n == signal.SIGTERM:
        sys.exit(5)
for n in %r:
    signal.signal(n, got)
print("ready", flush=True)
while True:
    time.sleep(1)
""" % [int(n) for n in signals]
child = subprocess.Popen(sys.argv[1:] + [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline().strip())
for n in signals:
    child.send_signal(n)
    print(n == int(child.stdout.readline()))
print(child.wait())
PY
push "$scratch/signals.py" /tmp/run-signals.py
same 'signals reach the app, which may heed or ignore them' '${AX:+env} timeout 20 python3 /tmp/run-signals.py $AX'

# leader NAME: the PID of the first process of an app
leader() {
    host ax list --json=short | /usr/bin/python3 -c 'import json, sys
print(*(a["leader"] for a in json.load(sys.stdin) if a["name"] == sys.argv[1]))' "$1"
}
run host_sh 'ax run -- sleep 60 & sleep 0.5; kill $!; wait $!; echo $?'
is "$OUT" 143 'SIGTERM ends a program, and ax as it'
host_sh 'setsid ax run --collect --name run-stopped -- sleep 60 </dev/null >/dev/null 2>&1 & sleep 0.5; echo $! >/tmp/run-ax; wait' &
waiting=$!
ok 'it runs' wait_until 5 host ax status run-stopped
pid=$(leader run-stopped)
state_of() {
    [[ $(host grep ^State "/proc/$1/status") == *"$2"* ]]
}
ok 'ax is there' wait_until 5 host test -s /tmp/run-ax
ax=$(host cat /tmp/run-ax)
host kill -STOP "$pid"
ok 'a stopped program stops ax' wait_until 5 state_of "$ax" T
host kill -CONT "$ax"
ok 'SIGCONT to ax continues both' wait_until 5 state_of "$pid" S
ok 'ax, too' state_of "$ax" S
host kill "$ax"
wait "$waiting"

# What has ended is gone when ax says so: the next of that name may have another address.
run host_sh 'for i in $(seq 40); do ax run --name run-again --ip 198.18.10.$((i + 100)) -- true || exit 1; done'
is "$STATUS$OUT$ERR" 0 'the name is free when ax run has come back'

### the end of ax, of the app, of its scope
gone() {
    [[ $(host systemctl list-units --plain --no-legend --all "$1") == '' ]]
}
run host_sh 'ax run --collect --unit appswitch-run-kill.scope -- sh -c "trap \"\" HUP; sleep 61 & sleep 61" & sleep 0.5; kill -KILL $!'
ok 'ax is killed: its app is stopped' wait_until 5 gone appswitch-run-kill.scope
is "$(host pgrep -fx 'sleep 61')" '' 'with all its processes'

run host_sh 'ax run --no-block --collect --unit appswitch-run-block.scope -- sleep 62; echo $?'
like "$OUT$ERR" 'Running as unit appswitch-run-block\.scope.*0|0' '--no-block comes back at once'
like "$ERR" 'Running as unit appswitch-run-block\.scope' 'and says as what'
is "$(host systemctl is-active appswitch-run-block.scope)" active 'and its app lives on'
is "$(host systemctl show -P ActiveState appswitch-run-block.scope)" active 'as a scope'
run host systemctl stop appswitch-run-block.scope
ok 'which ends with its scope' wait_until 5 gone appswitch-run-block.scope
is "$(host pgrep -fx 'sleep 62')" '' 'so that nothing of it is left'
run host ax list --no-legend
unlike "$OUT" 'run-block' 'also not in the list'

run host_sh 'ax run --unit appswitch-run-daemon.scope -- sh -c "setsid sleep 63 </dev/null >/dev/null 2>&1 & echo done"; echo $?; sleep 0.3
    systemctl is-active appswitch-run-daemon.scope; pgrep -fx "sleep 63" | wc -l; ax list --no-legend | grep -c run-daemon'
is "$(tr '\n' ' ' <<<"$OUT")" 'done 0 active 1 1 ' 'what an app leaves behind lives on in its scope'
run host_sh 'pkill -fx "sleep 63"'
ok 'and the scope ends with it' wait_until 5 gone appswitch-run-daemon.scope

run host_sh 'ax run --unit appswitch-run-tree.scope -- sh -c "setsid sleep 64 & (sleep 65 & sleep 66 & wait) & wait" & sleep 0.6
    systemctl status appswitch-run-tree.scope --no-pager; ax status appswitch-run-tree 2>&1; ax stop $(ax list --no-legend | cut -d" " -f1); wait $!; echo "status $?"'
for n in 64 65 66; do
    like "$OUT" "sleep $n" "systemctl status shows sleep $n"
done
like "$OUT" 'status 143' 'ax stop: SIGTERM, as ax run tells'

# A scope that is gone without its leader having ended well.
run host_sh 'ax run --unit appswitch-run-x.scope -- sleep 67 & sleep 0.4; systemctl kill --signal=KILL appswitch-run-x.scope; wait $!; echo $?'
is "$OUT" 137 'a scope that was killed: ax run tells'
ok 'and the scope is gone' wait_until 5 gone 'appswitch-run-x*'

### options
run host_sh 'ax run --unit appswitch-run-opt.scope --slice appswitch-run.slice --description "A description: %n é" -- sleep 68 & sleep 0.4
    for p in Slice Description ControlGroup; do systemctl show -P $p appswitch-run-opt.scope; done; kill $!; wait $!'
is "$OUT" $'appswitch-run.slice\nA description: %n é\n/appswitch.slice/appswitch-run.slice/appswitch-run-opt.scope' '--unit, --slice, --description'
run host_sh 'ax run -- sh -c "grep ^0:: /proc/self/cgroup" | sed "s/_[0-9]*/_N/"'
is "$OUT" '0::/appswitch.slice/appswitch-app_N.scope' 'the unit is named after the app, in a slice of its own'
run host_sh 'ax run --no-block -- true 2>&1; ax run --quiet --no-block -- true 2>&1; ax run -- true 2>&1'
like "$OUT" $'^Running as unit appswitch-app_[0-9]+\\.scope[^\n]*$' '--quiet says nothing; nor does what is no terminal'
run host ax run --no-block --json=short --name run-json --ip 198.18.10.1 -- sleep 69
like "$OUT" '^\[?\{.*"id":"run-json_[0-9]+".*"addresses":\["198\.18\.10\.1".*\]' '--no-block --json describes the app'
id=$(grep -o 'run-json_[0-9]*' <<<"$OUT" | head -n 1)

### list, status, stop, kill
run host ax list
like "$OUT" 'ID +NAME +ADDRESSES +TAGS +LISTENS +UID +UNIT +LEADER' 'ax list has a header'
like "$OUT" "$id +run-json +198\.18\.10\.1[^ ]* +zone=default +- +0 +appswitch-$id\.scope +[0-9]+|$id +run-json +198\.18\.10\.1[^ ]* +zone=default +0 +appswitch" 'and a row for each app'
run host ax list --no-legend
is "$(wc -l <<<"$OUT")" 1 '--no-legend: nothing but rows'
run host ax list --json=pretty
like "$OUT" '"name": "run-json",' '--json=pretty'
is "$(/usr/bin/python3 -c 'import json, sys; print([a["name"] for a in json.load(sys.stdin)])' <<<"$OUT")" "['run-json']" 'is JSON'
run host ax list --json=short
is "$(wc -l <<<"$OUT")" 1 '--json=short is one line'
for what in "$id" run-json; do
    run host ax status "$what"
    like "$OUT" "$id.*198\.18\.10\.1.*zone=default.*appswitch-$id\.scope.*sleep 69" "ax status by ${what%_*}"
done
run host ax status --json=short run-json
is "$(/usr/bin/python3 -c 'import json, sys; print([a["name"] for a in json.load(sys.stdin)])' <<<"$OUT")" "['run-json']" 'ax status as JSON'
run host ax status nosuch
is "$STATUS" 1 'ax status of an app that is not there fails'
is "$(wc -l <<<"$ERR")" 1 'with one line'
run host ax kill --signal=STOP "$id"
leader=$(host ax list --json=short | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["leader"])')
like "$(host grep ^State "/proc/$leader/status")" 'T' 'ax kill --signal=STOP'
run host ax kill -s SIGCONT --kill-whom=leader "$id"
like "$(host grep ^State "/proc/$leader/status")" 'S' 'ax kill -s SIGCONT --kill-whom=leader'
run host ax kill --signal=NONSENSE "$id"
is "$STATUS $(wc -l <<<"$ERR")" '1 1' 'a signal that there is none of is an error'
run host ax stop run-json
is "$STATUS" 0 'ax stop by name'
run host ax list --no-legend
is "$OUT" '' 'and it is gone when ax stop comes back'
run host ax list --json=short
is "$OUT" '[]' 'no app is an empty array'
run host ax stop run-json
is "$STATUS $(wc -l <<<"$ERR")" '1 1' 'what is gone cannot be stopped'
run host ax --version
like "$OUT" '[0-9]' 'ax --version'
run host ax --help
like "$OUT" 'run.*list.*status.*stop.*kill' 'ax --help'
run host ax run --help
like "$OUT" '--name' 'ax run --help'
is "$(host systemctl list-units --plain --no-legend --all 'appswitch-*.scope')" '' 'no scope is left'

done_testing
