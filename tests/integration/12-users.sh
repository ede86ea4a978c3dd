#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Apps of ordinary users: polkit decides; the app has the user's credentials and nothing more.
. "$(dirname "$0")/lib.sh"

### what alice's app is
run host_as alice sh -c "cd; ax run -- python3 $PROGRAMS/state.py"
app=$OUT
is "$STATUS" 0 'alice runs an app'
run host_as alice sh -c "cd; python3 $PROGRAMS/state.py"
is "$(grep -v ^fd <<<"$app")" "$(grep -v ^fd <<<"$OUT")" 'which has just what a program of hers has'
like "$app" 'Uid: 5001 5001 5001 5001' 'her user'
like "$app" 'Gid: 5001 5001 5001 5001' 'her group'
like "$app" 'Groups: (5001 5003|5003|5003 5001)' 'her further groups'
for c in CapInh CapPrm CapEff CapAmb; do
    like "$app" "$c: 0000000000000000" "no capability in $c"
done
like "$app" "CapBnd: $(host sed -n 's/^CapBnd:\t//p' /proc/self/status)" 'the bounding set is that of any program'
like "$app" 'NoNewPrivs: 0' 'setuid programs keep working'
run client -- grep Seccomp: /proc/self/status
like "$OUT" 'Seccomp:.2' 'calls are filtered'
run host_as alice ax run -- sh -c 'id -un; cat /etc/shadow; ls /run/appswitch/apps; touch /root/x'
like "$OUT" '^alice$' 'it knows who it is'
is "$(wc -l <<<"$ERR")" 3 'and may nothing more'
run host_as alice ax run -- su -c id
isnt "$STATUS" 0 'su asks for a password'
host_sh 'cp /usr/bin/id /usr/local/bin/users-suid; chmod 4755 /usr/local/bin/users-suid'
run host_as alice ax run -- /usr/local/bin/users-suid -u
is "$OUT" 0 'a setuid program has its owner'"'"'s rights'
run host_as alice ax run -- grep ^0:: /proc/self/cgroup
like "$OUT" '^0::/appswitch\.slice/appswitch-app_[0-9]+\.scope$' 'it is in a scope of its own'
run host ax run --uid alice -- python3 "$PROGRAMS/state.py"
like "$OUT" 'Uid: 5001 5001 5001 5001.Gid: 5001 5001 5001 5001.Groups: (5001 5003|5003|5003 5001)' 'root runs an app as alice'
like "$OUT" 'CapEff: 0000000000000000' 'with no capability'
like "$OUT" 'CapPrm: 0000000000000000' 'none permitted either'
run host ax run --uid alice -- sh -c 'echo $USER $HOME $LOGNAME'
is "$OUT" 'alice /home/alice alice' 'with her environment'
run host ax run --uid 5002 --gid 5003 -- id
like "$OUT" '^uid=5002\(bob\) gid=5003\(testers\) groups=5003' '--uid and --gid by number'
run host ax run --gid testers -- id
like "$OUT" '^uid=0\(root\) gid=5003\(testers\)' '--gid alone'

### the working directory
run host_sh 'cd /root; chmod 700 .; exec ax run --uid bob -- sh -c "id -un; pwd -P; ls"'
like "$OUT" '^bob./root$' 'root starts an app of bob in a directory that bob cannot enter'
isnt "$STATUS" 0 'which it cannot read, either'
# shellcheck disable=SC2016
if host_sh '[[ -e /dev/fuse ]] || mknod /dev/fuse c 10 229 && exec 3<>/dev/fuse' 2>/dev/null; then
    run host_sh 'mkdir -p /tmp/users-fuse
        python3 "$1" /tmp/users-fuse 5001 &
        until mountpoint -q /tmp/users-fuse 2>/dev/null || grep -q users-fuse /proc/self/mounts; do sleep 0.1; done
        cd /tmp/users-fuse 2>/dev/null && echo root is in
        runuser -u alice -- sh -c "cd /tmp/users-fuse && exec ax run -- pwd -P"
        umount /tmp/users-fuse; wait; rmdir /tmp/users-fuse' "$PROGRAMS/fuse-directory.py"
    is "$OUT" /tmp/users-fuse 'alice starts one in a directory that root cannot enter'
else
    skip 'alice starts one in a directory that root cannot enter' 'no FUSE'
fi

### who may what
refused() {
    is "$STATUS" 1 "$1: status 1"
    is "$(sed 1d <<<"$ERR" | cut -d' ' -f1)" 'Hint:' "$1: one line, and what to do next"
    like "$ERR" "$2" "$1: says why"
    unlike "$OUT" '.' "$1: nothing is run"
}
run host_as bob ax run -- id
refused 'bob runs no app' '[Nn]ot authorized.*io\.appswitch1\.run-app'
run host_as alice ax run --uid root -- id
refused 'alice does not run as root' '[Nn]ot authorized.*io\.appswitch1\.run-app-as'
run host_as alice ax run --gid testers -- id
refused 'alice does not choose a group' '[Nn]ot authorized.*run-app-as'
run host_as alice ax run --uid bob -- id
refused 'alice does not run as bob' '[Nn]ot authorized.*run-app-as'
run host_as alice ax run --unit alice.scope -- id
refused 'alice does not choose any unit' 'root'
run host_as alice ax run --slice system.slice -- id
refused 'alice does not choose any slice' 'root'

start_app --name root-app --ip 198.18.12.1 -- sleep 1000
root_app=$APP
AS_USER=alice start_app --name alice-app --ip 198.18.12.2 -- sleep 1000
alice_app=$APP
run host_as alice ax list --no-legend
like "$OUT" "$root_app" 'alice sees the apps of others'
like "$OUT" "$alice_app" 'and her own'
run host_as bob ax status root-app
is "$STATUS" 0 'so does bob'
run host_as alice ax stop "$root_app"
refused 'alice does not stop root'"'"'s app' '[Nn]ot authorized.*manage-apps'
run host_as alice ax kill "$root_app"
refused 'alice does not kill root'"'"'s app' '[Nn]ot authorized.*manage-apps'
run host_as bob ax stop "$alice_app"
refused 'bob does not stop alice'"'"'s app' '[Nn]ot authorized.*manage-apps'
is "$(host ax list --no-legend | wc -l)" 2 'both live on'

### whose name, whose address
run host_as alice ax run --name root-app -- id
refused 'alice does not join root'"'"'s name' "root-app.*(root|user 0|UID 0|uid 0)"
run host_as alice ax run --name ROOT-APP -- id
refused 'nor in other letters' '(root|user 0|UID 0|uid 0)'
run host_as alice ax run --ip 198.18.12.1 -- id
refused 'alice does not join root'"'"'s address' '198\.18\.12\.1.*(root-app|root|user 0|uid 0)'
run host_as alice ax run --name other --ip 198.18.12.1 -- id
refused 'nor with another name' '198\.18\.12\.1.*(root-app|root|user 0|uid 0)'
run host_as alice ax run --ip ::ffff:198.18.12.1 -- id
is "$STATUS" 1 'nor in another spelling'
run host ax run --name alice-app -- sh -c 'id -un; ip -brief -4 address show lo'
like "$OUT" 'root.*198\.18\.12\.2' 'root joins the name of alice and gets its address'
run host ax run --ip 198.18.12.2 --name another -- id
is "$STATUS" 1 'an address has one name, also for root'
run host_as alice ax run --name alice-app -- ip -brief -4 address show lo
like "$OUT" '198\.18\.12\.2' 'alice joins her own'
run host_as alice ax stop "$alice_app"
is "$STATUS" 0 'alice stops her own app'
run host_as alice ax run --name alice-app -- id -un
is "$OUT" alice 'its name is free again'
run host ax run --uid bob --name bobs -- id -un
is "$OUT" bob 'root runs one as bob'
# A name is that of the user whom its app runs as, whoever ran it.
start_app --uid alice --name as-alice -- sleep 1000
run host_as alice ax run --name as-alice -- id -un
is "$OUT" alice 'a name that root took for alice is hers'
run host_as bob busctl --allow-interactive-authorization=no call io.appswitch1 /io/appswitch1 io.appswitch1.Manager RunApp \
    'asasa{sv}' 1 id 1 PATH=/usr/bin 1 Name s as-alice
like "$ERR" 'as-alice.*user 5001' 'and not of others'
host_sh 'cat >/etc/polkit-1/rules.d/40-users.rules; systemctl reset-failed polkit 2>/dev/null; systemctl restart polkit' <<'RULES'
polkit.addRule(function(action, subject) {
    return action.id == "io.appswitch1.run-app-as" && subject.user == "alice" && action.lookup("user") == "bob"
        ? polkit.Result.YES : polkit.Result.NOT_HANDLED;
});
RULES
AS_USER=alice start_app --uid bob --name as-bob -- sleep 1000
run host_as alice ax run --uid bob --name as-bob -- id -un
is "$OUT" bob 'who may run apps as bob may join what is his'
run host_as alice ax run --uid bob --name as-alice -- id -un
is "$OUT" bob 'and what is her own'
run host_as alice ax run --name as-bob -- id -un
like "$STATUS $ERR" '^1 .*as-bob.*user 5002' 'but as herself only the latter'
run host_as alice ax run --uid root --name as-bob -- id -un
like "$STATUS $ERR" '^1 .*run-app-as' 'and as others nothing'
run host_as alice ax stop as-bob
is "$STATUS" 0 'she ends what she ran'
host_sh 'rm /etc/polkit-1/rules.d/40-users.rules; systemctl reset-failed polkit 2>/dev/null; systemctl restart polkit'

### the bus without ax
run host_as bob busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager RunApp 'asasa{sv}' 1 id 1 PATH=/usr/bin 0
isnt "$STATUS" 0 'bob is refused by the bus, too'
run host_as bob busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager ListApps
is "$STATUS" 0 'reading needs no authorization'
run host_as alice busctl call io.appswitch1 /io/appswitch1/app/root_2dapp_5f1 io.appswitch1.App Stop
isnt "$STATUS" 0 'an object of another user is guarded as well'

### polkit is down
host_sh 'systemctl mask --now --runtime polkit.service 2>/dev/null; systemctl stop polkit 2>/dev/null'
run host_as alice ax run -- id
refused 'without polkit' '[Nn]ot authorized|polkit'
run host ax run -- id -un
is "$OUT" root 'root needs none'
host_sh 'systemctl unmask --runtime polkit.service 2>/dev/null; systemctl start polkit'
run host_as alice ax run -- id -un
is "$OUT" alice 'and alice may again when it is back'

### more callers that apps are to end with than the bus takes matches of one connection
host_sh 'cat >/etc/dbus-1/system-local.conf && systemctl reload dbus' <<'CONF'
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><limit name="max_match_rules_per_connection">12</limit></busconfig>
CONF
pid=$(host systemctl show -P MainPID appswitchd)
# One after the other: the service manager has a match for each that it is about to start.
host_sh 'cat >/tmp/many-callers' <<'SCRIPT'
for i in $(seq 20); do
    ax run --name many$i -- sleep 1000 &
    until ax list --no-legend | grep -q "^many${i}_"; do sleep 0.1; done
done
wait
SCRIPT
host systemd-run --quiet --collect --unit=many-callers bash /tmp/many-callers
many_are() {
    [[ $(host ax list --no-legend | grep -c '^many') == "$1" ]]
}
ok 'many callers have apps' wait_until 60 many_are 20
host systemctl kill --signal=KILL many-callers
ok 'which end with them' wait_until 60 many_are 0
is "$(host systemctl show -P MainPID appswitchd)" "$pid" 'the daemon is the same'
host_sh 'rm /etc/dbus-1/system-local.conf /tmp/many-callers; systemctl reload dbus'

done_testing
