#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Perl's sockets: a server that forks, one around select() for both families, connects with and without a timeout.
. "$(dirname "$0")/lib.sh"
need_command perl
pl=(perl "$PROGRAMS/perl/net.pl")

start_app --name perlfork --ip 198.18.39.1 -- "${pl[@]}" fork 7000
wait_for_listen "$APP" 7000
start_app --name perlselect --ip 198.18.39.2 -- "${pl[@]}" select 7000
select=$APP
wait_for_listen "$select" 7000

run client --ip 198.18.39.9 -- "${pl[@]}" line 198.18.39.1 7000 1000
is "$OUT" $'198.18.39.9 198.18.39.1 7000\n1000' 'IO::Socket::INET, a process for each connection; both ends are right'
run client --ip 198.18.39.9 -- "${pl[@]}" line 198.18.39.2 7000 1000
is "$OUT" $'::ffff:198.18.39.9 ::ffff:198.18.39.2 7000\n1000' 'IO::Socket::IP and IO::Select'
v6=$(app_address "$select" 6)
run client --name caller -- "${pl[@]}" line "$v6" 7000 10
like "$OUT" "^fdaa:.* $v6 7000"$'\n10$' 'by IPv6 address'
run client --name caller -- "${pl[@]}" line perlselect 7000 10
like "$OUT" $' 7000\n10$' 'by name'
run client -- "${pl[@]}" line perlfork 7000 10
like "$OUT" $' 198\.18\.39\.1 7000\n10$' 'by name, where the server has IPv4 alone'
run client -- "${pl[@]}" many 198.18.39.1 7000 50
is "$OUT" 50 'fifty processes at once'
run client -- "${pl[@]}" many perlselect 7000 50
is "$OUT" 50 'and fifty to one process'
run client -- "${pl[@]}" timeout perlfork 7000
is "$OUT" 'connected to 198.18.39.1:7000' 'a connect with a timeout'
run client -- "${pl[@]}" timeout 198.18.39.1 7001
is "$OUT" 'not connected: Connection refused' 'that is refused where nobody listens'
run client -- "${pl[@]}" line 198.18.39.1 7001 1
like "$ERR" 'connect: Connection refused' 'like one without'
start_app --name perlweb -- python3 "$PROGRAMS/http-echo.py" 80
wait_for_listen "$APP" 80
run client -- "${pl[@]}" get http://perlweb/x
like "$OUT" '^200 .*"path": "/x"' 'HTTP::Tiny reaches a Python server'

done_testing
