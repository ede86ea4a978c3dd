#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# systemd-run with AppSwitch=: what it makes is an app, and all else is what systemd-run does.
# timeout: 120
. "$(dirname "$0")/lib.sh"
need_command curl
mark_journal

at_exit() {
    host_sh 'systemctl stop "xr-*"; systemctl reset-failed "xr-*" "appswitch-unit@*"; rm -rf /tmp/xr-* /etc/polkit-1/rules.d/10-xr.rules' >/dev/null 2>&1
}
# The front end as it is in PATH when it is opted in.
front() {
    host_sh 'PATH=/usr/libexec/appswitch/bin:$PATH; exec systemd-run "$@"' "$@"
}
app_of() {
    host ax list --json=short | /usr/bin/python3 -c '
import json, sys
for app in json.load(sys.stdin):
    if app["unit"] == sys.argv[1]:
        print(app["id"])' "$1"
}
host_sh 'mkdir -p /srv; echo hello from systemd-run >/srv/xr'

### a service that is an app
run front --unit=xr-web -p AppSwitch="name=xr-web ip=198.18.71.1 tag=zone=default" python3 -m http.server --directory /srv 80
is "$STATUS" 0 'a service with AppSwitch='
like "$ERR" 'Running as unit: xr-web\.service' 'says what systemd-run says'
APP=$(app_of xr-web.service)
wait_for_listen "$APP" 80
run client -- curl -s http://xr-web/xr
is "$OUT" 'hello from systemd-run' 'is an app that is reached by its name'
run client -- curl -s http://198.18.71.1/xr
is "$OUT" 'hello from systemd-run' 'and by its address'
run host systemctl show -P MainPID xr-web
like "$(host_sh 'tr "\0" " " <"/proc/$1/cmdline"' "$OUT")" '^/usr/bin/python3 -m http\.server' 'the main process is the command itself'
host systemctl restart appswitchd
run client -- curl -s http://xr-web/xr
is "$OUT" 'hello from systemd-run' 'a restart of the daemon is survived'
logged() {
    [[ $(host journalctl --no-pager --quiet --output=cat --identifier=python3 --unit=xr-web) == *'GET /xr'* ]]
}
ok 'what it writes is in the journal by the name of its program' wait_until 5 logged
host systemctl stop xr-web
gone() {
    [[ ! $(host_sh 'ls /run/appswitch/netns | grep xr-') ]]
}
ok 'nothing of it is left' wait_until 5 gone

### outputs and status
run front --quiet --pipe --wait --collect -p 'AppSwitch=name=xr-pipe' -pAppSwitch=weight=5 sh -c 'cat; echo out; echo err >&2; hostname -I; exit 7' <<<in
is "$STATUS" 7 '--pipe --wait: the status is that of the command'
is "$ERR" err 'and so are its errors'
like "$OUT" $'^in\nout' 'its input and output'
run host ax systemd-run --quiet -Ptq --wait -G -p AppSwitch= -p AppSwitch='"name=xr-pipe"' -- sh -c 'echo "$0 $1 $$"' 'a b' '$HOME'
is "$STATUS" 0 'letters at once, quotes, as ax systemd-run' || diag "$OUT" "$ERR"
run front --quiet --pipe --wait --uid=alice --working-directory=/srv -E A=b -p AppSwitch=name=xr-user sh -c 'id -un; pwd; echo $A; grep -E "CapEff|CapAmb|NoNewPrivs" /proc/self/status'
is "$OUT" "$(host systemd-run --quiet --pipe --wait --uid=alice --working-directory=/srv -E A=b sh -c 'id -un; pwd; echo $A; grep -E "CapEff|CapAmb|NoNewPrivs" /proc/self/status')" \
    'user, directory and environment, and no capability is left'
for properties in '-p User=alice -p CapabilityBoundingSet=CAP_CHOWN' '-p CapabilityBoundingSet=CAP_CHOWN' '-p CapabilityBoundingSet=~CAP_SYS_ADMIN' \
    '-p User=alice -p NoNewPrivileges=yes' '-p SystemCallFilter=@system-service -p SystemCallErrorNumber=EPERM' '-p RestrictAddressFamilies=AF_INET' \
    '-p DynamicUser=yes -p User=xrdynamic' '-p AmbientCapabilities=CAP_NET_BIND_SERVICE -p User=alice'; do
    # shellcheck disable=SC2086
    run front --quiet --pipe --wait --collect --unit=xr-same $properties -p AppSwitch=name=xr-same /usr/bin/python3 "$PROGRAMS/sandbox.py"
    # shellcheck disable=SC2086
    is "$OUT" "$(host systemd-run --quiet --pipe --wait --collect --unit=xr-native $properties /usr/bin/python3 "$PROGRAMS/sandbox.py")" "as natively: $properties"
done

### what is handed on
is "$(front --version)" "$(host systemd-run --version)" 'without AppSwitch= it is the real one: --version'
run front --quiet --pipe --wait -p Nonsense=x true
isnt "$STATUS" 0 'an unknown property'
like "$ERR" 'Unknown assignment: Nonsense=x' 'is refused by the real one'
run front -p AppSwitch=nmae=x true
isnt "$STATUS" 0 'an unknown key'
like "$ERR" "Unknown key 'nmae='; known are Name=, Address=" 'is refused, with those that are known'
run front -p AppSwitch=web true
like "$ERR" 'words of KEY=VALUE' 'and a word that is none'
run front -p AppSwitch=ip=127.0.0.1 true
like "$ERR" "Invalid address '127\.0\.0\.1'" 'and an address that is none'
run front -M somewhere -p AppSwitch=name=x true
like "$ERR" 'cannot be combined' 'another machine'
run front --quiet --pipe --wait -p AppSwitch=name=xr-x -p NetworkNamespacePath=/proc/1/ns/net true
like "$ERR" 'NetworkNamespacePath= cannot be an app' 'a setting that cannot be'
host_sh 'mkdir -p /tmp/xr-root/{usr,etc,proc,sys,dev,run,tmp,var/tmp}; for d in bin sbin lib lib64; do ln -s "usr/$d" "/tmp/xr-root/$d"; done'
root='-p RootDirectory=/tmp/xr-root -p BindReadOnlyPaths=/usr --uid=alice'
# shellcheck disable=SC2086
run front --quiet --pipe --wait --collect $root -p AppSwitch=name=xr-root /usr/bin/python3 "$PROGRAMS/sandbox.py"
# shellcheck disable=SC2086
is "$OUT" "$(host systemd-run --quiet --pipe --wait --collect $root /usr/bin/python3 "$PROGRAMS/sandbox.py")" 'a root of its own'

### users
# As for any service of the system: polkit is asked whether he may manage units.
rule=/etc/polkit-1/rules.d/10-xr.rules
as_user() {
    host runuser -u "$1" -- ax systemd-run --quiet --pipe --wait --collect -p AppSwitch="name=xr-of-$1 tag=zone=default" sh -c 'id -un; getent hosts xr-of-'"$1"
}
run as_user alice
is "$STATUS $ERR" "1 $(host runuser -u alice -- systemd-run --quiet --pipe --wait --collect true 2>&1 || :)" 'who may not manage units is told what systemd-run tells'
is "$(host ax list --no-legend | grep -c xr-of)" 0 'and nothing was made'
host tee "$rule" >/dev/null <<'RULE'
polkit.addRule(function(action, subject) {
    if (action.id == "org.freedesktop.systemd1.manage-units" && subject.user == "alice")
        return polkit.Result.YES;
});
RULE
may_manage() {
    host runuser -u alice -- systemd-run --quiet --wait --collect true
}
ok 'polkit has read its rules again' wait_until 20 may_manage
run as_user alice
is "$STATUS" 0 'who may manage units makes an app of one' || diag "$ERR"
like "$OUT" $'^root\n.*xr-of-alice' 'a service of the system'
run as_user bob
is "$STATUS" 1 'and others do not'
host rm "$rule"
run front --unit=xr-log -p AppSwitch=name=xr-log echo logged
logged() {
    [[ $(host journalctl -q -o cat -u xr-log APPSWITCH_SETTING=name=xr-log --since "@$since") == *logged* ]]
}
ok 'what it logs has its settings' wait_until 10 logged

### timers
run front --unit=xr-timer --on-active=0 --timer-property=AccuracySec=1ms --remain-after-exit -p AppSwitch=name=xr-timer sh -c 'getent hosts xr-timer >/tmp/xr-timer'
is "$STATUS" 0 'a timer'
timer_ran() {
    host grep -q xr-timer /tmp/xr-timer
}
ok 'what it starts is an app' wait_until 10 timer_ran
host systemctl stop xr-timer.timer xr-timer.service

### scopes
run front --quiet --scope -p AppSwitch="name=xr-scope" getent hosts xr-scope
like "$OUT" 'xr-scope' 'a scope runs an app'
done_testing
