#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Service units that are apps by a section [X-AppSwitch].
# timeout: 240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/units.sh"
need_command curl
mark_journal

dir=/etc/systemd/system
at_exit() {
    host_sh 'systemctl stop "xu-*"; rm -rf /etc/systemd/system/xu-* /run/systemd/system/xu-* /etc/sandbox-test /tmp/xu-*; systemctl daemon-reload
        systemctl reset-failed "xu-*" "appswitch-unit@xu-*"' >/dev/null 2>&1
}

drop_in() {
    host mkdir -p "$dir/$1.d"
    unit "$1.d/$2" "${@:3}"
}
# start UNIT PORT: starts it, and waits until it listens
start() {
    run host systemctl start "$1"
    is "$STATUS" 0 "$1 starts" || diag "$(host systemctl status --no-pager "$1" 2>&1)" "$(host journalctl -n 20 --no-pager 2>&1)"
    APP=$(app_of "$1.service")
    [[ ! ${2:-} ]] || wait_for_listen "$APP" "$2"
}

### the same as without
# What a process of the unit may and has, natively and as an app.
declare -A settings=(
    [root]=''
    [user]='User=alice'
    [group]='User=alice;Group=bob;SupplementaryGroups=adm;UMask=0027;LimitNOFILE=777;WorkingDirectory=/tmp;Environment=A=b;Nice=3'
    [nnp]='User=alice;NoNewPrivileges=yes'
    [dynamic]='DynamicUser=yes;User=xudynamic;StateDirectory=xu-app'
    [filter]='SystemCallFilter=@system-service;ProtectSystem=strict;PrivateTmp=yes;SystemCallErrorNumber=EPERM'
    [user-filter]='User=alice;SystemCallFilter=@system-service;SystemCallErrorNumber=EPERM;SystemCallFilter=~@privileged'
    [deny]='User=alice;SystemCallFilter=~seccomp @mount;SystemCallErrorNumber=EACCES'
    [ambient]='User=alice;AmbientCapabilities=CAP_NET_BIND_SERVICE'
    [bounded]='CapabilityBoundingSet=CAP_CHOWN CAP_SETUID CAP_NET_BIND_SERVICE'
    [user-bounded]='User=alice;CapabilityBoundingSet=CAP_CHOWN;AmbientCapabilities=CAP_CHOWN'
    [no-caps]='User=alice;CapabilityBoundingSet='
    [taken]='CapabilityBoundingSet=~CAP_SYS_ADMIN CAP_SYS_PTRACE'
    [families]='RestrictAddressFamilies=AF_INET AF_INET6;User=alice'
    [no-families]='RestrictAddressFamilies=none'
    [hardened]='User=alice;PrivateDevices=yes;ProtectKernelTunables=yes;ProtectKernelModules=yes;ProtectControlGroups=yes;RestrictNamespaces=yes;RestrictSUIDSGID=yes;RestrictRealtime=yes;LockPersonality=yes;MemoryDenyWriteExecute=yes;SystemCallArchitectures=native;ProtectHome=yes;ProtectClock=yes;ProtectHostname=yes;ProtectKernelLogs=yes;ProtectProc=invisible;PrivateTmp=yes;ProtectSystem=strict;KeyringMode=private;RemoveIPC=yes'
    [root-hardened]='CapabilityBoundingSet=CAP_NET_ADMIN;RestrictNamespaces=yes;PrivateDevices=yes;RestrictAddressFamilies=AF_UNIX AF_NETLINK;MemoryDenyWriteExecute=yes;SystemCallFilter=~@clock'
    [users]='PrivateUsers=yes'
    [exec-paths]='NoExecPaths=/;ExecPaths=/usr /lib'
    [tree]='TemporaryFileSystem=/srv;InaccessiblePaths=/home;ReadOnlyPaths=/'
    [empty-tree]='TemporaryFileSystem=/:ro;MountAPIVFS=yes;BindReadOnlyPaths=/usr /bin /lib /lib64 /etc;User=alice;PrivateTmp=yes'
    [api-vfs]='MountAPIVFS=yes;User=alice'
    [other-run]='TemporaryFileSystem=/run;User=alice'
    [other-usr]='TemporaryFileSystem=/usr/libexec;ProtectSystem=strict'
    [own-root]='RootDirectory=/tmp/xu-root;BindReadOnlyPaths=/usr'
    [own-root-user]='RootDirectory=/tmp/xu-root;BindReadOnlyPaths=/usr;User=alice;NoExecPaths=/;ExecPaths=/usr /lib /lib64;WorkingDirectory=/usr'
    [own-root-strict]='RootDirectory=/tmp/xu-root;BindReadOnlyPaths=/usr;DynamicUser=yes;User=xudynamic;SystemCallFilter=@system-service;SystemCallErrorNumber=EPERM;RestrictAddressFamilies=AF_INET'
    [start-only]='RootDirectory=/tmp/xu-root;BindReadOnlyPaths=/usr;RootDirectoryStartOnly=yes;ExecStartPre=/usr/bin/test -e /etc/debian_version'
    [keep-caps]='SecureBits=keep-caps keep-caps-locked;User=alice'
    [noroot]='SecureBits=noroot noroot-locked'
    [noroot-bounded]='SecureBits=noroot no-setuid-fixup;CapabilityBoundingSet=CAP_CHOWN CAP_KILL;SystemCallFilter=~@clock'
    [noroot-ambient]='SecureBits=noroot;AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_SYS_ADMIN'
    [noroot-user]='SecureBits=noroot;User=alice;LockPersonality=yes'
)
python=/usr/bin/python3
declare -A commands=(
    [plus]="User=alice;SystemCallFilter=@system-service;ExecStart=+$python $PROGRAMS/sandbox.py"
    [bang]="User=alice;ExecStart=!$python $PROGRAMS/sandbox.py"
    [at]="User=alice;Environment=X=y;ExecStart=@$python another $PROGRAMS/sandbox.py \"\${X}\" \$X \$\$X %%p 'a  b' \"c;d\""
    [colon]="Environment=X=y;ExecStart=:$python $PROGRAMS/sandbox.py \$X %% \"\\x41\""
    [search]="ExecStart=-python3 $PROGRAMS/sandbox.py"
    [several]="ExecStart=$python $PROGRAMS/sandbox.py 1 ; $python $PROGRAMS/sandbox.py 2"
)
host_sh 'mkdir -p /tmp/xu-root/{usr,etc,proc,sys,dev,run,tmp,var/tmp}; for d in bin sbin lib lib64; do ln -s "usr/$d" "/tmp/xu-root/$d"; done'
# An image, if the kernel and the tools of the host make it possible at all.
if host_sh 'mke2fs -q -d /tmp/xu-root /tmp/xu-image 4M && systemd-run --quiet --wait --pipe -p RootImage=/tmp/xu-image -p BindReadOnlyPaths=/usr true' 2>/dev/null; then
    settings[image]='RootImage=/tmp/xu-image;BindReadOnlyPaths=/usr;User=alice'
else
    skip 'RootImage=' 'it does not work natively here'
fi
for name in "${!settings[@]}"; do
    commands[$name]="${settings[$name]};ExecStart=$python $PROGRAMS/sandbox.py"
done
for name in "${!commands[@]}"; do
    for kind in native app; do
        unit "xu-$kind-$name.service" '[Service]' Type=oneshot "StandardOutput=append:/tmp/xu-$kind-$name" \
            "$(tr ';' '\n' <<<"${commands[$name]/ ; / + }" | sed 's/ + / ; /;s/"c$/"c;d"/;/^d"$/d')" ''
    done
    drop_in "xu-app-$name.service" app.conf '[X-AppSwitch]' "Name=xu-$name"
done
host systemctl daemon-reload
for name in "${!commands[@]}"; do
    run host systemctl start "xu-native-$name" "xu-app-$name"
    if [[ $STATUS != 0 ]]; then
        fail "$name: both start" "$ERR" "$(host systemctl status --no-pager "xu-app-$name" 2>&1 | tail -n 12)"
        continue
    fi
    is "$(host cat "/tmp/xu-app-$name")" "$(host cat "/tmp/xu-native-$name")" "$name: a process has what it has natively" ||
        diag "$(host diff "/tmp/xu-native-$name" "/tmp/xu-app-$name")"
done
is "$(host_sh 'find /tmp/xu-root -name "*appswitch*"')" '' 'nothing of ours is left in a root'
is "$(host ax list --no-legend | grep -c xu-)" 0 'no app is left of units that have ended'
is "$(host_sh 'ls /run/appswitch/netns')" '' 'nor a namespace'

### life
unit xu-web.service '[Service]' 'ExecStart=/usr/bin/python3 -m http.server --directory /srv 80' \
    'ExecStartPost=/bin/sh -c "for i in 1 2 3 4 5 6 7 8 9 10; do curl -s -o /tmp/xu-post http://xu-web/ && exit; sleep 0.2; done; exit 1"' \
    'ExecReload=/bin/sh -c "curl -s http://127.0.0.1/ >/tmp/xu-reload"' \
    'ExecStop=/bin/sh -c "curl -s http://xu-web/ >/tmp/xu-stop; kill $MAINPID"' Restart=on-failure RestartSec=0
drop_in xu-web.service 10-app.conf '[X-AppSwitch]' 'Name=xu-web' 'Address=198.18.70.1' 'Tag=zone=default' 'Weight=7' 'Shortcut=tcp'
host_sh 'systemctl daemon-reload; mkdir -p /srv; echo hello from a unit >/srv/xu'
start xu-web 80
like "$(host ax list)" "$APP +xu-web +198\.18\.70\.1,.* \*:80 +0 +xu-web\.service" 'ax list has it'
run client -- curl -s http://xu-web/xu
is "$OUT" 'hello from a unit' 'it is reached by its name'
like "$(host cat /tmp/xu-post)" 'Directory listing' 'ExecStartPost= is a process of the app: it finds names'
run host ax status "$APP"
like "$OUT" 'xu-web\.service' 'ax status shows the unit'
like "$OUT" 'python3 -m http\.server' 'and its processes'
is "$(host systemctl show -P MainPID xu-web)" "$(host ax list --json=short | /usr/bin/python3 -c 'import json, sys; print([a["leader"] for a in json.load(sys.stdin) if a["id"] == sys.argv[1]][0])' "$APP")" \
    'its leader is the main process'
run host systemctl reload xu-web
like "$(host cat /tmp/xu-reload)" 'Directory listing' 'ExecReload= is a process of the app'
pid=$(host systemctl show -P MainPID xu-web)
host systemctl restart appswitchd
run client -- curl -s http://xu-web/xu
is "$OUT" 'hello from a unit' 'a restart of the daemon is survived'
is "$(host systemctl show -P MainPID xu-web)" "$pid" 'by the very process'
run host systemctl reload xu-web
is "$STATUS" 0 'and commands of the unit are adopted after it'
host systemctl kill -s KILL appswitchd
run client -- curl -s http://xu-web/xu
is "$OUT" 'hello from a unit' 'a crash, too'
host systemctl daemon-reload
run client -- curl -s http://xu-web/xu
is "$OUT" 'hello from a unit' 'and a daemon-reload'

host kill -9 "$pid"
again() {
    [[ $(host systemctl show -P MainPID xu-web) != "$pid" && $(host systemctl is-active xu-web) == active ]] &&
        client -- curl -sf http://xu-web/xu
}
ok 'Restart= starts it again' wait_until 10 again
APP=$(app_of xu-web.service)
run host ax stop "$APP"
is "$STATUS $(host systemctl is-active xu-web)" '0 inactive' 'ax stop stops the unit'
like "$(host cat /tmp/xu-stop)" 'Directory listing' 'ExecStop= is a process of the app'
start xu-web 80
drop_in xu-web.service 20-name.conf '[X-AppSwitch]' 'Name=' 'Name=xu-other' 'Address=' 'Address=198.18.70.2' '[Service]' 'ExecStartPost='
host systemctl daemon-reload
run host systemctl restart xu-web
APP=$(app_of xu-web.service)
wait_for_listen "$APP" 80
run client -- curl -s http://xu-other/xu
is "$OUT" 'hello from a unit' 'a restart takes other settings'
# What systemctl edit writes sorts behind what the generator's drop-in is called by default.
drop_in xu-web.service zzzz.conf '[Service]' 'ExecStart=' 'ExecStart=/usr/bin/python3 -m http.server --directory /srv 81'
host systemctl daemon-reload
run host systemctl restart xu-web
APP=$(app_of xu-web.service)
wait_for_listen "$APP" 81
run client -- curl -s http://xu-other:81/xu
is "$OUT" 'hello from a unit' 'another command in a drop-in of whatever name is one of the app'
logged() {
    [[ $(host journalctl --no-pager --quiet --output=cat --identifier=python3 --unit=xu-web) == *'GET /xu'* ]]
}
ok 'what it writes is in the journal by the name of its program' wait_until 5 logged
host systemctl stop xu-web

# A process outside of the unit is not one of the app, whatever it says.
start xu-web 81
run host /usr/libexec/appswitch/appswitch-unit -- /bin/true
is "$STATUS" 78 'a process of another unit is refused'
like "$ERR" 'is no app' 'and told why'
run host systemd-run --quiet --wait --pipe -p NetworkNamespacePath=/run/appswitch/netns/xu-web.service /usr/libexec/appswitch/appswitch-unit -- /bin/true
is "$STATUS" 78 'also in the namespace of the app'
run host /usr/libexec/appswitch/appswitch-unit --prepare xu-web.service
is "$STATUS" 78 'nor may anybody ask for the app of a unit'
host systemctl stop xu-web

### types
unit xu-notify.service '[Service]' Type=notify NotifyAccess=all 'ExecStart=/bin/sh -c "systemd-notify --ready; exec sleep 1000"' '[X-AppSwitch]' Name=xu-notify
unit xu-forking.service '[Service]' Type=forking 'ExecStart=/bin/sh -c "python3 -m http.server --directory /srv 80 >/dev/null 2>&1 &"' '[X-AppSwitch]' Name=xu-forking
unit xu-exec.service '[Service]' Type=exec DynamicUser=yes 'ExecStart=python3 -m http.server --directory /srv 80' '[X-AppSwitch]' Name=xu-exec
unit xu-dbus.service '[Service]' Type=dbus BusName=org.example.xu 'ExecStart=/usr/bin/python3 -c "import time, dbus, dbus.service; b = dbus.SystemBus(); n = dbus.service.BusName(\"org.example.xu\", b); time.sleep(1000)"' '[X-AppSwitch]' Name=xu-dbus
unit 'xu-many@.service' '[Service]' 'ExecStart=/usr/bin/python3 -m http.server --directory /srv %i' '[X-AppSwitch]' 'Name=xu-many-%i'
drop_in xu-many@82.service own.conf '[Service]' User=alice
host_sh 'printf "<busconfig><policy user=\"root\"><allow own=\"org.example.xu\"/></policy></busconfig>" >/etc/dbus-1/system.d/xu.conf
    systemctl reload dbus; systemctl daemon-reload'
start xu-notify
start xu-forking 80
run client -- curl -s http://xu-forking/xu
is "$OUT" 'hello from a unit' 'Type=forking'
start xu-exec 80
run client -- curl -s http://xu-exec/xu
is "$OUT" 'hello from a unit' 'Type=exec, DynamicUser=yes'
start xu-dbus
start xu-many@81 81
start xu-many@82 82
run client -- sh -c 'curl -s http://xu-many-81:81/xu http://xu-many-82:82/xu'
is "$OUT" 'hello from a unit
hello from a unit' 'instances of a template, each by a name of its own'
is "$(host systemctl show -P User xu-many@82)" alice 'an instance has drop-ins of its own'
host systemctl stop 'xu-*'
host rm -f /etc/dbus-1/system.d/xu.conf

# Root has more descriptors under way on sockets than a process without rights may have for its limit (unix(7), ETOOMANYREFS).
host systemd-run --quiet --unit=xu-flight python3 -c '
import socket, time
a, b = socket.socketpair()
with open("/dev/null") as f:
    for _ in range(50):
        socket.send_fds(a, [b"x"], [f.fileno()])
print("sent", flush=True)
time.sleep(1000)'
unit xu-limit.service '[Service]' NoNewPrivileges=yes CapabilityBoundingSet= LimitNOFILE=20 \
    'ExecStart=/usr/bin/python3 -m http.server --directory /srv 80' '[X-AppSwitch]' Name=xu-limit
host systemctl daemon-reload
in_flight() {
    [[ $(host journalctl --quiet --output=cat --unit=xu-flight) == *sent* ]]
}
ok 'descriptors are under way' wait_until 10 in_flight
start xu-limit 80
run client -- curl -s http://xu-limit/xu
is "$OUT" 'hello from a unit' 'a unit is an app, however many descriptors of its user are under way'
host systemctl stop xu-limit xu-flight

### what is wrong
# refused NAME REGEX TEXT LINE...: a unit of such a section does not start, and says why
refused() {
    local name=$1 regex=$2 text=$3
    shift 3
    host rm -f /tmp/xu-ran
    unit "$name.service" '[Service]' 'ExecStartPre=/bin/touch /tmp/xu-ran' 'ExecStart=/bin/sleep 1000' 'ExecStopPost=/bin/touch /tmp/xu-ran' "$@"
    host systemctl daemon-reload
    run host systemctl start "$name"
    isnt "$STATUS" 0 "$text: does not start"
    like "$(host journalctl --no-pager -o cat --since "@$since" _SYSTEMD_UNIT="$name.service" + _SYSTEMD_UNIT="appswitch-unit@$name.service" + SYSLOG_IDENTIFIER=appswitch-generator)" \
        "$regex" "$text: says why"
    is "$(host_sh 'ls /tmp/xu-ran 2>/dev/null')" '' "$text: nothing of it has run"
    host systemctl reset-failed "$name" 2>/dev/null
}
refused xu-bad1 'Unknown key .Nmae=.; known are Name=, Address=' 'an unknown key' '[X-AppSwitch]' Nmae=x
run host ax verify xu-bad1 xu-web xu-nosuch
is "$STATUS" 1 'ax verify'
like "$ERR" "xu-bad1\.service: Unknown key 'Nmae='" 'says what is wrong'
unlike "$ERR" 'xu-web' 'and nothing of a good one'
refused xu-bad2 "Invalid address '198\.18': it is neither" 'an address that is none' '[X-AppSwitch]' Address=198.18
refused xu-bad3 'Invalid expose' 'a port that is none' '[X-AppSwitch]' Expose=80
refused xu-bad4 'NetworkNamespacePath= cannot be an app' 'a setting that cannot be' NetworkNamespacePath=/proc/1/ns/net '[X-AppSwitch]' Name=xu-bad4
host_sh 'mkdir -p /tmp/xu-alice/run && chown alice /tmp/xu-alice'
refused xu-bad9 "RootDirectory=/tmp/xu-alice cannot be that of an app" 'a root in which a user could put another program in the place of ours' \
    RootDirectory=/tmp/xu-alice User=alice '[X-AppSwitch]' Name=xu-bad9
refused xu-bad8 'Unknown key .Nmae=.' 'an error in a unit with a root of its own' RootDirectory=/tmp/xu-root '[X-AppSwitch]' Nmae=x
refused xu-bad5 'Unknown specifier .%Z' 'a specifier that is none' '[X-AppSwitch]' 'Name=%Z'
like "$(host journalctl --no-pager -o cat --since "@$since" -t appswitch-generator)" 'xu-bad1\.service: .*Unknown key' 'the journal has it when it is read'
start_app --name xu-taken --ip 198.18.70.9 -- sleep 1000
refused xu-bad6 'belongs to|is taken|in use|already' 'an address that another name has' '[X-AppSwitch]' Name=xu-bad6 Address=198.18.70.9
host_sh 'systemctl stop appswitchd; systemctl mask --runtime --quiet appswitchd'
refused xu-bad7 'Failed to reach the AppSwitch daemon' 'a daemon that is not there' '[X-AppSwitch]' Name=xu-bad7
host_sh 'systemctl unmask --runtime --quiet appswitchd; systemctl start appswitchd; systemctl reset-failed "appswitch-unit@*"'
unit xu-web.service '[Service]' 'ExecStart=/bin/sleep 1000' '[X-AppSwitch]' Name=xu-web
host_sh 'ln -s /dev/null /etc/systemd/system/xu-masked.service; mkdir /etc/systemd/system/xu-masked.service.d
    printf "[X-AppSwitch]\n" >/etc/systemd/system/xu-masked.service.d/x.conf; systemctl daemon-reload'
is "$(host systemctl show -P LoadState xu-masked)" masked 'a masked unit stays masked'

### stopping the daemon stops the units that are its apps
host rm -rf "$dir/xu-web.service.d"
host systemctl daemon-reload
start xu-web
host systemctl stop appswitchd
is "$(host systemctl is-active xu-web)" inactive 'a unit is stopped with the daemon'
host systemctl start appswitchd
is "$(host_sh 'ls /run/appswitch/netns')" '' 'no namespace is left'
done_testing
