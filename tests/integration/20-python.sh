#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Python's http.server and urllib, as they come with the language.
. "$(dirname "$0")/lib.sh"

host_sh 'mkdir -p /srv/python && cd /srv/python && echo "hello from python" >index.html &&
    head -c 5000000 /dev/urandom >big'
sum=$(sum_of /srv/python/big)

start_app --name pyweb --ip 198.18.20.1 -- python3 -m http.server --directory /srv/python 80
web=$APP web_log=$APP_LOG
wait_for_listen "$web" 80

# fetch URL: what urllib gets there, on stdout
fetch() {
    client "${FETCH_OPTIONS[@]}" -- python3 -c '
import shutil, sys, urllib.request
shutil.copyfileobj(urllib.request.urlopen(sys.argv[1], timeout=20), sys.stdout.buffer)' "$1"
}
FETCH_OPTIONS=()

run fetch http://pyweb/
is "$STATUS $OUT" '0 hello from python' 'urllib reaches http.server by name'
run fetch http://198.18.20.1/
is "$STATUS $OUT" '0 hello from python' 'and by address'
is "$(fetch http://pyweb/big | sum_of)" "$sum" 'five million bytes come unharmed'
run fetch http://pyweb/nothing
isnt "$STATUS" 0 'an error of HTTP is one'
like "$ERR" '404' 'and the right one'

FETCH_OPTIONS=(--name pyclient --ip 198.18.20.2)
run fetch http://198.18.20.1/
is "$STATUS" 0 'a client with an address of its own is served'
like "$(app_log "$web_log")" '198\.18\.20\.2 - - .*"GET / HTTP/1\.1" 200' 'the server sees the true address of the client'
FETCH_OPTIONS=()

# Name, address and port as getaddrinfo, getpeername and getsockname have them.
run client --ip 198.18.20.3 -- python3 -c '
import socket
print(sorted({a[4][0] for a in socket.getaddrinfo("pyweb", 80, socket.AF_INET)}))
with socket.create_connection(("pyweb", 80), timeout=20) as s:
    print(s.getpeername()[:2][1], s.getsockname()[0].removeprefix("::ffff:"), s.family.name)
'
like "$OUT" "\\['198\\.18\\.20\\.1'\\]" 'getaddrinfo knows the name'
like "$OUT" '80 ' 'getpeername is the port that was dialled'

# A server on :: serves both families; IPv6 by name and by address.
start_app --name pydual -- python3 "$PROGRAMS/http-echo.py" 80 ::
dual=$APP
wait_for_listen "$dual" 80
v6=$(app_address "$dual" 6)
run fetch "http://[$v6]/x"
like "$OUT" "\"server\": \"$v6\"" 'IPv6 by address'
v4=$(app_address "$dual" 4)
run fetch "http://$v4/x"
like "$OUT" "\"server\": \"$v4\"" 'IPv4 on the same listener'
run fetch http://pydual/x
like "$OUT" '"path": "/x"' 'and by name, whichever is first'

# 200 connections in turn and 50 at once, each with the right answer.
run client -- python3 -c '
import concurrent.futures, json, urllib.request
def get(i):
    return json.load(urllib.request.urlopen(f"http://pydual/{i}", timeout=30))["path"] == f"/{i}"
print(sum(get(i) for i in range(200)))
with concurrent.futures.ThreadPoolExecutor(50) as pool:
    print(sum(pool.map(get, range(500))))
'
is "$OUT" $'200\n500' 'many connections, in turn and at once, are all answered'

run stop_app "$web"
is "$STATUS" 0 'the server can be stopped'
run fetch http://198.18.20.1/
isnt "$STATUS" 0 'and is gone then'

done_testing
