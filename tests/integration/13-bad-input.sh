#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What cannot be: one line that says what and why, one with a hint if the daemon has refused it, the exit status of systemd-run, and nothing left behind.
# timeout: 180
. "$(dirname "$0")/lib.sh"

# Of what there must not be more afterwards: apps, scopes, namespaces, records.
leftovers() {
    host_sh 'ax list --no-legend; systemctl list-units --all --plain --no-legend "appswitch-*.scope" "bad*.scope"
        lsns --noheadings --type net --output NS; ls -A /run/appswitch/apps' | sort
}
before=$(leftovers)

# bad STATUS REGEX TEXT COMMAND...: fails so, with one line that matches, and a hint, and leaves nothing
bad() {
    local status=$1 regex=$2 text=$3 trouble=''
    shift 3
    run "$@"
    [[ $STATUS == "$status" ]] || trouble+="status $STATUS and not $status; "
    [[ $ERR =~ $regex ]] || trouble+="no match for: $regex; "
    if [[ $ERR == Failed* && $ERR != *'see "ax list"'* ]]; then
        [[ $(wc -l <<<"$ERR") == 2 && $ERR == *$'\nHint: '* ]] || trouble+="not one line and a hint; "
    else
        [[ $(wc -l <<<"$ERR") == 1 && $ERR ]] || trouble+="not one line; "
    fi
    ((${#ERR} < 500)) || trouble+="much too long; "
    [[ ! $OUT ]] || trouble+="output: $OUT; "
    wait_until 2 nothing_left || trouble+="left behind: $(what_is_left)"
    if [[ ! $trouble ]]; then
        pass "$text"
    else
        fail "$text" "$trouble" "$ERR"
    fi
}
# (A service of the host that ends meanwhile can take a namespace with it: systemd-hostnamed, which leaves when idle.)
what_is_left() {
    comm -13 <(echo "$before") <(leftovers)
}
nothing_left() {
    [[ ! $(what_is_left) ]]
}
ax_run() {
    host ax run "$@"
}

### names
long=$(printf 'a%.0s' {1..64})
for name in -web web- web..x .web web. we_b 'we b' 'wéb' "$long" "x.$long" "$(printf 'abcdefg.%.0s' {1..32})com" '*' a/b 'web;x' $'new\nline'; do
    text=${name//$'\n'/\\n}
    bad 1 '[Nn]ame' "name ${text:0:30}" ax_run --name "$name" -- true
done
run ax_run --name "${long:1}" -- true
is "$STATUS" 0 'a label of 63 characters is one'
run ax_run --name a.b-c.1d -- true
is "$STATUS" 0 'labels with dots, hyphens and digits'

for name in bücher 名前 мир 'a.名前'; do
    bad 1 "[Nn]ame '$name'.*a-z.*xn--" "name $name" ax_run --name "$name" -- true
done
run ax_run --name xn--bcher-kva -- getent hosts xn--bcher-kva
like "$OUT" 'xn--bcher-kva' 'but in ASCII, as DNS has it, it is one'
run host busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager GetAppsByName s 名前
like "$ERR" "名前.*xn--" 'also where it is looked for'

### addresses
for address in 300.1.1.1 1.2.3 1.2.3.4.5 hello 198.18.0.1/24 198.18.0.1:80 '[fd00::1]' fd00:::1 '' ' 198.18.0.1' 0x7f.1 198.18.0.01; do
    bad 1 '[Aa]ddress' "address '$address'" ax_run --ip "$address" -- true
done
for address in 127.0.0.1 127.1.2.3 0.0.0.0 0.1.2.3 224.0.0.1 239.255.255.255 255.255.255.255 240.0.0.1 :: ::1 ff02::1 \
    ::ffff:127.0.0.1 ::ffff:224.0.0.1 ::ffff:0.0.0.0; do
    bad 1 "Invalid address.*${address//./\\.}.*(reserved|loopback|multicast|unspecified|broadcast|is|cannot)" \
        "reserved address $address" ax_run --ip "$address" -- true
done
many=()
for i in $(seq 100); do
    many+=("--ip=198.18.13.$i")
done
bad 1 'addresses' 'a hundred addresses' ax_run "${many[@]}" -- true

### tags
for tag in zone =shop zone= 'zo ne=x' 'zone=a b' 'zone=x,y' ZONE=x "zone=$long" "$long=x" 'zone=é' ''; do
    bad 1 '[Tt]ag' "tag '$tag'" ax_run --tag "$tag" -- true
done
many=()
for i in $(seq 200); do
    many+=("--tag=k$i=v")
done
bad 1 'tags' 'two hundred tags' ax_run "${many[@]}" -- true
many=()
for i in $(seq 10000); do
    many+=("--tag=k$i=v")
done
bad 1 '64 tags' 'ten thousand tags' ax_run "${many[@]}" -- true
bad 1 '64 tags' 'and for an app that runs' host_sh 'ax run --no-block --quiet --name bad-tags -- sleep 300 </dev/null >/dev/null 2>&1
    ax tag bad-tags $(seq -f "k%.0f=v" 10000); r=$?; ax list --json=short | grep -q "zone=default" || echo tagged; ax stop bad-tags; exit $r'

### the command
host_sh 'echo "#!/bin/sh" >/tmp/bad-plain; chmod 644 /tmp/bad-plain; printf "#!/nonexistent/interpreter\n" >/tmp/bad-script
    chmod 755 /tmp/bad-script'
bad 203 "nonexistent-command.*No such file" 'command not found' ax_run -- nonexistent-command
bad 203 "/nonexistent/command.*No such file" 'path not found' ax_run -- /nonexistent/command
bad 203 "Permission denied" 'not executable' ax_run -- /tmp/bad-plain
bad 203 "Permission denied" 'a directory' ax_run -- /tmp
bad 203 "No such file" 'no interpreter' ax_run -- /tmp/bad-script
bad 203 "Permission denied|No such file" 'with a named app, too' ax_run --name bad --ip 198.18.13.1 -- /tmp/bad-plain
bad 203 "No such file" 'also with --no-block' ax_run --no-block --collect -- nonexistent-command
# Programs of foreign ABIs, as headers alone: they must not get as far as to be executed.
if [[ $(uname -m) == x86_64 ]]; then
    host_sh 'elf() { printf "\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0$2\0\1\0\0\0%32s" >"$1" && chmod 755 "$1"; }
        cd /tmp; elf bad-i386 "\3"; elf bad-x32 "\76"; elf bad-arm "\50"; elf "$(printf "bad-i386-\351")" "\3"
        printf "#! /tmp/bad-i386 -x\n" >bad-i386-script; printf "#!/tmp/bad-i386-script\n" >bad-i386-twice; chmod 755 bad-i386-*'
    bad 203 "/tmp/bad-i386': .*program for i386.*trapped" 'a program for i386' ax_run -- /tmp/bad-i386
    bad 203 "/tmp/bad-x32': .*program for x32.*trapped" 'a program for x32' ax_run -- /tmp/bad-x32
    bad 203 "/tmp/bad-i386': .*program for i386" 'a script for a program for i386' ax_run -- /tmp/bad-i386-script
    bad 203 "/tmp/bad-i386': .*program for i386" 'a script for such a script' ax_run -- /tmp/bad-i386-twice
    bad 203 "/tmp/bad-i386': .*program for i386" 'also when found by PATH' host env PATH=/nonexistent:/tmp /usr/bin/ax run -- bad-i386
    bad 203 "/tmp/bad-i386': .*program for i386" 'also with --no-block' ax_run --no-block --collect -- /tmp/bad-i386
    bad 203 "bad-i386.*program for i386" 'also for alice' host_as alice ax run -- /tmp/bad-i386
    bad 203 "bad-i386-.*i386" 'also with a name that is no UTF-8' host_sh 'exec ax run -- /tmp/bad-i386-?'
    host_sh 'rm /tmp/bad-i386* /tmp/bad-x32 /tmp/bad-arm'
fi
bad 203 'none.xe9.*No such file' 'a name that is no UTF-8' host_sh 'exec ax run -- "$(printf "/none\351")"'
bad 1 '[Cc]ommand' 'no command' ax_run --name x
bad 1 'command|COMMAND' 'an empty command' ax_run -- ''
bad 203 'No such file' 'no PATH' host env -i /usr/bin/ax run -- nonexistent-command
many_arguments() {
    host /usr/bin/python3 -c 'import subprocess, sys, resource
resource.setrlimit(resource.RLIMIT_STACK, (1 << 30, resource.getrlimit(resource.RLIMIT_STACK)[1]))
sys.exit(subprocess.run(["ax", "run", "--", "sh", "-c", "exit 9", "sh"] + ["x" * 100000] * 55).returncode)'
}
run many_arguments
is "$STATUS" 9 'five million bytes of arguments are fine where the limit of the stack allows it'

### the working directory
gone_directory() {
    host_sh 'rm -rf /tmp/bad-dir; mkdir /tmp/bad-dir; cd /tmp/bad-dir; rmdir /tmp/bad-dir; exec ax run -- true'
}
bad 200 'directory' 'the working directory is gone' gone_directory

### users
bad 217 'nobody-there' 'an unknown user' ax_run --uid nobody-there -- true
bad 216 'nothing-there' 'an unknown group' ax_run --gid nothing-there -- true
bad '217' '' 'a bad user name' ax_run --uid 'a b:c' -- true
bad 217 "Invalid user 'a.x0ab': it may have no control" 'one with a line break' ax_run --uid $'a\nb' -- true
bad 216 "Invalid group 'a'b': it may have no control characters, quotes" 'a group with a quote' ax_run --gid "a'b" -- true
bad '217' '' 'a UID that is none' ax_run --uid 4294967295 -- true
bad '217' '99999999999' 'a UID that is too large' ax_run --uid 99999999999 -- true
bad 216 '4242.*user database.*group' 'a UID that has no entry, and so no group' ax_run --uid 4242 -- true
bad 216 '4242.*user database.*group' 'even if a group has its number' host_sh 'groupadd -g 4242 bad-group; ax run --uid 4242 -- id; r=$?; groupdel bad-group; exit $r'
run ax_run --uid 4242 --gid 4343 -- id
like "$OUT" '^uid=4242 gid=4343 groups=4343$' 'with a group it is a user'

### units
bad 1 'unit' 'a unit name with bad characters' ax_run --unit 'bad name.scope' -- true
bad 1 'slice' 'a slice with bad characters' ax_run --slice 'a b.slice' -- true
host_sh 'systemd-run --quiet --scope --unit=bad-taken.scope sleep 300 >/dev/null 2>&1 & sleep 0.3'
before=$(leftovers)
bad 1 'bad-taken\.scope.*(exists|already|in use|loaded)' 'a unit name in use by another unit' ax_run --unit bad-taken.scope -- true
is "$(host systemctl is-active bad-taken.scope)" active 'which is none the worse for it'
host systemctl stop bad-taken.scope
host_sh 'ax run --no-block --quiet --unit bad-app.scope -- sleep 300 >/dev/null 2>&1'
before=$(leftovers)
bad 1 'bad-app\.scope' 'a unit name in use by another app' ax_run --unit bad-app.scope -- true
host systemctl stop bad-app.scope
before=$(leftovers)

### options and verbs
bad 1 'frobnicate' 'an unknown verb' host ax frobnicate
bad 1 '.' 'no verb' host ax
bad 1 'colour' 'an unknown option' host ax --colour list
bad 1 'colour' 'an unknown option of run' ax_run --colour -- true
bad 1 'name' 'an option without its value' host ax run --name
bad 1 'json' 'a bad value of an option' host ax list --json=xml
bad 1 'nosuch' 'an app that is not there' host ax stop nosuch
bad 1 'apps, services' 'a kind that there is not' host ax list all
bad 1 'arguments' 'words too many' host ax tree all
bad 1 '.' 'stop without an app' host ax stop
bad 1 '.' 'kill without an app' host ax kill

### whose is it (more in 12-users)
bad 1 'Not authorized' 'not authorised' host_as bob ax run -- true
start_app --name bad-owned --ip 198.18.13.9 -- sleep 300
before=$(leftovers)
bad 1 'bad-owned' 'the name of another user' host_as alice ax run --name bad-owned -- true
bad 1 '198\.18\.13\.9' 'the address of another user' host_as alice ax run --ip 198.18.13.9 -- true
bad 1 '198\.18\.13\.9' 'the address of another name' ax_run --name other --ip 198.18.13.9 -- true

### one in another
bad 1 'app.*inside|inside.*app' 'an app that starts an app' ax_run --quiet --name outer -- ax run -- true
bad 1 'app.*inside|inside.*app' 'nor from a network namespace of its own' ax_run --quiet -- unshare --net ax run --pipe -- true
run ax_run -- busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager RunApp 'asasa{sv}' 1 true 1 PATH=/usr/bin 0
isnt "$STATUS" 0 'nor by way of the bus'
listening() {
    host_sh 'ax run -- python3 -c "
import ctypes, os, struct
# SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER: a second listener
libc = ctypes.CDLL(None, use_errno=True)
class Filter(ctypes.Structure):
    _fields_ = [(\"code\", ctypes.c_ushort), (\"jt\", ctypes.c_ubyte), (\"jf\", ctypes.c_ubyte), (\"k\", ctypes.c_uint)]
class Program(ctypes.Structure):
    _fields_ = [(\"len\", ctypes.c_ushort), (\"filter\", ctypes.POINTER(Filter))]
f = (Filter * 1)(Filter(6, 0, 0, 0x7fff0000))
r = libc.syscall(317, 1, 8, ctypes.byref(Program(1, f)))
print(r, os.strerror(ctypes.get_errno()))"'
}
run listening
like "$OUT" '^-1 Device or resource busy' 'a second listener in an app is refused by the kernel, and harms nothing'

### a name that is left would be found
start_app --name bad-witness -- sleep 300
before=$(leftovers)
bad 203 'No such file' 'an app that fails leaves no name' ax_run --name bad-name -- nonexistent-command
run client -- dig +short +tries=1 +time=2 bad-name.ax.internal
is "$OUT" '' 'for it is not found'
run client -- dig +tries=1 +time=2 bad-name.ax.internal
like "$OUT" 'NXDOMAIN' 'at all'
run host_as alice ax run --name bad-name --ip 198.18.13.20 -- true
is "$STATUS" 0 'nor an owner'

### the daemon
host systemctl mask --quiet --runtime --now appswitchd.service 2>/dev/null
for verb in 'run -- true' list 'status x' 'stop x' 'kill x'; do
    # shellcheck disable=SC2086
    run host ax $verb
    like "$STATUS $(wc -l <<<"$ERR") $ERR" '^1 1 .*not running.*systemctl start appswitchd' "ax ${verb%% *} without a daemon"
done
host systemctl unmask --quiet --runtime appswitchd.service
run host ax run -- echo back
is "$OUT" back 'it is back'
host systemctl mask --quiet --runtime --now appswitch-exec.socket appswitch-exec.service 2>/dev/null
run host ax run -- true
like "$STATUS $(wc -l <<<"$ERR") $ERR" '^1 1 .*(appswitch-exec|not running)' 'without appswitch-exec'
host_sh 'systemctl unmask --quiet --runtime appswitch-exec.socket appswitch-exec.service; systemctl start appswitch-exec.socket'
run host ax run -- echo back
is "$OUT" back 'it is back'
run host env DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent ax list
like "$STATUS $(wc -l <<<"$ERR") $ERR" '^1 2 .*bus.*Hint: .*ax doctor' 'without a bus'

### no seccomp notification
host_sh 'mkdir -p /run/systemd/system/appswitch-exec.service.d
    printf "[Service]\nSystemCallFilter=~seccomp\nSystemCallErrorNumber=ENOSYS\n" >/run/systemd/system/appswitch-exec.service.d/bad.conf
    systemctl daemon-reload; systemctl restart appswitch-exec.service'
before=$(leftovers)
bad 228 'seccomp|trap' 'a kernel without seccomp' ax_run -- true
host_sh 'rm -r /run/systemd/system/appswitch-exec.service.d; systemctl daemon-reload; systemctl restart appswitch-exec.service'
run host ax run -- echo back
is "$OUT" back 'and with it'
host_sh 'mkdir -p /run/systemd/system/appswitch-exec.service.d
    printf "[Service]\nRestrictNamespaces=~net\n" >/run/systemd/system/appswitch-exec.service.d/bad.conf
    systemctl daemon-reload; systemctl restart appswitch-exec.service'
bad 225 'namespace' 'a kernel without namespaces' ax_run -- true
host_sh 'rm -r /run/systemd/system/appswitch-exec.service.d; systemctl daemon-reload; systemctl restart appswitch-exec.service'
run host ax run -- echo back
is "$OUT" back 'and with them'

### what the bus lets through, and no program of ours would send (tests/programs/bus-client.py)
call() {
    host_as "$1" /usr/bin/python3 "$PROGRAMS/bus-client.py" "${@:2}"
}
pid=$(host systemctl show -P MainPID appswitchd)
for what in tags addresses program arguments environment User Group Description Name Unit Slice Shortcut; do
    run call bob "$what"
    like "$OUT" '^io\.appswitch1\.LimitReached: [^()]*$' "too much: $what"
done
# A client that subscribes, asks and never reads: what it is owed waits at the bus.
host systemd-run --quiet --collect --unit=bad-deaf --uid=bob /usr/bin/python3 "$PROGRAMS/bus-client.py" deaf 100000 300
deaf() {
    host journalctl -q -o cat --no-pager _SYSTEMD_UNIT=bad-deaf.service | grep -q '^asked'
}
for i in 1 2 3 4 5; do
    run host timeout 60 ax run -- echo "meanwhile $i"
    is "$OUT" "meanwhile $i" "others are served while a client never reads ($i)"
done
ok 'it asks as long as it may' wait_until 60 deaf
run host timeout 60 ax run -- echo after
is "$OUT" after 'and others are served'
is "$(host systemctl show -P MainPID appswitchd)" "$pid" 'the daemon is the same'
within "$(host_sh 'sed -n "s/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p" /proc/$(systemctl show -P MainPID appswitchd)/status')" 1 400000 'and has not grown with what nobody reads'
host systemctl stop bad-deaf
run call bob twice
like "$OUT" '^io\.appswitch1\.InvalidArgument: .*Description.*twice' 'an option that is given twice'
host systemctl kill --signal=STOP polkit
run host_sh '(sleep 2; systemctl kill --signal=CONT polkit) & exec runuser -u bob -- python3 "$1" flood 10 100' "$PROGRAMS/bus-client.py"
host systemctl kill --signal=CONT polkit
like "$OUT" '5 io\.appswitch1\.LimitReached.*5 org\.freedesktop\.DBus\.Error\.(Inter|Access)' 'what waits for polkit is bounded in size'
host systemctl kill --signal=STOP polkit
# shellcheck disable=SC2016
run host_sh '(sleep 3; systemctl kill --signal=CONT polkit) &
    for i in 1 2 3; do runuser -u bob -- python3 "$1" flood 120 0 & done
    sleep 1
    timeout 9 ax run -- echo meanwhile
    wait' "$PROGRAMS/bus-client.py"
host systemctl kill --signal=CONT polkit
like "$OUT" 'meanwhile' 'others are served meanwhile'
is "$(awk '/LimitReached/ { n += $1 } END { print n + 0 }' <<<"$OUT")" 104 'and in number'
unlike "$OUT" 'ok' 'none was run'
is "$(host systemctl show -P MainPID appswitchd)" "$pid" 'the daemon is the same'
host_sh 'printf "#!/bin/sh\necho spoken\n" >$'"'/tmp/bad\\n-\\n6'"'; chmod 755 /tmp/bad*6'
run call root newline '/tmp/bad\n-\n6'
is "$OUT" ok 'a program with line breaks in its name'
spoken() {
    [[ $(host journalctl -q -o cat --no-pager 'SYSLOG_IDENTIFIER=bad\x0a-\x0a6') == spoken ]]
}
ok 'writes into the journal as just that' wait_until 5 spoken

### what the service manager writes into a unit file
settings() {
    host_sh 'systemctl daemon-reload; systemctl show -P OnSuccess "$1"; cat "/run/systemd/transient/$1"' "appswitch-$APP.scope"
}
AS_USER=alice start_app --description $'fine\nOnSuccess=evil.service\n[Scope]\nRuntimeMaxSec=1' -- sleep 300
run settings
is "$(head -n 1 <<<"$OUT")" '' 'a description with line breaks is no setting'
unlike "$OUT" $'\n(OnSuccess|RuntimeMaxSec)=' 'and one line'
is "$(host systemctl show -P Description "appswitch-$APP.scope")" 'fine\x0aOnSuccess=evil.service\x0a[Scope]\x0aRuntimeMaxSec=1' 'which can be read'
# shellcheck disable=SC2016
host_sh 'd=/tmp/bad-$(printf "\nOnSuccess=evil.service"); printf "#!/bin/sh\nexec sleep 300\n" >"$d"; chmod 755 "$d"'
AS_USER=alice start_app -- $'/tmp/bad-\nOnSuccess=evil.service'
run settings
is "$(head -n 1 <<<"$OUT")" '' 'nor is the name of a program'
AS_USER=alice start_app --description 'continued\' -- sleep 300
run settings
like "$OUT" 'continued\\ ' 'a backslash at its end does not go on'
is "$(host systemctl show -P TimeoutStopUSec "appswitch-$APP.scope")" 10s 'with the next setting'
host ax stop "${APPS[@]: -3}"

### the configuration
host_sh 'mkdir -p /run/appswitch/appswitchd.conf.d; cat >/run/appswitch/appswitchd.conf.d/bad.conf; systemctl restart appswitchd' <<'CONF'
[AppSwitch]
Domain=bad..domain
Domain=名前
Domain=-x
Pool4=169.0.0.0/8
Pool4=127.0.0.0/8
Pool4=10.0.0.1/8
Pool4=10.0.0.0/30
Pool4=fd00::/64
Pool6=fe80::/64
Pool6=::/64
Pool6=10.0.0.0/8
Pool6=fd00::/129
DefaultTag=none
pool4=10.0.0.0/8
Pool 4=10.0.0.0/8
=x
CONF
run host journalctl -q -o cat --no-pager "_PID=$(host systemctl show -P MainPID appswitchd)"
for line in $(seq 2 17); do
    like "$OUT" "bad\.conf:$line: [^"$'\n'"]*, ignoring" "line $line of it is warned about"
done
like "$OUT" 'bad\.conf:5: Pool4= does not take .169\.0\.0\.0/8.*link-local' 'with what is allowed'
like "$OUT" "bad\.conf:15: unknown key 'pool4'" 'and what is not known'
run host ax run --name bad-conf -- ip -brief address show lo
like "$OUT" '198\.1[89]\..*fdaa:a55:317c:' 'it does without all of it'
host_sh 'rm -r /run/appswitch/appswitchd.conf.d; systemctl restart appswitchd'

### limits
host_sh 'mkdir -p /run/appswitch/appswitchd.conf.d; printf "[AppSwitch]\nAppsPerUserMax=3\nListenersPerAppMax=2\n" >/run/appswitch/appswitchd.conf.d/bad.conf
    systemctl restart appswitchd'
for i in 1 2 3; do
    AS_USER=alice start_app -- sleep 300
done
before=$(leftovers)
bad 1 'AppsPerUserMax' 'more apps than a user may have' host_as alice ax run -- true
run client -- python3 -c 'import socket
l = []
try:
    for i in range(5): l.append(socket.create_server(("", 0)))
except OSError as e: print(len(l), e.strerror)'
is "$OUT" '2 No buffer space available' 'more listeners than an app may have'
host_sh 'rm -r /run/appswitch/appswitchd.conf.d; systemctl restart appswitchd'
run host_as alice ax run -- echo fourth
is "$OUT" fourth 'without the limit'

done_testing
