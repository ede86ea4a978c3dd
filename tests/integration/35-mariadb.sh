#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# MariaDB: a server that speaks first, a thread for each connection and then a pool around epoll; users that are
# known by address and by name.
. "$(dirname "$0")/lib.sh"
need_command mariadbd mariadb mariadb-install-db mariadb-slap

host_sh '
    rm -rf /srv/mariadb
    install -d -o nobody /srv/mariadb
    cd /srv/mariadb
    mariadb-install-db --no-defaults --user=nobody --datadir=/srv/mariadb/data --skip-test-db \
        --auth-root-authentication-method=normal >/srv/mariadb/install.log 2>&1 || exit
    cat >/srv/mariadb/init.sql <<SQL
create database if not exists shop;
create user if not exists any@"%" identified by "secret";
grant all on *.* to any@"%";
create user if not exists addressed@"198.18.35.9";
create user if not exists named@"dbcaller.ax.internal";
SQL' || bail 'mariadb-install-db' "$(host cat /srv/mariadb/install.log)"

# server NAME IP [OPTION...]
server() {
    start_app --name "$1" --ip "$2" --uid nobody -- mariadbd --no-defaults --datadir=/srv/mariadb/data \
        --socket=/srv/mariadb/sock --pid-file=/srv/mariadb/pid --bind-address='*' --port=3306 \
        --init-file=/srv/mariadb/init.sql --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=32M \
        --log-warnings=9 "${@:3}"
    wait_for_listen "$APP" 3306
}
# sql [OPTION...] -- HOST USER STATEMENT
sql() {
    split_options "$@"
    client "${OPTIONS[@]}" -- mariadb --no-defaults -h "${ARGS[0]}" -u "${ARGS[1]}" -psecret -N -B -e "${ARGS[2]}"
}

server maria 198.18.35.1
db=$APP
run client --name dbcaller -- mariadb --no-defaults -h maria -u named -N -B -e 'select 6 * 7, current_user()'
is "$OUT" $'42\tnamed@dbcaller.ax.internal' 'by name, a user who must come from an app of a name'
run client --ip 198.18.35.9 -- mariadb --no-defaults -h 198.18.35.1 -u addressed -N -B -e 'select current_user()'
is "$OUT" 'addressed@198.18.35.9' 'by address, a user who must come from there'
run client --ip 198.18.35.8 -- mariadb --no-defaults -h 198.18.35.1 -u addressed -N -B -e 'select current_user()'
like "$ERR" "Access denied for user 'addressed'@'198\.18\.35\.8'" 'and may not from elsewhere'
run sql --name dbcaller -- "$(app_address "$db" 6)" any 'select count(*) from information_schema.processlist'
is "$OUT" 1 'by IPv6 address'

host_sh 'for i in $(seq 100000); do printf "%d\t%d\n" $i $((i * 7)); done >/srv/mariadb/rows; chmod 644 /srv/mariadb/rows'
run sql -- maria any 'create table shop.rows_ (i int primary key, j int) engine=innodb;
    load data local infile "/srv/mariadb/rows" into table shop.rows_; select count(*), sum(j) from shop.rows_'
is "$OUT" $'100000\t35000350000' 'a hundred thousand rows go up'
run sql -- maria any 'select i, j from shop.rows_ order by i'
is "$(sum_of <<<"$OUT")" "$(sum_of /srv/mariadb/rows)" 'and come down unharmed'
SECONDS=0
run host_sh 'timeout 30 ax run --quiet --collect -- mariadb --no-defaults -h maria -u any -psecret -e "select sleep(25)" & p=$!
    for i in $(seq 50); do
        ax run --quiet --collect -- mariadb --no-defaults -h maria -u any -psecret -N -B -e "
            select concat(\"kill \", id) from information_schema.processlist where info = \"select sleep(25)\"" >/tmp/mariakill
        [ -s /tmp/mariakill ] && break; sleep 0.1
    done
    ax run --quiet --collect -- mariadb --no-defaults -h maria -u any -psecret -e "$(cat /tmp/mariakill)"; wait $p'
like "$ERR" 'ERROR 2013|ERROR 1317|ERROR 2026' 'a connection is killed by another one'
within "$SECONDS" 0 15 'at once'

slap=(mariadb-slap --no-defaults --user=any --password=secret --auto-generate-sql --auto-generate-sql-add-autoincrement --csv)
run client -- "${slap[@]}" --host=maria --concurrency=16 --number-of-queries=2000 --auto-generate-sql-load-type=mixed
is "$STATUS $ERR" '0 ' 'mysqlslap with 16 connections'
like "$OUT" 'mixed,[0-9.]+,[0-9.]+,[0-9.]+,16,125' 'comes to its end'
run client -- "${slap[@]}" --host=198.18.35.1 --concurrency=8 --number-of-queries=800 --detach=2
is "$STATUS $ERR" '0 ' 'mysqlslap that connects anew for every second query'
run sql -- maria any 'show global status like "Aborted_connects"'
is "$OUT" $'Aborted_connects\t1' 'no connection was broken off but the one without access'

run stop_app "$db"
is "$STATUS" 0 'the server can be stopped'
server mariapool 198.18.35.2 --thread-handling=pool-of-threads --skip-name-resolve
run client -- "${slap[@]}" --host=mariapool --concurrency=32 --number-of-queries=3200
is "$STATUS $ERR" '0 ' 'and started anew with a pool of threads, for 32 connections'
run sql --ip 198.18.35.9 -- 198.18.35.2 any 'select host from information_schema.processlist; select count(*) from shop.rows_'
like "$OUT" $'^198\.18\.35\.9:[0-9]+\n100000$' 'it has its data, and sees who asks'

done_testing
