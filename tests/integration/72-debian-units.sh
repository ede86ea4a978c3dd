#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Units of Debian's packages as apps: unmodified but for a drop-in of three lines. Each is started, reached by its name,
# reloaded if it can be, restarted, and stopped. Where a package's configuration binds to loopback, that is changed, as it
# would have to be natively.
# timeout: 240
. "$(dirname "$0")/lib.sh"
need_command curl
mark_journal

services=(nginx redis-server postgresql@15-main memcached haproxy apache2 mariadb ssh)
unpacked=/var/lib/appswitch-tests

at_exit() {
    host_sh 'for s; do
            systemctl stop "$s.service"; rm -rf "/etc/systemd/system/$s.service.d" "/etc/systemd/system/${s%%@*}@.service.d"
        done
        pg_dropcluster 15 main
        sed -i "/^frontend du\$/,\$d" /etc/haproxy/haproxy.cfg
        rm -rf /etc/systemd/system/{apache2,mariadb}.service
        for s in nginx redis-server postgresql@ memcached haproxy ssh; do ln -sf /dev/null "/etc/systemd/system/$s.service"; done
        systemctl daemon-reload; systemctl reset-failed' "${services[@]}" >/dev/null 2>&1
}

has() {
    host_sh 'test -e "/usr/lib/systemd/system/$1"' "$1"
}
# adopt SERVICE ADDRESS [LINE...]: removes the mask of the lab and adds the drop-in
adopt() {
    local dir=/etc/systemd/system/$1.service
    host_sh 'rm -f "$1" "${1%%@*}@.service"; mkdir -p "$1.d"; printf "[X-AppSwitch]\nName=%s\nAddress=%s\n" "$2" "$3" >"$1.d/app.conf"
        systemctl daemon-reload' "$dir" "du-${1%%@*}" "$2"
}
# try SERVICE PORT CLIENT...: its life
try() {
    local service=$1 port=$2 address unit=$1.service before
    address=$(host_sh 'sed -n s/^Address=//p "/etc/systemd/system/$1.d/app.conf"' "$unit")
    shift 2
    run host systemctl start "$unit"
    is "$STATUS" 0 "$service: starts" || diag "$(host systemctl status --no-pager "$unit" 2>&1)"
    APP=$(app_of "$unit")
    [[ $APP ]] || { fail "$service: is an app"; return; }
    wait_for_listen "$APP" "$port"
    run client -- "$@"
    is "$STATUS" 0 "$service: is reached by its name" || diag "$OUT" "$ERR"
    like "$OUT" "$EXPECTED" "$service: and answers"
    if [[ $(host systemctl show -P CanReload "$unit") == yes ]]; then
        run host systemctl reload "$unit"
        is "$STATUS" 0 "$service: is reloaded" || diag "$(host systemctl status --no-pager "$unit" 2>&1)"
        ok "$service: and answers again" wait_until 5 client -- "$@"
    fi
    before=$APP
    run host systemctl restart "$unit"
    is "$STATUS" 0 "$service: is restarted"
    APP=$(app_of "$unit")
    isnt "$APP" "$before" "$service: as a new app"
    wait_for_listen "$APP" "$port"
    run client -- "$@"
    like "$OUT" "$EXPECTED" "$service: and answers"
    like "$(host ax list)" "$address" "$service: has its address"
    run host systemctl stop "$unit"
    is "$STATUS" 0 "$service: is stopped"
    is "$(host systemctl is-failed "$unit")" inactive "$service: in good order" || diag "$(host systemctl status --no-pager "$unit" 2>&1)"
    is "$(app_of "$unit")" '' "$service: and is no app any more"
}
app_of() {
    host ax list --json=short | /usr/bin/python3 -c '
import json, sys
for app in json.load(sys.stdin):
    if app["unit"] == sys.argv[1]:
        print(app["id"])' "$1"
}

### nginx
host_sh 'mkdir -p /var/www/html /var/log/nginx; echo "hello from nginx" >/var/www/html/index.html'
adopt nginx 198.18.72.1
EXPECTED='hello from nginx' try nginx 80 curl -s http://du-nginx/

### redis-server: all of the sandbox there is
host_sh 'sed -i "s/^bind .*/bind * -::*/; s/^protected-mode .*/protected-mode no/" /etc/redis/redis.conf'
adopt redis-server 198.18.72.2
EXPECTED='PONG' try redis-server 6379 redis-cli -h du-redis-server ping

### postgresql@15-main, an instance
host_sh 'pg_dropcluster 15 main; pg_createcluster 15 main -- --no-sync && printf "listen_addresses = '"'*'"'\nfsync = off\n" >/etc/postgresql/15/main/conf.d/du.conf &&
    echo "host all all all trust" >>/etc/postgresql/15/main/pg_hba.conf' >/dev/null 2>&1
adopt postgresql@15-main 198.18.72.3
EXPECTED='^42$' try postgresql@15-main 5432 psql -h du-postgresql -U postgres -Atc 'SELECT 42'

### memcached
host_sh 'sed -i "s/^-l .*//" /etc/memcached.conf'
adopt memcached 198.18.72.4
EXPECTED='STAT pid' try memcached 11211 sh -c 'printf "stats\r\nquit\r\n" | nc -w 5 du-memcached 11211'

### haproxy, in front of another one
host_sh 'printf "\nfrontend du\n    bind :8080\n    http-request return status 200 content-type text/plain string hello-from-haproxy\n" >>/etc/haproxy/haproxy.cfg'
adopt haproxy 198.18.72.5
EXPECTED='hello-from-haproxy' try haproxy 8080 curl -s http://du-haproxy:8080/

### ssh
host_sh 'mkdir -p /run/sshd; ssh-keygen -A' >/dev/null 2>&1
adopt ssh 198.18.72.6
EXPECTED='ssh-' try ssh 22 ssh-keyscan -t ed25519 du-ssh

### those that are not installed here, but unpacked
if [[ -d $unpacked/apache2 ]]; then
    host_sh 'tar -C "$1" -cf - . | tar -C / -xf - --keep-directory-symlink --skip-old-files --no-same-owner && mkdir -p /var/log/apache2 && cd /etc/apache2 && mkdir -p mods-enabled sites-enabled conf-enabled &&
        for m in mpm_event authz_core authn_core dir mime; do for f in mods-available/$m.*; do ln -sf "../$f" mods-enabled/; done; done
        ln -sf ../sites-available/000-default.conf sites-enabled/; echo "hello from apache" >/var/www/html/index.html; rm -f /var/www/html/index.nginx*' "$unpacked/apache2"
    adopt apache2 198.18.72.7
    EXPECTED='hello from apache' try apache2 80 curl -s http://du-apache2/
else
    skip 'apache2' 'not unpacked'
fi
if [[ -d $unpacked/mariadb-server ]]; then
    host_sh 'tar -C "$1" -cf - . | tar -C / -xf - --keep-directory-symlink --skip-old-files --no-same-owner && { getent passwd mysql || useradd --system --home /nonexistent mysql; } && mkdir -p /var/lib/mysql /run/mysqld /var/log/mysql &&
        chown mysql: /var/lib/mysql /run/mysqld /var/log/mysql && printf "[mysqld]\nbind-address=*\n" >/etc/mysql/mariadb.conf.d/99-du.cnf &&
        printf "#!/bin/sh\nexit 0\n" >/etc/mysql/debian-start && chmod 755 /etc/mysql/debian-start &&
        mysql_install_db --user=mysql --skip-test-db --auth-root-authentication-method=normal' "$unpacked/mariadb-server" >/dev/null 2>&1
    adopt mariadb 198.18.72.8
    EXPECTED='mariadb' try mariadb 3306 sh -c 'mysqladmin --host=du-mariadb --user=nobody-here ping 2>&1; echo mariadb'
else
    skip 'mariadb' 'not unpacked'
fi
is "$(host_sh 'ls /run/appswitch/netns')" '' 'no namespace is left'
done_testing
