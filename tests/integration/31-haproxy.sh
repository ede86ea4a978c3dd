#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# HAProxy with two threads in front of two servers, each in an app of its own: health checks, splice(), an
# instance that goes and comes back, a reload that hands the listeners on.
. "$(dirname "$0")/lib.sh"
need_command haproxy curl ab socat

host_sh 'rm -rf /srv/haproxy; mkdir -p /srv/haproxy; cat >/srv/haproxy/haproxy.cfg <<CONF
global
    nbthread 2
    log stdout format raw local0
    pidfile /srv/haproxy/pid
    stats socket /srv/haproxy/stats mode 600
defaults
    log global
    timeout connect 5s
    timeout client 20s
    timeout server 20s
    option redispatch
    retries 3
frontend web
    mode http
    option httplog
    bind :80
    bind [::]:80 v6only
    http-request return status 200 content-type text/plain string one if { path /version }
    http-request return status 200 content-type text/plain lf-string "%%ci %%fi %%fp" if { path /who }
    default_backend webs
backend webs
    mode http
    balance roundrobin
    option httpchk GET /health
    default-server check inter 200ms fall 2 rise 2
    server one 198.18.31.2:5000
    server two 198.18.31.3:5000
frontend raw
    mode tcp
    option tcplog
    option splice-request
    option splice-response
    bind :81
    default_backend raws
backend raws
    mode tcp
    server one haback1:5000
CONF
sed -i "s/%%/%/g" /srv/haproxy/haproxy.cfg'

start_app --name haback1 --ip 198.18.31.2 -- python3 "$PROGRAMS/http-echo.py" 5000
wait_for_listen "$APP" 5000
start_app --name haback2 --ip 198.18.31.3 -- python3 "$PROGRAMS/http-echo.py" 5000
second=$APP
wait_for_listen "$second" 5000
start_app --name haproxy --ip 198.18.31.1 -- haproxy -W -f /srv/haproxy/haproxy.cfg
proxy=$APP proxy_log=$APP_LOG
wait_for_listen "$proxy" 80
wait_for_listen "$proxy" 81

# state NAME UP|DOWN: what the health checks found
state() {
    local said
    said=$(host_sh 'echo "show stat" | socat - UNIX-CONNECT:/srv/haproxy/stats') &&
        grep -q "^webs,$1,.*,$2," <<<"$said"
}
servers_seen() {
    client -- curl -sS 'http://haproxy/[1-10]' | grep -o '"server": "[^"]*"' | sort | uniq -c | tr -s ' \n' ' '
}

ok 'the health checks find both servers' wait_until 10 state two UP
is "$(servers_seen)" ' 5 "server": "198.18.31.2" 5 "server": "198.18.31.3" ' 'both servers get their share'
run client -- curl -sS http://198.18.31.1/x
like "$OUT" '"client": "198\.18\.31\.1".*"path": "/x"' 'and see the proxy'
run client --ip 198.18.31.9 -- curl -sS http://198.18.31.1/who
is "$OUT" '198.18.31.9 198.18.31.1 80' 'the proxy sees the client'
like "$(app_log "$proxy_log")" '198\.18\.31\.9:[0-9]+ ' 'and logs it'
run client --name caller -- curl -sS "http://[$(app_address "$proxy" 6)]/who"
like "$OUT" "^fdaa:.* $(app_address "$proxy" 6) 80\$" 'by IPv6, too'

want=$(client -- curl -sS http://198.18.31.2:5000/bytes/20000000 | sum_of)
is "$(client -- curl -sS http://haproxy/bytes/20000000 | sum_of)" "$want" 'twenty million bytes come through unharmed'
is "$(client -- curl -sS http://haproxy:81/bytes/20000000 | sum_of)" "$want" 'and spliced'
host_sh 'head -c 5000000 /dev/urandom >/tmp/haproxy-up'
run client -- curl -sS -T /tmp/haproxy-up http://haproxy:81/up
is "$OUT" "$(sum_of /tmp/haproxy-up)" 'and up'

run client -- ab -q -n 1500 -c 32 http://198.18.31.1/
like "$OUT" 'Failed requests: +0' '1500 connections through it, none of which fails'
like "$OUT" 'Complete requests: +1500' 'and all come to an end'
unlike "$OUT" 'Non-2xx' 'all answered well'
run client -- ab -q -k -n 3000 -c 16 http://198.18.31.1/version
like "$OUT" 'Failed requests: +0' '3000 requests on connections kept alive'

# One server goes, and comes back.
stop_app "$second"
ok 'a server that ends is found to be down' wait_until 10 state two DOWN
is "$(servers_seen)" ' 10 "server": "198.18.31.2" ' 'the other one serves alone'
start_app --name haback2 --ip 198.18.31.3 -- python3 "$PROGRAMS/http-echo.py" 5000
ok 'when it is back it is found to be up' wait_until 10 state two UP
is "$(servers_seen)" ' 5 "server": "198.18.31.2" 5 "server": "198.18.31.3" ' 'and serves'

# A reload while clients come without pause: the new worker takes over the listeners.
host_sh 'sed -i "s/string one/string two/" /srv/haproxy/haproxy.cfg'
new_version() {
    [[ $(client -- curl -sS http://haproxy/version) == two ]]
}
host_sh 'timeout 30 ax run --quiet --collect -- ab -q -n 3000 -c 8 http://198.18.31.1/version >/tmp/haproxy-ab 2>&1 & p=$!
    sleep 0.3; kill -USR2 "$(head -n 1 /srv/haproxy/pid)"; wait $p'
like "$(host cat /tmp/haproxy-ab)" 'Complete requests: +3000' 'no connection is lost over a reload'
ok 'it takes effect' wait_until 10 new_version
run stop_app "$proxy"
is "$STATUS" 0 'it can be stopped'

done_testing
