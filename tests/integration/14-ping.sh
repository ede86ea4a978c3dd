#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# ping: the addresses of live apps answer, all others say at once why not.
# timeout: 120
. "$(dirname "$0")/lib.sh"
need_command ping

start_app --name ping-web --ip 198.18.15.1 --ip fdaa:a55:317c::1501 -- sleep 1000
web=$APP
start_app --name ping-far --ip 10.9.8.7 --ip 2001:db8:9::7 -- sleep 1000
start_app --name ping-other --ip 198.18.15.2 --ip fdaa:a55:317c::1502 --tag zone=other -- sleep 1000
start_app -- sleep 1000
nameless4=$(app_address "$APP" 4) nameless6=$(app_address "$APP" 6)
NOBODY='198.18.15.99 fdaa:a55:317c::1599 169.254.7.7 fe80::7:7%lo'

# ping_from [OPTION...] -- ARG...: one ping, which waits for two seconds
ping_from() {
    split_options "$@"
    client "${OPTIONS[@]}" -- ping -n -c 1 -W 2 "${ARGS[@]}"
}

### who answers
for args in ping-web '-4 ping-web' '-6 ping-web' ping-web.ax.internal '-4 ping-far' '-6 ping-far' 198.18.15.1 \
    fdaa:a55:317c::1501 10.9.8.7 2001:db8:9::7 "$nameless4" "$nameless6%lo" '-s 0 198.18.15.1' '-s 0 ping-web' \
    '-s 65507 198.18.15.1' '-s 65507 fdaa:a55:317c::1501' '-s 9001 198.18.15.1' '-b 198.18.15.1' '-R 198.18.15.1'; do
    # shellcheck disable=SC2086
    run ping_from -- $args
    is "$STATUS" 0 "ping $args"
    like "$OUT" '1 received, 0% packet loss' 'has one answer'
done
for args in 127.0.0.1 127.3.2.1 0.0.0.0 ::1 198.18.15.8 fdaa:a55:317c::1508 ping-self '-4 ping-self'; do
    # shellcheck disable=SC2086
    run ping_from --name ping-self --ip 198.18.15.8 --ip fdaa:a55:317c::1508 -- $args
    like "$OUT" '1 received, 0% packet loss' "ping $args, oneself"
done
for args in 198.18.15.2 fdaa:a55:317c::1502; do
    run ping_from --name ping-other -- "$args"
    like "$OUT" '1 received, 0% packet loss' "ping $args, a fellow instance without a common tag"
    run ping_from --tag zone=default --tag zone=other -- "$args"
    like "$OUT" "64 bytes from $args: .*1 received, 0% packet loss" "ping $args with its tag"
done
AS_USER=alice run ping_from -- -4 ping-web
like "$OUT" '64 bytes from 198\.18\.15\.1: .* ttl=64 .*1 received' 'a user pings'
AS_USER=alice run ping_from -- -6 ping-web
like "$OUT" '64 bytes from fdaa:a55:317c::1501: .* ttl=64 .*1 received' 'and by IPv6'
run client -- ping -n -q -i 0.01 -c 200 ping-web
like "$OUT" '200 received, 0% packet loss' '200 pings in a row'
run ping_from --name ping-self --ip 198.18.15.8 --ip 198.18.15.9 -- -I 198.18.15.9 198.18.15.1
like "$OUT" '1 received' 'from a further own address'

### who does not
# refused WANTED ADDRESS [OPTION...]: ping says so within half a second
refused() {
    local wanted=$1 address=$2 before=${EPOCHREALTIME//./}
    shift 2
    run ping_from "$@" -- "$address"
    like "$OUT" "From .* $wanted" "ping $address${*:+ ($*)}: $wanted"
    is "$STATUS" 1 'has no answer'
    within "$(((${EPOCHREALTIME//./} - before) / 1000))" 0 1900 'and says so at once'
}
for address in $NOBODY 198.18.15.2 fdaa:a55:317c::1502; do
    refused '(Destination Host Unreachable|Destination unreachable: Address unreachable)' "$address"
done
for address in 198.18.15.1 fdaa:a55:317c::1501; do
    refused '(Destination Host Unreachable|Destination unreachable: Address unreachable)' "$address" --tag zone=nobody
done
for address in 192.0.2.1 8.8.8.8 2001:db8::1; do
    refused '(Destination Net Unreachable|Destination unreachable: No route)' "$address"
done
host ax stop "$web"
refused 'Destination Host Unreachable' 198.18.15.1
refused 'Destination unreachable: Address unreachable' fdaa:a55:317c::1501
start_app --name ping-web --ip 198.18.15.1 --ip fdaa:a55:317c::1501 -- sleep 1000

### by hand
cat >"$scratch/ping.py" <<'PY'
import os, socket, struct, sys
def checksum(b):
    b += b"\0" * (len(b) % 2)
    s = sum(struct.unpack(f"!{len(b) // 2}H", b))
    while s >> 16: s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff
def request(i, data, kind=8, code=0, wrong=0):
    c = checksum(struct.pack("!BBHHH", kind, code, 0, i, 1) + data)
    return struct.pack("!BBHHH", kind, code, c ^ wrong, i, 1) + data
def ask(s, packet, to, raw=False):
    s.settimeout(2)
    s.sendto(packet, to)
    while True:
        try: answer, sender = s.recvfrom(70000)
        except OSError as e: return type(e).__name__
        if raw: answer = answer[20:]
        if answer[0] != 8: # a raw socket hears the question, too
            return answer[0], answer[8:], sender[0]
def ok(good, text, *more):
    print("ok" if good else "not ok", text)
    if not good: print("#", *more)
n = 0
v4, v6 = ("198.18.15.1", 0), ("fdaa:a55:317c::1501", 0)
d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
d6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6)
for size in 0, 1, 7, 1471, 65507:
    data = os.urandom(size)
    a = ask(d, request(0, data), v4)
    ok(a == (0, data, v4[0]), f"{size} bytes come back", a[0], a[2:])
    a = ask(d6, request(0, data, 128), v6)
    ok(a == (129, data, v6[0]), f"{size} bytes come back by IPv6", a[0], a[2:])
d.connect(v4); d.send(request(0, b"connected"))
ok(d.recv(100)[8:] == b"connected", "a connected socket")
d6.connect(v6); d6.send(request(0, b"connected", 128))
ok(d6.recv(100)[8:] == b"connected", "a connected socket of IPv6")
if os.getuid() == 0:
    r = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    r.settimeout(0.3)
    a = ask(r, request(77, b"odd"), v4, True)
    ok(a == (0, b"odd", v4[0]), "a raw socket", a)
    # What is no echo request, or a broken one, has no answer, and what comes after it has.
    r.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    for packet in request(1, b"x", wrong=1), b"", b"\x08", b"\x08\0\0\0\0\0\0", request(1, b"x" * 20, 13), request(1, b"", 0), \
            request(1, b"x", 3), request(1, b"x" * 65000, wrong=0x100), b"\x08" * 300:
        try: r.sendto(packet, v4)
        except OSError: pass # the kernel minds
    for a in "224.0.0.1", "224.9.9.9":
        r.sendto(request(1, b"multicast"), (a, 0))
    r6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    for packet in b"\x80\0\0\0", b"\x80\0\0\0\0\0\0", b"\x81\0\0\0\0\0\0\0", b"\x01\0\0\0\0\0\0\0":
        try: r6.sendto(packet, v6)
        except OSError: pass
    r6.sendto(request(1, b"multicast", 128), ("ff02::1%lo", 0))
    # From somebody else's address, and with options.
    for source in "198.18.15.66", "127.0.0.1", "8.8.8.8":
        h = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        h.setsockopt(socket.SOL_IP, 19, 1) # IP_TRANSPARENT
        h.setsockopt(socket.SOL_IP, socket.IP_OPTIONS, b"\x07\x27\x04" + b"\0" * 37)
        h.bind((source, 0))
        for to in v4[0], "198.18.15.99":
            h.sendto(request(2, b"spoofed"), (to, 0))
    q = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    a = ask(q, request(78, b"last"), v4, True)
    while b"spoofed" in a[1]: a = ask(q, request(78, b"last"), v4, True) # late answers
    ok(a == (0, b"last", v4[0]), "rubbish does no harm", a)
    a = ask(d6, request(0, b"last", 128), v6)
    ok(a == (129, b"last", v6[0]), "nor does that of IPv6", a)
    n = 3
print(f"1..{12 + n}")
PY
push "$scratch/ping.py" /tmp/ping-hand.py
pid=$(host systemctl show -P MainPID appswitchd)
subtests 'by hand' client -- python3 /tmp/ping-hand.py
AS_USER=alice subtests 'by hand, alice' client -- python3 /tmp/ping-hand.py
# Who is pinged hears nothing of it.
start_app --name ping-hears --ip 198.18.15.3 -- python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
print("ready", flush=True)
s.settimeout(2)
try: print("heard", s.recvfrom(1000))
except OSError: print("silence")'
ok 'an app listens to ICMP' wait_until 5 host grep -q ready "$APP_LOG"
run ping_from -- 198.18.15.3
is "$STATUS" 0 'it answers'
ok 'and hears nothing' wait_until 5 host grep -q silence "$APP_LOG"

### a flood
start_app -- python3 -c '
import os, socket, struct
for i in range(3): os.fork()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
p = struct.pack("!BBHHH", 8, 0, 0, 0, 1) + b"x" * 60000
while True:
    try: s.sendto(p, ("198.18.15.1", 0))
    except OSError: pass'
flood=$APP
start_app --name ping-echo --ip 198.18.15.4 -- python3 "$PROGRAMS/echo.py" x 7 16
wait_for_listen "$APP" 7
CLIENT_TIMEOUT=20 run client -- python3 "$PROGRAMS/load.py" connects 198.18.15.4 7 300
is "$OUT" 'x:300' 'connections are made while another app floods with pings'
run client -- ping -n -q -i 0.01 -c 50 198.18.15.4
like "$OUT" ' (4[0-9]|50) received' 'and pings are answered'
host ax stop "$flood"
is "$(host systemctl show -P MainPID appswitchd)" "$pid" 'the daemon is the same'

### a restart
start_app -- ping -n -i 0.1 198.18.15.1
log4=$APP_LOG
start_app -- ping -n -i 0.1 fdaa:a55:317c::1501
log6=$APP_LOG
ready() {
    [[ $(host systemctl is-active appswitchd) == active ]] && host ax list
}
for how in 'systemctl restart appswitchd' 'kill -KILL $(systemctl show -P MainPID appswitchd)'; do
    host_sh "$how"
    wait_until 10 ready
    for log in "$log4" "$log6"; do
        # From here on; and what was asked meanwhile is answered, too.
        n=$(host_sh 'grep -c "64 bytes" "$1"' "$log")
        more() { (($(host_sh 'grep -c "64 bytes" "$1"' "$log") > n + 5)); }
        ok "pings are answered after ${how%% *}" wait_until 5 more
    done
    run ping_from -- 198.18.15.1
    is "$STATUS" 0 'those of a new app, too'
    refused 'Destination Host Unreachable' 198.18.15.99
done
for log in "$log4" "$log6"; do
    run host_sh 'sed -n "s/.*64 bytes.*icmp_seq=\([0-9]*\) .*/\1/p" "$1"' "$log"
    is "$(sort -n <<<"$OUT" | uniq)" "$(seq "$(tail -n 1 <<<"$OUT")")" 'no ping was lost'
done
before=$(host systemctl show -P NFileDescriptorStore appswitchd)
client -- true
still_so() { [[ $(host systemctl show -P NFileDescriptorStore appswitchd) == "$before" ]]; }
ok 'nothing stays in the descriptor store' wait_until 5 still_so

done_testing
