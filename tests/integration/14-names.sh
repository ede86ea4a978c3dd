#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Names of apps, as resolvers of all kinds have them.
# timeout: 120
. "$(dirname "$0")/lib.sh"
need_command dig host nslookup

start_app --name names-web --ip 198.18.14.1 --ip fdaa:a55:317c::1401 -- python3 -m http.server 80
web=$APP
wait_for_listen "$web" 80
start_app --name names.with.dots --ip 198.18.14.2 -- sleep 1000
dots=$APP
start_app --name names-pool -- sleep 1000
pool4=$(app_address "$APP" 4) pool6=$(app_address "$APP" 6)
start_app --name names-two --ip 198.18.14.3 --ip 198.18.14.4 -- sleep 1000

subtests 'libc' client -- python3 "$PROGRAMS/names.py" names-web 198.18.14.1 fdaa:a55:317c::1401
subtests 'libc, pool' client -- python3 "$PROGRAMS/names.py" names-pool "$pool4" "$pool6"
subtests 'libc, alice' host_as alice ax run -- python3 "$PROGRAMS/names.py" names-web 198.18.14.1 fdaa:a55:317c::1401
subtests 'libc, itself' client --name names-self --ip 198.18.14.9 --ip fdaa:a55:317c::1409 -- \
    python3 "$PROGRAMS/names.py" names-self 198.18.14.9 fdaa:a55:317c::1409
run client -- getent ahosts names-web
like "$OUT" '198\.18\.14\.1 +STREAM' 'getent'
like "$OUT" 'fdaa:a55:317c::1401 +STREAM' 'getent, both families'

# dig says more: the status, the TTL, the flags.
dig() {
    client -- dig +tries=1 +time=2 "$@"
}
run dig names-web.ax.internal
like "$OUT" 'status: NOERROR' 'dig: status'
like "$OUT" 'names-web\.ax\.internal\..[0-5].IN.A.198\.18\.14\.1' 'dig: A with a TTL of up to 5 s'
like "$OUT" 'flags: qr aa' 'dig: the answer has authority'
run dig +short names-web.ax.internal AAAA
is "$OUT" fdaa:a55:317c::1401 'dig: AAAA'
run dig +short -x 198.18.14.1
is "$OUT" names-web.ax.internal. 'dig: PTR'
run dig +short -x fdaa:a55:317c::1401
is "$OUT" names-web.ax.internal. 'dig: PTR of IPv6'
run dig +short names-web
is "$OUT" 198.18.14.1 'dig: the bare name'
run dig +short names.with.dots.ax.internal
is "$OUT" 198.18.14.2 'dig: a name with dots'
run dig +short names.with.dots
is "$OUT" 198.18.14.2 'dig: a name with dots, bare'
is "$(dig +short names-two.ax.internal | sort | tr '\n' ' ')" '198.18.14.3 198.18.14.4 ' 'dig: all addresses'
run dig +tcp +short names-web.ax.internal
is "$OUT" 198.18.14.1 'dig over TCP'
for server in 192.0.2.1 10.9.8.7 127.0.0.53 127.0.0.1 8.8.8.8 2001:db8::53 ::1 198.18.14.1; do
    run dig +short "@$server" names-web.ax.internal
    is "$OUT" 198.18.14.1 "dig at $server"
    run dig +tcp +short "@$server" names-web.ax.internal
    is "$OUT" 198.18.14.1 "dig at $server over TCP"
done
for name in nothing.ax.internal nothing www.example.com com; do
    run dig "$name"
    like "$OUT" 'status: NXDOMAIN' "dig: $name is NXDOMAIN"
done
run dig names-web.ax.internal MX
like "$OUT" 'status: NOERROR.*ANSWER: 0' 'dig: no data of another type'
run dig +short -t txt version.bind chaos
unlike "$OUT" 'BIND|unbound' 'dig: no version of anything'
run dig +noedns +short names-web.ax.internal
is "$OUT" 198.18.14.1 'dig without EDNS'
run dig +short NaMeS-WeB.aX.InTeRnAl
is "$OUT" 198.18.14.1 'dig: case does not matter'
run dig +noall +answer NaMeS-WeB.aX.InTeRnAl
like "$OUT" '^NaMeS-WeB\.aX\.InTeRnAl' 'but is kept (as 0x20 resolvers want it)'

run client -- host names-web.ax.internal
like "$OUT" 'has address 198\.18\.14\.1.*has IPv6 address fdaa:a55:317c::1401' 'host'
run client -- host 198.18.14.1
like "$OUT" 'domain name pointer names-web\.ax\.internal' 'host, backwards'
run client -- nslookup names-web.ax.internal
like "$OUT" 'Address: 198\.18\.14\.1' 'nslookup'
run client -- nslookup nothing.ax.internal
like "$OUT$ERR" "can't find.*NXDOMAIN" 'nslookup of nothing'

# Go's own resolver.
if host_sh 'command -v go >/dev/null'; then
    host_sh 'mkdir -p /srv/names && cat >/srv/names/main.go <<GO
package main

import (
	"fmt"
	"net"
	"os"
	"sort"
	"time"
)

func main() {
	for _, name := range os.Args[1:] {
		start := time.Now()
		addresses, err := net.LookupHost(name)
		sort.Strings(addresses)
		if e, ok := err.(*net.DNSError); ok {
			fmt.Println(name, "not found:", e.IsNotFound, time.Since(start) < time.Second)
		} else {
			fmt.Println(name, addresses)
		}
	}
	names, err := net.LookupAddr("198.18.14.1")
	fmt.Println(names, err)
}
GO
cd /srv/names && HOME=/root GOFLAGS=-mod=mod GO111MODULE=off CGO_ENABLED=0 go build -o names main.go'
    run client -- env GODEBUG=netdns=go /srv/names/names names-web names-web.ax.internal names.with.dots nothing nothing.ax.internal
    is "$OUT" "names-web [198.18.14.1 fdaa:a55:317c::1401]
names-web.ax.internal [198.18.14.1 fdaa:a55:317c::1401]
names.with.dots [198.18.14.2 $(app_address "$dots" 6)]
nothing not found: true true
nothing.ax.internal not found: true true
[names-web.ax.internal.] <nil>" 'Go'
else
    skip 'Go' 'no Go'
fi

# musl, busybox and others that send A and AAAA at once from one socket; and curl that uses what it gets.
run client -- curl -sS -o /dev/null -w '%{http_code} %{remote_ip}' http://names-web/
like "$OUT" '^200 (198\.18\.14\.1|fdaa)' 'curl by name'
run client -- python3 -c '
import socket, struct
def query(i, name, kind):
    return struct.pack(">6H", i, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(l)]) + l for l in name.split(b".")) + struct.pack(">BHH", 0, kind, 1)
def counts(answer):
    return struct.unpack(">6H", answer[:12])[0], answer[3] & 15, struct.unpack(">6H", answer[:12])[3]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("192.0.2.1", 53))
s.send(query(1, b"names-web", 1)); s.send(query(2, b"names-web", 28)); s.send(query(3, b"nothing", 1))
s.settimeout(3)
print(sorted(counts(s.recv(4096)) for _ in range(3)), s.getpeername())
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
u.settimeout(3)
u.sendto(query(4, b"names-web", 1), ("2001:db8::1", 53))
answer, sender = u.recvfrom(4096)
print(counts(answer), sender[:2])
v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
v.settimeout(3)
v.bind(("", 0))
v.sendmsg([query(5, b"names-web", 1)], [], 0, ("203.0.113.9", 53))
answer, _, _, sender = v.recvmsg(4096)
print(counts(answer), sender)
t = socket.create_connection(("198.51.100.7", 53), timeout=3)
for i in 6, 7:
    q = query(i, b"names-web", 1)
    t.sendall(struct.pack(">H", len(q)) + q)
f = t.makefile("rb")
for i in 6, 7:
    print(counts(f.read(struct.unpack(">H", f.read(2))[0])))
t.sendall(b"\xff\xffgarbage")
t.close()
s.send(b"garbage"); s.send(b""); s.send(b"\xff" * 512)
s.send(query(8, b"names-web", 1))
while True:
    c = counts(s.recv(4096))
    if c[0] == 8: break
print(c)
'
is "$OUT" "[(1, 0, 1), (2, 0, 1), (3, 3, 0)] ('192.0.2.1', 53)
(4, 0, 1) ('2001:db8::1', 53)
(5, 0, 1) ('203.0.113.9', 53)
(6, 0, 1)
(7, 0, 1)
(8, 0, 1)" 'queries by hand: two from one socket, sendmsg, pipelined over TCP, garbage'

# Names come and go with their apps.
start_app --name names-late --ip 198.18.14.5 -- sleep 1000
run dig +short names-late.ax.internal
is "$OUT" 198.18.14.5 'a new name is known when its app runs'
start_app --name names-late --ip 198.18.14.5 -- sleep 1000
second=$APP
host ax stop "${APPS[-2]}"
run dig +short names-late.ax.internal
is "$OUT" 198.18.14.5 'a name stays while an instance does'
host ax stop "$second"
run dig names-late.ax.internal
like "$OUT" 'status: NXDOMAIN' 'and is gone with the last'
run dig -x 198.18.14.5
like "$OUT" 'status: NXDOMAIN' 'so is its address'
run client -- python3 -c '
import socket, subprocess, sys, time
def there(name):
    try: return socket.gethostbyname(name)
    except OSError: return None
print(there("names-self-1"), there("names-web"))'
is "$OUT" 'None 198.18.14.1' 'an app asks again and again'

# Resolvers of the host answer for the host: they must not be there.
host_sh 'mkdir -p /run/systemd/resolve /run/nscd'
host systemd-run --quiet --collect --unit=names-trap python3 -c '
import os, select, socket, sys
sockets = []
for path in sys.argv[1:]:
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    os.chmod(path, 0o666)
    s.listen()
    sockets.append(s)
select.select([], [], [])' /run/nscd/socket /run/systemd/resolve/io.systemd.Resolve /run/names-other
ok 'there are sockets of resolvers' wait_until 5 host test -S /run/names-other
run client -- python3 -c '
import socket, os
os.chdir("/run/nscd")
for path in "/run/nscd/socket", "/var/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve", "/run/../run/nscd/socket", "/run//nscd/socket", "socket", "/run/names-other":
    s = socket.socket(socket.AF_UNIX)
    try: s.connect(path); print(path, "connected")
    except OSError as e: print(path, e.strerror)'
like "$OUT" '^/run/nscd/socket Connection refused./var/run/nscd/socket Connection refused./run/systemd/resolve/io.systemd.Resolve Connection refused' \
    'sockets of nscd and resolved are refused'
like "$OUT" '/run/names-other connected' 'other sockets are not'
host_sh 'systemctl stop names-trap; rm -rf /run/nscd /run/systemd/resolve /run/names-other'

# The name server is not what an app can do without, but it comes back.
host_sh 'kill -KILL $(systemctl show -P MainPID appswitch-dnsd)'
run dig +short names-web.ax.internal
is "$OUT" 198.18.14.1 'names are there after the name server was killed'

done_testing
