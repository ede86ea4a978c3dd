#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# nginx with two workers: one listener shared by processes, epoll with edges, sendfile, reload, proxying.
. "$(dirname "$0")/lib.sh"
need_command nginx curl ab

host_sh 'rm -rf /srv/nginx; mkdir -p /srv/nginx/html /srv/nginx/tmp
    echo "hello from nginx" >/srv/nginx/html/index.html
    head -c 10000000 /dev/urandom >/srv/nginx/html/big
    cat >/srv/nginx/nginx.conf <<CONF
daemon off;
worker_processes 2;
pid /srv/nginx/pid;
error_log /srv/nginx/error.log notice;
events { worker_connections 512; multi_accept on; }
http {
    log_format who "\$pid \$remote_addr \$request \$status";
    access_log /srv/nginx/access.log who;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_timeout 20;
    server {
        listen 80 backlog=256;
        listen [::]:80 ipv6only=on;
        listen 8080;
        root /srv/nginx/html;
        location /up/ { proxy_pass http://upstream:5000/; proxy_http_version 1.1; proxy_set_header Connection ""; }
        location /version { return 200 "one\n"; }
    }
}
CONF
'
start_app --name upstream --ip 198.18.22.2 -- python3 "$PROGRAMS/http-echo.py" 5000
wait_for_listen "$APP" 5000
start_app --name nginx --ip 198.18.22.1 -- nginx -p /srv/nginx -c nginx.conf
nginx=$APP
wait_for_listen "$nginx" 80
wait_for_listen "$nginx" 8080

is "$(host_sh 'pgrep -P "$(cat /srv/nginx/pid)" | wc -l')" 2 'two workers run'
run client -- curl -sS http://nginx/
is "$OUT" 'hello from nginx' 'by name'
run client -- curl -sS http://198.18.22.1/
is "$OUT" 'hello from nginx' 'by address'
run client -- curl -sS http://nginx:8080/
is "$OUT" 'hello from nginx' 'on a second listener'
run client -- curl -sS "http://[$(app_address "$nginx" 6)]/"
is "$OUT" 'hello from nginx' 'by IPv6'
is "$(client -- curl -sS http://nginx/big | sum_of)" "$(sum_of /srv/nginx/html/big)" 'sendfile brings ten million bytes unharmed'
run client --ip 198.18.22.9 -- curl -sS http://198.18.22.1/who
like "$(host grep who /srv/nginx/access.log)" '198\.18\.22\.9 GET /who' 'nginx sees the true address of the client'
run client -- curl -sS http://nginx/up/x
like "$OUT" "\"client\": \"(198\.18\.22\.1|$(app_address "$nginx" 6))\".*\"path\": \"/x\"" 'nginx is a client, too: it proxies to another app'

run client -- ab -q -n 4000 -c 32 http://198.18.22.1/
like "$OUT" 'Complete requests: +4000' '4000 connections'
like "$OUT" 'Failed requests: +0' 'none of which fails'
unlike "$OUT" 'Non-2xx' 'all are answered well'
is "$(host_sh 'grep "GET / " /srv/nginx/access.log | cut -d" " -f1 | sort -u | wc -l')" 2 'both workers accept'
run client -- ab -q -k -n 4000 -c 16 http://198.18.22.1/
like "$OUT" 'Failed requests: +0' '4000 requests on connections kept alive'

# A reload hands the listeners on to new workers while the old ones end.
old=$(host_sh 'pgrep -P "$(cat /srv/nginx/pid)" | sort | tr "\n" " "')
host_sh 'sed -i "s/one/two/" /srv/nginx/nginx.conf && kill -HUP "$(cat /srv/nginx/pid)"'
new_version() {
    [[ $(client -- curl -sS http://nginx/version) == two ]]
}
ok 'a reload takes effect' wait_until 10 new_version
workers_changed() {
    local now
    now=$(host_sh 'pgrep -P "$(cat /srv/nginx/pid)" | sort | tr "\n" " "')
    [[ $(wc -w <<<"$now") == 2 && $now != "$old" ]]
}
ok 'with new workers' wait_until 10 workers_changed
run client -- ab -q -n 500 -c 8 http://198.18.22.1/
like "$OUT" 'Failed requests: +0' 'which accept all'

# The loss of a worker is nothing to the clients.
host_sh 'kill -KILL $(pgrep -P "$(cat /srv/nginx/pid)" | head -n 1)'
run client -- ab -q -n 500 -c 8 http://198.18.22.1/
like "$OUT" 'Failed requests: +0' 'a killed worker is replaced and nothing is lost'

run stop_app "$nginx"
is "$STATUS" 0 'nginx can be stopped'
is "$(host_sh 'pgrep -x nginx | wc -l')" 0 'with all its processes'

done_testing
