#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# ax doctor: what it finds on a host in order, and on ones where something is missing.
# timeout: 120
. "$(dirname "$0")/lib.sh"

# The level, and what was found, of one check.
found() {
    /usr/bin/python3 -c '
import json, sys
for f in json.loads(sys.argv[1]):
    if f["check"] == sys.argv[2]:
        print(f["level"], f["found"], f.get("advice", ""))' "$OUT" "$1"
}
doctor() {
    run host ax doctor --json=short
}

at_exit() {
    host_sh '[ ! -e /run/resolv.conf ] || cat /run/resolv.conf >/etc/resolv.conf
        rm -rf /run/resolv.conf /run/systemd/system/appswitchd.service.d /etc/appswitch/appswitchd.conf.d/doctor.conf; systemctl unmask --runtime polkit.service
        systemctl daemon-reload; systemctl start appswitch-dnsd.socket appswitch-exec.socket appswitchd' >/dev/null 2>&1
}

### a host in order
run host ax doctor
is "$STATUS" 0 'a host of the lab is in order'
unlike "$OUT" '(^|
)(warning|error) ' 'without a warning'
like "$OUT" 'ok       Seccomp notification: works\.' 'a trapped call was tried'
like "$OUT" '
[0-9]+ looked at: [0-9]+ ok, [0-9]+ skipped, 0 warnings, 0 errors\.$' 'and all was counted'
run host ax doctor --no-legend
unlike "$OUT" 'looked at' 'but for --no-legend'
run host env SYSTEMD_COLORS=1 ax doctor
like "$OUT" $'\e\[0;32mok      \e\[0m Kernel: Linux' 'in colours'
doctor
is "$(found nftables)" 'ok answers ' 'nftables answers root'
like "$(found API)" '^ok io.appswitch1 answers, version 0' 'the daemon answers'
like "$(found 'Descriptor store')" '^ok [0-9]+ of 65536 are used' 'the descriptor store has room'
like "$(found polkit)" '^ok knows [1-9][0-9]+ actions' 'polkit knows the actions'
run host_as bob ax doctor --json=short
is "$STATUS $(found nftables)" '0 skipped not told to this user Run it as root to know.' 'a user is not told, which is no error'
run host ax doctor now
like "$STATUS $ERR" '^1 .*takes no words' 'it takes no words'
run client -- ax doctor --json=short
like "$STATUS $(found 'Seccomp notification')" '^1 error this process is an app' 'in an app it sees that it is in one'

### names
doctor
like "$(found 'Names on the host')" '^skipped HostNames= is off If the host is to find apps by name' 'that the host has no names is said'
host_sh 'mkdir -p /etc/appswitch/appswitchd.conf.d
    printf "[AppSwitch]\nHostNames=yes\n" >/etc/appswitch/appswitchd.conf.d/doctor.conf; systemctl restart appswitchd'
doctor
is "$(found 'Names on the host')" 'ok the name server answers at 127.0.0.97 ' 'with HostNames= it answers'
like "$STATUS $(found 'Resolver of the host')" '^0 warning does not find ax\.internal .*Have it ask 127\.0\.0\.97' 'a resolver that does not ask there is a warning'
host_sh 'cp /etc/resolv.conf /run/resolv.conf; echo nameserver 127.0.0.97 >/etc/resolv.conf'
doctor
is "$(found 'Resolver of the host')" 'ok finds ax.internal ' 'and one that does is none'
host_sh 'cat /run/resolv.conf >/etc/resolv.conf; rm /run/resolv.conf /etc/appswitch/appswitchd.conf.d/doctor.conf; systemctl restart appswitchd'

### what is missing
host systemctl stop appswitch-dnsd.socket appswitch-dnsd.service
doctor
like "$STATUS $(found 'Socket of the name server')" '^1 error appswitch-dnsd\.socket is inactive Start it: systemctl enable --now' 'a socket that does not listen'
host systemctl start appswitch-dnsd.socket
host_sh 'mkdir -p /run/systemd/system/appswitchd.service.d
    printf "[Service]\nFileDescriptorStoreMax=100\n" >/run/systemd/system/appswitchd.service.d/zz-doctor.conf'
doctor
is "$STATUS $(found Daemon)" '0 warning appswitchd.service has changed on the disk Have systemd read it again: systemctl daemon-reload.' 'a unit that has changed'
host systemctl daemon-reload
doctor
like "$STATUS $(found 'Descriptor store')" '^0 warning has room for 100 only' 'a descriptor store that is small'
host_sh 'rm -r /run/systemd/system/appswitchd.service.d; systemctl daemon-reload; systemctl mask --runtime --now polkit.service' 2>/dev/null
doctor
like "$STATUS $(found polkit)" '^0 warning does not answer .* until then only root may do anything' 'polkit that is masked'
host_sh 'systemctl unmask --runtime polkit.service; systemctl stop appswitchd' 2>/dev/null
doctor
like "$STATUS $(found Daemon) $(found API)" '^1 error appswitchd\.service is inactive Start it.* error nobody has io\.appswitch1' 'a daemon that does not run'
is "$(host systemctl is-active appswitchd)" inactive 'and is not started by that'
host systemctl start appswitchd
run host env DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere ax doctor --json=short
like "$STATUS $(found 'System bus')" '^1 error cannot be reached .*systemctl start dbus\.socket' 'a bus that is not there'
like "$(found 'Seccomp notification')" '^ok' 'the kernel is looked at nevertheless'
run host systemd-run --quiet --wait --pipe --collect -p SystemCallFilter=~kcmp -p SystemCallErrorNumber=ENOSYS ax doctor --json=short
like "$STATUS $(found 'Comparing descriptors (kcmp)')" '^1 error failed \(Function not implemented\) Take a kernel with CONFIG_KCMP' 'a kernel without kcmp'
run host systemd-run --quiet --wait --pipe --collect -p SystemCallFilter=~seccomp -p SystemCallErrorNumber=ENOSYS ax doctor --json=short
like "$STATUS $(found 'Seccomp notification')" '^1 error the kernel has none Take a kernel' 'and one without seccomp'
run host systemd-run --quiet --wait --pipe --collect -p SystemCallFilter=~pidfd_getfd -p SystemCallErrorNumber=EPERM ax doctor --json=short
like "$STATUS $(found 'Descriptors of other processes (pidfd_getfd)')" '^1 error cannot be had .*Something filters' 'a filter that is in the way'

doctor
is "$STATUS" 0 'all is in order again'
done_testing
