#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# FTP: a second connection for each transfer, which the server makes (active) or the client (passive). vsftpd has two
# processes for each session; one of them has a network namespace of its own and gets its sockets from the other.
. "$(dirname "$0")/lib.sh"
need_command vsftpd curl
getent passwd ftp >/dev/null || skip_all 'there is no user ftp'

host_sh 'rm -rf /srv/vsftpd; mkdir -p /srv/vsftpd/root/in /srv/vsftpd/empty
    cd /srv/vsftpd
    chown ftp root/in
    head -c 10000000 /dev/urandom >root/big
    for i in $(seq 20); do echo "file $i" >root/$i; done
    cat >vsftpd.conf <<CONF
background=NO
listen=NO
listen_ipv6=YES
anonymous_enable=YES
no_anon_password=YES
anon_root=/srv/vsftpd/root
write_enable=YES
anon_upload_enable=YES
anon_umask=022
connect_from_port_20=YES
secure_chroot_dir=/srv/vsftpd/empty
xferlog_enable=YES
xferlog_std_format=NO
log_ftp_protocol=YES
vsftpd_log_file=/srv/vsftpd/log
CONF'
big=$(sum_of /srv/vsftpd/root/big)

start_app --name ftp --ip 198.18.45.1 -- vsftpd /srv/vsftpd/vsftpd.conf
ftp=$APP
wait_for_listen "$ftp" 21
v6=$(app_address "$ftp" 6)

run client --ip 198.18.45.9 -- curl -sS --disable-epsv ftp://198.18.45.1/7
is "$OUT" 'file 7' 'passive'
like "$(host cat /srv/vsftpd/log)" 'Client "::ffff:198\.18\.45\.9", "227 Entering Passive Mode \(198,18,45,1,[0-9]+,[0-9]+\)' 'the server says where it listens, to the true client'
run client --ip 198.18.45.9 -- curl -sS --disable-eprt -P - ftp://198.18.45.1/8
is "$OUT" 'file 8' 'active: the server connects to the client'
like "$(host cat /srv/vsftpd/log)" '"PORT 198,18,45,9,[0-9]+,[0-9]+"' 'where that said'
run client -- curl -sS ftp://198.18.45.1/9
is "$OUT" 'file 9' 'extended passive'
run client --name ftpcaller -- curl -sS -P - "ftp://[$v6]/10"
is "$OUT" 'file 10' 'extended active, by IPv6'
run client --name ftpcaller -- curl -sS ftp://ftp/11
is "$OUT" 'file 11' 'by name'
run client -- curl -sS ftp://ftp/
is "$(grep -c ' [0-9]*$' <<<"$OUT")" 20 'a listing'

is "$(client -- curl -sS ftp://198.18.45.1/big | sum_of)" "$big" 'ten million bytes come down, passive'
is "$(client --ip 198.18.45.9 -- curl -sS -P - ftp://198.18.45.1/big | sum_of)" "$big" 'and active'
run client -- curl -sS -T /srv/vsftpd/root/big ftp://198.18.45.1/in/passive
is "$STATUS $(sum_of /srv/vsftpd/root/in/passive)" "0 $big" 'they go up, passive'
run client --ip 198.18.45.9 -- curl -sS -P - -T /srv/vsftpd/root/big ftp://198.18.45.1/in/active
is "$STATUS $(sum_of /srv/vsftpd/root/in/active)" "0 $big" 'and active'
run client -- curl -sS -Z --parallel-max 10 --fail 'ftp://198.18.45.1/[1-20]'
is "$STATUS $(sort -u <<<"$OUT" | wc -l)" '0 20' 'twenty files in ten sessions at once, passive'
run client --ip 198.18.45.9 -- curl -sS -Z --parallel-max 10 --fail -P - 'ftp://198.18.45.1/[1-20]'
is "$STATUS $(sort -u <<<"$OUT" | wc -l)" '0 20' 'and active'
run client --ip 198.18.45.9 -- /usr/bin/python3 -c '
import ftplib, io
for passive in True, False:
    with ftplib.FTP("198.18.45.1", timeout=20) as ftp:
        ftp.login()
        ftp.set_pasv(passive)
        for i in range(1, 4):
            ftp.retrlines(f"RETR {i}")'
is "$STATUS $(tr '\n' ' ' <<<"$OUT")" '0 file 1 file 2 file 3 file 1 file 2 file 3 ' 'three transfers in one session, with ftplib'

run stop_app "$ftp"
is "$STATUS $(host_sh 'pgrep -x vsftpd | wc -l')" '0 0' 'it can be stopped, with all its processes'

done_testing
