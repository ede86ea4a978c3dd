#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# NATS: a server in Go that speaks first and sends what it likes; two of them as a cluster, a publisher at one and
# subscribers at both.
. "$(dirname "$0")/lib.sh"
need_command nats-server curl
sub=(python3 "$PROGRAMS/nats.py")

# server I OTHER
server() {
    start_app --name "nats$1" --ip "198.18.44.$1" -- env GOMAXPROCS=2 nats-server --addr :: --port 4222 --http_port 8222 \
        --cluster_name lab --cluster "nats://0.0.0.0:6222" --routes "nats://198.18.44.$2:6222" \
        --server_name "nats$1" --connect_retries 20
    wait_for_listen "$APP" 4222
    wait_for_listen "$APP" 8222
}
server 1 2
first=$APP
server 2 1
routed() {
    [[ $(client -- curl -sS http://nats1:8222/routez) =~ \"num_routes\":\ 1 ]]
}
ok 'the two servers have a route to each other' wait_until 15 routed
run client -- curl -sS http://nats1:8222/routez
like "$OUT" '"ip": "198\.18\.44\.2"' 'and see each other'

run client --ip 198.18.44.9 -- "${sub[@]}" whoami 198.18.44.1 4222
is "$OUT" '198.18.44.9' 'by address; the server tells the client its address'
run client --name caller -- "${sub[@]}" whoami "$(app_address "$first" 6)" 4222
like "$OUT" '^fdaa:' 'by IPv6 address'
run client -- "${sub[@]}" relay nats1 nats1 5000 20
is "$OUT" 5000 '5000 messages of a publisher come to a subscriber, in order'
run client -- "${sub[@]}" relay nats1 nats2 5000 20
is "$OUT" 5000 'and through the other server'
run client -- "${sub[@]}" relay nats2 198.18.44.1 40 800000
is "$OUT" 40 'and large ones'
run client -- "${sub[@]}" fan nats1 nats2 40 50
is "$OUT" $((40 * 50)) 'forty subscribers at both get everything'
run client -- "${sub[@]}" queue nats1 nats2 20 1000
is "$OUT" '1000 1000 20' 'a queue of twenty subscribers gets each message once, and all get some'
run client -- curl -sS http://198.18.44.1:8222/varz
like "$OUT" '"slow_consumers": 0' 'nobody was too slow'

done_testing
