#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Who may what: polkit's actions with their details, the rules that come as examples, prompts for passwords, and the
# tags of apps that run.
# timeout: 240
. "$(dirname "$0")/lib.sh"

need_command pkttyagent
manager=(io.appswitch1 /io/appswitch1 io.appswitch1.Manager)
rules=/etc/polkit-1/rules.d
examples=/usr/share/doc/appswitch/examples

# An administrator, whose password is asked for, and two of a group.
# shellcheck disable=SC2016
host_sh 'groupadd -f webops; useradd -m -G sudo carol; echo carol:secret | chpasswd
    for u in wanda walter; do useradd -m -G webops $u; done' 2>/dev/null
at_exit() {
    host_sh 'rm -f '$rules'/[0-46-9]*-appswitch* '$rules'/50-appswitch-[ds]*; for u in wanda walter carol; do userdel -r $u; done
        groupdel webops; systemctl restart polkit
        rm -f /etc/appswitch/policy.d/56-cut.conf /tmp/cut-go; ax policy reload; ax remove cut-door' >/dev/null 2>&1
}

# polkit reads its rules when it starts; that it also does when they change takes it a while.
reload_rules() {
    host_sh 'systemctl reset-failed polkit 2>/dev/null; systemctl restart polkit' || bail 'polkit starts'
}
# rules NAME: installs what comes on the standard input as that file
rules() {
    host sh -c 'cat >"$1" && chmod 644 "$1"' sh "$rules/$1"
    reload_rules
}
no_rules() {
    host rm "$rules/$1"
    reload_rules
}
# refused USER ACTION REGEX TEXT ax-ARGUMENT...
refused() {
    local user=$1 action=$2 regex=$3 text=$4
    shift 4
    run host_as "$user" ax "$@"
    like "$STATUS $(wc -l <<<"$ERR") $ERR" "^1 2 .*[Nn]ot authorized $regex.*\\(polkit action io\\.appswitch1\\.$action\\).*Hint: " "$text"
}

### one action for each claim
rules 30-appswitch-log.rules <<'RULES'
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("io.appswitch1.") != 0)
        return polkit.Result.NOT_HANDLED;
    polkit.spawn(["logger", "-t", "rules-see", "" + action]);
    return subject.user == "bob" && action.id == "io.appswitch1.run-app" ? polkit.Result.YES : polkit.Result.NOT_HANDLED;
});
RULES
run host_as bob ax run -- id -un
is "$OUT" bob 'who may run apps needs nothing more for one without a name'
run host_as bob ax run --name free -- id -un
is "$OUT" bob 'names are free'
run host_as bob ax run --tag zone=default -- id -un
is "$OUT" bob 'and so is the default tag'
refused bob claim-address 'to claim the address 198\.18\.56\.1' 'an address is not' run --ip 198.18.56.1 -- id
refused bob claim-address 'to claim the address 198\.18\.56\.1 fd56::1' 'nor are two' run --ip 198.18.56.1 --ip fd56::1 -- id
refused bob join-tag 'to join zone=a' 'nor another tag' run --tag zone=default --tag zone=a -- id
refused bob run-app-as "to run an app as user 'alice'" 'nor another user' run --uid alice -- id
refused bob run-app-as "to run an app as user '5002' in group 'testers'" 'nor another group' run --gid testers -- id
start_app --name taken --ip 198.18.56.2 -- sleep 1000
refused bob manage-apps 'to join the name taken, which belongs to an app of user 0' "nor another user's name" run --name taken -- id
refused bob manage-apps 'to join the address 198\.18\.56\.2, which belongs to an app of user 0' "nor another user's address" run --ip 198.18.56.2 -- id
refused bob manage-apps "to stop app $APP of user 0" 'nor to end his apps' stop taken
refused bob manage-apps "to kill app $APP of user 0" 'nor to send them signals' kill taken
many=()
for i in $(seq 60); do
    many+=("--tag=a-key-that-is-rather-long-$i=and-a-value-that-is-not-short")
done
run host_as bob ax run "${many[@]}" -- id
like "$STATUS $ERR" '^1 .*to join a-key.*… \(polkit action' 'many tags do not make a long sentence'
within "${#ERR}" 100 500 'but one'

# Without interaction, an error of its own says that a password would help.
bus_run() {
    host_as "$1" busctl --allow-interactive-authorization="$2" call "${manager[@]}" RunApp 'asasa{sv}' 1 id 1 PATH=/usr/bin "${@:3}"
}
run bus_run bob no 2 Name s bus Addresses as 1 198.18.56.1
like "$ERR" 'Not authorized to claim the address 198\.18\.56\.1 without a password \(polkit action io\.appswitch1\.claim-address\)' \
    'who must not be asked is told for what he would be'
run host_as bob /usr/bin/python3 -c '
import dbus
try:
    dbus.SystemBus().call_blocking("io.appswitch1", "/io/appswitch1", "io.appswitch1.Manager", "RunApp", "asasa{sv}",
        (["id"], ["PATH=/usr/bin"], {"Tags": dbus.Array(["zone=a"], signature="s")}))
except dbus.DBusException as e:
    print(e.get_dbus_name())'
is "$OUT" org.freedesktop.DBus.Error.InteractiveAuthorizationRequired 'by the error that the bus has for it'

### what rules see
run host_as bob ax run --name web-1 --ip 198.18.56.3 --ip fd56::3 --tag zone=a --tag zone=default --tag b=c -- /usr/bin/id -un
said=$(host journalctl -q -o cat --no-pager -t rules-see)
# sees ACTION DETAIL...: a record of polkit's with that action and these details, in any order
sees() {
    local action=$1 line detail found
    while IFS= read -r line; do
        [[ $line == *"[Action id='io.appswitch1.$action'"* ]] || continue
        found=1
        for detail in "${@:2}"; do
            [[ $line == *" ${detail%%=*}='${detail#*=}'"* ]] || found=''
        done
        [[ ! $found ]] || return 0
    done <<<"$said"
    diag "$(grep -F "io.appswitch1.$action'" <<<"$said" | tail -n 3)"
    return 1
}
claims=(user=5002 name=web-1 names=web-1 'addresses=198.18.56.3 fd56::3' command=/usr/bin/id)
ok 'run-app sees all that is claimed' sees run-app "${claims[@]}" 'tags=b=c zone=a zone=default'
ok 'claim-address does' sees claim-address "${claims[@]}" 'tags=b=c zone=a zone=default'
refused bob egress 'to have a way out to 192\.0\.2\.0/24 api\.test:443' 'a way out is not free' \
    run --name web-1 --egress=192.0.2.0/24 --egress=api.test:443 -- id
said+=$'\n'$(host journalctl -q -o cat --no-pager -t rules-see)
ok 'egress sees where to' sees egress user=5002 name=web-1 'egress=192.0.2.0/24 api.test:443'
ok 'join-tag sees just those tags that are not free' sees join-tag "${claims[@]}" 'tags=b=c zone=a'
ok 'manage-apps sees whose app it is' sees manage-apps user=0 "app=$APP" name=taken verb=stop
ok 'and what is to be done to it' sees manage-apps user=0 "app=$APP" name=taken verb=join
ok 'run-app-as sees who is to run it' sees run-app-as user=alice 'group='

### a password, asked for at a terminal
# ask USER [OPTION...] -- CMD...: at a terminal in a session
ask() {
    local user=$1
    shift
    split_options "$@"
    "$LAB" exec "$HOST" --uid "$user" "${SESSION[@]}" -- python3 "$PROGRAMS/ask-password.py" "${OPTIONS[@]}" "${ARGS[@]}"
}
SESSION=(--session)
run ask bob --answer secret -- ax run --name asked --ip 198.18.56.4 --tag zone=a -- id -un
like "$OUT" $'bob\n.*prompts 1\nstatus 0' 'all that a call claims costs one password'
like "$OUT" "run 'id' as an app with the name asked, the addresses 198\.18\.56\.4, the tags zone=a\." 'whose prompt names all'
run ask alice --answer secret -- ax run --uid bob --gid testers --name asked --ip 198.18.56.4 --tag zone=a -- id
like "$OUT" $'uid=5002.bob. gid=5003.*prompts 1\nstatus 0' 'as does to be somebody else'
like "$OUT" "of the user 'bob' in the group 'testers'" 'who is named, too'
run ask bob --answer wrong -- ax run --ip 198.18.56.4 -- id -un
like "$OUT" $'Not authorized to claim.*prompts 1\nstatus 1' 'a wrong one does not help'
run ask bob -- ax run --ip 198.18.56.4 -- id -un
like "$OUT" $'prompts 1\nstatus (-2|130)' 'Ctrl-C at the prompt ends it'
run ask bob -- ax --no-ask-password run --ip 198.18.56.4 -- id -un
like "$OUT" $'without a password.*prompts 0\nstatus 1' '--no-ask-password does not ask'
for how in --pipe --no-block; do
    run ask bob --answer secret -- ax run "$how" --ip 198.18.56.4 -- true
    like "$OUT" $'prompts 1\nstatus 0' "ax run $how asks"
done
run ask bob --answer secret -- ax run --name taken -- ip -brief -4 address show lo
like "$OUT" $'198\.18\.56\.2.*prompts 1\nstatus 0' "to join another user's name can be allowed"
run ask bob --answer secret -- ax tag taken +b=c
like "$OUT" $'prompts 1\nstatus 0' 'ax tag asks'
like "$OUT" "tag the app $APP of the user 0, with the tags b=c anew" 'once for both that it needs'
run ask bob --answer secret -- ax kill --signal=CONT taken
like "$OUT" $'prompts 1\nstatus 0' 'ax kill asks'
run ask bob --answer secret -- ax stop taken
like "$OUT" $'prompts 1\nstatus 0' 'ax stop asks'
is "$(host ax list --no-legend)" '' 'and stops it'
SESSION=()
run ask bob --answer secret -- ax run --ip 198.18.56.4 -- id -un
like "$OUT" $'bob\n.*prompts 1\nstatus 0' 'there is a prompt also outside of a session'
# At the machine itself polkit keeps an authorization for the process.
SESSION=(--session --setenv XDG_SEAT=seat0)
start_app --name kept -- sleep 1000
start_app --name kept -- sleep 1000
run ask bob --answer secret -- ax stop kept
like "$OUT" $'prompts 1\nstatus 0' 'several apps are one password'
is "$(host ax list --no-legend)" '' 'and are all stopped'

# A rule that forbids decides before anybody is bothered.
rules 20-appswitch-no.rules <<'RULES'
polkit.addRule(function(action, subject) {
    return action.id == "io.appswitch1.claim-name" && action.lookup("name") == "db" ? polkit.Result.NO : polkit.Result.NOT_HANDLED;
});
RULES
run ask bob --answer secret -- ax run --name db --ip 198.18.56.4 -- id -un
like "$OUT" $'to claim the name db .*prompts 0\nstatus 1' 'nobody is asked in vain'
no_rules 20-appswitch-no.rules

### who goes away while he is asked
descriptors() {
    host_sh 'ls /proc/$(systemctl show -P MainPID appswitchd)/fd | wc -l'
}
pid=$(host systemctl show -P MainPID appswitchd)
before=$(descriptors)
SESSION=()
run ask bob --end KILL -- ax run --ip 198.18.56.4 -- sleep 1001
like "$OUT" $'prompts 1\nstatus -9' 'ax is killed at the prompt'
nobody_asks() {
    ! host pgrep -x 'pkttyagent|polkit-agent-helper-1'
}
ok 'its agent goes with it' wait_until 10 nobody_asks
run host_as bob /usr/bin/python3 "$PROGRAMS/hanging-agent.py" 100
like "$OUT" '100 rounds' 'callers that leave do not count, and agents that hang are told' || diag "$ERR"
is "$(host ax list --no-legend; host pgrep -x sleep)" '' 'nothing was run'
is "$(host systemctl show -P MainPID appswitchd)" "$pid" 'the daemon is the same'
same_descriptors() {
    [[ $(descriptors) == "$before" ]]
}
ok 'and has as many descriptors as before' wait_until 10 same_descriptors
no_rules 30-appswitch-log.rules

### the example for a server
rules 50-appswitch-server.rules <<<"$(host cat "$examples/50-appswitch-server.rules")"
run host_as wanda ax run --name web --tag zone=web -- id -un
is "$OUT" wanda 'webops runs apps in its zone'
run host_as wanda ax run --tag zone=web -- id -un
is "$OUT" wanda 'also without a name'
refused wanda run-app 'to run an app' 'but not in the default one' run --name web -- id
refused wanda join-tag 'to join zone=db' 'nor in another' run --name web --tag zone=db -- id
refused wanda join-tag 'to join zone=db zone=web' 'nor in two' run --tag zone=web --tag zone=db -- id
refused wanda claim-name 'to claim the name db' 'nor with another name' run --name db --tag zone=web -- id
refused wanda claim-address 'to claim the address' 'nor with an address of its choice' run --ip 198.18.56.5 --tag zone=web -- id
refused wanda run-app-as 'to run an app as' 'nor as another user' run --uid root --tag zone=web -- id
AS_USER=wanda start_app --name web-1 --tag zone=web -- sleep 1000
run host_as walter ax run --name web-1 --tag zone=web -- id -un
is "$OUT" walter 'they share their names'
refused walter manage-apps 'to tag app web-1_[0-9]+ of user [0-9]+' 'do not tag each other elsewhere' tag web-1 +zone=db
run host_as walter ax stop web-1
is "$STATUS" 0 'and stop each other'"'"'s apps'
start_app --name other -- sleep 1000
refused walter manage-apps 'to stop' 'but not those of others' stop other
run host_as walter gdbus call --system --dest "${manager[0]}" --object-path "${manager[1]}" \
    --method "${manager[2]}.CutConnections" "$APP"
like "$STATUS $ERR" "^1 .*Not authorized to cut app $APP of user 0 \\(polkit action io\\.appswitch1\\.manage-apps\\)" 'nor cuts their connections'
stop_app other
refused bob join-tag 'to join zone=web' 'who is not in the group has nothing of it' run --tag zone=web -- id
no_rules 50-appswitch-server.rules

### the example for a desktop
rules 50-appswitch-desktop.rules <<<"$(host cat "$examples/50-appswitch-desktop.rules")"
desk() {
    "$LAB" exec "$HOST" --uid bob --session --setenv XDG_SEAT=seat0 -- "$@"
}
run desk ax run --name mine -- id -un
is "$OUT" bob 'who sits at the machine runs apps and names them'
run desk ax run --egress yes -- id -un
is "$OUT" bob 'and lets them out'
run desk ax run --name db -- id -un
like "$ERR" 'to claim the name db .*claim-name' 'but for a name that is reserved'
run desk ax run --ip 198.18.56.6 -- id -un
like "$ERR" 'claim-address' 'an address needs more'
SESSION=(--session --setenv XDG_SEAT=seat0)
run ask bob --answer secret -- ax run --ip 198.18.56.6 -- id -un
like "$OUT" $'bob\n.*prompts 1\nstatus 0' 'which is a password'
refused bob run-app 'to run an app' 'who sits elsewhere has nothing of it' run -- id
# The action comes with exposed ports; the rule is there, and polkit is asked whether it says what it is to say.
host_sh 'cat >/usr/share/polkit-1/actions/io.appswitch1.test.policy' <<'POLICY'
<?xml version="1.0"?><!DOCTYPE policyconfig PUBLIC "-//freedesktop//DTD PolicyKit Policy Configuration 1.0//EN" "https://www.freedesktop.org/standards/PolicyKit/1/policyconfig.dtd">
<policyconfig><action id="io.appswitch1.expose"><description>x</description><message>x</message><defaults><allow_any>no</allow_any><allow_inactive>no</allow_inactive><allow_active>yes</allow_active></defaults></action></policyconfig>
POLICY
known() {
    host pkaction --action-id io.appswitch1.expose
}
wait_until 10 known
run desk sh -c 'exec pkcheck --action-id io.appswitch1.expose --process $$'
like "$STATUS $ERR" '^2 .*requires authentication' 'to expose a port asks for the password'
host rm /usr/share/polkit-1/actions/io.appswitch1.test.policy
no_rules 50-appswitch-desktop.rules

### tags of an app that runs
start_app --name tag-server --tag zone=a -- python3 -m http.server 80
server=$APP
wait_for_listen "$APP" 80
get() {
    client --tag "$1" -- curl -s -o /dev/null -w '%{http_code}' --max-time 20 http://tag-server/
}
tags() {
    host ax list --json=short | /usr/bin/python3 -c 'import json, sys
print(*[t for a in json.load(sys.stdin) if a["id"] == sys.argv[1] for t in a["tags"]])' "$1"
}
run get zone=a
is "$OUT" 200 'who shares a tag reaches it'
run get zone=b
isnt "$STATUS" 0 'and who does not, not'
host_sh 'rm -f /tmp/tag-monitor'
host systemd-run --quiet --collect --unit=tag-monitor -p StandardOutput=file:/tmp/tag-monitor \
    busctl monitor --json=short --match "type='signal',sender='io.appswitch1',member='PropertiesChanged'"
watched() {
    host busctl list --no-legend | grep -q tag-monitor
}
wait_until 10 watched
run host ax tag tag-server +zone=b
is "$STATUS $(tags "$server")" '0 zone=a zone=b' '+ adds a tag'
run get zone=b
is "$OUT" 200 'which new connections obey at once'
run host ax tag tag-server -zone=a
is "$STATUS $(tags "$server")" '0 zone=b' '- takes one'
run get zone=a
isnt "$STATUS" 0 'and so do they'
run host ax tag tag-server a=b c=d
is "$STATUS $(tags "$server")" '0 a=b c=d' 'tags without a sign replace all'
run host ax tag "$server" e=f -e=f +g=h -nothing=there
is "$STATUS $(tags "$server")" '0 g=h' 'changes are made in their order'
host systemctl restart appswitchd
is "$(tags "$server")" g=h 'they survive the daemon'
run get g=h
is "$OUT" 200 'with what they do'
host systemctl stop tag-monitor
monitor=$(host cat /tmp/tag-monitor)
like "$monitor" '"io\.appswitch1\.App",\{"Tags":\{"type":"as","data":\["zone=a","zone=b"\]\}\}' 'each change is a signal'
is "$(grep -c '"Tags":' <<<"$monitor")" 4 'and a call that changes nothing is none'
# cut NAME [--cut]: a connection to an app, while that loses a tag; what the client then sees
cut() {
    start_app --name cut-server --tag zone=a --tag zone=b -- socat TCP-LISTEN:81,fork,reuseaddr EXEC:cat
    wait_for_listen "$APP" 81
    start_app --tag zone=a -- python3 -c '
import socket, sys
s = socket.create_connection((sys.argv[1], 81))
s.sendall(b"1"); s.recv(1); print("connected", flush=True)
s.settimeout(30)
try:
    print("got", s.recv(1), flush=True)
except OSError as e:
    print("error", e, flush=True)' "$1"
    wait_until 20 app_said connected
    run host ax tag cut-server "${@:2}" zone=b
}
app_said() {
    app_log | grep -q "$1"
}
cut cut-server --cut
is "$STATUS" 0 'ax tag --cut'
ok 'cuts what is forbidden from now on' wait_until 20 app_said "got b''"
stop_app cut-server
cut cut-server
is "$STATUS" 0 'without it'
host_sh 'ax run --tag zone=b --quiet -- true'
unlike "$(app_log)" 'got|error' 'connections live on'
run host ax tag --cut cut-server zone=b
ok 'and can be cut later' wait_until 20 app_said "got b''"
stop_app cut-server
# By a virtual service, client and server need not share a tag.
host ax create cut-front --ip 198.18.56.77 --port 81 --backend app:cut-server --tag zone=a --tag zone=b --runtime
cut 198.18.56.77 --cut
is "$STATUS" 0 'a tag is taken that was not needed by way of a virtual service'
host_sh 'ax run --tag zone=b --quiet -- true'
unlike "$(app_log)" 'got|error' 'the connection lives on'
run host ax tag --cut cut-server zone=c
ok 'without the one that was needed it is cut' wait_until 20 app_said "got b''"
stop_app cut-server
host ax remove cut-front
# The same by both transports, to another port, and with a rule; what it reads after a while, or that it is cut.
start_app --name cut-inside --tag zone=inside -- socat TCP-LISTEN:81,fork,reuseaddr EXEC:cat
wait_for_listen "$APP" 81
is "$(host_sh 'ax create cut-door --runtime --port 80:81 --backend app:cut-inside --tag zone=inside --tag zone=outside 2>&1')" '' 'a door'
for transport in unix tcp; do
    host rm -f /tmp/cut-go
    start_app --name "cut-$transport" --shortcut=$transport --tag zone=outside -- python3 -c '
import os, socket, time
s = socket.create_connection(("cut-door", 80))
s.sendall(b"1"); s.recv(1); print("connected", flush=True)
while not os.path.exists("/tmp/cut-go"):
    time.sleep(0.1)
try:
    s.sendall(b"2")
    print("got", s.recv(1), flush=True)
    print("then", s.recv(1), flush=True)
except OSError as e:
    print("error", e, flush=True)'
    wait_until 20 app_said connected
    run host ax tag --cut "cut-$transport" +role=guest
    is "$STATUS" 0 "other tags, $transport"
    host touch /tmp/cut-go
    ok 'do not cut what a virtual service leads to' wait_until 20 app_said "got b'2'"
    host_sh 'mkdir -p /etc/appswitch/policy.d && printf "[Rule]\nFrom=tag:role=thief\nTo=app:cut-door\nAction=deny\n" >/etc/appswitch/policy.d/56-cut.conf'
    run host ax policy reload
    is "$STATUS" 0 'a rule about a tag'
    run host ax tag --cut "cut-$transport" +role=thief
    ok 'cuts as the want of one does' wait_until 20 app_said "then b''"
    host rm /etc/appswitch/policy.d/56-cut.conf
    host ax policy reload
    stop_app "cut-$transport"
done
host ax remove cut-door
stop_app cut-inside
AS_USER=alice start_app --name tag-alice -- sleep 1000
run host_as alice ax tag tag-alice zone=x
is "$STATUS $(tags "$APP")" '0 zone=x' 'its user may change them, as rules let him'
rules 30-appswitch-tags.rules <<'RULES'
polkit.addRule(function(action, subject) {
    return action.id == "io.appswitch1.join-tag" && subject.user == "alice" ? polkit.Result.NO : polkit.Result.NOT_HANDLED;
});
RULES
refused alice join-tag 'to join zone=y' 'but not join what they do not' tag tag-alice +zone=y
refused alice join-tag 'to join a=b zone=y' 'also among others' tag tag-alice zone=x zone=y a=b
is "$(tags "$APP")" zone=x 'nothing of it is done then'
run host_as alice ax tag tag-alice zone=x zone=default
is "$STATUS $(tags "$APP")" '0 zone=default zone=x' 'what it has, and the default one, is free'
run host_as alice ax tag tag-alice -zone=x
is "$STATUS $(tags "$APP")" '0 zone=default' 'and so is to leave'
no_rules 30-appswitch-tags.rules
refused bob manage-apps "to tag app $APP" "bob does not change those of alice's app" tag tag-alice +zone=y
for bad in 'tag-alice' 'tag-alice other' '' 'zone=a' 'tag-alice --cut'; do
    # shellcheck disable=SC2086
    run host ax tag $bad
    like "$STATUS $(wc -l <<<"$ERR") $ERR" '^1 1 ' "ax tag $bad"
done
run host ax tag tag-alice -zone=default
like "$STATUS $ERR" '^1 .*at least one' 'no tag at all is not meant'
run host ax tag tag-alice 'zone=é'
like "$STATUS $ERR" "^1 .*zone=é.*KEY=VALUE" 'what is no tag is said'
run host ax tag nosuch a=b
like "$STATUS $ERR" '^1 .*nosuch' 'an app that is not there'
is "$(tags "$APP")" zone=default 'all of which changes nothing'

done_testing
