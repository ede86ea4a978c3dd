#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The daemon of rsync: a process for each connection that stores data both ways at once; who may is told by address.
. "$(dirname "$0")/lib.sh"
need_command rsync

host_sh 'rm -rf /srv/rsync; mkdir -p /srv/rsync/tree/sub /srv/rsync/up
    cd /srv/rsync/tree
    head -c 10000000 /dev/urandom >big
    for i in $(seq 300); do echo "this is $i" >"sub/$i"; done
    ln -s big link
    cat >/srv/rsync/rsyncd.conf <<CONF
use chroot = yes
uid = root
log file = /dev/stderr
[tree]
path = /srv/rsync/tree
[up]
path = /srv/rsync/up
read only = no
[mine]
path = /srv/rsync/tree
hosts allow = 198.18.34.9 fdaa::/16
hosts deny = *
[named]
path = /srv/rsync/tree
hosts allow = rsynccaller
hosts deny = *
CONF'
# same DIR DIR
same() {
    host diff -r --no-dereference "$1" "$2"
}

start_app --name files --ip 198.18.34.1 -- rsync --daemon --no-detach --config=/srv/rsync/rsyncd.conf
files=$APP files_log=$APP_LOG
wait_for_listen "$files" 873

run client -- rsync rsync://files/
like "$OUT" $'^tree.*\nup.*\nmine' 'the modules are listed, by name'
run client --ip 198.18.34.9 -- rsync -a rsync://198.18.34.1/tree/ /srv/rsync/down
is "$STATUS" 0 'a tree comes down, by address'
ok 'and is the same' same /srv/rsync/tree /srv/rsync/down
like "$(app_log "$files_log")" '\(198\.18\.34\.9\)' 'the log has the true client'
run client --name rsynccaller -- rsync -a "rsync://[$(app_address "$files" 6)]/mine/" /srv/rsync/down6
ok 'by IPv6 address, where that is allowed' same /srv/rsync/tree /srv/rsync/down6

# What changed in the middle of a file is sent alone. rsync tells that by size and second, so the change is put later.
host_sh 'printf changed | dd of=/srv/rsync/tree/big bs=1 seek=5000000 conv=notrunc status=none; echo new >/srv/rsync/tree/sub/new
    touch -d "now + 1 minute" /srv/rsync/tree/big
    rm /srv/rsync/tree/sub/7'
run client -- rsync -a --delete --stats rsync://files/tree/ /srv/rsync/down
like "$OUT" 'Number of files: .*deleted|Number of deleted files: 1' 'a second time brings the changes'
within "$(sed -n 's/^Literal data: \([0-9,]*\).*/\1/p' <<<"$OUT" | tr -d ,)" 1 20000 'and them alone'
ok 'and all is the same' same /srv/rsync/tree /srv/rsync/down
run client -- rsync -az /srv/rsync/tree/ rsync://files/up/
ok 'a tree goes up, packed' same /srv/rsync/tree /srv/rsync/up

run client --ip 198.18.34.9 -- rsync rsync://198.18.34.1/mine/big
is "$STATUS" 0 'a module for one address lets that in'
run client --ip 198.18.34.8 -- rsync rsync://198.18.34.1/mine/big
like "$ERR" 'access denied to mine from .*198\.18\.34\.8' 'and no other'
run client --name rsynccaller --ip 198.18.34.7 -- rsync rsync://198.18.34.1/named/big
is "$STATUS" 0 'a module for one name knows it by its address'
run client --name rsyncother --ip 198.18.34.8 -- rsync rsync://198.18.34.1/named/big
like "$ERR" 'access denied to named from rsyncother.*198\.18\.34\.8' 'and tells it from another'
run client -- sh -c 'for i in 1 2 3 4 5 6; do
        rsync -a rsync://files/tree/ /srv/rsync/many$i || echo failed $i & done; wait
    for i in 1 2 3 4 5 6; do diff -r --no-dereference /srv/rsync/tree /srv/rsync/many$i; done'
is "$OUT$ERR" '' 'six at once all get everything'

done_testing
