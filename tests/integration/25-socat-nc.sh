#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# socat and nc, each as server and as client of either, data going both ways; half-closed connections.
. "$(dirname "$0")/lib.sh"
need_command socat nc

host_sh 'head -c 3000000 /dev/urandom >/tmp/there; head -c 2000000 /dev/urandom >/tmp/back'
there=$(sum_of /tmp/there)
back=$(sum_of /tmp/back)

# exchange TEXT SERVER CLIENT: each side sends its file and ends; each has to get the other's. The server is an
# app of the name "pipe" on port 7000 that reads /tmp/back and writes /tmp/got-there; the client the other way.
exchange() {
    local text=$1 server=$2 client=$3
    host rm -f /tmp/got-there /tmp/got-back
    start_app --name pipe --ip 198.18.25.1 -- sh -c "$server </tmp/back >/tmp/got-there"
    wait_for_listen "$APP" 7000
    run client -- sh -c "$client </tmp/there >/tmp/got-back"
    is "$STATUS" 0 "$text: the client ends well"
    wait_until 10 server_is_gone || diag "the server has not ended: $APP"
    is "$(sum_of /tmp/got-there)" "$there" "$text: what the client sent has come"
    is "$(sum_of /tmp/got-back)" "$back" "$text: what the server sent has come"
    run stop_app "$APP"
}

server_is_gone() {
    ! host systemctl is-active --quiet "appswitch-$APP.scope"
}

socat_server='socat -t10 - TCP-LISTEN:7000,reuseaddr'
socat_client='socat -t10 - TCP'
nc_server='nc -N -l 7000'
nc_client='nc -N -w 20'

exchange 'socat to socat, by name' "$socat_server" "$socat_client:pipe:7000"
exchange 'socat to socat, by address' "$socat_server" "$socat_client:198.18.25.1:7000"
exchange 'nc to nc, by name' "$nc_server" "$nc_client pipe 7000"
exchange 'nc to nc, by address' "$nc_server" "$nc_client 198.18.25.1 7000"
exchange 'nc to socat' "$socat_server" "$nc_client pipe 7000"
exchange 'socat to nc' "$nc_server" "$socat_client:pipe:7000"

# socat that forks a child for each connection, and sees who is there.
start_app --name forker --ip 198.18.25.2 -- socat TCP-LISTEN:7001,reuseaddr,fork 'SYSTEM:echo $SOCAT_PEERADDR $SOCAT_SOCKADDR $SOCAT_SOCKPORT; cat'
forker=$APP
wait_for_listen "$forker" 7001
run client --ip 198.18.25.9 -- sh -c 'echo ping | nc -N -w 10 forker 7001'
is "$OUT" $'198.18.25.9 198.18.25.2 7001\nping' 'a forked child knows both ends and answers'
run client -- sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do (echo $i | nc -N -w 10 198.18.25.2 7001 | tail -n 1) & done; wait'
is "$(sort -n <<<"$OUT" | tr '\n' ' ')" '1 2 3 4 5 6 7 8 9 10 ' 'ten children at once keep their data apart'

# nc that goes on after a connection, on IPv6; and looking whether there is somebody.
start_app --name sixer -- nc -6 -k -l 7002
sixer=$APP sixer_log=$APP_LOG
wait_for_listen "$sixer" 7002
v6=$(app_address "$sixer" 6)
run client -- sh -c "echo one | nc -6 -N -w 10 $v6 7002 && echo two | socat -t5 - TCP6:[$v6]:7002"
is "$STATUS" 0 'two clients in turn on IPv6'
both_came() {
    [[ $(app_log "$sixer_log") == *one*two* ]]
}
ok 'both are heard' wait_until 5 both_came
run client -- nc -z -w 5 198.18.25.2 7001
is "$STATUS" 0 'nc -z finds a listener'
run client -- nc -z -w 5 198.18.25.2 7003
is "$STATUS" 1 'and finds none where none is'
run client -- socat -T5 - TCP:198.18.25.2:7003,connect-timeout=5
like "$ERR" 'Connection refused' 'socat is refused there'

done_testing
