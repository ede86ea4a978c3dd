#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What there is to see: lists of apps, services, names and connections, events, the tree, the map, counters; and
# connections that are cut.
# timeout: 600
. "$(dirname "$0")/lib.sh"

need_command dot

MANAGER=(io.appswitch1 /io/appswitch1 io.appswitch1.Manager)

# pick EXPRESSION: of the JSON on standard input, `x`.
pick() {
    /usr/bin/python3 -c 'import json, sys
x = json.load(sys.stdin)
print(eval(sys.argv[1]))' "$1"
}

# listed KIND EXPRESSION: of `ax list KIND`, as a user if AS_USER is set.
listed() {
    "$LAB" exec "$HOST" ${AS_USER:+--uid "$AS_USER"} -- timeout 30 ax list "$1" --json=short | pick "$2"
}

# From client to server, by which transport, how many: a line each.
connections() {
    listed connections '"\n".join(sorted("%s %s %s %s %i" % (*k, n) for k, n in __import__("collections").Counter(
        (c["client"], c["server"], c["transport"], c["state"]) for c in x).items()))'
}

connections_are() {
    [[ $(connections) == "$1" ]]
}

# are TEXT WANTED: the connections are, soon, those.
are() {
    wait_until 20 connections_are "$2"
    is "$(connections)" "$2" "$1"
}

# hold "HOST PORT N [BYTES]" [OPTION...]: an app that holds connections.
hold() {
    # shellcheck disable=SC2086
    start_app "${@:2}" -- python3 "$PROGRAMS/hold.py" $1
    wait_until 60 host grep -q connected "$APP_LOG" || bail "it is connected: $1" "$(app_log)"
}

# A file in the host has a line that matches.
has_line() {
    host grep -Eq "$2" "$1"
}

property() {
    host busctl get-property io.appswitch1 "$1" "$2" "$3"
}

### nothing
run host ax list connections
is "$OUT" '0 connections listed.' 'no connections'
is "$(host ax list services --json=short)" '[]' 'no services'
is "$(host ax list names --no-legend)" '' 'no names'

### services
start_app --name look --ip 198.18.55.1 --ip fdaa:a55:317c::5501 -- python3 "$PROGRAMS/hold.py" --serve 80
web1=$APP
start_app --name look -- python3 "$PROGRAMS/hold.py" --serve 80
web2=$APP
wait_for_listen "$web1" 80
wait_for_listen "$web2" 80
SERVICE=/io/appswitch1/service/tcp_198_18_55_1_80
is "$(listed services '[(s["protocol"], s["address"], s["port"], s["names"], s["backends"], s["strategy"]) for s in x]')" \
    "[('tcp', '198.18.55.1', 80, ['look'], ['$web1', '$web2'], 'round-robin'), ('tcp', 'fdaa:a55:317c::5501', 80, ['look'], ['$web1', '$web2'], 'round-robin')]" \
    'services at both addresses, with both instances'
like "$(host ax list services --no-legend)" "tcp +198\.18\.55\.1 +80 +look +$web1,$web2 +round-robin +0 +0" 'the same as a table'
is "$(host busctl call "${MANAGER[@]}" GetService ssq tcp 198.18.55.1 80)" "o \"$SERVICE\"" 'GetService finds the object'
is "$(property $SERVICE io.appswitch1.Service Backends)" "as 2 \"$web1\" \"$web2\"" 'which has properties'
like "$(host busctl tree --list io.appswitch1)" "$SERVICE" 'and is in the tree of objects'
run host busctl call "${MANAGER[@]}" GetService ssq tcp 198.18.55.1 81
like "$ERR" 'No app listens on port 81 of 198.18.55.1' 'there is no service where nobody listens'
run host busctl call "${MANAGER[@]}" GetService ssq udp 198.18.55.1 80
like "$ERR" "Invalid protocol 'udp': it must be tcp" 'nor of another protocol'
run host busctl call "${MANAGER[@]}" GetService ssq tcp 198.18.55 80
like "$ERR" "Invalid address '198.18.55'" 'nor at what is no address'
is "$(listed names '[(n["name"], n["addresses"], n["apps"], n["owner"]) for n in x]')" \
    "[('look', ['198.18.55.1', 'fdaa:a55:317c::5501'], ['$web1', '$web2'], 0)]" 'the name, with its addresses, apps and owner'
like "$(host ax list names --no-legend)" "look +198\.18\.55\.1,fdaa:a55:317c::5501 +$web1,$web2 +root" 'the same as a table'
is "$(host ax list apps --json=short)" "$(host ax list --json=short)" 'apps are listed if nothing is said'
run host ax list things
like "$ERR" 'knows no "things"; there are apps, services, names' 'an unknown kind is refused with those that there are'
isnt "$STATUS" 0 'and is a failure'

### connections: pairs, to the right instances
hold '198.18.55.1 80 4 100' --name pairs --ip 198.18.55.2
pairs1=$APP
hold '198.18.55.1 80 2 100' --name pairs
pairs2=$APP
hold 'fdaa:a55:317c::5501 80 2' --name pairs
pairs3=$APP
ALL="$pairs1 $web1 unix established 2
$pairs1 $web2 unix established 2
$pairs2 $web1 unix established 1
$pairs2 $web2 unix established 1
$pairs3 $web1 unix established 1
$pairs3 $web2 unix established 1"
are 'pairs, told apart by the instances of both sides' "$ALL"
is "$(listed connections '{(c["client_address"], c["address"], c["port"], c["bytes_out"], c["own"]) for c in x if c["client"] == "'"$pairs1"'"}')" \
    "{('198.18.55.2', '198.18.55.1', 80, None, False)}" 'their addresses, and that bytes are not known'

### and TCP
hold '198.18.55.1 80 2 100' --name tcp --ip 198.18.55.3 --shortcut=tcp
tcp1=$APP
hold 'fdaa:a55:317c::5501 80 2 1000' --name tcp --shortcut=tcp
tcp2=$APP
are 'TCP connections, told apart by the instances of both sides' "$ALL
$tcp1 $web1 tcp established 1
$tcp1 $web2 tcp established 1
$tcp2 $web1 tcp established 1
$tcp2 $web2 tcp established 1"
is "$(listed connections 'sorted((c["client"], c["bytes_out"], c["bytes_in"]) for c in x if c["transport"] == "tcp")')" \
    "[('$tcp1', 100, 0), ('$tcp1', 100, 0), ('$tcp2', 1000, 0), ('$tcp2', 1000, 0)]" 'with the bytes that were sent'
like "$(host ax list connections --no-legend --full | grep -F "$tcp1" | head -n 1)" \
    "$tcp1 +198\.18\.55\.3:[0-9]+ +look_[0-9]+ +198\.18\.55\.1:80 +tcp +established +100 +0" 'as a table'
like "$(host ax list connections)" '12 connections listed' 'with their number'
host systemctl kill -s KILL appswitchd
ok 'the daemon is there again' wait_until 20 host ax list
are 'a daemon that was killed knows the same of them' "$ALL
$tcp1 $web1 tcp established 1
$tcp1 $web2 tcp established 1
$tcp2 $web1 tcp established 1
$tcp2 $web2 tcp established 1"

### what waits, what is half closed, what is an app's own
start_app --name self --ip 198.18.55.4 -- python3 "$PROGRAMS/hold.py" --serve 90 own
self=$APP
wait_for_listen "$self" 90
own() {
    listed connections '[(c["state"], c["transport"], c["port"], c["address"]) for c in x if c["own"] and c["client"] == "'"$self"'"]'
}
own_is() {
    [[ $(own) == "$1" ]]
}
wait_until 20 own_is "[('established', 'tcp', 90, '127.0.0.1')]"
is "$(own)" "[('established', 'tcp', 90, '127.0.0.1')]" 'a connection of an app with itself, and which end is the server'"'"'s'
start_app --name waits --ip 198.18.55.5 -- python3 -c 'import socket, time
s = socket.create_server(("", 91), backlog=5)
time.sleep(1000)'
waits=$APP
wait_for_listen "$waits" 91
hold '198.18.55.5 91 2' --name waiter
waiter=$APP
is "$(connections | grep "$waits")" "$waiter $waits unix waiting 2" 'what is not accepted waits, and is not there twice'
stop_app "$self"
stop_app "$waiter"
stop_app "$waits"

### counters
hold '198.18.55.1 80 3' --name counted
counted=$APP
is "$(property "/io/appswitch1/app/${counted/_/_5f}" io.appswitch1.App NConnectionsOut)" 't 3' 'connections of an app are counted'
is "$(listed services 'sum(s["connections"] for s in x if s["address"] == "198.18.55.1")')" 3 'those to a service'
is "$(host ax status look --json=short | pick 'sum(a["connections_in"] for a in x)')" 3 'and those to its apps, since the daemon began'
like "$(host ax status "$counted")" 'Counters: 0 in, 3 out, 0 refused' 'ax status shows them'
run client --name other --tag zone=other -- python3 -c 'import socket; socket.create_connection(("198.18.55.1", 80))'
like "$ERR" 'Permission denied' 'an app without a common tag is refused'
is "$(property $SERVICE io.appswitch1.Service NRefused)" 't 1' 'which the service counts'
stop_app "$counted"

### tree, map
run host ax tree
like "$OUT" "look \(198\.18\.55\.1, fdaa:a55:317c::5501\)
├─$web1  zone=default
│ └─tcp \*:80
│   ├─$pairs1 ×2
│   ├─$pairs2
│   ├─$pairs3
│   ├─$tcp1
│   └─$tcp2" 'the tree: identity, app, service, who is connected'
is "$(host ax tree --json=short | pick '[(c["client"], c["connections"]) for i in x if "look" in i["names"] for c in i["apps"][0]["services"][0]["clients"]]')" \
    "[('$pairs1', 2), ('$pairs2', 1), ('$pairs3', 1), ('$tcp1', 1), ('$tcp2', 1)]" 'as JSON'
run host_sh 'ax plot --interval=0 | dot -Tsvg >/tmp/looking.svg && python3 -c "
import xml.etree.ElementTree as E
print(*sorted(t.text for t in E.parse(\"/tmp/looking.svg\").iter(\"{http://www.w3.org/2000/svg}title\") if \"->\" in t.text))"'
is "$OUT" "$(printf '%s->%s\n' "$pairs1" "$web1" "$pairs1" "$web2" "$pairs2" "$web1" "$pairs2" "$web2" "$pairs3" "$web1" "$pairs3" "$web2" \
    "$tcp1" "$web1" "$tcp1" "$web2" "$tcp2" "$web1" "$tcp2" "$web2" | xargs)" 'dot draws who talks to whom' "$ERR"
like "$(host cat /tmp/looking.svg)" 'zone=default' 'with tags'
start_app --name talks --shortcut=tcp -- python3 -c 'import socket, time
s = socket.create_connection(("198.18.55.1", 80))
while True:
    s.sendall(bytes(1000))
    time.sleep(0.01)'
talks=$APP
# It says so itself, whatever the machine can do: more than nothing.
rates() {
    host ax plot --interval=1 | grep -Eq "\"$talks\" -> \"look_[0-9]+\" \[label=\"80 tcp ×1\\\\n[1-9][0-9.]* k?B/s\""
}
ok 'and rates, where they are known' wait_until 60 rates
ok 'the map is JSON, too' test "$(host ax plot --interval=1 --json=short | pick 'any(e.get("bytes_per_second", 0) > 0 and e["client"] == "'"$talks"'" for e in x)')" = True
for bad in -1 x 1e9 nan; do
    run host ax plot "--interval=$bad"
    like "$ERR" 'Invalid interval.*it must be 0 to 3600 seconds' "an interval of $bad is refused"
done
stop_app "$talks"

### events
host_sh 'ax monitor --json=short >/tmp/looking-events 2>/tmp/looking-monitor & echo $! >/tmp/looking-pid; wait $!; echo $? >/tmp/looking-status' &
watch=$!
ok 'the monitor watches' wait_until 20 has_line /tmp/looking-monitor Watching
start_app --name seen --ip 198.18.55.6 -- python3 "$PROGRAMS/listen-many.py" 100 2
seen=$APP
# event EXPRESSION TEXT: there is, soon, such an event.
event() {
    local expression="any($1 for e in map(json.loads, open('/tmp/looking-events')))"
    ok "$2" wait_until 20 host python3 -c "import json, sys; sys.exit(not ($expression))"
}
event "e['event'] == 'AppNew' and e['id'] == '$seen'" 'a new app'
event "e['event'] == 'ServiceNew' and (e['protocol'], e['address'], e['port']) == ('tcp', '198.18.55.6', 101) and e['path'].endswith('/tcp_198_18_55_6_101')" \
    'a new service'
event "e['event'] == 'PropertiesChanged' and e['interface'] == 'io.appswitch1.App' and [l[2] for l in e['properties']['Listeners']] == [100, 101]" \
    'what the app listens on'
start_app --name seen -- python3 "$PROGRAMS/listen-many.py" 100 1
seen2=$APP
event "e['event'] == 'PropertiesChanged' and e['path'].endswith('tcp_198_18_55_6_100') and e['properties'] == {'Backends': ['$seen', '$seen2']}" \
    'another backend of a service'
run client --name blocked --tag zone=other -- python3 -c 'import socket; socket.create_connection(("198.18.55.6", 100))'
event "e['event'] == 'ConnectionRefused' and e['client'].startswith('blocked') and e['server'].startswith('seen') and (e['address'], e['port']) == ('198.18.55.6', 100) and e['reason']" \
    'a refused connection'
stop_app "$seen"
event "e['event'] == 'ServiceRemoved' and e['port'] == 101" 'a service that is gone'
event "e['event'] == 'AppRemoved' and e['id'] == '$seen'" 'an app that is gone'
stop_app "$seen2"
host_sh 'ax create look-front --runtime --port 80 --backend app:look; ax remove look-front'
for event in New Removed; do
    event "e['event'] == 'VirtualService$event' and e['id'] == 'look-front' and e['path'].endswith('/virtual_service/look_2dfront')" \
        'a virtual service that comes and goes'
done
host systemctl restart appswitchd
event "e['event'] == 'DaemonStarted'" 'a new daemon'
host_sh 'kill -TERM $(cat /tmp/looking-pid)'
wait "$watch"
is "$(host cat /tmp/looking-status)" 0 'SIGTERM ends the monitor, and well'
# When it watches it does not say: there are apps until it has seen one.
run host_sh 'timeout 60 ax monitor --no-legend | grep -m 1 AppNew & while kill -0 $! 2>/dev/null; do ax run --name shown --collect -- true; done; wait'
like "$OUT" '^[0-9:.]+ AppNew id=shown_[0-9]+ path=/io/appswitch1/app/shown_5f[0-9]+$' 'the same as text, for as long as somebody reads'

### cut
# ends FILE N: so many of its connections have ended.
ends() {
    wait_until 20 has_line "$1" "^closed $2$"
}
hold '198.18.55.1 80 4' --name victim
victim=$APP victim_log=$APP_LOG
hold '198.18.55.1 80 4' --name victim-tcp --shortcut=tcp
victim_tcp=$APP victim_tcp_log=$APP_LOG
is "$(host busctl call "${MANAGER[@]}" CutConnections s "$victim")" 'uu 4 0' 'pairs of an app are cut'
ok 'it sees their end' ends "$victim_log" 4
is "$(host busctl call "${MANAGER[@]}" CutConnections s "$victim_tcp")" 'uu 4 0' 'TCP connections of an app are cut'
ok 'it sees their end, too' ends "$victim_tcp_log" 4
are 'all others live on' "$ALL
$tcp1 $web1 tcp established 1
$tcp1 $web2 tcp established 1
$tcp2 $web1 tcp established 1
$tcp2 $web2 tcp established 1"
stop_app "$victim"
stop_app "$victim_tcp"
start_app --name queue --ip 198.18.55.7 -- python3 -c 'import socket, time
s = socket.create_server(("", 92), backlog=5)
time.sleep(1000)'
queue=$APP
wait_for_listen "$queue" 92
hold '198.18.55.7 92 2' --name queued
queued=$APP queued_log=$APP_LOG
is "$(host busctl call "${MANAGER[@]}" CutConnections s "$queue")" 'uu 2 0' 'what waits to be accepted is cut'
ok 'the client sees it' ends "$queued_log" 2
is "$(host busctl call "${MANAGER[@]}" CutConnections s "$queue")" 'uu 0 0' 'where there are none, none are cut'
run host busctl call "${MANAGER[@]}" CutConnections s nobody_1
like "$ERR" "There is no app 'nobody_1'" 'nor those of an app that is not there'
stop_app "$queued"
stop_app "$queue"

### ordinary users
AS_USER=alice start_app --name hers -- python3 "$PROGRAMS/hold.py" 198.18.55.1 80 2
hers=$APP hers_log=$APP_LOG
wait_until 20 host grep -q connected "$hers_log"
is "$(AS_USER=alice connections)" "$hers $web1 unix established 1
$hers $web2 unix established 1" 'a user sees the connections of her apps and no others'
is "$(AS_USER=nobody connections)" '' 'who has no apps sees none'
is "$(AS_USER=nobody listed services 'len(x)')" 2 'services are for everybody to see'
run host_as nobody ax tree
like "$OUT" "look \(198\.18\.55\.1" 'so is the tree'
run host_as nobody busctl call "${MANAGER[@]}" CutConnections s "$hers"
isnt "$STATUS" 0 'connections of others cannot be cut'
like "$ERR" 'Access denied' 'without authorization'
is "$(host_as alice busctl call "${MANAGER[@]}" CutConnections s "$hers")" 'uu 2 0' 'her own a user can cut'
ok 'which end' ends "$hers_log" 2
stop_app "$hers"

### least connections, by what the kernel says
start_app --name least --ip 198.18.55.8 --strategy least-connections -- python3 "$PROGRAMS/hold.py" --serve 93
least1=$APP
wait_for_listen "$least1" 93
hold '198.18.55.8 93 12' --name many
many=$APP
start_app --name least -- python3 "$PROGRAMS/hold.py" --serve 93
least2=$APP
wait_for_listen "$least2" 93
hold '198.18.55.8 93 4' --name few
is "$(connections | grep " $least1 \| $least2 ")" "$APP $least2 unix established 4
$many $least1 unix established 12" 'new connections go to who has the fewest'
stop_app "$many"
gone() {
    ! connections | grep -q "$many"
}
ok 'those of an app that ended are gone' wait_until 20 gone
# One at a time, until the daemon has asked the kernel: then all go to the first one.
falls() {
    run client --name probe -- python3 -c 'import socket, time
s = socket.create_connection(("198.18.55.8", 93))
time.sleep(0.3)'
    [[ $(host ax status "$least1" --json=short | pick 'x[0]["connections_in"]') -gt 12 ]]
}
ok 'and make room for new ones' wait_until 60 falls
stop_app "$APP"
stop_app "$least1"
stop_app "$least2"

### many
start_app --name crowd --ip 198.18.55.9 -- prlimit --nofile=20000 python3 "$PROGRAMS/hold.py" --serve 94
crowd=$APP
wait_for_listen "$crowd" 94
start_app --name crowded -- prlimit --nofile=20000 python3 "$PROGRAMS/hold.py" 198.18.55.9 94 5000
crowded=$APP
ok '5000 connections are made' wait_until 120 host grep -q connected "$APP_LOG"
# Those for which there was no room in the queue are TCP; some may wait still.
is "$(listed connections 'len([c for c in x if c["client"] == "'"$crowded"'" and c["server"] == "'"$crowd"'" and c["state"] != "closing"])')" \
    5000 'all are listed'
is "$(host busctl call "${MANAGER[@]}" CutConnections s "$crowded")" 'uu 5000 0' 'and cut'
stop_app "$crowded"
stop_app "$crowd"
start_app --name ports --ip 198.18.55.10 -- prlimit --nofile=4096 python3 "$PROGRAMS/listen-many.py" 1000 1000
ports=$APP
ok 'a thousand services of one app' wait_until 60 has_line "$APP_LOG" ready
# services_at ADDRESS N: there are so many.
services_at() {
    [[ $(listed services 'len([s for s in x if s["address"] == "'"$1"'"])') == "$2" ]]
}
ok 'are listed' wait_until 20 services_at 198.18.55.10 1000
stop_app "$ports"
ok 'and are gone with it' wait_until 20 services_at 198.18.55.10 0

### one who asks for all signals, and never reads
# The bus of a host keeps 127 MiB for him before it reads no more from who sent them; here it is less. It is the
# connection of the daemon that this is counted for, which began before the limit.
host_sh 'mkdir -p /etc/dbus-1/system.d; cat >/etc/dbus-1/system.d/looking.conf' <<'XML'
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><limit name="max_incoming_bytes">300000</limit></busconfig>
XML
host systemctl reload dbus
host systemctl restart appswitchd
host_sh 'echo $$ >/tmp/looking-pid; exec setpriv --reuid=nobody --clear-groups python3 "$1" >/tmp/looking-deaf 2>&1' \
    "$PROGRAMS/deaf-subscriber.py" &
deaf=$!
ok 'it has subscribed' wait_until 20 has_line /tmp/looking-deaf subscribed
daemon=$(host systemctl show -P MainPID appswitchd)
start_app --name noisy --ip 198.18.55.11 -- prlimit --nofile=4096 python3 "$PROGRAMS/listen-many.py" 1000 1000
noisy=$APP
ok 'a thousand services begin' wait_until 120 has_line "$APP_LOG" ready
new_daemon() {
    [[ $(host systemctl show -P MainPID appswitchd) != "$daemon" ]] && host timeout 10 ax list
}
ok 'the daemon finds that the bus takes nothing more from it, and begins anew' wait_until 120 new_daemon
like "$(host journalctl -u appswitchd --no-pager)" 'The system bus takes nothing from us any more' 'which it says'
ok 'the thousand services are there' wait_until 20 services_at 198.18.55.11 1000
are 'and connections live on' "$ALL
$tcp1 $web1 tcp established 1
$tcp1 $web2 tcp established 1
$tcp2 $web1 tcp established 1
$tcp2 $web2 tcp established 1"
host_sh 'kill $(cat /tmp/looking-pid); rm /etc/dbus-1/system.d/looking.conf; systemctl reload dbus'
wait "$deaf"
stop_app "$noisy"

done_testing
