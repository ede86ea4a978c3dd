#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A boot with units that are to be apps: they are, and where the generator can write no file, or has errors to tell of, they
# do not run outside of their fence, and the rest of the boot goes on.
# timeout: 120
. "$(dirname "$0")/lib.sh"

export LAB_NAME=${LAB_NAME:-default}_boot
overlay=$scratch/overlay
at_exit() {
    "$LAB" down >/dev/null 2>&1
}
generators=$overlay/etc/systemd/system-generators
mkdir -p "$overlay/etc/systemd/system/multi-user.target.wants" "$generators"
# unit NAME LINE...: is started by the boot, and says in which network it runs
unit() {
    local name=$1
    shift
    printf '%s\n' '[Service]' Type=oneshot RemainAfterExit=yes "ExecStart=/bin/sh -c 'readlink /proc/self/ns/net >/run/$name.netns'" "$@" \
        >"$overlay/etc/systemd/system/$name.service"
    ln -s "/etc/systemd/system/$name.service" "$overlay/etc/systemd/system/multi-user.target.wants/"
}
unit xb-app '[X-AppSwitch]' Name=xb-app
unit xb-bad '[X-AppSwitch]' Nmae=xb-bad
unit xb-plain
boot() {
    "$LAB" up 1 --owner $$ --overlay "$overlay" || bail 'a host boots'
    netns=$(host readlink /proc/1/ns/net)
}
netns_of() {
    host cat "/run/$1.netns" 2>/dev/null
}

### as it should be
boot
is "$(host systemctl is-active xb-app xb-bad xb-plain multi-user.target | xargs)" 'active failed active active' \
    'a boot: the app runs, a unit with an error does not, and the boot goes on'
isnt "$(netns_of xb-app)" "$netns" 'the app has its own network'
is "$(netns_of xb-plain)" "$netns" 'an ordinary service that of the host'
is "$(netns_of xb-bad)" '' 'and of the one with an error nothing has run'
like "$(host journalctl -q -o cat -b -u xb-bad)" '\[X-AppSwitch\]: Unknown key .Nmae=' 'the journal says why'
"$LAB" down

### a full /run
# with BEFORE AFTER: what is done before and after the real generator
with() {
    printf '#!/bin/sh\n%s\n/usr/lib/systemd/system-generators/appswitch-generator "$@"\n%s\n' "$1" "$2" >"$generators/appswitch-generator"
    chmod +x "$generators/appswitch-generator"
}
with 'mount -o remount,size=4M /run; cat /dev/zero >/run/fill' 'rm /run/fill; mount -o remount,size=50% /run'
boot
is "$(host systemctl is-active xb-app xb-bad xb-plain multi-user.target | xargs)" 'inactive inactive active active' \
    'a boot while /run is full: neither runs, and the boot goes on'
is "$(host systemctl show -P LoadState xb-app xb-bad | xargs)" 'masked masked' 'they are masked'
is "$(netns_of xb-app)$(netns_of xb-bad)" '' 'and nothing of them has run'
# What the generator says goes to the kernel's log, as there is no journal yet. A container has none.
if host test -c /dev/kmsg; then
    like "$(host journalctl -q -o cat -b)" 'xb-app\.service: failed to write a drop-in, so it is masked' 'the journal says so'
else
    skip 'the journal says so' 'a host of the lab has no log of the kernel'
fi
host_sh 'rm /etc/systemd/system-generators/appswitch-generator; systemctl daemon-reload'
run host systemctl start xb-app
is "$STATUS" 0 'a reload when there is room makes it good'
isnt "$(netns_of xb-app)" "$netns" 'it is an app'
done_testing
