#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The D-Bus API as it is written down: interfaces, man page and its examples, policy of the bus, and what clients of
# other makes see of it.
# timeout: 180
. "$(dirname "$0")/lib.sh"

need_command gdbus
host /usr/bin/python3 -c 'import dbus; from gi.repository import Gio' 2>/dev/null || skip_all 'python3-dbus or python3-gi is not installed'
manager=(io.appswitch1 /io/appswitch1 io.appswitch1.Manager)
source=/usr/src/appswitch

### what is written
is "$(host ax list --no-legend)" '' 'there is no app'
host systemctl restart appswitchd       # ids begin anew
subtests 'as it is written' host /usr/bin/python3 "$PROGRAMS/bus-api.py" $source/man/io.appswitch1.5.xml \
    /usr/share/dbus-1/interfaces/io.appswitch1.xml /usr/share/dbus-1/system.d/io.appswitch1.conf
is "$(host ax list --no-legend)" '' 'and nothing is left of it'

### the bus
refused_by_bus() {
    run host_as bob busctl call "$@"
    like "$STATUS $ERR" '^1 .*Access denied|^1 .*Sender is not authorized' "the bus does not let pass: ${*:3:2}"
}
refused_by_bus io.appswitch1 /io/appswitch1 org.freedesktop.DBus.Properties Set ssv io.appswitch1.Manager Domain s x
refused_by_bus io.appswitch1 /org/freedesktop/LogControl1 org.freedesktop.DBus.Properties Set ssv org.freedesktop.LogControl1 LogLevel s debug
refused_by_bus io.appswitch1 /io/appswitch1 io.appswitch1.Manager Nonsense
refused_by_bus io.appswitch1 /io/appswitch1 org.example.Interface ListApps
run host_as bob /usr/bin/python3 -c '
import dbus
try:
    print(dbus.SystemBus().request_name("io.appswitch1"))
except dbus.DBusException as e:
    print(e.get_dbus_name())'
is "$OUT" org.freedesktop.DBus.Error.AccessDenied 'nor anybody but root have the name'
run host busctl set-property "${manager[@]}" Domain s example
isnt "$STATUS" 0 'what cannot be written root cannot write either'
run host busctl call "${manager[@]}" GetApp s nosuch
like "$STATUS $ERR" "^1 .*There is no app 'nosuch'" 'errors have a sentence'
run host gdbus call --system --dest io.appswitch1 --object-path /io/appswitch1 --method io.appswitch1.Manager.GetApp nosuch
like "$ERR" 'io\.appswitch1\.NoSuchApp' 'and a name of their own'

### gdbus
host systemd-run --quiet --collect --unit=api-gdbus -p StandardOutput=file:/tmp/api-gdbus gdbus monitor --system --dest io.appswitch1
watched() {
    host grep -q 'is owned by' /tmp/api-gdbus
}
ok 'gdbus watches' wait_until 20 watched
start_app --name api --ip 198.18.57.1 -- python3 -m http.server 80
wait_for_listen "$APP" 80
path=$(host busctl call "${manager[@]}" GetApp s "$APP" | cut -d'"' -f2)
run host gdbus introspect --system --dest io.appswitch1 --object-path "$path"
like "$OUT" "interface io\.appswitch1\.App \{.*SetTags\(in  as tags,.*in  b cut\);.*readonly s Name = 'api';" 'gdbus introspects an app'
like "$OUT" "EmitsChangedSignal\(\"const\"\)[[:space:]]*readonly s Id = '$APP';" 'with its annotations'
run host gdbus introspect --system --recurse --dest io.appswitch1 --object-path /
like "$OUT" "node $path " 'and finds it from the root'
like "$OUT" 'node /org/freedesktop/LogControl1 ' 'among the others'
run host gdbus call --system --dest io.appswitch1 --object-path "$path" --method io.appswitch1.App.SetTags "['zone=default', 'a=b']" false
is "$STATUS $OUT" '0 ()' 'gdbus calls a method'
tagged() {
    host grep -q "$path: org.freedesktop.DBus.Properties.PropertiesChanged ('io.appswitch1.App', {'Tags': <\['a=b', 'zone=default'\]>}" /tmp/api-gdbus
}
ok 'and sees the signal' wait_until 10 tagged
is "$(host busctl --json=short get-property io.appswitch1 "$path" io.appswitch1.App Tags)" '{"type":"as","data":["a=b","zone=default"]}' 'busctl --json'

### Python
run host /usr/bin/python3 -c '
import dbus, os, sys
bus = dbus.SystemBus()
manager = dbus.Interface(bus.get_object("io.appswitch1", "/io/appswitch1"), "io.appswitch1.Manager")
r, w = os.pipe()
ident, path, unit = manager.RunApp(["sh", "-c", "echo said; pwd"], ["PATH=/usr/bin:/bin"],
    {"Name": "api-python", "StandardOutput": dbus.types.UnixFd(w), "WorkingDirectory": dbus.types.UnixFd(os.open("/usr", os.O_PATH))})
os.close(w)
print(os.fdopen(r).read().split(), ident.startswith("api-python_"), unit == f"appswitch-{ident}.scope")
app = bus.get_object("io.appswitch1", manager.GetApp(sys.argv[1]))
print(app.Get("io.appswitch1.App", "Name", dbus_interface="org.freedesktop.DBus.Properties"))' "$APP"
is "$OUT" "['said', '/usr'] True True
api" 'python3-dbus runs an app, with descriptors, and reads a property'
run host /usr/bin/python3 -c '
from gi.repository import Gio, GLib
import subprocess, sys
manager = Gio.DBusObjectManagerClient.new_for_bus_sync(Gio.BusType.SYSTEM, 0, "io.appswitch1", "/io/appswitch1", None, None, None)
said = []
manager.connect("object-added", lambda m, o: said.append(("added", o.get_interface("io.appswitch1.App").get_cached_property("Name").unpack())))
manager.connect("object-removed", lambda m, o: said.append(("removed", o.get_object_path())))
manager.connect("interface-proxy-properties-changed", lambda m, o, i, changed, gone: said.append(("changed", *changed.unpack().items())))
def wait(what):
    late = []
    GLib.timeout_add_seconds(20, lambda: late.append(1))
    while not late and not any(what(s) for s in said):
        GLib.MainContext.default().iteration(True)
    print([s for s in said if what(s)][:1])
before = [o.get_object_path() for o in manager.get_objects()]
print(sys.argv[1] in before)
subprocess.run(["ax", "run", "--no-block", "--quiet", "--name", "api-gio", "--", "sleep", "1000"], stdout=subprocess.DEVNULL)
wait(lambda s: s == ("added", "api-gio"))
subprocess.run(["ax", "tag", "api-gio", "k=v"])
wait(lambda s: s == ("changed", ("Tags", ["k=v"])))
subprocess.run(["ax", "stop", "api-gio"])
wait(lambda s: s[0] == "removed" and "api_2dgio" in s[1])' "$path"
like "$OUT" "^True
\[\('added', 'api-gio'\)\]
\[\('changed', \('Tags', \['k=v'\]\)\)\]
\[\('removed', '/io/appswitch1/app/api_2dgio_5f[0-9]+'\)\]\$" 'GLib'"'"'s ObjectManager follows what happens'
host systemctl stop api-gdbus
example=$(sed -n '/<programlisting>from gi/,/<\/programlisting>/p' "$TESTS/../../man/io.appswitch1.5.xml" | sed 's/^ *<programlisting>//; s/<[^>]*>//g')
run host /usr/bin/python3 -c "$example"
is "$OUT" "$APP ['a=b', 'zone=default']" 'the example in Python works'

### LogControl1
log=(io.appswitch1 /org/freedesktop/LogControl1 org.freedesktop.LogControl1)
is "$(host systemctl service-log-level appswitchd)" info 'systemctl service-log-level'
is "$(host systemctl service-log-target appswitchd)" auto 'systemctl service-log-target'
is "$(host busctl get-property "${log[@]}" SyslogIdentifier)" 's "appswitchd"' 'SyslogIdentifier'
is "$(host_as bob busctl get-property "${log[@]}" LogLevel)" 's "info"' 'everybody may see it'
host systemctl service-log-level appswitchd debug
is "$(host systemctl service-log-level appswitchd)" debug 'root sets it'
run host systemctl service-log-level appswitchd loud
isnt "$STATUS" 0 'to levels that there are'
run host busctl set-property "${log[@]}" LogLevel s loud
like "$ERR" "Invalid log level 'loud'.*emerg" 'which are named'
run host busctl set-property "${log[@]}" LogTarget s moon
like "$ERR" "Invalid log target 'moon'.*journal" 'targets, too'
logged() {
    host journalctl -q -o cat --no-pager _SYSTEMD_UNIT=appswitchd.service | grep -c "$1"
}
n=$(logged 'api-quiet_')
host systemctl service-log-target appswitchd null
run client --name api-quiet -- true
is "$(logged 'api-quiet_')" "$n" 'nothing is logged to null'
host systemctl service-log-target appswitchd journal
run client --name api-loud -- true
loud() {
    [[ $(logged 'api-loud_[0-9]* ended') == 1 ]]
}
ok 'and all to the journal' wait_until 10 loud
host systemctl restart appswitchd
is "$(host systemctl service-log-level appswitchd) $(host systemctl service-log-target appswitchd)" 'info auto' 'a new daemon begins as it is configured'

### a start that is hopeless
# shellcheck disable=SC2016
host_sh 'ax stop "$1"; mkdir -p /run/systemd/system/appswitchd.service.d
    printf "[Service]\nSystemCallFilter=~seccomp\nSystemCallErrorNumber=ENOSYS\n" >/run/systemd/system/appswitchd.service.d/zz-api.conf
    systemctl daemon-reload; systemctl restart appswitchd' "$APP" 2>/dev/null
is "$(host systemctl show -P ExecMainStatus appswitchd) $(host systemctl is-failed appswitchd)" '69 failed' 'without seccomp notification it does not start'
is "$(host systemctl show -P NRestarts appswitchd)" 0 'nor again'
host_sh 'rm -r /run/systemd/system/appswitchd.service.d; systemctl daemon-reload; systemctl reset-failed appswitchd; systemctl start appswitchd'
run host ax run -- echo back
is "$OUT" back 'with it, it does'

done_testing
