#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The Debian package, built from a clean copy of what is committed or about to be, in a host of its own that has nothing else
# of AppSwitch: installed, upgraded while apps run, removed, purged. And the RPM package, built here and compared with it.
# timeout: 900
. "$(dirname "$0")/lib.sh"

REPO=$(cd "$TESTS/../.." && pwd)
for c in dpkg-buildpackage lintian rpmbuild git; do
    command -v "$c" >/dev/null || skip_all "$c is not installed"
done
export LAB_NAME=${LAB_NAME:-default}_package

at_exit() {
    "$LAB" down >/dev/null 2>&1
    APPS=()
}

### the source
mkdir "$scratch/appswitch"
(cd "$REPO" && git -c safe.directory="*" ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --ignore-failed-read -cf - 2>/dev/null) |
    tar -C "$scratch/appswitch" -xf -
cd "$scratch/appswitch" || exit
run env DEB_BUILD_OPTIONS="nocheck parallel=2" dpkg-buildpackage -us -uc
is "$STATUS" 0 'dpkg-buildpackage -us -uc' || diag "$OUT$ERR"
[[ $STATUS == 0 ]] || { done_testing; exit 1; }
deb=$(echo "$scratch"/appswitch_*_*.deb)
run lintian --allow-root --fail-on error,warning "$scratch"/appswitch_*.changes
is "$STATUS" 0 'lintian has neither errors nor warnings' || diag "$OUT"
is "$(dpkg-deb -c "$deb" | awk '{print $6}' | grep -c '^./usr/local\|^./usr/share/zsh/site-functions\|^./usr/lib/systemd/system/')" 0 'all is where Debian has it'

# The next version is the same but for its number.
dpkg-deb -R "$deb" "$scratch/next"
sed -i 's/^Version: .*/&+next/' "$scratch/next/DEBIAN/control"
run dpkg-deb --root-owner-group -b "$scratch/next" "$scratch/next.deb"
is "$STATUS" 0 'the next version'

### a host without AppSwitch
"$LAB" up 1 --no-product --owner $$ || bail 'a host boots'
# What a machine that is an image keeps services from being started with, and is not there on others.
host rm -f /usr/sbin/policy-rc.d
push "$deb" /tmp/first.deb
push "$scratch/next.deb" /tmp/next.deb
host_sh 'find /usr /etc /lib/systemd -xdev -path "*appswitch*" | sort; getent passwd appswitch-dns appswitch-wait' >"$scratch/before"

### install
run host env DEBIAN_FRONTEND=noninteractive dpkg -i /tmp/first.deb
is "$STATUS" 0 'dpkg -i' || diag "$OUT$ERR"
is "$(host systemctl is-active appswitchd.service appswitch-dnsd.socket appswitch-exec.socket | xargs)" 'active active active' 'all is started'
is "$(host systemctl is-enabled appswitchd.service appswitch-dnsd.socket appswitch-exec.socket | xargs)" 'enabled enabled enabled' 'and enabled'
run host ax doctor
is "$STATUS" 0 'ax doctor finds nothing missing' || diag "$OUT"
run host journalctl --no-pager --list-catalog
like "$OUT" 'AppSwitch: App @APPSWITCH_APP@ was started' 'the journal has the catalog'
is "$(host_sh 'man -w ax appswitchd appswitchd.service appswitch.unit io.appswitch1 | wc -l')" 5 'man(1) has the pages'

### the tour of the README, on a host that has the package alone
subtests tour host /usr/bin/python3 "$PROGRAMS/tour.py" /usr/src/appswitch/docs/tour.txt
host systemctl restart appswitchd       # ids begin anew

### an upgrade
start_app --name package -- python3 "$PROGRAMS/stay.py" 80
wait_for_listen "$APP" 80
before=$(host ax list --json=short)
daemon=$(host systemctl show -P MainPID appswitchd)
stored=$(host systemctl show -P NFileDescriptorStore appswitchd)
host_sh 'echo one >/tmp/say; systemd-run --quiet --collect --unit=talker sh -c "tail -n +1 -f /tmp/say |
    ax run --quiet --name talker -- python3 $1 package 80 >/tmp/heard 2>&1"' "$PROGRAMS/talk.py"
heard() {
    [[ $(host cat /tmp/heard) == "$1" ]]
}
ok 'an app talks to another' wait_until 20 heard one
run host env DEBIAN_FRONTEND=noninteractive dpkg -i /tmp/next.deb
is "$STATUS" 0 'the next version is installed' || diag "$OUT$ERR"
isnt "$(host systemctl show -P MainPID appswitchd)" "$daemon" 'the daemon is a new one'
is "$(host ax list --json=short | /usr/bin/python3 -c 'import json, sys; print(json.dumps([a for a in json.load(sys.stdin) if a["name"] == "package"]))')" \
    "$(/usr/bin/python3 -c 'import json, sys; print(json.dumps(json.loads(sys.argv[1])))' "$before")" 'the app is as it was'
within "$(host systemctl show -P NFileDescriptorStore appswitchd)" "$stored" 1000 'nothing of it is lost from the descriptor store'
host_sh 'echo two >>/tmp/say'
ok 'they still talk, by the same connection' wait_until 20 heard $'one\ntwo'
run client -- python3 "$PROGRAMS/talk.py" package 80 </dev/null
is "$STATUS" 0 'and a new connection is made'
run host ax doctor
is "$STATUS" 0 'nothing is missing' || diag "$OUT"

### the same version again, as apt-get --reinstall does
run host env DEBIAN_FRONTEND=noninteractive dpkg -i /tmp/next.deb
host_sh 'echo three >>/tmp/say'
ok 'a reinstallation goes unnoticed, too' wait_until 20 heard $'one\ntwo\nthree'

### remove, with a unit that is an app and goes on
host_sh 'ax create package-shop --port 80 --backend app:package
    printf "[Service]\nExecStart=python3 $1 81\n[X-AppSwitch]\nName=package-unit\n" >/run/systemd/system/package-unit.service
    systemctl daemon-reload && systemctl start package-unit' "$PROGRAMS/stay.py"
ok 'a unit is an app' host mountpoint -q /run/appswitch/netns/package-unit.service
run host env DEBIAN_FRONTEND=noninteractive dpkg -r appswitch
is "$STATUS" 0 'dpkg -r' || diag "$OUT$ERR"
is "$(host systemctl list-units --no-legend --plain --all 'appswitch*' | grep -c ' running ')" 0 'its services and apps have ended'
run host env DEBIAN_FRONTEND=noninteractive dpkg -P appswitch
is "$STATUS" 0 'dpkg -P' || diag "$OUT$ERR"
host_sh 'find /usr /etc /lib/systemd -xdev -path "*appswitch*" | sort; getent passwd appswitch-dns appswitch-wait' >"$scratch/after"
is "$(diff "$scratch/before" "$scratch/after")" '' 'nothing is left of it'
is "$(host_sh 'ls -d /run/appswitch 2>/dev/null; systemctl list-unit-files --no-legend "appswitch*" "dbus-io.appswitch1*"')" '' 'nor in /run, or as a unit'

### nothing of where and when it was built
mkdir "$scratch/unpacked"
dpkg-deb -x "$deb" "$scratch/unpacked"
find "$scratch/unpacked" -type f -name '*.gz' -exec gunzip {} +
is "$(cd "$scratch/unpacked" && grep -rlF -e "$scratch" -e "$(date +%m/%d/%Y)" -e "$(date '+%b %e %Y')" .)" '' 'no file has the directory or the day of the build'

### the RPM package
mkdir -p "$scratch/rpm/SOURCES"
version=$(sed -n 's/^Version: *//p' "$REPO/packaging/appswitch.spec")
(cd "$REPO" && git -c safe.directory="*" ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --ignore-failed-read \
    --transform "s|^|appswitch-$version/|" -czf "$scratch/rpm/SOURCES/appswitch-$version.tar.gz" 2>/dev/null)
run rpmbuild --load "$REPO/tests/programs/rpm.macros" --define "_topdir $scratch/rpm" --nodeps -bb "$REPO/packaging/appswitch.spec"
is "$STATUS" 0 'rpmbuild builds the spec' || diag "$(tail -n 30 <<<"$OUT$ERR")"
rpm=$(echo "$scratch"/rpm/RPMS/*/appswitch-*.rpm)
# What is documentation, of the package system or of the linker is another matter; pages are compressed or not.
of_product() {
    sed 's|^\.||; s|^/lib/|/usr/lib/|; s|/zsh/vendor-completions/|/zsh/site-functions/|; s|\.gz$||; s|/$||' | grep -v '^/usr/lib/\.build-id\|^/usr/share/\(lintian\|licenses\)/\|^/usr/share/doc/appswitch/[a-zA-Z.]*$' | sort
}
rpm -qp --dump "$rpm" 2>/dev/null | awk '$5 !~ /^04/ { print $1 }' | of_product >"$scratch/files-rpm"
dpkg-deb -c "$deb" | awk '$1 !~ /^d/ { print $6 }' | of_product >"$scratch/files-deb"
within "$(wc -l <"$scratch/files-deb")" 30 1000 'the Debian package has its files'
is "$(diff "$scratch/files-deb" "$scratch/files-rpm")" '' 'and the RPM package has the same'
is "$(rpm -qp --dump "$rpm" 2>/dev/null | awk '$1 ~ /^\/etc\// { print $1, $5, $6 }' | xargs)" \
    '/etc/appswitch 040755 root /etc/appswitch/policy.d 040755 root /etc/appswitch/services.d 040755 root' 'with the directories of the administrator'
like "$(rpm -qp --scripts "$rpm" 2>/dev/null)" 'try-restart appswitchd\.service' 'an upgrade restarts the daemon, and stops nothing'
if command -v rpmlint >/dev/null; then
    run rpmlint --rpmlintrc "$REPO/packaging/appswitch.rpmlintrc" "$rpm" "$REPO/packaging/appswitch.spec"
    is "$STATUS" 0 'rpmlint has nothing against it' || diag "$OUT"
else
    skip 'rpmlint' 'is not installed'
fi
is "$(sed -n 's/^Version: *//p' "$REPO/packaging/appswitch.spec") $(sed -n '1s/.*(\(.*\)).*/\1/p' "$REPO/debian/changelog")" \
    "$(sed -n "s/^ *version : '\(.*\)',/\1 \1/p" "$REPO/meson.build" | head -n 1)" 'all have the same version'
done_testing
