#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Ruby: Puma with two workers, a reactor on libev and threads; restarts that replace the workers, or the program by
# execve() with the listener kept; Net::HTTP as client.
. "$(dirname "$0")/lib.sh"
need_command puma ruby curl ab

host_sh 'rm -rf /srv/puma; mkdir -p /srv/puma; echo one >/srv/puma/version'
start_app --name puma --ip 198.18.38.1 -- puma -C "$PROGRAMS/ruby/config.rb"
puma=$APP
wait_for_listen "$puma" 80
rb=(ruby "$PROGRAMS/ruby/client.rb")
up() {
    [[ $(client -- curl -sS --max-time 2 http://puma/version) == "$1" ]]
}
ok 'Puma serves' wait_until 20 up one

run client --ip 198.18.38.9 -- "${rb[@]}" get http://198.18.38.1/a
like "$OUT" '^::ffff:198\.18\.38\.9 [0-9]+ /a$' 'Net::HTTP by address; the server sees who asks'
run client --name caller -- "${rb[@]}" get http://puma/b
like "$OUT" '^(fdaa:.*|198\.18\..*) [0-9]+ /b$' 'and by name'
run client --name caller -- "${rb[@]}" get "http://[$(app_address "$puma" 6)]/c"
like "$OUT" '^fdaa:.* /c$' 'and by IPv6 address'
host_sh 'head -c 5000000 /dev/urandom >/srv/puma/up'
run client -- curl -sS --data-binary @/srv/puma/up http://puma/sum
is "$OUT" "$(sum_of /srv/puma/up)" 'five million bytes go up unharmed'
run client -- curl -sS http://puma/stream
is "$(cut -d' ' -f1 <<<"$OUT" | sort -n | uniq | wc -l) ${#OUT}" "200 $((200 * 10000 + 9 * 3 + 90 * 4 + 101 * 5 - 1))" 'and two million come down in pieces'

run client -- "${rb[@]}" many http://198.18.38.1/d 8 100
is "$OUT" 800 '800 requests of eight threads, on connections kept alive'
run client -- ab -q -n 1000 -c 16 http://198.18.38.1/
like "$OUT" 'Complete requests: +1000' '1000 connections'
like "$OUT" 'Failed requests: +0' 'none of which fails'
run client -- ab -q -n 24 -c 12 http://198.18.38.1/slow
like "$OUT" 'Complete requests: +24' 'more clients than threads wait in the reactor'
run client -- "${rb[@]}" race 198.18.38.1 80 81 80
is "$OUT" $'80 connected to 198.18.38.1:80\n81 Errno::ECONNREFUSED\n80 connected to 198.18.38.1:80' 'connect_nonblock'

# Workers are replaced one by one; clients see nothing of it.
host_sh 'echo two >/srv/puma/version; kill -USR1 "$(cat /srv/puma/pid)"'
run client -- ab -q -n 600 -c 4 http://198.18.38.1/
like "$OUT" 'Failed requests: +0' 'a restart by phases loses nothing'
ok 'and takes effect' wait_until 20 up two
# The program executes itself again, the listener stays open; connections wait in its queue meanwhile.
host_sh 'echo three >/srv/puma/version; kill -USR2 "$(cat /srv/puma/pid)"'
ok 'Puma executes itself anew and goes on with its listener' wait_until 20 up three
run client -- ab -q -n 600 -c 4 http://198.18.38.1/
like "$OUT" 'Failed requests: +0' 'and serves'

run stop_app "$puma"
is "$STATUS $(host_sh 'pgrep -f "[p]uma: cluster" | wc -l')" '0 0' 'it can be stopped, with its workers'

done_testing
