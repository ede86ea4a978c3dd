#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# PHP-FPM over TCP behind nginx, in apps of their own: children that share a listener, connections that are kept and
# such that are not, who may connect, and PHP as a client of other apps.
. "$(dirname "$0")/lib.sh"
need_command nginx curl ab redis-server
fpm=$(host_sh 'ls /usr/sbin/php-fpm* 2>/dev/null | sort -V | tail -n 1')
[[ $fpm ]] || skip_all 'php-fpm is not installed'

host_sh 'rm -rf /srv/php; mkdir -p /srv/php/tmp /srv/php/www
    cat >/srv/php/www/who.php <<\PHP
<?php echo $_SERVER["REMOTE_ADDR"], " ", getmypid(), "\n";
PHP
    cat >/srv/php/www/sum.php <<\PHP
<?php echo hash("sha256", file_get_contents("php://input"));
PHP
    cat >/srv/php/www/big.php <<\PHP
<?php readfile("/srv/php/big");
PHP
    cat >/srv/php/www/fetch.php <<\PHP
<?php
echo file_get_contents("http://phpup:5000/fetched");
$s = fsockopen("phpredis", 6379, $number, $text, 5);
fwrite($s, "INCR visits\r\n");
echo trim(fgets($s)), "\n";
$s = stream_socket_client("tcp://198.18.37.3:5001", $number, $text, 5);
echo $s ? "connected" : $text, "\n";
PHP
    head -c 10000000 /dev/urandom >/srv/php/big
    cat >/srv/php/fpm.conf <<CONF
[global]
pid = /srv/php/fpm.pid
error_log = /dev/stderr
daemonize = no
[www]
user = nobody
group = nogroup
listen = 9000
listen.backlog = 128
listen.allowed_clients = 198.18.37.2
pm = static
pm.max_children = 4
pm.max_requests = 200
pm.status_path = /status
access.log = /srv/php/access.log
catch_workers_output = yes
php_admin_value[post_max_size] = 20M
access.format = "%{REMOTE_ADDR}e %r %s"
CONF
    cat >/srv/php/nginx.conf <<CONF
daemon off;
worker_processes 1;
pid /srv/php/nginx.pid;
error_log /srv/php/nginx.log notice;
events { worker_connections 256; }
http {
    access_log off;
    client_max_body_size 20m;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    upstream kept { server 198.18.37.1:9000; keepalive 3; }
    fastcgi_param SCRIPT_FILENAME /srv/php/www\$fastcgi_script_name;
    fastcgi_param SCRIPT_NAME \$fastcgi_script_name;
    fastcgi_param REQUEST_METHOD \$request_method;
    fastcgi_param CONTENT_LENGTH \$content_length;
    fastcgi_param REMOTE_ADDR \$remote_addr;
    server { listen 80; location / { fastcgi_pass 198.18.37.1:9000; } }
    server { listen 81; location / { fastcgi_pass kept; fastcgi_keep_conn on; } }
}
CONF'

start_app --name php --ip 198.18.37.1 -- "$fpm" -n -y /srv/php/fpm.conf
php=$APP php_log=$APP_LOG
wait_for_listen "$php" 9000
start_app --name phpweb --ip 198.18.37.2 -- nginx -p /srv/php -c nginx.conf
wait_for_listen "$APP" 80
wait_for_listen "$APP" 81
start_app --name phpup --ip 198.18.37.4 -- python3 "$PROGRAMS/http-echo.py" 5000
wait_for_listen "$APP" 5000
start_app --name phpredis --ip 198.18.37.3 -- redis-server --bind '* -::*' --protected-mode no --save '' --dir /srv/php
wait_for_listen "$APP" 6379

run client --ip 198.18.37.9 -- curl -sS http://198.18.37.2/who.php
like "$OUT" '^198\.18\.37\.9 [0-9]+$' 'a page, through nginx; PHP is told who asks'
like "$(host cat /srv/php/access.log)" '198\.18\.37\.9 /who\.php 200' 'and logs it'
run client -- curl -sS http://phpweb/status
like "$OUT" 'total processes: +4' 'four children serve'
is "$(client -- curl -sS http://phpweb/big.php | sum_of)" "$(sum_of /srv/php/big)" 'ten million bytes come down unharmed'
run client -- curl -sS --data-binary @/srv/php/big http://phpweb/sum.php
is "$OUT" "$(sum_of /srv/php/big)" 'and go up'
run client -- curl -sS http://phpweb/fetch.php
like "$OUT" '"path": "/fetched"' 'PHP fetches from another app, by name'
like "$OUT" $'\n:1\n' 'and asks Redis'
like "$OUT" $'\nConnection refused$' 'and is refused where nobody listens'

run client -- ab -q -n 2000 -c 16 http://phpweb/who.php
like "$OUT" 'Complete requests: +2000' '2000 pages with a new connection to PHP each'
unlike "$OUT" 'Non-2xx' 'that all are answered well'
run client -- ab -q -n 2000 -c 3 http://phpweb:81/who.php
like "$OUT" 'Complete requests: +2000' '2000 pages on connections that are kept'
unlike "$OUT" 'Non-2xx' 'that all are answered well'
like "$(app_log "$php_log")" 'child [0-9]+ exited with code 0' 'while children end and are replaced'

# Who is not allowed to connect is told nothing.
run client --ip 198.18.37.8 -- sh -c 'echo | nc -w 5 198.18.37.1 9000'
like "$(app_log "$php_log")" "Connection disallowed: IP address '198\.18\.37\.8'" 'another address than that of nginx may not connect'

done_testing
