#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Redis: one thread around epoll, pipelines, blocking calls, publish and subscribe, a replica.
. "$(dirname "$0")/lib.sh"
need_command redis-server redis-cli redis-benchmark

host mkdir -p /srv/redis1 /srv/redis2
start_app --name redis --ip 198.18.23.1 -- redis-server --bind '* -::*' --port 6379 --protected-mode no \
    --save '' --dir /srv/redis1
redis=$APP
wait_for_listen "$redis" 6379

run client -- redis-cli -h redis set greeting 'hello world'
is "$OUT" OK 'redis-cli writes, by name'
run client -- redis-cli -h 198.18.23.1 get greeting
is "$OUT" 'hello world' 'and reads, by address'
run client -- redis-cli -h "$(app_address "$redis" 6)" get greeting
is "$OUT" 'hello world' 'and by IPv6 address'
run client --ip 198.18.23.9 -- redis-cli -h 198.18.23.1 client info
like "$OUT" ' addr=198\.18\.23\.9:' 'the server sees who asks'
like "$OUT" ' laddr=198\.18\.23\.1:6379' 'and where'

# A value of 10 MB there and back; redis-cli -x reads it from standard input.
host_sh 'head -c 10000000 /dev/urandom | base64 -w0 >/tmp/redis-value'
run host_sh 'ax run --quiet --collect -- redis-cli -h redis -x set big </tmp/redis-value &&
    ax run --quiet --collect -- redis-cli -h redis --raw get big | tr -d "\n" | cmp - /tmp/redis-value'
is "$STATUS" 0 'a large value there and back'

# A pop that blocks until another client pushes.
host_sh 'timeout 30 ax run --quiet --collect -- redis-cli -h redis blpop queue 20 >/tmp/popped & sleep 1
    ax run --quiet --collect -- redis-cli -h redis rpush queue job1 >/dev/null; wait'
like "$(host cat /tmp/popped)" 'job1' 'a blocked client is woken'
run host_sh 'timeout 30 ax run --quiet --collect -- redis-cli -h redis subscribe news >/tmp/news & p=$!
    for i in {1..100}; do
        n=$(ax run --quiet --collect -- redis-cli -h redis publish news extra)
        [ "$n" = 1 ] && break; sleep 0.1
    done
    sleep 0.3; kill $p; wait; echo "$n"'
is "${OUT##*$'\n'}" 1 'a message is published to a subscriber'
like "$(host cat /tmp/news)" 'extra' 'who gets it'

run client -- redis-benchmark -h redis -n 20000 -c 50 -q -t set,get,lpush
is "$STATUS" 0 'redis-benchmark with 50 connections ends well'
is "$(tr '\r' '\n' <<<"$OUT" | grep -c 'requests per second, p50')" 3 'with three results'
diag "$(tr '\r' '\n' <<<"$OUT" | grep 'requests per second, p50')"
run client -- redis-benchmark -h 198.18.23.1 -n 50000 -c 20 -P 16 -q -t set,get
is "$STATUS" 0 'and with pipelines'
run client -- redis-benchmark -h redis -n 3000 -c 10 -k 0 -q -t ping_mbulk
is "$STATUS" 0 'and with a new connection for each request'

# The replica connects back to its master without blocking.
start_app --name redis-replica --ip 198.18.23.2 -- redis-server --bind '* -::*' --port 6379 --protected-mode no \
    --save '' --dir /srv/redis2 --replicaof 198.18.23.1 6379
wait_for_listen "$APP" 6379
replica_has_it() {
    [[ $(client -- redis-cli -h redis-replica get greeting) == 'hello world' ]]
}
ok 'a replica has the data of its master' wait_until 20 replica_has_it
run client -- redis-cli -h redis info replication
like "$OUT" 'slave0:ip=198\.18\.23\.2,port=6379,state=online' 'the master knows it by its address'

done_testing
