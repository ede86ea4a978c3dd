#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Units that are to be apps do not run as others do, whatever is in the way: sections at odd places, units of other
# generators, no space for the drop-in.
# timeout: 120
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
