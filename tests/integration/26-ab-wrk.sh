#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Load: ab (one thread, select) and wrk (threads, epoll) against nginx.
. "$(dirname "$0")/lib.sh"
need_command nginx ab wrk

host_sh 'mkdir -p /srv/load && cd /srv/load && head -c 10000 /dev/zero | tr "\0" x >page && cat >nginx.conf <<CONF
daemon off; worker_processes 2; pid /srv/load/pid; error_log /srv/load/error.log;
events { worker_connections 1000; }
http { access_log off; server { listen 80; root /srv/load; keepalive_requests 1000000; } }
CONF
'
start_app --name load --ip 198.18.26.1 -- nginx -p /srv/load -c nginx.conf
wait_for_listen "$APP" 80

run client -- ab -q -n 5000 -c 1 http://load/page
like "$OUT" 'Complete requests: +5000' 'ab: 5000 connections in turn, by name'
like "$OUT" 'Failed requests: +0' 'ab: none fails'
diag "$(grep 'Requests per second' <<<"$OUT")"
run client -- ab -q -n 5000 -c 100 http://198.18.26.1/page
like "$OUT" 'Complete requests: +5000' 'ab: 5000 connections, 100 at once, by address'
like "$OUT" 'Failed requests: +0' 'ab: none of them fails'
like "$OUT" 'HTML transferred: +50000000 bytes' 'ab: every byte has come'
diag "$(grep 'Requests per second' <<<"$OUT")"
run client -- ab -q -k -n 10000 -c 50 http://load/page
like "$OUT" 'Failed requests: +0' 'ab: 10000 requests on connections kept alive'
like "$OUT" 'Keep-Alive requests: +[1-9]' 'ab: which were'

run client -- wrk -t 2 -c 50 -d 2s http://load/page
is "$STATUS" 0 'wrk: 50 connections in two threads, by name'
unlike "$OUT" 'Socket errors|Non-2xx' 'wrk: without an error'
like "$OUT" 'Requests/sec: +[1-9]' 'wrk: there was an answer'
diag "$(grep 'Requests/sec' <<<"$OUT")"
run client -- wrk -t 2 -c 50 -d 2s -H 'Connection: close' http://198.18.26.1/page
unlike "$OUT" 'Socket errors: connect [1-9]|timeout [1-9]|Non-2xx' 'wrk: a new connection each, by address'
like "$OUT" 'Requests/sec: +[1-9]' 'wrk: which were answered'
diag "$(grep 'Requests/sec' <<<"$OUT")"

done_testing
