#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# curl: names, addresses, uploads, many at once, and its exit statuses when there is nothing to reach.
. "$(dirname "$0")/lib.sh"
need_command curl

start_app --name curlweb --ip 198.18.21.1 -- python3 "$PROGRAMS/http-echo.py" 80
web=$APP
wait_for_listen "$web" 80

run client -- curl -sS http://curlweb/a
like "$OUT" '"path": "/a"' 'by name'
run client -- curl -sS http://198.18.21.1/b
like "$OUT" '"server": "198.18.21.1".*"path": "/b"' 'by address'
run client -- curl -sS -4 http://curlweb/c
like "$OUT" '"server": "198.18.21.1"' 'by name, IPv4 alone'
v6=$(app_address "$web" 6)
run client -- curl -sS -6 http://curlweb/d
like "$OUT" "\"server\": \"$v6\"" 'by name, IPv6 alone'
run client -- curl -sS "http://[$v6]/e"
like "$OUT" "\"server\": \"$v6\"" 'by IPv6 address'
run client --ip 198.18.21.9 -- curl -sS http://198.18.21.1/
like "$OUT" '"client": "198.18.21.9"' 'the server sees who asks'
run client --ip 198.18.21.9 -- curl -sS -o /dev/null -w '%{remote_ip} %{remote_port} %{local_ip}' http://198.18.21.1/
is "$OUT" '198.18.21.1 80 198.18.21.9' 'and curl sees both ends as the apps have them'

run client -- curl -sS -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects}' http://curlweb/1 http://curlweb/2 http://curlweb/3
is "$OUT" 100 'one connection is used for three requests'
host_sh 'head -c 20000000 /dev/urandom >/tmp/upload'
run client -- curl -sS -T /tmp/upload http://curlweb/up
is "$OUT" "$(sum_of /tmp/upload)" '20 MB go up unharmed'
run client -- curl -sS http://curlweb/bytes/20000000 -o /tmp/download
is "$(host stat -c %s /tmp/download)" 20000000 '20 MB come down'
run client -- curl -sS -Z --parallel-max 40 --fail 'http://curlweb/[1-200]' -o '/tmp/par-#1'
is "$STATUS $(host_sh 'cat /tmp/par-* | wc -l')" '0 200' '200 requests, 40 at a time'

# The statuses are curl's own: 6 no such name, 7 no connection, 28 time is up.
run client -- curl -sS --max-time 20 http://no-such-app/
is "$STATUS" 6 'an unknown name does not resolve'
run client -- curl -sSv --max-time 20 http://198.18.21.1:81/
is "$STATUS" 7 'a port nobody listens on refuses'
like "$ERR" 'Connection refused' 'and says so'
run client -- curl -sS --max-time 20 http://198.18.21.200/
is "$STATUS" 7 'an address nobody has cannot be reached'
SECONDS=0
run client -- curl -sS --max-time 20 http://192.0.2.1/
is "$STATUS" 7 'the outside cannot be reached'
within "$SECONDS" 0 5 'which is known at once'
run client -- curl -sS --max-time 20 http://127.0.0.1:1/
is "$STATUS" 7 'the own loopback is empty'
run client --tag zone=other -- curl -sSv --max-time 20 http://198.18.21.1/
is "$STATUS" 7 'without a common tag there is no connection'
like "$ERR" 'Permission denied' 'for want of permission'

done_testing
