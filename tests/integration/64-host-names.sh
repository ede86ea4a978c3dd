#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The host finds the names of apps (HostNames=): by the name server on its loopback, with a plain resolv.conf, by dnsmasq and
# by the real systemd-resolved, which is told to ask there.
# timeout: 180
. "$(dirname "$0")/lib.sh"
need_command dig dnsmasq

CONF=/etc/appswitch/appswitchd.conf.d/64.conf STUB=127.0.0.97
resolved=/var/lib/appswitch-tests/systemd-resolved

at_exit() {
    host_sh 'systemctl stop systemd-resolved ax-dnsmasq ax-taken; rm -rf "$1" /run/64-names /run/systemd/resolve
        [[ ! -e /run/64-resolv.conf ]] || cp /run/64-resolv.conf /etc/resolv.conf; rm -f /run/64-resolv.conf
        systemctl restart appswitchd' "$CONF" >/dev/null 2>&1
}
# configure LINE...: and a daemon that has read it.
configure() {
    host_sh 'conf=$1; shift; mkdir -p "${conf%/*}"; printf "[AppSwitch]\n" >"$conf"; printf "%s\n" "$@" >>"$conf"; systemctl restart appswitchd' \
        "$CONF" "$@"
}
at_stub() {
    host dig +tries=1 +time=2 "@$STUB" "$@"
}
answers() { # NAME ADDRESS [OPTION...]
    [[ $(at_stub +short "${@:3}" "$1") == "$2" ]]
}
host cp /etc/resolv.conf /run/64-resolv.conf

### without
run at_stub web.ax.internal
like "$OUT" 'refused|no servers' 'nothing answers the host, if it was not configured'
is "$(host_sh 'ss -Hlntu sport = 53')" '' 'and nothing listens'

### the name server
configure HostNames=yes
ok 'the server answers' wait_until 20 answers ax.internal '' +noall +comments
start_app --name host-names-web --ip 198.18.64.1 --ip fdaa:a55:317c::6401 -- sleep infinity
web=$APP
start_app --name host-names-far --tag zone=far --ip 198.18.64.2 -- sleep infinity
ok 'a name' answers host-names-web.ax.internal 198.18.64.1
ok 'over TCP' answers host-names-web.ax.internal 198.18.64.1 +tcp
run at_stub +short host-names-web.ax.internal AAAA
is "$OUT" fdaa:a55:317c::6401 'IPv6'
run at_stub +short -x 198.18.64.1
is "$OUT" host-names-web.ax.internal. 'and backwards'
run at_stub +short -x fdaa:a55:317c::6401
is "$OUT" host-names-web.ax.internal. 'also of IPv6'
ok 'names of every zone' answers host-names-far.ax.internal 198.18.64.2
run host_as bob dig +short "@$STUB" host-names-far.ax.internal
is "$OUT" 198.18.64.2 'for every user of the host'
like "$(host_as bob ax list names)" 'host-names-far' 'who can list them, too'
run client -- dig +tries=1 +time=2 "@$STUB" +short host-names-far.ax.internal
is "$OUT" '' 'but not for an app, whatever server it asks'
run at_stub host-names-none.ax.internal
like "$OUT" 'status: NXDOMAIN' 'a name that there is not'
for name in www.example.com host-names-web localhost internal 1.2.0.192.in-addr.arpa .; do
    run at_stub "$name"
    like "$OUT" 'status: REFUSED' "$name is for other servers"
done
host ax stop "$web"
gone() {
    [[ $(at_stub host-names-web.ax.internal) == *NXDOMAIN* ]]
}
ok 'the name goes with the app' wait_until 10 gone
start_app --name host-names-web --ip 198.18.64.1 --ip fdaa:a55:317c::6401 -- sleep infinity
ok 'and comes again' wait_until 10 answers host-names-web.ax.internal 198.18.64.1

### restarts
# asked GOES: questions while something goes on; prints how many were not answered.
asked() {
    host_sh 'stub=$1; shift
        missed=0; "$@" & work=$!
        while kill -0 $work 2>/dev/null; do
            [[ $(dig +tries=3 +time=1 +short "@$stub" host-names-web.ax.internal) == 198.18.64.1 ]] || missed=$((missed + 1))
        done
        wait $work; echo "$missed $?"' "$STUB" "$@"
}
is "$(asked systemctl restart appswitchd)" '0 0' 'appswitchd is restarted: no question is lost'
host kill -KILL "$(host systemctl show -P MainPID appswitchd)"
wait_until 20 host ax list
ok 'appswitchd is killed' wait_until 10 answers host-names-web.ax.internal 198.18.64.1
is "$(host_sh 'ss -Hlntu sport = 53 | wc -l')" 2 'and has the same two sockets'
host kill -KILL "$(host systemctl show -P MainPID appswitch-dnsd)"
ok 'appswitch-dnsd is killed' wait_until 10 answers host-names-web.ax.internal 198.18.64.1

### plain resolv.conf, and dnsmasq
host systemd-run --quiet --collect --unit=ax-dnsmasq dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts \
    --bind-interfaces --listen-address=127.0.0.50 --address=/other.example/192.0.2.80 \
    "--server=/ax.internal/$STUB" "--rev-server=198.18.0.0/15,$STUB"
host_sh 'printf "nameserver %s\nnameserver 127.0.0.50\nsearch ax.internal\n" "$1" >/etc/resolv.conf' "$STUB"
has() { # NAME ADDRESS
    [[ "$(host getent ahostsv4 "$1")" == "$2 "* ]]
}
ok 'resolv.conf: the next server has the names of others' wait_until 10 has other.example 192.0.2.80
ok 'resolv.conf: names of apps' has host-names-web.ax.internal 198.18.64.1
ok 'resolv.conf: with the search domain' has host-names-web 198.18.64.1
for_apps() {
    [[ "$(client --egress yes -- dig +tries=1 +time=5 +short other.example)" == 192.0.2.80 ]]
}
ok 'resolv.conf: apps with egress are led to the next server, too' wait_until 10 for_apps
host_sh 'printf "nameserver 127.0.0.50\n" >/etc/resolv.conf'
ok 'dnsmasq: names of others' has other.example 192.0.2.80
ok 'dnsmasq: names of apps' has host-names-web.ax.internal 198.18.64.1
run host getent hosts 198.18.64.1
like "$OUT" '^198\.18\.64\.1 +host-names-web\.ax\.internal$' 'dnsmasq: backwards'

### systemd-resolved
if host test -d "$resolved"; then
    host_sh 'tar -C "$1" -c . | tar -C / -x --keep-directory-symlink --no-overwrite-dir && systemd-sysusers &&
        rm -f /etc/systemd/system/systemd-resolved.service && systemctl daemon-reload && systemctl reload dbus &&
        mkdir -p /run/64-names && printf "[Resolve]\nDNS=127.0.0.50\nFallbackDNS=\n" >/run/64-names/conf &&
        mkdir -p /run/systemd/resolved.conf.d && cp /run/64-names/conf /run/systemd/resolved.conf.d/64.conf &&
        systemctl start systemd-resolved && ln -sf /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf' "$resolved" >/dev/null 2>&1 ||
        bail 'systemd-resolved is started'
    is_told() {
        host_sh 'resolvectl domain ax-names && resolvectl dns ax-names && resolvectl default-route ax-names' |
            tr '\n' ' ' | grep -q "~ax\.internal .*18\.198\.in-addr\.arpa.*c\.7\.1\.3\.5\.5\.a\.0\.a\.a\.d\.f\.ip6\.arpa.*$STUB.*: no"
    }
    ok 'systemd-resolved: is told when it comes' wait_until 20 is_told
    run host resolvectl query host-names-web.ax.internal
    like "$OUT" '198\.18\.64\.1' 'resolvectl query'
    like "$OUT" 'fdaa:a55:317c::6401' 'both addresses'
    run host resolvectl query 198.18.64.1
    like "$OUT" 'host-names-web\.ax\.internal' 'resolvectl query, backwards'
    run host resolvectl query fdaa:a55:317c::6401
    like "$OUT" 'host-names-web\.ax\.internal' 'and of IPv6'
    ok 'getent hosts' has host-names-web.ax.internal 198.18.64.1
    ok 'names of others are asked of others' has other.example 192.0.2.80
    ok 'also for apps with egress' wait_until 10 for_apps
    run client --egress yes -- dig +tries=1 +time=5 +short host-names-far.ax.internal
    is "$OUT" '' 'which do not learn of the names of other zones in this way'
    # It is asked because it is on the bus, whoever is in resolv.conf.
    host_sh 'rm /etc/resolv.conf; echo nameserver 127.0.0.99 >/etc/resolv.conf'
    ok 'and also if resolv.conf has another server' wait_until 10 for_apps
    host ln -sf /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
    run host resolvectl query host-names-none.ax.internal
    like "$STATUS $ERR" "^1 .*not found" 'no such name'
    is "$(host_sh 'ip -o link show ax-names | grep -c "<.*UP.*LOWER_UP"; ip -6 -o address show dev ax-names')" 1 'the device is up, with nothing that it made itself'
    run host_sh 'ip route get 127.0.0.97; ip -4 route show dev ax-names; ip -6 route show dev ax-names'
    like "$OUT" '^local 127\.0\.0\.97 dev lo[^$]*$' 'and leads nowhere'
    host systemctl restart systemd-resolved
    ok 'it is told again when it is restarted' wait_until 20 is_told
    host systemctl restart appswitchd
    ok 'and still knows when appswitchd is' has host-names-web.ax.internal 198.18.64.1
    wait_until 20 host ax list
    host systemctl stop appswitchd
    run host ip link show ax-names
    isnt "$STATUS" 0 'a stop withdraws it all'
    unlike "$(host_sh 'resolvectl dns; resolvectl domain')" "$STUB|ax\.internal" 'also from systemd-resolved'
    ok 'which goes on with other names' has other.example 192.0.2.80
    host systemctl start appswitchd
    ok 'a start brings it back' wait_until 20 is_told
    configure HostNames=no
    no_device() {
        ! host ip link show ax-names
    }
    ok 'as HostNames=no withdraws it' wait_until 20 no_device
    is "$(host_sh 'ss -Hlntu src 127.0.0.97 sport = 53')" '' 'with the server'
    host_sh 'systemctl stop systemd-resolved; rm -f /run/systemd/resolved.conf.d/64.conf; ln -sf /dev/null /etc/systemd/system/systemd-resolved.service
        systemctl daemon-reload; rm /etc/resolv.conf'
    host cp /run/64-resolv.conf /etc/resolv.conf
else
    skip 'systemd-resolved' 'it is not unpacked (tools/install-deps)'
fi

### who has the port
host systemd-run --quiet --collect --unit=ax-taken dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts \
    --bind-interfaces "--listen-address=$STUB" --address=/other.example/192.0.2.80
ok 'another server is there' wait_until 10 answers other.example 192.0.2.80
mark_journal
configure HostNames=yes
ok 'the daemon does without' wait_until 20 host ax list
like "$(journal_since)" 'Failed to listen on 127\.0\.0\.97:53 .*Address already in use' 'and says so'

done_testing
