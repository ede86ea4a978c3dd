#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Units that are to be apps do not run as others do, whatever is in the way: sections at odd places, units of other
# generators, no space for the drop-in.
# timeout: 180
. "$(dirname "$0")/lib.sh"
mark_journal

dir=/etc/systemd/system
at_exit() {
    host_sh 'umount /tmp/xf-dirs; ln -sf /dev/null /etc/systemd/system-generators/systemd-sysv-generator; systemctl stop "xf-*"; rm -rf /etc/systemd/system/xf-* /etc/systemd/system/service.d/xf.conf /etc/init.d/xf-* /tmp/xf-*
        rmdir /etc/systemd/system/service.d; systemctl daemon-reload; systemctl reset-failed "xf-*" "appswitch-unit@xf-*"' >/dev/null 2>&1
}
# unit NAME LINE...: writes a file below the directory of units
unit() {
    local name=$1
    shift
    host mkdir -p "$dir/$(dirname "$name")"
    printf '%s\n' "$@" | host tee "$dir/$name" >/dev/null
}
said() {
    host journalctl --no-pager -o cat --since "@$since" -t appswitch-generator "$@"
}
# refused UNIT TEXT [REGEX]: it does not start, says why, and nothing of it has run
refused() {
    host rm -f /tmp/xf-ran
    run host systemctl start "$1"
    isnt "$STATUS" 0 "$2: does not start"
    [[ ! ${3:-} ]] || like "$ERR$(host journalctl --no-pager -o cat --since "@$since" -u "$1")" "$3" "$2: says why"
    is "$(host_sh 'ls /tmp/xf-ran 2>/dev/null')" '' "$2: nothing of it has run"
    host systemctl reset-failed "$1" 2>/dev/null
}
service=('[Service]' Type=oneshot RemainAfterExit=yes 'ExecStart=/bin/sh -c "touch /tmp/xf-ran; readlink /proc/self/ns/net >/tmp/xf-netns"')
netns=$(host readlink /proc/1/ns/net)

### drop-ins of all services
unit xf-plain.service "${service[@]}"
unit xf-own.service "${service[@]}" '[X-AppSwitch]' Name=xf-own
unit service.d/xf.conf '[Service]' 'ExecStartPre=/bin/sh -c "readlink /proc/self/ns/net >/tmp/xf-pre-%N"' '[X-AppSwitch]' Name=xf-all
host systemctl daemon-reload
like "$(said)" 'service\.d: a section \[X-AppSwitch\] here makes no service an app' 'a section for all services: the journal has it'
run host ax verify xf-plain
like "$ERR" 'xf-plain\.service: it has no section .*, and that in /etc/systemd/system/service\.d makes no service an app' 'and ax verify'
run host systemctl start xf-plain
is "$STATUS $(host cat /tmp/xf-netns)" "0 $netns" 'a service without a section is none'
run host systemctl start xf-own
is "$STATUS" 0 'one with a section starts' || diag "$(host systemctl status --no-pager xf-own)"
isnt "$(host cat /tmp/xf-pre-xf-own)" "$netns" 'and commands for all services are processes of the app'
is "$(host ax list --no-legend | grep -c xf-all)" 0 'settings for all services do not count'
host systemctl stop xf-plain xf-own
host_sh 'rm -r /etc/systemd/system/service.d'

### drop-ins of a prefix
unit xf-pre-a.service "${service[@]}"
unit xf-pre-b.service "${service[@]}"
unit xf-pre-b.service.d/zzzz.conf '[Unit]' 'Description=With a drop-in that sorts late'
unit xf-pre-.service.d/app.conf '[X-AppSwitch]' 'Name=%N'
host systemctl daemon-reload
for u in xf-pre-a xf-pre-b; do
    run host systemctl start "$u"
    is "$STATUS" 0 "$u, by a drop-in of its prefix, starts" || diag "$(host systemctl status --no-pager "$u")"
    like "$(host ax list --no-legend)" "$u" "$u is an app"
done
host rm -f /tmp/xf-ran
run host systemd-run --quiet --wait --collect --unit=xf-pre-new touch /tmp/xf-ran
isnt "$STATUS" 0 'a transient unit of the prefix does not start'
is "$(host_sh 'ls /tmp/xf-ran 2>/dev/null')" '' 'and nothing of it has run'
unit xf-pre-c.service "${service[@]}"
refused xf-pre-c 'a unit that came later' 'was not there when unit files were read'
host systemctl daemon-reload
run host systemctl start xf-pre-c
is "$STATUS" 0 'and starts after a reload'
host systemctl stop 'xf-pre-*'

### files that are new
# running_outside UNIT: it is active, and its main process is in the host's network
running_outside() {
    host_sh '[[ $(systemctl show -P ActiveState "$1") != inactive && $(systemctl show -P MainPID "$1") != 0 ]] &&
        [[ $(readlink "/proc/$(systemctl show -P MainPID "$1")/ns/net") == "$2" ]]' "$1" "$netns"
}
is_fenced() {
    ! running_outside "$1"
}
# What is started as soon as it is written does not go on without a fence.
mark_journal
fenced=0 stopped=0
for i in 1 2 3 4 5; do
    host_sh 'printf "[Service]\nExecStart=/bin/sleep 1000\n[X-AppSwitch]\nName=xf-new%s\n" "$1" >/etc/systemd/system/xf-new$1.service
        systemctl start "xf-new$1"' "$i" 2>/dev/null
    if ! wait_until 10 is_fenced "xf-new$i"; then
        fail "xf-new$i does not run outside of its fence" "$(host systemctl status --no-pager "xf-new$i")"
    elif [[ $(host ax list --no-legend) == *xf-new$i* ]]; then
        fenced=$((fenced + 1))
    else
        stopped=$((stopped + 1))
    fi
done
is "$((fenced + stopped))" 5 'units that are started as soon as they are written are apps, or are stopped'
diag "apps: $fenced, stopped: $stopped"
host systemctl stop 'xf-new*'

# How long it runs is what its process tells.
host tee "$dir/xf-late.service" >/dev/null <<'UNIT'
[Service]
Restart=always
ExecStart=/bin/bash -c 'while :; do echo $EPOCHREALTIME; done >>/tmp/xf-times'
[X-AppSwitch]
Name=xf-late
UNIT
host systemctl start xf-late 2>/dev/null
late_is_stopped() {
    [[ $(host systemctl is-active xf-late) == @(inactive|failed) ]]
}
ok 'a unit that was loaded without a fence is stopped' wait_until 10 late_is_stopped
window=$(host_sh 'sleep 0.5; [[ -s /tmp/xf-times ]] || exit 0; sed -n "1p;\$p" /tmp/xf-times' | tr -d '.' | paste -sd ' ' | awk '{ print $2 - $1 }')
diag "it ran for ${window:-0} µs"
within "${window:-0}" 0 2000000 'soon'
host journalctl --update-catalog
run host journalctl --no-pager --catalog --since "@$since" APPSWITCH_UNIT=xf-late.service
is "$(grep -c 'appswitchd.*was started before its section' <<<"$OUT")" 1 'it is stopped once'
like "$OUT" 'xf-late\.service was started before its section \[X-AppSwitch\] was seen' 'the journal has it'
like "$OUT" 'Subject: Unit xf-late\.service was stopped, as it was started before its fence was there' 'and explains it'
late_has_fence() {
    host_sh 'systemctl cat xf-late | grep -q "Made by appswitch-generator"'
}
ok 'unit files are read again' wait_until 10 late_has_fence
run host systemctl start xf-late
is "$STATUS" 0 'it starts'
like "$(host ax list --no-legend)" xf-late 'and is an app then'
host systemctl stop xf-late

# Only a section is one, and not a word that looks like it, as in a command line.
run host systemd-run --quiet --wait --pipe --collect --unit=xf-word sh -c 'sleep 1; echo "$0"' '[X-AppSwitch]'
is "$STATUS $OUT" '0 [X-AppSwitch]' 'a unit that mentions a section runs on'
is "$(host_sh 'journalctl -q -o cat --since "$1" -u appswitchd | grep -v "^xf-late\|^xf-new" | grep "was started before"' "@$since")" '' 'no other unit was stopped'

# A service that runs is left alone: what is new in its file counts when it is started again.
unit xf-runs.service '[Service]' 'ExecStart=/bin/sleep 1000'
host_sh 'systemctl daemon-reload; systemctl start xf-runs'
pid=$(host systemctl show -P MainPID xf-runs)
unit xf-runs.service.d/app.conf '[X-AppSwitch]' Name=xf-runs
runs_has_fence() {
    host_sh 'systemctl cat xf-runs | grep -q "Made by appswitch-generator"'
}
host systemctl daemon-reload
ok 'a drop-in of a service that runs' runs_has_fence
is "$(host systemctl show -P MainPID xf-runs)" "$pid" 'which is left alone'
host systemctl restart xf-runs
like "$(host ax list --no-legend)" xf-runs 'and is an app after a restart'
host systemctl stop xf-runs

### units of another generator
host_sh 'printf "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: xf-sysv\n# Default-Start: 2\n# Default-Stop:\n### END INIT INFO\ntouch /tmp/xf-ran\n" >/etc/init.d/xf-sysv
    chmod +x /etc/init.d/xf-sysv; rm -f /etc/systemd/system-generators/systemd-sysv-generator'
unit xf-sysv.service.d/app.conf '[X-AppSwitch]' Name=xf-sysv
host systemctl daemon-reload
is "$(host systemctl show -P SourcePath xf-sysv)" /etc/init.d/xf-sysv 'a script of init.d is a unit'
refused xf-sysv 'it' 'another generator makes it'

### no space
unit xf-space.service "${service[@]}" '[X-AppSwitch]' Name=xf-space
# generate OPTION: runs the generator where these options of tmpfs(5) let it make little
generate() {
    host_sh 'umount /tmp/xf-dirs; mkdir -p /tmp/xf-dirs; mount -t tmpfs -o "$1" tmpfs /tmp/xf-dirs; cd /tmp/xf-dirs; mkdir a b c
        cat /dev/zero >fill
        SYSTEMD_SCOPE=system exec /usr/lib/systemd/system-generators/appswitch-generator a b c' "$1" 2>/dev/null
}
generate size=4k,nr_inodes=0
is "$(host_sh 'ls /tmp/xf-dirs/a/xf-space.service.d; readlink /tmp/xf-dirs/b/xf-space.service')" /dev/null \
    'without space for its drop-in a unit is masked'
like "$(said)" 'xf-space\.service: failed to write a drop-in, so it is masked.*No space left' 'and the journal has it'
generate size=1M,nr_inodes=5
like "$(said --priority=emerg)" 'xf-space\.service: it is to be an app, and neither' 'what can be neither fenced nor masked is an emergency'
done_testing
