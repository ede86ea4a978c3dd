#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# etcd: three members in three apps that elect a leader and keep long streams to each other, etcdctl (gRPC in Go) and
# curl as clients; the leader is lost and comes back.
. "$(dirname "$0")/lib.sh"
need_command etcd etcdctl curl

host_sh 'rm -rf /srv/etcd; mkdir -p /srv/etcd'
members=() logs=()
# member I
member() {
    start_app --name "etcd$1" --ip "198.18.43.$1" -- env GOMAXPROCS=2 etcd --name "m$1" --data-dir "/srv/etcd/$1" \
        --listen-peer-urls http://0.0.0.0:2380 --initial-advertise-peer-urls "http://198.18.43.$1:2380" \
        --listen-client-urls http://0.0.0.0:2379 --advertise-client-urls "http://198.18.43.$1:2379" \
        --initial-cluster m1=http://198.18.43.1:2380,m2=http://198.18.43.2:2380,m3=http://198.18.43.3:2380 \
        --heartbeat-interval 100 --election-timeout 1000 --unsafe-no-fsync --logger zap --log-level debug
    members[$1]=$APP logs[$1]=$APP_LOG
}
# ctl HOSTS ARG...: etcdctl as an app
ctl() {
    local endpoints=$1
    shift
    client ${CTL_IP:+--ip "$CTL_IP"} -- env ETCDCTL_API=3 etcdctl --endpoints="$endpoints" --dial-timeout=5s --command-timeout=10s "$@"
}
all=http://198.18.43.1:2379,http://198.18.43.2:2379,http://198.18.43.3:2379

member 1
member 2
member 3
healthy() {
    [[ $(ctl "$all" endpoint health 2>&1 | grep -c 'is healthy') == "$1" ]]
}
ok 'three members find each other' wait_until 30 healthy 3
run ctl "$all" endpoint status
is "$(grep -c ', true, false, ' <<<"$OUT")" 1 'and have one leader'
leader=$(sed -n 's/^http:..198\.18\.43\.\([123]\):.*, true, false, .*/\1/p' <<<"$OUT")

run ctl http://etcd1:2379 put greeting 'hello world'
is "$OUT" OK 'etcdctl writes, by name'
CTL_IP=198.18.43.9
run ctl http://198.18.43.1:2379 get greeting
CTL_IP=''
like "$(app_log "${logs[1]}" | grep 198.18.43.9)" '"remote":"198\.18\.43\.9:[0-9]+"' 'the log has the true client'
run ctl http://198.18.43.3:2379 get greeting --print-value-only
is "$OUT" 'hello world' 'and reads from another member, by address'
run client -- curl -sS http://etcd2:2379/v3/kv/range -d '{"key": "Z3JlZXRpbmc="}'
like "$OUT" '"value":"aGVsbG8gd29ybGQ="' 'curl reads by JSON'
run client -- curl -sS http://198.18.43.1:2379/health
like "$OUT" '"health":"true"' 'and asks for its health'

run host_sh 'timeout 30 ax run --quiet --collect -- env ETCDCTL_API=3 etcdctl --endpoints=http://etcd3:2379 watch news >/tmp/etcdwatch & p=$!
    for i in $(seq 50); do
        ax run --quiet --collect -- env ETCDCTL_API=3 etcdctl --endpoints=http://etcd1:2379 put news extra >/dev/null
        grep -q extra /tmp/etcdwatch && break; sleep 0.1
    done
    kill $p; wait; cat /tmp/etcdwatch'
like "$OUT" $'PUT\nnews\nextra' 'a watcher at one member is told what another one was'
run client -- curl -sS -Z --parallel-max 30 --fail -d '{"key": "bG9hZA==", "value": "eA=="}' 'http://etcd[1-3]:2379/v3/kv/put?[1-100]'
is "$STATUS $(grep -o '"revision":"[0-9]*"' <<<"$OUT" | sort -u | wc -l)" '0 300' '300 writes to all members have a revision each'

# The leader is lost.
stop_app "${members[$leader]}"
others=${all//http:\/\/198.18.43.$leader:2379/}
others=${others//,,/,} others=${others#,} others=${others%,}
wrote() {
    [[ $(ctl "$others" put after loss 2>&1) == OK ]]
}
ok 'without their leader the others elect one and go on' wait_until 20 wrote
member "$leader"
ok 'it comes back' wait_until 20 healthy 3
run ctl "http://198.18.43.$leader:2379" get after --print-value-only
is "$OUT" loss 'and knows what it has missed'

done_testing
