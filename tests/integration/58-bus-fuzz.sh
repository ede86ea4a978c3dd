#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The API under calls that mean nothing, by users who may little: the daemon stays what it was, and so does all else.
# With another seed: FUZZ_SEED=… tools/test bus-fuzz
# timeout: 180
. "$(dirname "$0")/lib.sh"

host /usr/bin/python3 -c 'import dbus' 2>/dev/null || skip_all 'python3-dbus is not installed'
seed=${FUZZ_SEED:-1}
since=$(host date +%s.%6N)

start_app --name fuzz-root --ip 198.18.58.1 --tag zone=fuzz -- python3 -m http.server 80
wait_for_listen "$APP" 80
AS_USER=alice start_app --name fuzz-alice -- sleep 1000
alice_app=$APP

# Whatever may not change: apps with all their properties, records, settings, units (but those of logind, which ends them some
# seconds after a session that another test had), files of the system's.
everything() {
    host_sh 'busctl --json=short call io.appswitch1 /io/appswitch1 org.freedesktop.DBus.ObjectManager GetManagedObjects |
        python3 -c "import json, sys
for path, interfaces in sorted(json.load(sys.stdin)[\"data\"][0].items()):
    for i, p in sorted(interfaces.items()):
        print(path, i, sorted((k, v[\"data\"]) for k, v in p.items() if not (i.endswith(\"Manager\") and k[0] == \"N\") and k != \"LongestTurnUSec\"))"
        busctl get-property io.appswitch1 /org/freedesktop/LogControl1 org.freedesktop.LogControl1 LogLevel LogTarget
        cd /run/appswitch && grep -ra . apps | od -c | md5sum
        systemctl list-units --all --plain --no-legend "*.scope" "*.slice" | grep -v "lab-exec\|^user-"
        ls -A / /root /etc /etc/appswitch /run/appswitch /run/systemd/transient 2>/dev/null | grep -v "lab-exec\|run-u"'
}
state() {
    host_sh 'p=$(systemctl show -P MainPID appswitchd); e=$(systemctl show -P MainPID appswitch-exec)
        echo "$p $(systemctl show -P NRestarts appswitchd) $e $(systemctl show -P NRestarts appswitch-exec)"'
}
descriptors() {
    host_sh 'ls /proc/$(systemctl show -P MainPID appswitchd)/fd | wc -l'
}
same_descriptors() {
    [[ $(descriptors) == "$before_fds" ]]
}
memory() {
    host_sh 'sed -n "s/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p" /proc/$(systemctl show -P MainPID appswitchd)/status'
}
fuzz() {
    run host_as "$1" timeout 120 /usr/bin/python3 "$PROGRAMS/bus-fuzz.py" --seed "$2" --calls "$3"
    diag "$OUT"
}
before=$(everything)
before_state=$(state)

### who may do nothing
fuzz bob "$seed" 500
# What is opened with the first call of its kind and then kept, is there now.
warm=$(memory)
before_fds=$(descriptors)
fuzz bob "$((seed + 1))" 3000
is "$STATUS" 0 'each call of a user without rights is answered' || diag "$ERR"
like "$OUT" 'InvalidArg.*' 'some for what they are'
like "$OUT" '(InteractiveAuthorizationRequired|AccessDenied)' 'some for who makes them'
is "$(everything)" "$before" 'they change nothing' || diag "$(diff <(echo "$before") <(everything))"
is "$(state)" "$before_state" 'the daemon is the same'
ok 'it has as many descriptors as before' wait_until 10 same_descriptors
# A sanitizer keeps what is freed for a while.
if ! host_sh 'grep -q libasan /proc/$(systemctl show -P MainPID appswitchd)/maps'; then
    within "$(($(memory) - warm))" -100000 8000 'and hardly more memory'
fi

### who may run apps
fuzz alice "$((seed + 2))" 1000
is "$STATUS" 0 'each call of a user who may run apps is answered' || diag "$ERR"
like "$OUT" '^seed.*[0-9]+ done' 'and some do what they say'
# shellcheck disable=SC2016
host_sh 'busctl --json=short call io.appswitch1 /io/appswitch1 io.appswitch1.Manager ListApps | python3 -c "import json, sys
print(*[a[0] for a in json.load(sys.stdin)[\"data\"][0] if a[1] not in (\"fuzz-root\", \"fuzz-alice\")])" >/tmp/fuzz-apps
    for a in $(cat /tmp/fuzz-apps); do systemctl show -P ControlGroup "appswitch-$a.scope"; done >/tmp/fuzz-groups
    for g in $(cat /tmp/fuzz-groups); do
        for p in $(cat /sys/fs/cgroup$g/cgroup.procs); do stat -c %U /proc/$p; done
    done 2>/dev/null | sort -u >/tmp/fuzz-users'
unlike "$(host cat /tmp/fuzz-users)" '^(root|bob|appswitch)' 'what she started is hers'
host_sh 'for a in $(cat /tmp/fuzz-apps); do ax stop "$a"; done' 2>/dev/null
# She may stop her own app by chance, but nobody else's.
run host ax list --no-legend
like "$OUT" 'fuzz-root.*198\.18\.58\.1.*zone=fuzz' 'the app of root is as it was'
is "$(state)" "$before_state" 'the daemon is the same'
host ax stop "$alice_app" 2>/dev/null
host_sh 'ax stop fuzz-root'
is "$(host ax list --no-legend)$(host ls /run/appswitch/apps)" '' 'nothing is left of it'
run host ax run -- echo served
is "$OUT" served 'and others are served'
run host journalctl -q -o cat --no-pager --since "@$since" -p err _SYSTEMD_UNIT=appswitchd.service + _SYSTEMD_UNIT=appswitch-exec.service
is "$OUT" '' 'it has logged no error'

done_testing
