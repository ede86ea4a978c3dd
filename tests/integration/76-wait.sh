#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# ax wait, and units that are ordered by names: done when an app listens for the name, and not before.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/units.sh"
mark_journal

at_exit() {
    host_sh 'kill -CONT "$(systemctl show -P MainPID appswitchd)"; systemctl stop "xw-*" "appswitch-name@xw-*"; ax remove xw-front; rm -rf /etc/systemd/system/xw-* /run/systemd/system/appswitch-name@* /tmp/xw-*
        systemctl daemon-reload; systemctl reset-failed "xw-*" "appswitch-name@xw-*"' >/dev/null 2>&1
}
# waiter TEXT NAME...: one that waits in the background, as a service of its own
waiter() {
    host systemd-run --quiet --unit="xw-wait-$1" -p RemainAfterExit=yes -p Type=exec ax wait "${@:2}"
}
# What it has come to: running, exited or failed
waiter_is() {
    [[ $(host systemctl show -P SubState "xw-wait-$1") == "$2" ]]
}
# Whether it watches the bus already.
watches() {
    host_sh 'pid=$(systemctl show -P MainPID "$1"); [[ $(cat "/proc/$pid/wchan") == *poll* ]]' "xw-wait-$1"
}

### the command
start_app --name xw-early --name www.xw-early -- python3 -m http.server 80
wait_for_listen "$APP" 80
for name in xw-early xw-early:80 www.xw-early:80 XW-Early:80 xw-early.ax.internal www.xw-early.AX.internal.:80; do
    run host_as alice ax wait --timeout 20 "$name"
    is "$STATUS $ERR" '0 ' "$name is served already"
done
for name in xw-early:81 xw-nobody xw-early.other.internal ax.internal; do
    run host ax wait --timeout=0.2 "$name"
    is "$STATUS" 1 "$name is not"
    like "$ERR" "Nobody listens for $name in time" 'says so'
done
start_app --name xw-silent -- sleep 1000
run host ax wait --timeout=0.2 xw-silent
is "$STATUS" 1 'an app that does not listen serves nothing'
for bad in xw:0 xw:65536 xw: xw:x :80 'a b' -- 'xw xw2'; do
    read -ra words <<<"$bad"
    [[ $bad != 'a b' ]] || words=("$bad")
    run host ax wait --timeout=1 "${words[@]}"
    is "$STATUS" 1 "ax wait $bad is an error"
    like "$ERR" 'allowed is|Invalid name|Which name' 'that says what is wrong'
done
run host ax wait --timeout=soon xw-early
like "$ERR" 'Invalid timeout soon; allowed are seconds' 'a timeout that is none'

### who comes later
waiter name xw-late
waiter port xw-late:81
waiter virtual xw-front:8080
for w in name port virtual; do
    ok "$w: waits" wait_until 10 watches "$w"
done
ok 'a virtual service' host ax create xw-front --port 8080:80 --backend app:xw-late --runtime
start_app --name xw-late -- python3 -m http.server 80
ok 'a name is waited for until an app listens' wait_until 20 waiter_is name exited
ok 'one of a virtual service, too' wait_until 20 waiter_is virtual exited
ok 'a port until one listens there' waiter_is port running
host systemctl restart appswitchd
ok 'also after a restart of the daemon' waiter_is port running
start_app --name xw-late -- python3 -m http.server 81
ok 'which ends by and by' wait_until 20 waiter_is port exited
waiter stopped xw-never
ok 'waits' wait_until 10 watches stopped
host systemctl kill -s KILL appswitchd
run host ax wait --timeout 20 xw-late:81
is "$STATUS" 0 'a crash is survived'
ok 'by all' waiter_is stopped running

### a daemon that does not answer
host_sh 'kill -STOP "$(systemctl show -P MainPID appswitchd)"'
for timeout in 0 2; do
    begin=$SECONDS
    run host timeout 20 ax wait --timeout="$timeout" xw-late:81
    within $((SECONDS - begin)) "$((timeout > 0 ? timeout - 1 : 0))" 5 "--timeout=$timeout also bounds the wait for its answer"
    like "$STATUS $ERR" '^1 .*did not answer in time' 'and says so'
done
waiter frozen --timeout=30 xw-late:81
host_sh 'sleep 1; kill -CONT "$(systemctl show -P MainPID appswitchd)"'
ok 'if it answers in time nothing is lost' wait_until 10 waiter_is frozen exited

### units
unit xw-after.service '[Unit]' Wants=appswitch-name@xw-unit:80.service After=appswitch-name@xw-unit:80.service '[Service]' \
    'ExecStart=/bin/sh -c "ax list services >/tmp/xw-services; exec sleep 1000"'
unit xw-unit.service '[Service]' 'ExecStart=/bin/sh -c "until test -e /tmp/xw-go; do sleep 0.1; done; exec python3 -m http.server 80"' '[X-AppSwitch]' Name=xw-unit
host systemctl daemon-reload
host systemctl start --no-block xw-after xw-unit
ok 'a unit waits for a name' wait_until 20 is_state appswitch-name@xw-unit:80 activating
is "$(host_sh 'id -un $(stat -c %u "/proc/$(systemctl show -P MainPID "$1")")' appswitch-name@xw-unit:80)" appswitch-wait 'as a user of its own'
ok 'its app is there, and does not listen' wait_until 20 is_state xw-unit active
ok 'so it is not started' is_state xw-after inactive
host touch /tmp/xw-go
ok 'it is when the app listens' wait_until 20 is_state xw-after active
ran() {
    host grep -q xw-unit /tmp/xw-services
}
ok 'which it finds there' wait_until 10 ran
ok 'and nothing of the waiting is left' wait_until 10 is_state appswitch-name@xw-unit:80 inactive
host_sh 'systemctl stop xw-unit; rm /tmp/xw-go; systemctl restart --no-block xw-after'
ok 'a restart waits anew' wait_until 20 is_state appswitch-name@xw-unit:80 activating
host_sh 'touch /tmp/xw-go; systemctl start xw-unit'
ok 'and goes through' wait_until 20 is_state xw-after active
host systemctl stop xw-after xw-unit
unit xw-after.service '[Unit]' Requires=appswitch-name@xw-unit.service After=appswitch-name@xw-unit.service '[Service]' 'ExecStart=/bin/sleep 1000'
host_sh 'mkdir -p "/run/systemd/system/appswitch-name@xw-unit.service.d"
    printf "[Service]\nTimeoutStartSec=300ms\n" >"/run/systemd/system/appswitch-name@xw-unit.service.d/time.conf"; systemctl daemon-reload'
run host systemctl start xw-after
is "$STATUS" 1 'who requires a name that does not come in time fails'
like "$ERR" 'dependency' 'and says so'
done_testing
