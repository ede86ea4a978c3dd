#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What programs do with TCP sockets: natively first, which shows that the checks are right; then in an app with
# itself, as a server of another app's clients, and as a client of another app's servers. Then what an app cannot
# reach.
# timeout: 240
. "$(dirname "$0")/lib.sh"
sockets=$PROGRAMS/sockets.py

subtests 'native' host python3 "$sockets"
subtests 'one app' client --name sockets-one -- env AX=1 python3 "$sockets"

# self ADDRESS...: the program with itself at addresses that are not loopback
self() {
    client --ip 198.18.16.1 --ip fdaa:a55:317c::1601 -- env AX=1 ADDR4=198.18.16.1 ADDR6=fdaa:a55:317c::1601 python3 "$sockets"
}
subtests 'one app, by its addresses' self

start_app --name sockets-agent --ip 198.18.16.2 --ip fdaa:a55:317c::1602 -- python3 "$sockets" --agent /tmp/sockets-agent
agent=$APP
ok 'the agent is ready' wait_until 10 host grep -q ready "$APP_LOG"
as_server() {
    client --ip 198.18.16.1 --ip fdaa:a55:317c::1601 -- env AX=1 AGENT=/tmp/sockets-agent ROLE=server \
        ADDR4=198.18.16.1 ADDR6=fdaa:a55:317c::1601 CLIENT4=198.18.16.2 CLIENT6=fdaa:a55:317c::1602 python3 "$sockets"
}
as_client() {
    client --ip 198.18.16.1 --ip fdaa:a55:317c::1601 -- env AX=1 AGENT=/tmp/sockets-agent ROLE=client \
        ADDR4=198.18.16.2 ADDR6=fdaa:a55:317c::1602 CLIENT4=198.18.16.1 CLIENT6=fdaa:a55:317c::1601 python3 "$sockets"
}
subtests 'server' as_server
subtests 'client' as_client
run host ax list --no-legend
like "$OUT" "$agent" 'the agent lives'
run stop_app "$agent"

# What cannot be reached.
start_app --name sockets-web --ip 198.18.16.3 --tag zone=default --tag zone=other -- python3 -m http.server 80 --bind ::
wait_for_listen "$APP" 80
web=$APP
start_app --name sockets-shop --ip 198.18.16.4 --tag zone=shop -- python3 -m http.server 80
wait_for_listen "$APP" 80
shop=$APP
subtests 'errors' client --name sockets-errors --ip 198.18.16.5 -- python3 "$PROGRAMS/unreachable.py" \
    ok:198.18.16.3:80 ok:sockets-web:80 \
    ECONNREFUSED:198.18.16.3:81 "ECONNREFUSED:[$(app_address "$web" 6)]:81" ECONNREFUSED:127.0.0.1:80 'ECONNREFUSED:[::1]:80' \
    EACCES:198.18.16.4:80 ECONNREFUSED:198.18.16.4:81 "ECONNREFUSED:[$(app_address "$shop" 6)]:80" \
    EHOSTUNREACH:198.18.77.77:80 'EHOSTUNREACH:[fdaa:a55:317c::7777]:80' EHOSTUNREACH:198.18.77.77:9 \
    ENETUNREACH:192.0.2.1:80 ENETUNREACH:198.51.100.1:443 ENETUNREACH:203.0.113.255:1 'ENETUNREACH:[2001:db8::1]:80' \
    'ENETUNREACH:[::ffff:192.0.2.1]:80' ENETUNREACH:10.77.0.1:22
subtests 'errors of another zone' client --tag zone=shop -- python3 "$PROGRAMS/unreachable.py" \
    EACCES:198.18.16.3:80 ok:198.18.16.4:80
subtests 'errors of an app with two tags' client --tag zone=shop --tag zone=other -- python3 "$PROGRAMS/unreachable.py" \
    ok:198.18.16.3:80 ok:198.18.16.4:80
run host journalctl -o json APPSWITCH_PEER="$shop" --output-fields=APPSWITCH_APP,APPSWITCH_PEER,APPSWITCH_ADDRESS,MESSAGE
like "$OUT" '"APPSWITCH_ADDRESS":"198.18.16.4:80"' 'a refusal is a structured record in the journal'

# A signal can come when a call was carried out and is about to be answered; the kernel then makes the call once more. (One that
# comes when it has just been answered takes the answer along, unseen by us: it is as if the app had asked again. That is rare.)
start_app --name again --ip 198.18.16.9 -- python3 "$PROGRAMS/echo.py" again 7 16
wait_for_listen "$APP" 7
run client -- python3 "$PROGRAMS/connect-twice.py" 198.18.16.9 7 3000
like "$OUT" $'^many signals\n' 'connects among signals'
within "$(sed -n 's/^Operation-now-in-progress Success Transport-endpoint-is-already-connected: //p' <<<"$OUT")" 2970 3000 \
    'each is in progress, done, and done already, as it is natively' || diag "$OUT"
unlike "$OUT" $'\nTransport' 'none is done already when it begins'

# The network of the app: lo, with its addresses, and nothing else.
run client --ip 198.18.16.6 -- ip -brief address
like "$OUT" '^lo[[:space:]]+[^[:space:]]+[[:space:]]+127\.0\.0\.1/8 198\.18\.16\.6/32 .*::1/128' 'lo has the loopback addresses and the app'"'"'s'
is "$(wc -l <<<"$OUT")" 1 'there is no other device'
run client --ip 198.18.16.6 --ip fdaa:a55:317c::1606 -- ip -6 -brief address
like "$OUT" 'fdaa:a55:317c::1606/128' 'and the IPv6 address'
run client --ip 198.18.16.6 -- ip route show
is "$OUT" '' 'there is no route'
run client --ip 198.18.16.6 -- python3 -c 'import socket
with socket.socket() as s: s.bind(("198.18.16.6", 1)); print(s.getsockname())'
is "$OUT" "('198.18.16.6', 1)" 'a program can bind to its address, and to a low port'
AS_USER=alice run client --ip 198.18.16.7 -- python3 -c 'import socket
with socket.create_server(("198.18.16.7", 1)) as s: print(s.getsockname())'
is "$OUT" "('198.18.16.7', 1)" 'so can one of an ordinary user'

done_testing
