#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Service units that are apps by a section [X-AppSwitch].
# timeout: 240
. "$(dirname "$0")/lib.sh"
need_command curl
mark_journal

dir=/etc/systemd/system
at_exit() {
    host_sh 'systemctl stop "xu-*"; rm -rf /etc/systemd/system/xu-* /run/systemd/system/xu-* /etc/sandbox-test /tmp/xu-*; systemctl daemon-reload
        systemctl reset-failed "xu-*" "appswitch-unit@xu-*"' >/dev/null 2>&1
}

# unit NAME LINE...: writes a unit file
unit() {
    local name=$1
    shift
    printf '%s\n' "$@" | host tee "$dir/$name" >/dev/null
}
drop_in() {
    host mkdir -p "$dir/$1.d"
    unit "$1.d/$2" "${@:3}"
}
app_of() {
    host ax list --json=short | /usr/bin/python3 -c '
import json, sys
for app in json.load(sys.stdin):
    if app["unit"] == sys.argv[1]:
        print(app["id"])' "$1"
}
# start UNIT PORT: starts it, and waits until it listens
start() {
    run host systemctl start "$1"
    is "$STATUS" 0 "$1 starts" || diag "$(host systemctl status --no-pager "$1" 2>&1)" "$(host journalctl -n 20 --no-pager 2>&1)"
    APP=$(app_of "$1")
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
is "$(host ax list --no-legend | grep -c xu-)" 0 'no app is left of units that have ended'
is "$(host_sh 'ls /run/appswitch/netns')" '' 'nor a namespace'
done_testing
