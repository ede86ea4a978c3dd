#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# PostgreSQL over TCP: a process for each connection, forked after accept; psql and pgbench.
. "$(dirname "$0")/lib.sh"
need_command psql pgbench

bin=$(host_sh 'ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1')
[[ $bin ]] || skip_all 'no PostgreSQL server'

host_sh '
    rm -rf /srv/postgres
    install -d -o postgres -g postgres /srv/postgres
    cd /srv/postgres
    runuser -u postgres -- "$1/initdb" -D /srv/postgres/data --auth=trust --no-sync -E UTF8 --locale=C >/srv/postgres/initdb.log 2>&1 || exit
    printf "host all all 0.0.0.0/0 trust\nhost all all ::/0 trust\nhost replication all all trust\n" >>/srv/postgres/data/pg_hba.conf' "$bin" ||
    bail 'initdb' "$(host cat /srv/postgres/initdb.log)"

start_app --name db --ip 198.18.24.1 --uid postgres --gid postgres -- "$bin/postgres" -D /srv/postgres/data \
    -c 'listen_addresses=*' -c unix_socket_directories= -c fsync=off -c log_connections=on
db=$APP db_log=$APP_LOG
wait_for_listen "$db" 5432
ready() {
    client -- pg_isready -q -h db -t 5
}
ok 'the server takes connections' wait_until 20 ready

# sql HOST STATEMENT
sql() {
    client "${SQL_OPTIONS[@]}" -- psql -X -A -t -q -v ON_ERROR_STOP=1 -h "$1" -U postgres -c "$2" postgres
}
SQL_OPTIONS=(--ip 198.18.24.9)

run sql db 'select 6 * 7'
is "$OUT" 42 'psql by name'
run sql 198.18.24.1 'select 6 * 7'
is "$OUT" 42 'and by address'
run sql 198.18.24.1 "select host(inet_client_addr()), host(inet_server_addr()), inet_server_port()"
is "$OUT" '198.18.24.9|198.18.24.1|5432' 'both ends are what the apps have'
run sql "$(app_address "$db" 6)" "select family(inet_client_addr())"
is "$OUT" 6 'and by IPv6 address'
like "$(app_log "$db_log")" 'connection received: host=198\.18\.24\.9 port=[0-9]+' 'the log has the true client'
SQL_OPTIONS=()

run sql db 'create table t as select i, md5(i::text) from generate_series(1, 200000) i'
is "$STATUS" 0 'a table is made'
run sql db 'copy t to stdout'
is "$(wc -l <<<"$OUT")" 200000 'and copied out whole'
run sql db "select pg_sleep(0.2); select count(*) from t"
is "$(tail -n 1 <<<"$OUT")" 200000 'a later answer comes, too'

# Cancelling takes a connection of its own, made from a signal handler.
run host_sh 'ax run --quiet --collect -- timeout --foreground -s INT 1 \
    psql -X -h db -U postgres -c "select pg_sleep(60)" postgres'
like "$ERR" 'canceling statement due to user request' 'Ctrl-C in psql cancels at the server'

run client -- pgbench -h db -U postgres -i -q -s 2 postgres
is "$STATUS" 0 'pgbench fills its tables'
run client -- pgbench -h db -U postgres -c 8 -j 2 -t 100 postgres
is "$STATUS" 0 'eight clients in two threads'
like "$OUT" 'number of transactions actually processed: 800/800' 'do all their transactions'
like "$OUT" 'number of failed transactions: 0 ' 'and none fails'
diag "$(grep '^tps' <<<"$OUT")"
run client -- pgbench -h 198.18.24.1 -U postgres -C -S -c 4 -t 50 postgres
like "$OUT" 'number of transactions actually processed: 200/200' 'with a new connection for each'
run client -- pgbench -h db -U postgres -M prepared -S -c 4 -t 500 postgres
like "$OUT" 'number of transactions actually processed: 2000/2000' 'and with prepared statements'

# A second server as a stream of the first: walreceiver is one more client.
run host_sh 'ax run --quiet --collect --uid postgres --gid postgres -- "$1/pg_basebackup" -h db -U postgres -D /srv/postgres/copy \
    -X stream -c fast -R && test -s /srv/postgres/copy/PG_VERSION' "$bin"
is "$STATUS" 0 'pg_basebackup makes a copy, over two connections'

done_testing
