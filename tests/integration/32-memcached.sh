#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# memcached: libevent in four threads that get their connections from a fifth; clients of libmemcached with
# text and binary protocol, two servers that share the keys.
. "$(dirname "$0")/lib.sh"
need_command memcached memccp memccat memcslap memcaslap nc

start_app --name cache1 --ip 198.18.32.1 -- memcached -u nobody -l 0.0.0.0,:: -p 11211 -U 0 -t 4 -c 1024 -I 4m
cache=$APP
wait_for_listen "$cache" 11211
start_app --name cache2 --ip 198.18.32.2 -- memcached -u nobody -p 11211 -U 0 -t 4
wait_for_listen "$APP" 11211

host_sh 'head -c 900000 /dev/urandom >/tmp/cachevalue; head -c 3000 /dev/urandom >/tmp/cachesmall'
run client -- memccp --servers=cache1 /tmp/cachevalue
is "$STATUS" 0 'a value is stored, by name'
is "$(client -- memccat --servers=198.18.32.1 cachevalue | head -c 900000 | sum_of)" "$(sum_of /tmp/cachevalue)" \
    'and read by address, whole'
run client -- memccp --binary --servers=cache1 /tmp/cachesmall
is "$(client -- memccat --binary --servers=cache1 cachesmall | head -c 3000 | sum_of)" "$(sum_of /tmp/cachesmall)" \
    'the binary protocol, there and back'
run client -- sh -c 'printf "set a 0 0 3\r\nxyz\r\nget a\r\nincr b 1\r\nquit\r\n" | nc -w 10 "$1" 11211' sh "$(app_address "$cache" 6)"
is "$(tr -d '\r' <<<"$OUT" | tr '\n' ' ')" 'STORED VALUE a 0 3 xyz END NOT_FOUND ' 'the text protocol by IPv6'
run client --ip 198.18.32.9 -- sh -c 'printf "stats conns\r\nquit\r\n" | nc -w 10 198.18.32.1 11211'
like "$OUT" 'addr tcp:198\.18\.32\.9:[0-9]+' 'the server sees who asks'
like "$OUT" 'listen_addr tcp:198\.18\.32\.1:11211' 'and where'

run client -- memcslap --servers=cache1 --concurrency=20 --execute-number=200 --test=set
is "$STATUS" 0 'twenty threads that write'
run client -- memcslap --servers=cache1 --concurrency=10 --execute-number=200 --initial-load=500 --test=get --binary
is "$STATUS" 0 'ten that read'
run client -- memcaslap --servers=198.18.32.1:11211,198.18.32.2:11211 --threads=2 --concurrency=32 \
    --execute_number=40000 --verify=0.2 --binary
is "$STATUS" 0 '32 connections to each of two servers'
like "$OUT" 'get_misses: 0' 'that find what they look for'
like "$OUT" 'verify_failed: 0' 'unharmed'
like "$OUT" 'Ops: 40000' 'and as much as they want'
run client -- memcstat --servers=198.18.32.1,198.18.32.2
is "$(grep -cE '^[[:space:]]*cmd_set: [1-9][0-9]{2}' <<<"$OUT")" 2 'both servers had something to do'

done_testing
