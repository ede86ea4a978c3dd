#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Java: a server in the JDK's own HTTP server, clients with HttpClient, Socket and a selector (which has the
# socket in its epoll set before it connects).
# timeout: 240
. "$(dirname "$0")/lib.sh"
need_command java javac

if ! said=$(host_sh 'mkdir -p /srv/java && javac -d /srv/java "$1/java/Web.java" 2>&1' "$PROGRAMS"); then
    bail 'the Java program is compiled' "$said"
fi
java=(java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx128m -cp /srv/java Web)

start_app --name javaweb --ip 198.18.29.1 -- "${java[@]}" serve 80
web=$APP
wait_for_listen "$web" 80

run client --ip 198.18.29.9 -- "${java[@]}" get http://javaweb/a
like "$OUT" '/a$' 'HttpClient by name'
run client --ip 198.18.29.9 -- "${java[@]}" get http://198.18.29.1/b
is "$OUT" '198.18.29.9 198.18.29.1 /b' 'and by address; both ends are right'
run client -- "${java[@]}" get "http://[$(app_address "$web" 6)]/c"
like "$OUT" '/c$' 'and by IPv6 address, on the same listener'
run client -- "${java[@]}" lookup javaweb
like " $OUT " ' 198\.18\.29\.1 ' 'InetAddress knows the name'
run client -- "${java[@]}" socket javaweb 80 /d
like "$OUT" '/d$' 'a Socket by name'
run client -- "${java[@]}" socket 198.18.29.1 80 /e
like "$OUT" '/e$' 'and by address'
run client -- "${java[@]}" selector javaweb 80 /f
like "$OUT" '/f$' 'a channel whose selector knew it before it connected, by name'
run client -- "${java[@]}" selector 198.18.29.1 80 /g
like "$OUT" '/g$' 'and by address'
run client -- "${java[@]}" selector 198.18.29.1 81 /h
like "$ERR" 'Connection refused' 'where nobody listens, the selector is told'
run client -- "${java[@]}" get http://198.18.29.1:81/
like "$ERR" 'ConnectException' 'and so is HttpClient'

run client -- "${java[@]}" post http://javaweb/ 5000000
is "$OUT" true 'five million bytes go up unharmed'
run client -- "${java[@]}" many http://javaweb 10 30
is "$OUT" 300 '300 requests of ten threads'

# Across languages.
run client -- curl -sS http://javaweb/i
like "$OUT" '/i$' 'curl reaches the Java server'
start_app --name javapy -- python3 "$PROGRAMS/http-echo.py" 80
wait_for_listen "$APP" 80
run client -- "${java[@]}" get http://javapy/j
like "$OUT" '"path": "/j"' 'HttpClient reaches a Python server'

done_testing
