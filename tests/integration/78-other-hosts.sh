#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# ax asks the daemon of another host, by ssh, and that of a container: what it shows and changes is there, not here.
# hosts: 2
# timeout: 120
. "$(dirname "$0")/lib.sh"
need_command sshd ssh ssh-keygen machinectl systemd-nspawn systemd-stdio-bridge

INNER=/srv/inner
on2() {
    "$LAB" exec 2 -- "$@"
}
at_exit() {
    host_sh 'systemctl stop others-inner.service others-monitor.service; umount "$1/usr"; rm -rf "$1" /root/.ssh /home/alice/.ssh /srv/others' bash "$INNER" 2>/dev/null
    on2 sh -c 'systemctl stop others-sshd.service; ax stop far far-client; rm -rf /srv/others /root/.ssh /home/alice/.ssh' 2>/dev/null
}

### a host with sshd, for root and alice; and one from where they come
host_sh 'rm -rf /srv/others /root/.ssh /home/alice/.ssh; mkdir -p /srv/others; cd /srv/others
    ssh-keygen -q -t ed25519 -N "" -f host_key; ssh-keygen -q -t ed25519 -N "" -f user_key; cat host_key host_key.pub user_key.pub | base64 -w0' >"$scratch/keys"
on2 bash -c 'rm -rf /srv/others /root/.ssh /home/alice/.ssh; install -d -m 700 /srv/others /root/.ssh /run/sshd; install -d -o alice -g alice -m 700 /home/alice/.ssh
    base64 -d <<<"$1" >/srv/others/keys; cd /srv/others; sed "/END/q" keys >host_key; chmod 600 host_key; sed "1,/END/d" keys >rest
    tail -n 1 rest | tee /root/.ssh/authorized_keys >/home/alice/.ssh/authorized_keys
    printf "%s\n" "HostKey /srv/others/host_key" "PidFile none" "UsePAM yes" "PasswordAuthentication no" "PermitRootLogin yes" >sshd_config
    systemd-run --quiet --collect --unit=others-sshd -p RuntimeDirectory=sshd /usr/sbin/sshd -D -e -f /srv/others/sshd_config' bash "$(cat "$scratch/keys")"
# shellcheck disable=SC2016 # expanded in the host
host_sh 'for user in root alice; do
        home=$(getent passwd $user | cut -d: -f6); install -d -o $user -g $user -m 700 $home/.ssh
        install -o $user -g $user -m 600 /srv/others/user_key $home/.ssh/id_ed25519
        { printf "h2,10.77.0.2 "; cat /srv/others/host_key.pub; } >$home/.ssh/known_hosts
        printf "%s\n" "Host h2" "HostName 10.77.0.2" "BatchMode yes" "LogLevel error" >$home/.ssh/config
        chown $user:$user $home/.ssh/*; done'
ok 'sshd runs there' wait_until 20 host ssh h2 true

start_app --name near -- sleep 600
run on2 ax run --no-block --name far --ip 198.18.78.1 --tag zone=far -- python3 -m http.server 80
is "$STATUS" 0 'and an app'
on2 ax run --quiet --no-block --name far-client --tag zone=far -- sleep 600

### by ssh
names() {
    /usr/bin/python3 -c 'import json, sys; print(*sorted(a["name"] for a in json.load(sys.stdin)))'
}
is "$(host ax -H h2 list --json=short | names)" 'far far-client' 'ax -H lists the apps of there'
is "$(host ax list --host=h2 --json=short | names)" 'far far-client' 'the option may stand behind the command'
is "$(host_as alice ax -H h2 list --json=short | names)" 'far far-client' 'alice, too'
is "$(host_as alice ax -H alice@10.77.0.2:22 list --json=short | names)" 'far far-client' 'a user and a port may be given'
is "$(host ax list --json=short | names)" near 'without it they are those of here'
run host ax -H h2 status far
like "$OUT" $'CGroup: [^\n]*appswitch-far_1\.scope\n *└─[0-9]+ python3 -m http\.server 80' 'ax status shows its processes'
like "$OUT" $'User: 0\n' 'users are numbers, as their names are those of there'
ok 'ax wait' host ax -H h2 wait far:80 --timeout=20
ok 'ax tag' host ax -H h2 tag far +seen=yes
like "$(on2 ax list --json=short)" 'seen=yes' 'it was done there'
like "$(host ax -H h2 list services --no-legend)" '198\.18\.78\.1 +80 +far' 'ax list services'
ok 'ax create' host ax -H h2 create far-shop --port 80 --backend app:far --tag zone=far --runtime
like "$(host ax -H h2 tree)" 'far' 'ax tree'
run host ax -H h2 explain far-client far-shop:80
is "$STATUS" 0 'ax explain'
host_sh 'mkdir -p /srv/others/policy; printf "[Rule]\nAction=deny\nFrom=app:far-client\nTo=app:far\n" >/srv/others/policy/10-no.conf'
run host ax -H h2 policy check /srv/others/policy
like "$OUT" 'would cut: *far-client_[0-9]+ to far:80' 'ax policy check takes files of here and apps of there'
host systemd-run --quiet --collect --unit=others-monitor -p StandardOutput=truncate:/srv/others/events -p StandardError=truncate:/srv/others/watching \
    ax -H h2 monitor --json=short
wait_until 10 host grep -q Watching /srv/others/watching
on2 ax remove far-shop
ok 'ax monitor' wait_until 10 host grep -q '"event":"VirtualServiceRemoved"' /srv/others/events
host systemctl stop others-monitor
run host_as alice ax -H h2 stop far
is "$STATUS" 1 'the rights are those of there'
is "$(on2 ax list --json=short | names)" 'far far-client' 'it runs on'
ok 'ax stop' host ax -H h2 stop far
is "$(on2 ax list --json=short | names)" far-client 'it was stopped there'
host ax -H h2 systemd-run --quiet --wait --collect sh -c 'hostname >/srv/others/said'
is "$(on2 cat /srv/others/said)" h2 'systemd-run gets the option'
like "$(host_as alice ax -M alice@.host list --json=short | names)" near 'as somebody on this host'

### a container with a daemon of its own
# shellcheck disable=SC2016
host_sh 'mkdir -p "$1"/{usr,var/lib,var/log,root,tmp,run,proc,sys,dev,srv}
    for d in bin sbin lib lib64; do ln -s usr/$d "$1/$d"; done
    cp -a /etc "$1/etc"; cp -a /var/lib/dbus "$1/var/lib/"; rm -f "$1/etc/machine-id"; echo inner >"$1/etc/hostname"
    mount --bind /usr "$1/usr"; systemctl start systemd-machined
    systemd-run --quiet --collect --unit=others-inner -p Delegate=yes -E SYSTEMD_SECCOMP=0 -E SYSTEMD_NSPAWN_API_VFS_WRITABLE=network \
        systemd-nspawn --quiet --boot --directory="$1" --machine=inner --private-network --capability=all --link-journal=no --resolv-conf=off \
        --timezone=off --console=pipe systemd.unit=multi-user.target' "$INNER"
# What other tests have installed may fail in there.
booted() {
    [[ $(host systemctl -M inner is-system-running --wait) =~ ^(running|degraded)$ ]]
}
ok 'a container boots' wait_until 40 booted
run host systemd-run --quiet --machine=inner --wait --pipe ax run --no-block --name inside -- sleep 600
is "$STATUS" 0 'and runs an app' || diag "$ERR"
is "$(host ax -M inner list --json=short | names)" inside 'ax -M lists the apps of there'
run host ax --machine=inner status inside
like "$OUT" $'CGroup: [^\n]*appswitch-inside_1\.scope\n *└─[0-9]+ sleep 600' 'with their processes'
ok 'and stops them' host ax -M inner stop inside
is "$(host ax -M inner list --json=short | names)" '' 'they are gone'
run host_as alice ax -M inner list
is "$STATUS" 1 'alice cannot enter it'
like "$ERR" 'only root can' 'and is told so'

### what cannot be
for command in 'run true' 'verify ssh' 'doctor'; do
    # shellcheck disable=SC2086
    run host ax -H h2 $command
    is "$STATUS" 1 "ax -H h2 $command is refused"
    like "$ERR" "^\"ax ${command%% *}\" is about the host that it runs on; there, it is: ssh -t h2 ax ${command%% *} …\$" 'with what to do instead'
done
run host ax run --machine=inner true
like "$STATUS $ERR" '^1 .*systemd-run --wait --pty --machine=inner ax run' 'also where the option is behind the command'
is "$(host ssh h2 ax run --quiet --name said hostname)" h2 'which works'
run host ax systemd-run -H h2 -p AppSwitch=name=x true
like "$STATUS $ERR" '^1 .*cannot be combined.*ssh HOST ax systemd-run' 'AppSwitch= is not for another host'
run host ax -H '' list
like "$STATUS $ERR" '^1 Invalid host ""; allowed is \[USER@\]HOST' 'an empty host'
run host ax -H -oProxyCommand=x list
like "$STATUS $ERR" '^1 Invalid host' 'an option in its place'
run host ax -H a -M b list
like "$STATUS $ERR" '^1 --host= and --machine= cannot be combined' 'both'
run host ax -H 10.77.0.2:1 list
like "$STATUS $ERR" '^1 .*--host=10\.77\.0\.2:1: .*Hint: "ssh HOST systemd-stdio-bridge"' 'nobody there'
run host ax -M nosuch list
like "$STATUS $ERR" '^1 .*--machine=nosuch: .*Hint: "machinectl list"' 'no such container'
on2 systemctl mask --runtime --now --quiet appswitchd
run host ax -H h2 list
on2 systemctl unmask --runtime --quiet appswitchd
on2 systemctl start appswitchd
like "$STATUS $ERR" '^1 .*systemctl --host=h2 start appswitchd' 'no daemon there'
done_testing
