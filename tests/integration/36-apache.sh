#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Apache with its event MPM: one listener for both families shared by processes, HTTP/2 with and without TLS, a proxy
# to another app, a graceful restart.
. "$(dirname "$0")/lib.sh"
need_command apache2 curl ab openssl

host_sh 'rm -rf /srv/apache; mkdir -p /srv/apache/html
    cd /srv/apache
    echo "hello from apache" >html/index.html
    echo one >html/version
    head -c 10000000 /dev/urandom >html/big
    for i in $(seq 100); do echo "page $i" >html/$i; done
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9000 -subj /CN=apache -keyout key -out cert 2>/dev/null
    cat >/srv/apache/apache.conf <<CONF
ServerRoot /srv/apache
ServerName apache
PidFile /srv/apache/pid
DefaultRuntimeDir /srv/apache
ErrorLog /srv/apache/error.log
User nobody
Group nogroup
$(for m in mpm_event authz_core dir log_config mime http2 ssl proxy proxy_http unixd; do
    test ! -e /usr/lib/apache2/modules/mod_$m.so || echo "LoadModule ${m}_module /usr/lib/apache2/modules/mod_$m.so"
done)
StartServers 2
ServerLimit 3
MinSpareThreads 25
ThreadsPerChild 25
MaxRequestWorkers 75
TypesConfig /dev/null
DocumentRoot /srv/apache/html
EnableSendfile On
Listen 80
Listen 443
Protocols h2 h2c http/1.1
LogFormat "%a %A %p %H %{pid}P %r %>s" who
CustomLog /srv/apache/access.log who
ProxyPass /up/ http://apacheup:5000/
<VirtualHost *:443>
    SSLEngine on
    SSLCertificateFile /srv/apache/cert
    SSLCertificateKeyFile /srv/apache/key
</VirtualHost>
CONF'

start_app --name apacheup --ip 198.18.36.2 -- python3 "$PROGRAMS/http-echo.py" 5000
wait_for_listen "$APP" 5000
start_app --name apache --ip 198.18.36.1 -- apache2 -f /srv/apache/apache.conf -DFOREGROUND
apache=$APP
wait_for_listen "$apache" 80
wait_for_listen "$apache" 443

run client -- curl -sS http://apache/
is "$OUT" 'hello from apache' 'by name'
run client --ip 198.18.36.9 -- curl -sS http://198.18.36.1/who
like "$(host grep who /srv/apache/access.log)" '198\.18\.36\.9 198\.18\.36\.1 80 HTTP/1\.1' 'by address; both ends are right'
run client -- curl -sS "http://[$(app_address "$apache" 6)]/"
is "$OUT" 'hello from apache' 'by IPv6 address'
run client -- curl -sS http://apache/up/x
like "$OUT" "\"client\": \"(198\.18\.36\.1|$(app_address "$apache" 6))\".*\"path\": \"/x\"" 'as a proxy'

# version OPTION... URL: which HTTP it was, and the sum of what came
version() {
    client -- sh -c 'curl -sS -k "$@" -o /srv/apache/got -w "%{http_version} %{response_code}"; sha256sum </srv/apache/got | cut -d" " -f1' sh "$@"
}
sum=$(sum_of /srv/apache/html/big)
is "$(version --http2 https://apache/big)" "2 200$sum" 'HTTP/2 over TLS brings ten million bytes unharmed'
is "$(version --http2-prior-knowledge http://apache/big)" "2 200$sum" 'HTTP/2 without TLS'
# (A small file: curl gives up if more than 32 KiB of data come along with the answer to the upgrade, which is chance.)
is "$(version --http2 http://apache/1)" "2 200$(sum_of /srv/apache/html/1)" 'HTTP/2 after an upgrade'
is "$(version --http1.1 http://apache/big)" "1.1 200$sum" 'HTTP/1.1'
run client -- curl -sS -k -Z --parallel-max 50 --fail --http2 'https://apache/[1-100]' -o '/srv/apache/out-#1' -w '%{num_connects}\n'
is "$STATUS $(host_sh 'cat /srv/apache/out-* | sort -u | wc -l')" '0 100' 'a hundred streams'
within "$(awk '{ n += $1 } END { print n }' <<<"$OUT")" 1 20 'on few connections'

run client -- ab -q -n 3000 -c 40 http://198.18.36.1/
like "$OUT" 'Failed requests: +0' '3000 connections, none of which fails'
unlike "$OUT" 'Non-2xx' 'all are answered well'
within "$(host_sh 'grep "GET / " /srv/apache/access.log | cut -d" " -f5 | sort -u | wc -l')" 2 3 'by more than one process'
run client -- ab -q -n 300 -c 20 https://198.18.36.1/
like "$OUT" 'Failed requests: +0' '300 connections with TLS'

# A restart that lets the old children end what they do.
host_sh 'timeout 30 ax run --quiet --collect -- ab -q -n 3000 -c 8 http://198.18.36.1/ >/tmp/apache-ab 2>&1 & p=$!
    sleep 0.2; kill -USR1 "$(cat /srv/apache/pid)"; wait $p'
like "$(host cat /tmp/apache-ab)" 'Complete requests: +3000' 'no connection is lost over a graceful restart'
like "$(host cat /tmp/apache-ab)" 'Failed requests: +0' 'and none fails'
like "$(host cat /srv/apache/error.log)" 'Doing graceful restart.*resuming normal operations' 'which was one'
run stop_app "$apache"
is "$STATUS $(host_sh 'pgrep -x apache2 | wc -l')" '0 0' 'it can be stopped, with all its processes'

done_testing
