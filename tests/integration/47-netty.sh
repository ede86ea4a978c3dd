#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Netty, as server and as client: event loops around selectors that know a channel before it is connected. Its transport
# with epoll is used if its native part is there, which Debian does not have.
# timeout: 240
. "$(dirname "$0")/lib.sh"
need_command java javac curl ab
jars=$(host_sh 'cd /usr/share/java; for m in buffer common codec codec-http handler resolver transport transport-native-epoll transport-native-unix-common; do
    printf "%s:" "$PWD/netty-$m.jar"; done; echo "$PWD/jctools-core.jar"; test -e netty-transport.jar') ||
    skip_all 'Netty is not installed'

if ! said=$(host_sh 'mkdir -p /srv/netty && javac -cp "$2" -d /srv/netty "$1/netty/Netty.java" 2>&1' "$PROGRAMS" "$jars"); then
    bail 'the program is compiled' "$said"
fi
netty=(java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx256m -cp "/srv/netty:$jars" Netty)

start_app --name netty --ip 198.18.47.1 -- "${netty[@]}" serve 80
server=$APP server_log=$APP_LOG
wait_for_listen "$server" 80 40
diag "$(app_log "$server_log" | grep -E '^(epoll|NIO)' | cut -c1-120)"

run client --ip 198.18.47.9 -- "${netty[@]}" get 198.18.47.1 80 /a
is "$OUT" '198.18.47.9 198.18.47.1 /a' 'by address; both ends are right'
run client --ip 198.18.47.9 -- "${netty[@]}" get netty 80 /b
like "$OUT" ' /b$' 'by name'
run client -- "${netty[@]}" get "$(app_address "$server" 6)" 80 /c
like "$OUT" ' fdaa:.* /c$' 'by IPv6 address, on the same listener'
run client -- "${netty[@]}" get 198.18.47.1 81 /d
like "$ERR" 'Connection refused' 'where nobody listens it is told so'
run client -- "${netty[@]}" sum netty 80 20000000
is "$OUT" "$(client -- curl -sS http://netty/bytes/20000000 | sum_of)" 'twenty million bytes come down, as curl gets them'
run client -- "${netty[@]}" post 198.18.47.1 80 10000000
is "$OUT" true 'and ten million go up'
run client -- "${netty[@]}" many 198.18.47.1 80 200 10
is "$OUT" 2000 '200 connections at once, ten requests on each'
run client -- ab -q -n 2000 -c 32 http://198.18.47.1/
like "$OUT" 'Complete requests: +2000' '2000 connections of ab'
like "$OUT" 'Failed requests: +0' 'none of which fails'

done_testing
