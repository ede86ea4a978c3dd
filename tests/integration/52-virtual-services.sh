#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Virtual services: names and a map of ports in front of chosen apps; by ax, by D-Bus, by files; who may make them.
# timeout: 400
. "$(dirname "$0")/lib.sh"
need_command curl ping busctl

echo_py=$PROGRAMS/echo.py load=$PROGRAMS/load.py peers=$PROGRAMS/peers.py
DIR=/etc/appswitch/services.d RUNTIME=/run/appswitch/services

at_exit() {
    host_sh 'rm -f /etc/polkit-1/rules.d/52-virtual-services.rules /etc/appswitch/appswitchd.conf.d/52.conf
        rm -rf /etc/appswitch/services.d/*; ax remove $(ax list virtual-services --json=short |
            python3 -c "import json, sys; print(*[s[\"id\"] for s in json.load(sys.stdin)])")
        systemctl stop ax-vs-host ax-vs-monitor; systemctl reload appswitchd' >/dev/null 2>&1
}

# instance NAME GREETING PORT [OPTION...]
instance() {
    start_app --name "$1" "${@:4}" -- python3 "$echo_py" "$2" "$3"
    wait_for_listen "$APP" "$3"
}
# of ID KEY: what the list says of a service, "" if it is not there
of() {
    host ax list virtual-services --json=short | /usr/bin/python3 -c '
import json, sys
for s in json.load(sys.stdin):
    if s["id"] == sys.argv[1]:
        v = s[sys.argv[2]]
        print(*v if isinstance(v, list) else [v])' "$1" "$2"
}
has_members() {
    [[ $(of "$1" members | tr ' ' '\n' | sort | tr '\n' ' ') == "$2" ]]
}
# who ID PORT N: who answers how often
who() {
    run client "${@:4}" -- python3 "$load" connects "$1" "$2" "$3"
}
daemon_ready() {
    host_sh 'systemctl is-active --quiet appswitchd && ax list'
}
refused() { # TEXT REGEX
    is "$STATUS" 1 "$1: status 1"
    is "$(sed 1d <<<"$ERR" | cut -d' ' -f1)" 'Hint:' "$1: one line, and what to do next"
    like "$ERR" "$2" "$1: says why"
}

mark_journal
begin=$since
host systemd-run --quiet --collect --unit=ax-vs-monitor --property=StandardOutput=file:/tmp/vs-signals \
    busctl --json=short monitor --match "type='signal',sender='io.appswitch1'"
wait_until 20 host_sh 'grep -q NameAcquired /tmp/vs-signals || busctl list --unique | grep -q ax-vs-monitor'

instance web a 8080
a=$APP
instance web b 8080
b=$APP
instance api c 8080 --tag tier=front --tag zone=default
c=$APP

### a port map in front of apps of a name
run host ax create shop --name shop --name www.shop --port 80:8080 --port 81:8080/tcp --backend app:web
is "$STATUS" 0 'a service is made'
is "$OUT$ERR" '' 'without a word'
is "$(of shop names)" 'shop www.shop' 'it has its names'
is "$(of shop ports)" '80:8080 81:8080' 'its ports'
is "$(of shop members)" "$a $b" 'and the apps behind it'
is "$(of shop persistent) $(of shop path)" "True $DIR/shop.conf" 'it is persistent'
who shop 80 10
is "$OUT" 'a:5 b:5' 'connections are shared'
who www.shop 81 10
is "$OUT" 'a:5 b:5' 'by its other name and port, too'
v4=$(of shop addresses | tr ' ' '\n' | grep -F .) v6=$(of shop addresses | tr ' ' '\n' | grep -F :)
who "$v4" 80 4
is "$OUT" 'a:2 b:2' 'by its IPv4 address'
who "$v6" 80 4
is "$OUT" 'a:2 b:2' 'by its IPv6 address'
who shop.ax.internal 80 2
is "$OUT" 'a:1 b:1' 'by its full name'
who shop 8080 1
is "$OUT" 'failed ([Errno 111] Connection refused):1' 'a port that is not mapped is refused'
run client -- ping -c 1 -W 5 shop
is "$STATUS" 0 'it answers pings'
run client -- getent hosts "$v4"
like "$OUT" 'shop' 'its address has its name'

### who is who
for family in 4 6; do
    v=v$family
    run client -- python3 "$peers" shop 80 $family
    is "$OUT" "${!v} 80" "the client's peer is the service, IPv$family"
    run client --shortcut=tcp -- python3 "$peers" shop 80 $family
    is "$OUT" "${!v} 80" "by TCP, too, IPv$family"
done
start_app --name truth -- python3 "$PROGRAMS/http-echo.py" 8000
truth=$APP
wait_for_listen "$truth" 8000
host ax create true-web --port 80:8000 --backend app:truth --runtime
for shortcut in auto tcp; do
    run client --name asker --ip 198.18.52.52 --shortcut=$shortcut -- curl -sS -4 http://true-web/
    like "$OUT" '"client": "198.18.52.52"' "the server sees the true client ($shortcut)"
    like "$OUT" "\"server\": \"$(app_address "$truth")\"" "and its own address ($shortcut)"
done

### by tag; who comes and goes
run host ax create front --port 80:8080 --backend tag:tier=front --runtime
is "$STATUS" 0 'a service by tag'
is "$(of front members)" "$c" 'has whoever has the tag'
is "$(of front persistent) $(of front path)" "False $RUNTIME/front.conf" 'it is not persistent'
who front 80 2
is "$OUT" 'c:2' 'who gets its connections'
instance other d 8080 --tag tier=front --tag zone=default
d=$APP
ok 'who comes is a member' has_members front "$c $d "
who front 80 4
is "$OUT" 'c:2 d:2' 'and gets its share'
host ax drain "$c"
who front 80 4
is "$OUT" 'd:4' 'one that is drained gets none'
host ax drain --undo "$c"
host ax tag "$d" zone=default
ok 'who loses the tag is no member any more' has_members front "$c "
who front 80 2
is "$OUT" 'c:2' 'and gets none'
host ax tag "$d" +tier=front
ok 'who gets it is one' has_members front "$c $d "
who front 80 4
is "$OUT" 'c:2 d:2' 'with its share'
host ax kill --signal=KILL "$d"
ok 'who is killed is none any more' wait_until 20 has_members front "$c "
who front 80 4
is "$OUT" 'c:4' 'and gets none'
host ax create empty --port 80 --backend app:nobody --runtime
who empty 80 1
is "$OUT" 'failed ([Errno 111] Connection refused):1' 'with nobody behind it connections are refused'
run client -- ping -c 1 -W 1 empty
is "$STATUS" 1 'and pings are not answered'

### strategy; itself; tags
host ax create sticky --port 80:8080 --backend app:web --strategy source-hash --runtime
who sticky 80 6 --name sticky-client
like "$OUT" '^[ab]:6$' 'source-hash: one client has one backend'
run client --name self -- python3 -c '
import socket, threading
l = socket.create_server(("", 9000))
threading.Thread(target=lambda: l.accept()[0].sendall(b"myself"), daemon=True).start()
import time, subprocess
for i in range(300):
    try: s = socket.create_connection(("198.18.52.90", 90), 10); break
    except OSError: time.sleep(0.1)
print(s.recv(100).decode(), *s.getpeername())' &
host ax create self --ip 198.18.52.90 --name itself --port 90:9000 --backend app:self --runtime
wait
is "$(<"$scratch/out")" 'myself 198.18.52.90 90' 'an app reaches itself through a service'
host ax create hidden --port 80:8080 --backend app:web --tag zone=other --runtime
address=$(of hidden addresses)
who "${address%% *}" 80 1
is "$OUT" 'failed ([Errno 13] Permission denied):1' 'who shares no tag with the service is refused'
mark_journal
who hidden 80 1 --tag zone=other
is "$OUT" 'failed ([Errno 13] Permission denied):1' 'a service that shares none with the apps leads to nobody'
like "$(journal_since)" 'hidden|the virtual service and it share no tag' 'which the journal explains'
host ax edit hidden --tag zone=other --tag zone=default
who hidden 80 2 --tag zone=other
is "$OUT" 'a:1 b:1' 'one with both tags is a door between them'

### edit while connections live
start_app -- python3 "$load" hold shop 80 6 3600
hold=$APP hold_log=$APP_LOG
ok 'connections are held' wait_until 20 host grep -q held "$hold_log"
run host ax edit shop --backend app:api --port 80:8080
is "$STATUS" 0 'a service is changed'
is "$(of shop members) $(of shop ports)" "$c 80:8080" 'what is given takes the place of what was'
is "$(of shop names) $(of shop addresses)" "shop www.shop $v4 $v6" 'and the rest stays'
who shop 80 3
is "$OUT" 'c:3' 'new connections go to the new backends'
who shop 81 1
is "$OUT" 'failed ([Errno 111] Connection refused):1' 'a port that is gone is refused'
is "$(host ax list --json=short | grep -c "\"$hold\"")" 1 'the old ones live'
run host ax edit shop --backend app:web --name shop --strategy round-robin
is "$(of shop names)" 'shop' 'a name is given up'
run client -- getent hosts www.shop
is "$STATUS" 2 'and does not resolve any more'
run host ax edit shop --port 80:8080 --port 80:9090
refused 'an edit that is wrong' 'Port 80 is mapped to 8080 already'
is "$(of shop ports)" '80:8080' 'it stays what it was'
run host ax edit shop --name api
refused 'an edit for a name that is taken' 'Name api belongs to an app'
host systemctl restart appswitch-dnsd
resolves() {
    client -- getent hosts shop
}
ok 'its own name is still one for a name service that begins anew' wait_until 30 resolves

### a restart, and a death
before=$(host ax list virtual-services --json=short | sed 's/"members":\[[^]]*\]//g')
host systemctl restart appswitchd
wait_until 30 daemon_ready
is "$(host ax list virtual-services --json=short | sed 's/"members":\[[^]]*\]//g')" "$before" 'all services are there after a restart'
ok 'with their members' has_members shop "$a $b "
host_sh 'touch /etc/appswitch/services.d/.half.conf.new; kill -9 "$(systemctl show -P MainPID appswitchd)"'
wait_until 30 daemon_ready
is "$(host ax list virtual-services --json=short | sed 's/"members":\[[^]]*\]//g')" "$before" 'and after a kill -9'
is "$(host_sh 'ls -A /etc/appswitch/services.d')" shop.conf 'nothing is left that was written by half'
who shop 80 4
is "$OUT" 'a:2 b:2' 'they work'
who front 80 1
is "$OUT" 'c:1' 'those of this boot, too'
is "$(host ax list --json=short | grep -c "\"$hold\"")" 1 'connections live'
host_sh 'systemctl stop appswitchd; systemctl start appswitchd'
wait_until 30 daemon_ready
is "$(of shop addresses)" "$v4 $v6" 'services are there after a stop, too, and have the same addresses'
instance web a 8080
a=$APP
instance web b 8080
b=$APP
instance api c 8080 --tag tier=front --tag zone=default
c=$APP

### files
mark_journal
host_sh 'cd /etc/appswitch/services.d
printf "[VirtualService]\nName=from-file\nPort=80:8080\nBackend=app:web\n" >file.conf
printf "[VirtualService]\nPort=80\nBackend=app:web\nBackend=nonsense\n" >broken.conf
printf "[VirtualService]\nPorts=80\nBackend=app:web\n" >key.conf
printf "[VirtualService]\nPort=80\n# a comment\nName=from-file\nBackend=app:api\n" >overlap.conf
printf "Port=80\n" >no-section.conf
printf "[VirtualService]\nPort=80\nBackend=app:web\n" >Bad_Name.conf
printf "not a service" >ignored.txt'
run host systemctl reload appswitchd
isnt "$STATUS" 0 'a reload with wrong files fails'
is "$(of file names)" from-file 'the good one is in force'
who from-file 80 2
is "$OUT" 'a:1 b:1' 'and works'
is "$(of broken names)$(of key names)$(of overlap names)$(of no-section names)$(of Bad_Name names)" '' 'the others are not'
is "$(of shop names)" shop 'and what was there stays'
journal=$(journal_since)
like "$journal" "$DIR/broken\.conf:4: Invalid backend 'nonsense': it must be app:NAME, tag:KEY=VALUE" 'the journal has file and line'
like "$journal" "$DIR/key\.conf:2: unknown key 'Ports'; allowed are Name, Address, Port" 'what is allowed'
like "$journal" "$DIR/overlap\.conf:4: Name from-file belongs to the virtual service 'file' of user 0" 'who has a name already'
like "$journal" "$DIR/no-section\.conf:1: .*\[VirtualService\]" 'what is missing'
like "$journal" "$DIR/Bad_Name\.conf: the name of the file is the id" 'what files are called'
host_sh 'cd /etc/appswitch/services.d; rm broken.conf key.conf no-section.conf Bad_Name.conf ignored.txt
sed -i s/from-file/from-overlap/ overlap.conf; sed -i s/80:8080/90:8080/ file.conf'
run host systemctl reload appswitchd
is "$STATUS" 0 'a reload of good files'
who from-file 90 2
is "$OUT" 'a:1 b:1' 'has the change'
is "$(of overlap names)" from-overlap 'and what is not in the way any more'
# What one file gives up another one may take in the same reload, whatever their order.
host_sh 'cd /etc/appswitch/services.d; sed -i "s/from-overlap/third/" overlap.conf; sed -i "s/from-file/from-overlap/" file.conf'
run host systemctl reload appswitchd
is "$STATUS $(of file names) $(of overlap names)" '0 from-overlap third' 'names are handed on in one reload'
host_sh 'cd /etc/appswitch/services.d; sed -i "s/^Backend=.*/Backend=oops/" file.conf; rm overlap.conf'
run host_sh 'kill -HUP "$(systemctl show -P MainPID appswitchd)"'
ok 'SIGHUP is a reload' wait_until 20 host_sh '! ax list virtual-services --json=short | grep -q overlap.conf'
is "$(of file names) $(of file backends)" 'from-overlap app:web' 'one whose file is broken stays what it was'
host rm "$DIR/file.conf"
host systemctl reload appswitchd
is "$(of file names)" '' 'one whose file is gone is gone'
run host ax create on-disk --port 80 --backend app:web
is "$(host stat -c %a:%U "$DIR/on-disk.conf")" 644:root 'a file that was made can be read by all'
is "$(host cat "$DIR/on-disk.conf")" '[VirtualService]
Name=on-disk
Port=80
Backend=app:web
Strategy=round-robin
PreferLocal=no
Tag=zone=default
UID=0' 'and says what the service is'
run host ax edit on-disk --port 81
like "$(host cat "$DIR/on-disk.conf")" 'Port=81' 'an edit is written'
host mkdir "$DIR/taken.conf"
run host ax create taken --port 80 --backend app:web
refused 'one that cannot be written' "Failed to write $DIR/taken\.conf"
is "$(of taken names)" '' 'is not made'
run host ax create taken --port 80 --backend app:web --runtime
is "$STATUS" 0 'and leaves nothing in the way'
host ax remove taken
host rmdir "$DIR/taken.conf"
run host ax remove on-disk
is "$STATUS $(host_sh 'ls /etc/appswitch/services.d')" '0 shop.conf' 'a removal takes the file away'
run host ax remove on-disk shop2
is "$STATUS" 1 'what is not there cannot be removed'
like "$ERR" "no virtual service 'on-disk'.*no virtual service 'shop2'" 'each is said'

# Many at once: each is done or refused, and in the end the disk says what is in force.
run host_sh 'for i in $(seq 20); do
        ax edit shop --port $((1000 + i)):8080 2>&1 &
        ax create many-$i --port 80 --backend app:web 2>&1 &
        systemctl reload appswitchd 2>&1 &
    done; wait'
is "$(grep -vcE 'try again|^Hint: ' <<<"$OUT")" "$( [[ $OUT ]] && echo 0 || echo 1)" 'of many changes at once some are told to try again, and no other error is made'
ok 'all that were made are there' host_sh 'for i in $(seq 20); do ax list virtual-services --json=short | grep -q "\"many-$i\"" || exit 1; done'
is "$(of shop ports)" "$(host sed -n s/^Port=//p "$DIR/shop.conf")" 'the file says what is in force'
host_sh 'kill -9 "$(systemctl show -P MainPID appswitchd)"'
wait_until 30 daemon_ready
is "$(of shop ports)" "$(host sed -n s/^Port=//p "$DIR/shop.conf")" 'and is in force after a kill -9'
# shellcheck disable=SC2046
run host ax remove $(seq -f 'many-%g' 20)
is "$STATUS $(host_sh 'ls -A /etc/appswitch/services.d')" '0 shop.conf' 'many are removed'
host ax edit shop --port 80:8080

### the bus
run host busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager CreateVirtualService 'sa{sv}b' by-bus 6 \
    Names as 1 by-bus Addresses as 1 198.18.52.1 Ports as 1 80:8080 Backends as 1 app:web Strategy s random PreferLocal b true true
is "$OUT" 'o "/io/appswitch1/virtual_service/by_2dbus"' 'CreateVirtualService'
run host busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager GetVirtualService s by-bus
is "$OUT" 'o "/io/appswitch1/virtual_service/by_2dbus"' 'GetVirtualService'
run host busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager ListVirtualServices
like "$OUT" 'a\(sbuo\) .*"by-bus" false 0 "/io/appswitch1/virtual_service/by_2dbus"' 'ListVirtualServices'
run host busctl call io.appswitch1 /io/appswitch1/virtual_service/by_2dbus io.appswitch1.VirtualService Edit 'a{sv}' 1 Ports as 1 82:8080
is "$STATUS $(of by-bus ports)" '0 82:8080' 'Edit of the object'
run host busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager EditVirtualService 'sa{sv}' by-bus 1 PreferLocal b false
is "$STATUS $(of by-bus prefer_local)" '0 False' 'EditVirtualService'
for property in 'Id s "by-bus"' 'Strategy s "random"' 'Persistent b false' 'UID u 0' 'Ports as 1 "82:8080"' 'Backends as 1 "app:web"' \
    'Names as 1 "by-bus"' 'Tags as 1 "zone=default"' "Path s \"$RUNTIME/by-bus.conf\""; do
    run host busctl get-property io.appswitch1 /io/appswitch1/virtual_service/by_2dbus io.appswitch1.VirtualService "${property%% *}"
    is "$OUT" "${property#* }" "property ${property%% *}"
done
run host busctl get-property io.appswitch1 /io/appswitch1/virtual_service/by_2dbus io.appswitch1.VirtualService Members
like "$OUT" "^as 2 (\"$a\" \"$b\"|\"$b\" \"$a\")$" 'property Members'
run host busctl call io.appswitch1 /io/appswitch1/virtual_service/by_2dbus io.appswitch1.VirtualService Remove
is "$STATUS $(of by-bus ports)" '0 ' 'Remove of the object'
for member in VirtualServiceNew VirtualServiceRemoved InterfacesAdded InterfacesRemoved; do
    ok "signal $member" wait_until 10 host_sh 'grep "\"member\":\"$1\"" /tmp/vs-signals | grep -q by_2dbus' "$member"
done
ok 'signal PropertiesChanged, of an edit' wait_until 10 host_sh 'grep PropertiesChanged /tmp/vs-signals | grep by_2dbus | grep -q 82:8080'
ok 'signal PropertiesChanged, of members' wait_until 10 host_sh \
    'grep PropertiesChanged /tmp/vs-signals | grep virtual_service/front | grep -v Strategy | grep -q "\"Members\"" '
# bad TEXT ERROR SETTINGS...
bad() {
    run host busctl --json=short call io.appswitch1 /io/appswitch1 io.appswitch1.Manager CreateVirtualService 'sa{sv}b' "$3" "${@:4}" true
    like "$ERR" "$2" "$1"
    isnt "$STATUS" 0 "$1: fails"
}
bad 'an id with a dot' "Invalid id 'a.b': it may have no dots" a.b 0
bad 'an id with a slash' "Invalid id" ../../x 0
bad 'no id' "Invalid id '': it is empty" '' 0
umlauts=$(printf 'ü%.0s' {1..60})
bad 'an id in another script' "Invalid id 'ü" "$umlauts" 0
bad 'an id in another script, cut in a letter' "Invalid id 'xü" "x$umlauts" 0
bad 'a setting in another script' "Unknown setting 'xü" bad 1 "x$umlauts" as 1 80
run host busctl --timeout=10 call io.appswitch1 /io/appswitch1 io.appswitch1.Manager GetVirtualService s "x$umlauts"
like "$ERR" "no virtual service 'xü" 'asking for one in another script'
bad 'a name in another script' "Invalid name 'lädchen': it may have only letters" bad 1 Names as 1 lädchen
bad 'no port' 'No port was given' bad 1 Backends as 1 app:web
bad 'no backend' 'No backend was given' bad 1 Ports as 1 80
bad 'its own name as that of its apps' 'app:itself would never be there: the service itself has the name itself' itself 2 \
    Ports as 1 80 Backends as 1 app:itself
bad 'an unknown setting' "Unknown setting 'Port'; known are Names, Addresses, Ports" bad 1 Port as 1 80
bad 'a setting of another type' "Setting 'Ports' has a value of another type" bad 1 Ports s 80
bad 'a setting twice' "Setting 'Ports' was given twice" bad 2 Ports as 1 80 Ports as 1 81
bad 'an unknown strategy' 'it must be round-robin, random, least-connections or source-hash' bad 1 Strategy s best
bad 'a reserved address' "Invalid address '127.0.0.1': it is a loopback address" bad 1 Addresses as 1 127.0.0.1
bad 'a virtual address as one outside' "'198.18.0.9:80': the address is a virtual one" bad 2 Ports as 1 80 Backends as 1 198.18.0.9:80
bad 'too many ports' 'More than 64 ports were given' bad 1 Ports as 65 $(seq 1000 1064)
# shellcheck disable=SC2046
bad 'too many values' 'More than 256 values of Ports were given' bad 1 Ports as 257 $(for _ in $(seq 257); do echo 80; done)
bad 'one that is there' "There is a virtual service 'shop' already" shop 2 Ports as 1 80 Backends as 1 app:web
is "$(of bad names)" '' 'none of these is there'

### whose it is
instance roots r 8080
run host ax create roots --port 80 --backend app:web --runtime
refused 'the name of an app' 'Name roots belongs to an app of user 0'
run host ax create x --ip "$(app_address "$APP")" --port 80 --backend app:web --runtime
refused 'the address of an app' 'belongs to an app of user 0'
run host ax create x --name shop --port 80 --backend app:web --runtime
refused 'the name of another service' "Name shop belongs to the virtual service 'shop' of user 0"
run client --name shop -- true
refused 'an app with the name of a service' "Name shop belongs to the virtual service 'shop' of user 0"
run client --ip "$v4" -- true
refused 'an app with the address of a service' "Address $v4 belongs to the virtual service 'shop' of user 0"

run host_as bob ax create bobs --port 80 --backend app:web --runtime
refused 'bob makes no service' '[Nn]ot authorized.*io\.appswitch1\.manage-virtual-services'
run host_as bob ax edit shop --port 99
refused 'bob changes none' '[Nn]ot authorized.*manage-virtual-services'
run host_as bob ax remove shop
refused 'bob removes none' '[Nn]ot authorized.*manage-virtual-services'
run host_as bob ax list virtual-services
like "$OUT" 'shop' 'bob sees them'
run host_as bob busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager Reload
isnt "$STATUS" 0 'bob has nothing reloaded'
run host_as bob busctl call io.appswitch1 /io/appswitch1/virtual_service/shop io.appswitch1.VirtualService Remove
isnt "$STATUS" 0 'nor by the object'
is "$(of shop ports)" '80:8080' 'nothing has changed'
host_sh 'cat >/etc/polkit-1/rules.d/52-virtual-services.rules <<RULE
polkit.addRule(function(action, subject) {
    if (action.id != "io.appswitch1.manage-virtual-services" || subject.user != "alice")
        return polkit.Result.NOT_HANDLED;
    var fine = action.lookup("persistent") == "no" && action.lookup("external") == "no" &&
        action.lookup("tags") == "zone=default" && action.lookup("names").indexOf("alice") == 0 &&
        action.lookup("user") == "5001" && (" " + action.lookup("ports") + " ").indexOf(" 666") < 0 &&
        action.lookup("backends").indexOf("app:") == 0;
    return fine ? polkit.Result.YES : polkit.Result.NO;
});
RULE
chmod 644 /etc/polkit-1/rules.d/52-virtual-services.rules'
alice_may() {
    host_as alice ax create alices --port 80:8080 --backend app:web --runtime --name alice
}
ok 'alice, who is authorized, makes one' wait_until 20 alice_may
is "$(of alices uid)" 5001 'it is hers'
who alice 80 2
is "$OUT" 'a:1 b:1' 'it works'
for wrong in '--name alice-2 --port 80 --backend app:web' '--name other --runtime --port 80 --backend app:web' \
    '--name alice-2 --runtime --port 80 --backend 192.0.2.1:80' '--name alice-2 --runtime --port 80 --backend host:80' \
    '--name alice-2 --runtime --port 80 --backend app:web --tag zone=secret' '--name alice-2 --runtime --port 666 --backend app:web'; do
    # shellcheck disable=SC2086
    run host_as alice ax create alice-2 $wrong
    refused "alice: $wrong" '[Nn]ot authorized.*manage-virtual-services'
done
is "$(of alice-2 names)" '' 'none of these is there'
run host_as alice ax edit alices --port 80:8080 --port 81:8080
is "$STATUS $(of alices ports)" '0 80:8080 81:8080' 'she claims more, and is authorized again'
run host_as alice ax edit alices --port 666:8080
refused 'she claims what she may not' '[Nn]ot authorized'
run host_as alice ax edit alices --tag zone=default --tag zone=secret
refused 'nor may she open another zone' '[Nn]ot authorized'
host_sh 'sed -i "s/fine ? polkit.Result.YES/false ? polkit.Result.YES/" /etc/polkit-1/rules.d/52-virtual-services.rules'
alice_may_not() {
    ! host_as alice ax edit alices --port 82:8080
}
ok 'without authorization she claims no more' wait_until 20 alice_may_not
host ax edit alices --port 80:8080 --port 81:8080
run host_as alice ax edit alices --port 80:8080 --strategy random
is "$STATUS $(of alices ports) $(of alices strategy)" '0 80:8080 random' 'but changes what is hers, and gives up'
run host_as alice ax edit shop --strategy random
refused 'not what is root'"'"'s' '[Nn]ot authorized'
run host_as alice ax edit shop --name
like "$STATUS $(wc -l <<<"$ERR") $ERR" '^1 1 .*needs an argument' 'an option without a value'
host systemctl stop polkit
run host_as alice ax edit alices --port 83:8080
refused 'without polkit nobody claims anything' '[Nn]ot authorized'
host systemctl start polkit
host systemctl restart appswitchd
wait_until 30 daemon_ready
is "$(of alices uid) $(of alices ports)" '5001 80:8080' 'it stays hers over a restart'
run host_as alice ax remove alices
is "$STATUS" 0 'and she removes it'

### limits
host_sh 'mkdir -p /etc/appswitch/appswitchd.conf.d
printf "[AppSwitch]\nVirtualServicesMax=%d\nVirtualServicesPerUserMax=1\n" \
    $(($(ax list virtual-services --no-legend | wc -l) + 2)) >/etc/appswitch/appswitchd.conf.d/52.conf
sed -i "s/false ? polkit.Result.YES/true ? polkit.Result.YES/" /etc/polkit-1/rules.d/52-virtual-services.rules
systemctl restart appswitchd'
wait_until 30 daemon_ready
ok 'alice makes one again' wait_until 20 alice_may
run host_as alice ax create alice-2 --port 80 --backend app:web --runtime
refused 'and no second one' 'User 5001 has 1 virtual services already, the most that VirtualServicesPerUserMax= allows'
run host ax create last --port 80 --backend app:web --runtime
is "$STATUS" 0 'root makes the last'
run host ax create more --port 80 --backend app:web --runtime
refused 'and none more' 'the most that VirtualServicesMax= allows'
host_sh 'rm /etc/appswitch/appswitchd.conf.d/52.conf; systemctl restart appswitchd'
wait_until 30 daemon_ready

### outside of all apps
host systemd-run --quiet --collect --unit=ax-vs-host python3 "$PROGRAMS/http-echo.py" 8052 127.0.0.1
run host ax create of-host --ip 198.18.52.80 --port 80 --backend host:8052 --runtime
is "$STATUS" 0 'a service of the host itself'
ok 'it answers' wait_until 20 client -- curl -sS http://of-host/
run client -- curl -sS -4 http://of-host/
like "$OUT" '"server": "127\.0\.0\.1"' 'which is on its loopback'
run client -- python3 "$peers" of-host 80 4
is "$OUT" '198.18.52.80 80' 'the client sees the service'
run client -- ping -c 1 -W 5 of-host
is "$STATUS" 0 'and it answers pings'
who 198.18.52.80 80 1 --tag zone=other
like "$OUT" 'Permission denied' 'for who shares a tag'
run client -- curl -sS -m 5 http://127.0.0.1:8052/
isnt "$STATUS" 0 'the loopback itself stays out of reach'

### at the end
since=$begin
is "$(journal_since | grep 'Main process exited' | sort | uniq -c | tr -s ' ')" \
    ' 2 appswitchd.service: Main process exited, code=killed, status=9/KILL' 'the daemon died twice, when it was killed'
is "$(journal_since | grep -i 'failed to note\|failed to undo')" '' 'nothing was lost'

done_testing
