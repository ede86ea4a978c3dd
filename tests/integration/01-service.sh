#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The services as systemd and D-Bus have them.
# timeout: 120
. "$(dirname "$0")/lib.sh"

manager=(io.appswitch1 /io/appswitch1 io.appswitch1.Manager)

show() {
    host systemctl show -P "$2" "$1"
}
main_pid() {
    show "$1" MainPID
}

### units
is "$(show appswitchd.service Type)" notify 'appswitchd is of Type=notify'
is "$(show appswitchd.service BusName)" io.appswitch1 'and has its name on the bus'
is "$(show appswitchd.service ActiveState)" active 'it is active'
is "$(show appswitchd.service StartLimitIntervalUSec)" 0 'it has no start limit'
is "$(show appswitchd.service Nice)" -5 'its nice value is that of the unit'
if [[ -e /proc/self/autogroup ]]; then
    run host_sh 'cat /proc/$(systemctl show -P MainPID appswitchd)/autogroup'
    like "$OUT" 'nice -5$' 'and holds among sessions'
fi
is "$(show appswitch-dnsd.service StartLimitIntervalUSec)" 0 'the name server has none either'
is "$(show appswitch-dnsd.service User)" appswitch-dns 'the name server has a user of its own'
is "$(show appswitch-dnsd.service Type)" notify 'and is of Type=notify'
for unit in appswitchd.service appswitch-dnsd.service appswitch-dnsd.socket appswitch-exec.service appswitch-exec.socket appswitch.slice \
    appswitch-unit@x.service appswitch-start@x.service appswitch-name@x.service; do
    run host systemd-analyze verify "$unit"
    unlike "$OUT$ERR" "appswitch" "systemd-analyze verify $unit"
done
run host ax run -- true     # all helpers are up now
is "$(host stat -c '%a %U:%G' /run/appswitch)" '755 root:root' '/run/appswitch'
is "$(host stat -c '%a %U:%G' /run/appswitch/apps)" '700 root:root' '/run/appswitch/apps'
is "$(host stat -c '%a %U:%G' /run/appswitch/dnsd /run/appswitch/exec | sort -u)" '600 root:root' 'the sockets are for root only'
run host systemd-tmpfiles --cat-config appswitch.conf
like "$OUT" '/run/appswitch' 'tmpfiles.d knows of it'
run host_sh 'chmod 777 /run/appswitch/apps; systemd-tmpfiles --create appswitch.conf; stat -c %a /run/appswitch/apps'
is "$OUT" 700 'and puts it right'
is "$(host systemctl list-units --failed --plain --no-legend)" '' 'no unit has failed'

### capabilities
for unit in appswitchd appswitch-dnsd; do
    pid=$(main_pid "$unit.service")
    isnt "$pid" 0 "$unit runs"
    like "$(host grep NoNewPrivs "/proc/$pid/status")" '1' "$unit cannot gain privileges"
    like "$(host grep ^Seccomp: "/proc/$pid/status")" '2' "$unit has a filter of system calls"
done
run host_sh 'grep -E "^(CapBnd|CapEff|CapPrm|CapInh|CapAmb|Uid|Gid|Groups)" /proc/$(systemctl show -P MainPID appswitch-dnsd)/status'
like "$OUT" 'CapBnd:.0000000000000000' 'the name server is bounded to no capability'
like "$OUT" 'CapEff:.0000000000000000' 'and has none'
dns_uid=$(host id -u appswitch-dns)
like "$OUT" "Uid:.$dns_uid.$dns_uid.$dns_uid.$dns_uid" 'it runs as its own user'
run host_sh 'sed -n "s/^CapBnd:.//p" /proc/$(systemctl show -P MainPID appswitchd)/status'
# CAP_DAC_READ_SEARCH 2, CAP_KILL 5, CAP_SETUID 7, CAP_NET_BIND_SERVICE 10, CAP_NET_ADMIN 12, CAP_SYS_PTRACE 19, CAP_SYS_NICE 23, and nothing else but what its unit may ask for.
bounded=$((16#$OUT))
within "$(host /usr/bin/python3 -c "print(bin($bounded).count('1'))")" 1 8 'the daemon is bounded to a few capabilities'
is "$((bounded & (1 << 21)))" 0 'CAP_SYS_ADMIN is not one of them'
run host_sh 'for u in appswitchd appswitch-dnsd appswitch-unit@x appswitch-start@x appswitch-name@x; do systemd-analyze security --no-pager $u.service | tail -n 1; done'
diag "$OUT"
like "$OUT" 'appswitch-dnsd.service: [01]\.[0-9]' 'systemd-analyze finds the name server well sandboxed'
like "$OUT" 'appswitch-name@x.service: [01]\.[0-9]' 'and what waits for names'
is "$(grep -cE 'appswitch-(unit|start)@x.service: [0-3]\.[0-9]' <<<"$OUT")" 2 'what mounts namespaces for units has what it needs for that'
run host_sh 'nsenter -t $(systemctl show -P MainPID appswitch-dnsd) -n ip -brief link | grep -v ^lo; readlink /proc/$(systemctl show -P MainPID appswitch-dnsd)/ns/net; readlink /proc/1/ns/net'
is "$(sort -u <<<"$OUT" | wc -l)" 2 'the name server has no network'

### activation by the bus
start_app --name service-app --ip 198.18.1.1 -- sleep 1000
host systemctl stop appswitchd.service
is "$(host systemctl is-active appswitchd.service)" inactive 'the daemon can be stopped'
run host busctl call "${manager[@]}" ListApps
is "$STATUS $OUT" '0 a(sssuo) 0' 'a call over the bus starts it'
is "$(show appswitchd.service ActiveState)" active 'as its unit'
host systemctl stop appswitchd.service
run host_as alice ax list
is "$STATUS" 0 'so does a call of a user'
host systemctl stop appswitchd.service
run host ax run -- echo up
is "$OUT" up 'and ax run'
host systemctl stop appswitchd.service appswitch-dnsd.service appswitch-dnsd.socket appswitch-exec.service appswitch-exec.socket
run host ax run --name service-up -- getent hosts service-up
like "$OUT" 'service-up' 'also when all is stopped'

### the launcher and its socket
host systemctl stop appswitch-exec.socket appswitch-exec.service
run host systemctl start appswitch-exec.service
is "$(host systemctl is-active appswitch-exec.socket)" active 'the launcher brings its socket along'
host systemctl stop appswitch-exec.socket
is "$(host systemctl is-active appswitch-exec.service)" inactive 'and does not stay without it'
host systemctl start appswitch-exec.socket
run host ax run -- echo up
is "$OUT" up 'which starts it again'

### one daemon only
start_app --name service-one -- sleep 1000
records=$(host ls /run/appswitch/apps)
run host /usr/libexec/appswitch/appswitchd
isnt "$STATUS" 0 'a second daemon does not start'
like "$ERR" 'Another appswitchd is running' 'and says why'
is "$(host ls /run/appswitch/apps)" "$records" 'it leaves the records alone'
run client -- getent hosts service-one
like "$OUT" 'service-one' 'and the names'
stop_app "$APP"

### a stop for good
start_app --name service-stubborn -- sh -c "trap '' TERM; while :; do sleep 1; done"
host systemctl stop --no-block appswitchd.service
stopping() {
    [[ $(show appswitchd.service ActiveState) == deactivating ]]
}
ok 'the daemon waits for its apps' wait_until 5 stopping
run host timeout 9 ax run -- echo late
like "$STATUS $ERR" '^1 .*being stopped' 'and starts none meanwhile'
ended() {
    [[ $(show appswitchd.service ActiveState) == inactive ]]
}
ok 'it ends' wait_until 20 ended
is "$(host systemctl is-active "appswitch-$APP.scope")" inactive 'after them'
host systemctl start appswitchd.service

### configuration
host_sh 'mkdir -p /etc/appswitch/appswitchd.conf.d /run/appswitch/appswitchd.conf.d
cat >/etc/appswitch/appswitchd.conf <<CONF
# a comment
[AppSwitch]
DefaultTag=zone=main
Pool4=10.99.0.0/16
Pool6=fd99::/64
Domain=main.example
Frobnicate=yes

AppsMax=many
[Other]
Key=value
CONF
cat >/etc/appswitch/appswitchd.conf.d/50-a.conf <<CONF
[AppSwitch]
Domain=Dropin.Example
no assignment
CONF
printf "[AppSwitch]\nDefaultTag=zone=run\nNameTTLSec=77\n" >/run/appswitch/appswitchd.conf.d/60-b.conf
printf "[AppSwitch]\nDomain=shadowed.example\n" >/run/appswitch/appswitchd.conf.d/50-a.conf
printf "[AppSwitch]\nDomain=not.read\n" >/etc/appswitch/appswitchd.conf.d/99-c.txt
systemctl restart appswitchd'
run host ax list
is "$STATUS" 0 'the daemon starts with a configuration that is wrong in parts'
run host ax run --no-block --name service-config --json=short -- sleep 1000
like "$OUT" '"addresses":\["10\.99\.[0-9.]+","fd99::[0-9a-f:]+"\]' 'Pool4= and Pool6='
like "$OUT" '"tags":\["zone=run"\]' 'DefaultTag= of a drop-in that is later by its name'
run client -- dig service-config.dropin.example
like "$OUT" 'service-config\.dropin\.example\..77.IN.A.10\.99\.' 'Domain= of a drop-in in /etc, which hides the one in /run; NameTTLSec='
is "$(host busctl get-property "${manager[@]}" Domain)" 's "dropin.example"' 'the domain on the bus'
run client -- dig +short service-config.main.example
is "$OUT" '' 'the other domain is none'
run host journalctl "_PID=$(main_pid appswitchd.service)" -o json --output-fields=MESSAGE,PRIORITY
warnings=$(/usr/bin/python3 -c 'import json, sys
for l in sys.stdin:
    r = json.loads(l)
    if r["PRIORITY"] == "4": print(r["MESSAGE"])' <<<"$OUT")
like "$warnings" '/etc/appswitch/appswitchd\.conf:7: .*Frobnicate' 'an unknown key is warned about, with file and line'
like "$warnings" '/etc/appswitch/appswitchd\.conf:9: .*AppsMax=.*many' 'a bad value, too'
like "$warnings" '/etc/appswitch/appswitchd\.conf:10: .*Other' 'an unknown section, too'
like "$warnings" '/etc/appswitch/appswitchd\.conf\.d/50-a\.conf:3: .*no assignment' 'what is no assignment, too'
is "$(wc -l <<<"$warnings")" 4 'and nothing else' || diag "$warnings"
host ax stop service-config
host_sh 'rm -r /etc/appswitch /run/appswitch/appswitchd.conf.d; systemctl restart appswitchd'
is "$(host busctl get-property "${manager[@]}" Domain)" 's "ax.internal"' 'without the files all is as it was'

### the bus
run host busctl introspect io.appswitch1 /io/appswitch1
for what in '\.RunApp +method +asasa\{sv\} +sos' '\.ListApps +method +- +a\(sssuo\)' '\.GetAppByPID +method +u +o' \
    '\.AppNew +signal +so' '\.AppRemoved +signal +so' '\.Version +property +s' '\.GetManagedObjects +method'; do
    like "$OUT" "$what" "introspection: ${what%% *}"
done
start_app --name service-bus --ip 198.18.1.2 --tag a=b -- python3 -m http.server 80
wait_for_listen "$APP" 80
path=$(host busctl call "${manager[@]}" GetApp s "$APP" | sed 's/^o "\(.*\)"$/\1/')
like "$path" '^/io/appswitch1/app/service_2dbus_5f[0-9]+$' 'GetApp'
run host busctl tree --list io.appswitch1
like "$OUT" "$path" 'busctl tree has the app'
run host busctl introspect io.appswitch1 "$path"
like "$OUT" '\.Listeners +property +a\(ssq\) +1 "tcp" "\*" 80 +emits-change' 'properties of an app'
like "$OUT" "\.Id +property +s +\"$APP\" +const" 'its id'
leader=$(host busctl get-property io.appswitch1 "$path" io.appswitch1.App Leader | cut -d' ' -f2)
is "$(host busctl call "${manager[@]}" GetAppByPID u "$leader")" "o \"$path\"" 'GetAppByPID'
is "$(host busctl call "${manager[@]}" GetAppsByName s SERVICE-BUS)" "ao 1 \"$path\"" 'GetAppsByName'
is "$(host busctl call "${manager[@]}" GetAppsByAddress s 198.18.1.2)" "ao 1 \"$path\"" 'GetAppsByAddress'
run host busctl call "${manager[@]}" ListApps
is "$OUT" "a(sssuo) 1 \"$APP\" \"service-bus\" \"appswitch-$APP.scope\" $leader \"$path\"" 'ListApps'
run host busctl call "${manager[@]}" ListServices
like "$OUT" "a\(ssqas\) [12] \"tcp\" \"198\.18\.1\.2\" 80 1 \"$APP\"" 'ListServices'
run host busctl --json=short call io.appswitch1 /io/appswitch1 org.freedesktop.DBus.ObjectManager GetManagedObjects
like "$OUT" "\"$path\":\{.*\"io.appswitch1.App\":\{.*\"Addresses\":\{\"type\":\"as\",\"data\":\[\"198\.18\.1\.2\"" 'ObjectManager'
is "$(host busctl get-property "${manager[@]}" NApps)" 'u 1' 'NApps'
for call in 'GetApp s nosuch' 'GetAppByPID u 1' 'StopApp s nosuch' 'KillApp ssi nosuch all 15'; do
    # shellcheck disable=SC2086
    run host busctl call "${manager[@]}" $call
    isnt "$STATUS" 0 "an error: $call"
    like "$ERR" 'app' 'which says what'
done
run host busctl call "${manager[@]}" KillApp ssi "$APP" everybody 15
isnt "$STATUS" 0 'KillApp of nonsense'
run host busctl call -- "${manager[@]}" KillApp ssi "$APP" all -1
isnt "$STATUS" 0 'KillApp with a signal that is none'
run host busctl call "${manager[@]}" RunApp 'asasa{sv}' 1 true 0 1 Nonsense s x
like "$ERR" 'Nonsense' 'an unknown option of RunApp is named'
run host busctl call "${manager[@]}" RunApp 'asasa{sv}' 1 true 0 1 Name u 5
like "$ERR" 'Name' 'and one of a wrong type'
run host busctl call "${manager[@]}" RunApp 'asasa{sv}' 0 0 0
isnt "$STATUS" 0 'no command'
run host busctl call "${manager[@]}" RunApp 'asasa{sv}' 1 true 1 NOEQUALS 0
like "$ERR" 'NOEQUALS' 'a variable without ='

# An app by busctl alone: its output goes to the journal.
run host busctl call -- "${manager[@]}" RunApp 'asasa{sv}' 3 sh -c 'echo said by $X in $PWD; echo complaint >&2; pwd; exec sleep 1000' \
    2 PATH=/usr/bin:/bin X=busctl 3 Name s service-busctl Addresses as 1 198.18.1.3 Tags as 2 a=b c=d
like "$OUT" '^sos "service-busctl_[0-9]+" "/io/appswitch1/app/service_2dbusctl_5f[0-9]+" "appswitch-service-busctl_[0-9]+\.scope"' 'RunApp by busctl'
unit=$(grep -o 'appswitch-service-busctl_[0-9]*.scope' <<<"$OUT")
id=${unit#appswitch-} id=${id%.scope}
said() {
    host journalctl -o cat --no-pager SYSLOG_IDENTIFIER=service-busctl | grep -q 'said by busctl'
}
ok 'its output is in the journal' wait_until 5 said
run host journalctl -o cat --no-pager "_SYSTEMD_UNIT=$unit"
like "$OUT" 'said by busctl' 'as a record of its unit'
run host journalctl -o json --output-fields=PRIORITY,MESSAGE SYSLOG_IDENTIFIER=service-busctl
like "$OUT" '"MESSAGE":"complaint"' 'its errors, too'
run host systemctl show -P ActiveState "$unit"
is "$OUT" active 'it runs'
run host busctl call io.appswitch1 "/io/appswitch1/app/$(sed 's/-/_2d/g; s/_\([0-9]*\)$/_5f\1/' <<<"$id")" io.appswitch1.App Stop
is "$STATUS" 0 'Stop of the object'

### signals of the bus
host systemd-run --quiet --collect --unit=service-monitor -p StandardOutput=file:/tmp/service-monitor \
    busctl monitor --json=short --match "type='signal',sender='io.appswitch1'"
wait_until 5 host_sh 'busctl list --no-legend | grep -q service-monitor'
sleep 0.3
start_app --name service-signals --ip 198.18.1.4 -- python3 -c '
import socket, time
time.sleep(0.3)
l = socket.create_server(("", 81))
time.sleep(0.3)
l.close()
time.sleep(2)'
signals=$APP
removed() {
    host grep -q "\"member\":\"AppRemoved\".*$signals" /tmp/service-monitor
}
ok 'AppRemoved' wait_until 5 removed
host systemctl stop service-monitor
monitor=$(host cat /tmp/service-monitor)
like "$monitor" "\"member\":\"AppNew\".*\"$signals\"" 'AppNew'
like "$monitor" "\"member\":\"InterfacesAdded\"[^\n]*service_2dsignals" 'InterfacesAdded'
like "$monitor" '"member":"PropertiesChanged"[^\n]*"Listeners":\{"type":"a\(ssq\)","data":\[\["tcp","\*",81\]\]\}' 'PropertiesChanged when it listens'
like "$monitor" '"member":"PropertiesChanged"[^\n]*"Listeners":\{"type":"a\(ssq\)","data":\[\]\}' 'and when it does no more'
like "$monitor" "\"member\":\"InterfacesRemoved\"[^\n]*service_2dsignals" 'InterfacesRemoved'

### records
run host journalctl -o json --no-pager "APPSWITCH_APP=$signals"
like "$OUT" '"APPSWITCH_UNIT":"appswitch-service-signals_[0-9]+\.scope"' 'records of an app are structured'
is "$(grep -c . <<<"$OUT")" 2 'one for its start, one for its end'
run host journalctl -o cat --no-pager --quiet -p err _SYSTEMD_UNIT=appswitchd.service + _SYSTEMD_UNIT=appswitch-dnsd.service + _SYSTEMD_UNIT=appswitch-exec.service
is "$OUT" '' 'the daemon has logged no error'
is "$(host systemctl list-units --failed --plain --no-legend)" '' 'no unit has failed'

### the bus is lost
start_app --name service-lost -- sleep 1000
back() {
    host busctl call "${manager[@]}" GetApp s "$APP"
}
pid=$(main_pid appswitchd.service)
host systemctl restart dbus.service
ok 'the daemon comes back after a restart of the bus' wait_until 20 back
isnt "$(main_pid appswitchd.service)" "$pid" 'as a new process'
run client -- getent hosts service-lost
like "$OUT" 'service-lost' 'with its apps'

done_testing
