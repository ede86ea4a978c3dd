#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Names of the outside: looked up for apps with egress, of real name servers beyond the host, and of one that does what none should.
# timeout: 180
. "$(dirname "$0")/lib.sh"
need_command dig unbound dnsmasq ldns-keygen ldns-signzone ip
mark_journal

### what is outside: 192.0.2.53 is hostile, .54 unbound, .55 dnsmasq, .56 nobody at home, .57 nobody at all
host_sh 'cp -a /etc/resolv.conf /run/63-resolv.conf
    ip netns add ax-far-dns && ip -n ax-far-dns link set lo up
    ip link add ax-far-dns type veth peer name ax-far-dns netns ax-far-dns
    ip address add 192.0.2.1/24 dev ax-far-dns; ip address add 2001:db8:63::1/64 dev ax-far-dns nodad
    for a in 53 54 55 56 80; do ip -n ax-far-dns address add "192.0.2.$a/24" dev ax-far-dns; done
    for a in 53 54 80; do ip -n ax-far-dns address add "2001:db8:63::$a/64" dev ax-far-dns nodad; done
    ip link set ax-far-dns up; ip -n ax-far-dns link set ax-far-dns up
    ip neigh add 192.0.2.57 lladdr 02:00:00:00:00:57 dev ax-far-dns'
start_outside() {
    host systemd-run --quiet --collect --unit="$1" -p NetworkNamespacePath=/run/netns/ax-far-dns "${@:2}"
}
at_exit() {
    host_sh 'kill -CONT "$(systemctl show -P MainPID appswitchd)"; ip route del unreachable 203.0.113.64/28
        systemctl stop ax-far-dns-hostile ax-far-dns-unbound ax-far-dns-dnsmasq ax-far-dns-web
        cp -a --remove-destination /run/63-resolv.conf /etc/resolv.conf
        rm -rf /srv/names /run/63-resolv.conf /etc/appswitch/appswitchd.conf.d/63.conf
        systemctl restart appswitchd
        ip netns del ax-far-dns' >/dev/null 2>&1
}
# nameservers ADDRESS...: the host asks these from now on
nameservers() {
    host_sh 'printf "nameserver %s\n" "$@" >/etc/resolv.conf.new; mv /etc/resolv.conf.new /etc/resolv.conf' "$@"
}

host_sh 'set -e; mkdir -p /srv/names; cd /srv/names
    { echo "\$ORIGIN example.test."
      echo "@ 300 IN SOA ns.example.test. nobody.example.test. 1 3600 1200 604800 60"
      echo "@ 300 IN NS ns"; echo "ns 300 IN A 192.0.2.54"
      echo "www 300 IN A 192.0.2.80"; echo "www 300 IN AAAA 2001:db8:63::80"
      echo "alias 300 IN CNAME www"; echo "short 1 IN A 192.0.2.80"
      echo "mail 300 IN MX 10 www"; echo "_web._tcp 300 IN SRV 0 0 80 www"
      for i in $(seq 40); do echo "big 300 IN TXT \"$i $(printf "%080d" "$i")\""; done; } >zone
    key=$(ldns-keygen -a ECDSAP256SHA256 -k example.test)
    ldns-signzone -o example.test -f zone.signed zone "$key"
    cat >unbound.conf <<CONF
server:
    chroot: ""
    username: ""
    directory: /srv/names
    pidfile: ""
    use-syslog: no
    do-daemonize: no
    interface: 192.0.2.54
    interface: 2001:db8:63::54
    access-control: 0.0.0.0/0 allow
    access-control: ::/0 allow
    module-config: "validator iterator"
    trust-anchor-file: /srv/names/$key.key
    local-zone: "test." nodefault
    local-data-ptr: "192.0.2.80 www.example.test"
    local-zone: "void.test." always_nxdomain
remote-control:
    control-enable: no
auth-zone:
    name: example.test
    zonefile: /srv/names/zone.signed
    for-downstream: no
    for-upstream: yes
CONF' || bail 'the signed zone is made'
start_outside ax-far-dns-hostile python3 "$PROGRAMS/name-server.py" 192.0.2.53 2001:db8:63::53
start_outside ax-far-dns-unbound unbound -c /srv/names/unbound.conf
start_outside ax-far-dns-dnsmasq dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --user=root --group=root \
    --listen-address=192.0.2.55 --bind-interfaces --address=/www.example.test/192.0.2.99 --address=/taken/192.0.2.99 --address=/corp.test/192.0.2.99
start_outside ax-far-dns-web python3 -m http.server --bind 192.0.2.80 --directory /srv/names 80
for server in 53 54 55; do
    wait_until 20 host dig +time=1 +tries=1 "@192.0.2.$server" www.example.test || bail "192.0.2.$server answers"
done

# out [OPTION...] -- CMD...: an app that may go anywhere
out() {
    client --egress yes "$@"
}
dig() {
    out -- dig +tries=1 +time=6 "$@"
}

### unbound
nameservers 192.0.2.54
run dig www.example.test
like "$OUT" 'status: NOERROR' 'dig finds a name of the outside'
like "$OUT" 'www\.example\.test\..(300|2[0-9]+).IN.A.192\.0\.2\.80' 'with its address'
like "$OUT" 'flags: qr rd ra ad;' 'which was validated; the answer has no authority'
run dig +short AAAA www.example.test
is "$OUT" 2001:db8:63::80 'AAAA'
run dig +short @203.0.113.7 www.example.test
is "$OUT" 192.0.2.80 'whatever server the app asks'
run dig +short alias.example.test
is "$OUT" $'www.example.test.\n192.0.2.80' 'an alias'
run dig +short -x 192.0.2.80
is "$OUT" www.example.test. 'an address has a name'
run dig +short _web._tcp.example.test SRV
is "$OUT" '0 0 80 www.example.test.' 'SRV'
run dig +dnssec www.example.test
like "$OUT" 'flags: do' 'DNSSEC: DO'
like "$OUT" 'RRSIG.A 13 3 300' 'and the signature'
run dig +dnssec +cd nothing.example.test
like "$OUT" 'status: NXDOMAIN.*flags: [a-z ]* cd.*NSEC' 'a denial that is signed, and CD'
run dig +bufsize=512 +ignore big.example.test TXT
like "$OUT" 'flags: qr tc rd ra.*ANSWER: 0' 'what does not fit is truncated'
run dig big.example.test TXT
like "$OUT" 'ANSWER: 40,.*\(TCP\)' 'and is there over TCP'
run dig +tcp +short www.example.test
is "$OUT" 192.0.2.80 'over TCP'
run dig wWw.ExAmPlE.tEsT
like "$OUT" ';wWw\.ExAmPlE\.tEsT\..*IN' 'the case of the question comes back'
run dig +noedns +short www.example.test
is "$OUT" 192.0.2.80 'without EDNS'
run dig +edns=0 +ednsopt=65001:0102 +short www.example.test
is "$OUT" 192.0.2.80 'with an option that nobody knows'

### resolvers
run out -- getent ahosts www.example.test
like "$OUT" '192\.0\.2\.80 +STREAM' 'glibc'
like "$OUT" '2001:db8:63::80 +STREAM' 'glibc, both families'
run out -- getent hosts 192.0.2.80
like "$OUT" 'www\.example\.test' 'glibc, backwards'
run out -- getent ahosts nothing.example.test
is "$STATUS" 2 'glibc: what is not there is not there'
run out -- python3 -c 'import socket; print(socket.gethostbyname("alias.example.test"))'
is "$OUT" 192.0.2.80 'python'
if command -v musl-gcc >/dev/null && musl-gcc -static -O1 -o "$scratch/lookup" "$TESTS/../programs/lookup.c"; then
    push "$scratch/lookup" /usr/local/bin/musl-lookup
    run out -- musl-lookup www.example.test big.example.test nothing.example.test
    like "$OUT" '192\.0\.2\.80' 'musl'
    like "$OUT" 'nothing\.example\.test: Name does not resolve' 'musl: what is not there'
fi
if command -v go >/dev/null; then
    cache=${BUILD_DIR:-$TESTS/../../build}/go-cache
    if said=$(cd "$TESTS/../programs/go" && CGO_ENABLED=0 GOFLAGS=-mod=mod GOPROXY=off GOCACHE=$cache GOPATH=$scratch/go \
        go build -trimpath -o "$scratch/web" . 2>&1); then
        push "$scratch/web" /usr/local/bin/go-web
        run out -- go-web lookup alias.example.test
        is "$OUT" '192.0.2.80 2001:db8:63::80' "Go's own resolver"
        run out -- go-web reverse 192.0.2.80
        like "$OUT" '^www\.example\.test' "Go's own resolver, backwards"
    else
        fail 'the Go program is built' "$said"
    fi
fi
if host test -x /usr/bin/node; then
    run out -- node -e 'const d = require("dns").promises
        Promise.all([d.resolve4("www.example.test"), d.resolve6("alias.example.test"), d.resolveTxt("big.example.test"),
            d.resolveMx("mail.example.test"), d.lookup("www.example.test", {family: 4}), d.resolve4("nothing.example.test").catch(e => e.code)])
            .then(([a, b, c, m, l, n]) => console.log(a[0], b[0], c.length, m[0].exchange, l.address, n))'
    is "$OUT" '192.0.2.80 2001:db8:63::80 40 www.example.test 192.0.2.80 ENOTFOUND' 'Node, c-ares and libc'
fi

### who may look up what
run client -- dig +tries=1 www.example.test
like "$OUT" 'status: NXDOMAIN' 'without egress there is no name outside'
run client --egress '*.example.test:80' -- sh -c 'dig +short www.example.test; dig example.test | grep -o "status: [A-Z]*"
    dig other.test | grep -o "status: [A-Z]*"; dig -x 192.0.2.80 | grep -o "status: [A-Z]*"'
is "$OUT" $'192.0.2.80\nstatus: NXDOMAIN\nstatus: NXDOMAIN\nstatus: NXDOMAIN' 'by a list of names: those, also if others are known already'
refused() {
    host_sh 'journalctl --since "@$1" --unit=appswitch-dnsd --output=json APPSWITCH_NAME="$2" | grep -q APPSWITCH_APP' "$since" "$1"
}
ok 'what may not be looked up is a record in the journal' wait_until 10 refused other.test
run client --egress 192.0.2.80 -- dig +short www.example.test
is "$OUT" 192.0.2.80 'with an address in the list, all'
run client --egress 'short.example.test:80,www.example.test:80' -- python3 -c '
import socket
for i in range(20):
    for name in "short", "www":
        socket.create_connection((name + ".example.test", 80), 5).close()
print("done")'
is "$OUT" 'done' 'a connect that follows the answer at once is permitted'

### what is ours
start_app --name taken --ip 198.18.63.1 -- sleep 1000
nameservers 192.0.2.55
answers() {
    [[ $(dig +short "$1") == "$2" ]]
}
ok 'other servers in resolv.conf: asked from now on, and what the old ones said is forgotten' wait_until 10 answers www.example.test 192.0.2.99
run dig +short taken
is "$OUT" 198.18.63.1 'the name of an app is that, whoever else has it'
run dig +short taken.ax.internal
is "$OUT" 198.18.63.1 'and with the domain'
run dig -x 198.18.63.77
like "$OUT" 'status: NXDOMAIN.*flags: qr aa' 'addresses that only we give are not asked outside'

# A search domain is asked first, by the resolver of the app: whoever answers for all names there has the bare name, too.
host_sh 'printf "nameserver 192.0.2.55\nsearch corp.test\n" >/etc/resolv.conf'
run client --egress 192.0.2.80,other.test -- getent ahostsv4 taken.ax.internal
like "$OUT" '^198\.18\.63\.1 ' 'with a search domain: the name of an app in the domain is that'
run client --egress yes -- env RES_OPTIONS=ndots:0 getent ahostsv4 taken
like "$OUT" '^198\.18\.63\.1 ' 'the bare name, if it is asked first'
run client --egress other.test -- getent ahostsv4 taken
like "$OUT" '^198\.18\.63\.1 ' 'the bare name, for who may look up only some names'

### what servers do
nameservers 192.0.2.53
hostile_asked() {
    host_sh 'journalctl --since "@$1" --unit=ax-far-dns-hostile --output=cat | grep -c "^asked $2 "' "$since" "$1"
}
ok 'the hostile server is asked' wait_until 10 answers first.test 203.0.113.1
cat >"$scratch/statuses" <<'SH'
# Each name in parallel, asked for once: what came of it.
for name; do
    { said=$(dig +tries=1 +time=6 "$name" | sed -n "s/.*status: \([A-Z]*\).*/\1/p" | tail -n 1); echo "$name ${said:-nothing}"; } &
done
wait
SH
push "$scratch/statuses" /srv/names/statuses
run out -- bash /srv/names/statuses slow-300.test mute.test once.test garbage.test wrong.test flood.test loop.test pointers.test \
    cut.test counts.test tc.test tc-reset.test tc-mute.test tc-half.test big.test servfail.test refused.test old.test lame.test \
    virtual.test alias.test none.test lower.test dear.test
is "$(sort <<<"$OUT")" 'alias.test NOERROR
big.test NOERROR
counts.test SERVFAIL
cut.test SERVFAIL
dear.test SERVFAIL
flood.test SERVFAIL
garbage.test NOERROR
lame.test SERVFAIL
loop.test NOERROR
lower.test NOERROR
mute.test SERVFAIL
none.test NXDOMAIN
old.test NOERROR
once.test NOERROR
pointers.test SERVFAIL
refused.test REFUSED
servfail.test SERVFAIL
slow-300.test NOERROR
tc-half.test SERVFAIL
tc-mute.test SERVFAIL
tc-reset.test SERVFAIL
tc.test NOERROR
virtual.test SERVFAIL
wrong.test NOERROR' 'whatever the server does, the app hears of it'
run dig +short wrong.test
is "$OUT" 203.0.113.1 'the forged ones were not believed'
like "$(journal_since --unit=appswitch-dnsd)" 'virtual\.test has a virtual address' 'a virtual address from outside is in the journal'
run dig +tcp tc.test
like "$OUT" 'ANSWER: 500,' '500 records'

# The cache.
run out -- sh -c 'for i in 1 2 3; do dig +short ttl-2.test TXT; done; dig +short ttl-0.test TXT; dig +short ttl-0.test TXT; sleep 2.1; dig +short ttl-2.test TXT'
is "$OUT" $'"1"\n"1"\n"1"\n"1"\n"2"\n"2"' 'answers are remembered for as long as they say'
run out -- sh -c 'dig ttl-60-x.test >/dev/null; sleep 1.1; dig +noall +answer ttl-60-x.test'
like "$OUT" 'ttl-60-x\.test\..*(59|58)' 'and their time runs'
run dig none.test
is "$(hostile_asked none.test)" 1 'a denial, too'
run out -- sh -c 'for i in $(seq 50); do dig +short slow-400-many.test & done; wait'
is "$(sort -u <<<"$OUT") $(grep -c . <<<"$OUT") $(hostile_asked slow-400-many.test)" '203.0.113.1 50 1' '50 who ask the same at once: the server is asked once'
run out -- python3 -c '
import concurrent.futures, socket
def look(i):
    return socket.getaddrinfo("slow-20-%d.test" % i, 80, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
with concurrent.futures.ThreadPoolExecutor(100) as pool:
    print(len(list(pool.map(look, range(500)))))'
is "$OUT" 500 '500 names, 100 at a time'

# Several servers.
nameservers 192.0.2.57 192.0.2.56 192.0.2.53
run dig +short several.test
is "$OUT" 203.0.113.1 'one that is not there and one that refuses are passed over'
nameservers 2001:db8:63::53
ok 'a server with an IPv6 address' wait_until 10 answers six.test 203.0.113.1
nameservers 192.0.2.57
run dig none-there.test
like "$OUT" 'status: SERVFAIL' 'no server at all is a failure, in time'

# Restarts, while somebody waits.
nameservers 192.0.2.53
wait_until 10 answers again.test 203.0.113.1
start_app --egress '*.test:80' -- sh -c 'dig +tries=1 +time=8 +short slow-1500-kill.test; sleep 60'
wait_until 10 hostile_asked slow-1500-kill.test
host_sh 'systemctl kill -s KILL appswitchd'
printed() {
    grep -q '^203\.0\.113\.1$' <<<"$(app_log)"
}
ok 'appswitchd is killed while a lookup waits' wait_until 10 printed
host_sh 'systemctl kill -s KILL appswitch-dnsd'
ok 'appswitch-dnsd is killed' wait_until 10 answers more.test 203.0.113.1

# One app that asks for as much as it can get leaves the others theirs.
# beside EGRESS NAME N NAME2 N2 [SECONDS]: one app asks for N names, and once it does another for N2; sets GREEDY and MODEST, how they ended
beside() {
    local greedy modest go=/srv/names/go-$RANDOM
    start_app --egress "$1" -- "$PROGRAMS/ask-many.py" "$go-greedy" "$2" "$3" 250 "${6:-6}"
    greedy=$APP_LOG
    start_app --egress "$1" -- "$PROGRAMS/ask-many.py" "$go-modest" "$4" "$5" 1 6
    modest=$APP_LOG
    wait_until 10 said "$greedy" ready || fail 'who asks for much is ready'
    wait_until 10 said "$modest" ready || fail 'who asks for little is ready'
    begin
    host_sh 'touch "$1-greedy"; sleep 2; touch "$1-modest"; sleep 1' "$go"
    end
    wait_until 20 said "$greedy" ': [0-9]' || fail 'who asks for much ends'
    wait_until 20 said "$modest" ': [0-9]' || fail 'who asks for little ends'
    GREEDY=$(app_log "$greedy") MODEST=$(app_log "$modest")
    GREEDY=${GREEDY##*$'\n'} MODEST=${MODEST##*$'\n'}
}
said() {
    host grep -q "$2" "$1"
}
begin() { :; }
end() { :; }
beside yes 'tc-mute-{}.test' 250 tc-modest.test 1
is "$MODEST" 'NOERROR: 1' 'TCP connections to servers' || diag "$GREEDY"
run dig +short ttl-60-held.test
begin() {
    host_sh 'kill -STOP "$(systemctl show -P MainPID appswitchd)"'
}
end() {
    host_sh 'kill -CONT "$(systemctl show -P MainPID appswitchd)"'
}
beside '*.test:80' ttl-60-held.test 2000 ttl-60-held.test 1
is "$MODEST" 'NOERROR: 1' 'answers that wait for appswitchd' || diag "$GREEDY"
like "$GREEDY" 'SERVFAIL' 'which were as many as one may have'
begin() { :; }
end() { :; }
host ip route add unreachable 203.0.113.64/28
nameservers 192.0.2.55 203.0.113.7{1..7}
ok 'servers, most of which cannot be reached' wait_until 10 answers a.corp.test 192.0.2.99
beside yes '{}.burn.test' 60000 '{}.corp.test' 50 5
is "$MODEST" 'NOERROR: 50' 'sockets that appswitchd makes' || diag "$GREEDY"
nameservers 192.0.2.53

# The setting is stronger.
host_sh 'mkdir -p /etc/appswitch/appswitchd.conf.d; printf "[AppSwitch]\nDNSForward=192.0.2.56 192.0.2.55\n" >/etc/appswitch/appswitchd.conf.d/63.conf; systemctl restart appswitchd'
ok 'DNSForward=' wait_until 10 answers www.example.test 192.0.2.99

sockets() {
    (($(host_sh 'ls /proc/$(systemctl show --value -p MainPID appswitch-dnsd)/fd | wc -l') < 200))
}
ok 'no sockets pile up' wait_until 10 sockets

done_testing
