#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# iperf, iperf3 and sockperf: streams in both directions, in parallel with iperf3, options of TCP, a server
# that connects back.
. "$(dirname "$0")/lib.sh"
need_command iperf iperf3 sockperf

# Prints what a report of iperf3 has under a path, such as end.sum_received.bytes.
report() {
    /usr/bin/python3 -c '
import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1].split("."):
    value = value[int(key) if key.isdigit() else key]
print(value)' "$1" <<<"$OUT"
}
gbits() {
    awk '{ printf "%.1f Gbit/s\n", $1 / 1e9 }'
}

start_app --name perf3 --ip 198.18.41.1 -- iperf3 -s -p 5201
perf3=$APP perf3_log=$APP_LOG
wait_for_listen "$perf3" 5201

run client --ip 198.18.41.9 -- iperf3 -J -c 198.18.41.1 -n 200M
is "$STATUS" 0 'iperf3: a stream'
# The last of it may come after the end of the test has been told on another connection.
within "$(report end.sum_received.bytes)" 190000000 230000000 'iperf3: what was sent has come'
within "$(report end.sum_sent.bytes)" 209715200 230000000 'iperf3: which is what was asked for'
is "$(report start.connected.0.local_host) $(report start.connected.0.remote_host)" '198.18.41.9 198.18.41.1' 'iperf3: both ends are right at the client'
like "$(app_log "$perf3_log")" 'Accepted connection from 198\.18\.41\.9,' 'iperf3: and at the server'
diag "$(report end.sum_received.bits_per_second | gbits)"
run client -- iperf3 -J -c perf3 -n 200M -P 4
is "$STATUS" 0 'iperf3: four streams, by name'
within "$(report end.sum_received.bytes)" 170000000 260000000 'iperf3: bring everything'
run client -- iperf3 -J -c 198.18.41.1 -t 1 -R -P 4
is "$STATUS" 0 'iperf3: four streams the other way'
within "$(report end.sum_received.bytes)" 10000000 99999999999 'iperf3: that bring something'
diag "$(report end.sum_received.bits_per_second | gbits)"
run client -- iperf3 -J -c "$(app_address "$perf3" 6)" -6 -t 1 --bidir
is "$STATUS" 0 'iperf3: both ways at once, by IPv6'
within "$(report end.sum_received_bidir_reverse.bytes)" 10000000 99999999999 'iperf3: that bring something, too'
run client -- iperf3 -J -c perf3 -n 50M -Z -N -l 16K --cport 40000
is "$STATUS" 0 'iperf3: with sendfile, without delay, from a port of its own'
is "$(report start.connected.0.local_port)" 40000 'iperf3: which is what it has'
run client -- iperf3 -J -c perf3 -n 50M -w 256K
if [[ $OUT == *'socket buffer size not set correctly'* ]]; then
    skip 'iperf3: with buffers of its own' 'SO_SNDBUF and SO_RCVBUF that were set before listen() are lost'
else
    unlike "$OUT" '"error"' 'iperf3: with buffers of its own'
fi
run client -- iperf3 -J -c perf3 -t 1 -b 80M
within "$(report end.sum_received.bits_per_second | cut -d. -f1)" 60000000 100000000 'iperf3: at a rate of its own'

start_app --name perf2 --ip 198.18.41.2 -- iperf -s -p 5001
perf2=$APP perf2_log=$APP_LOG
wait_for_listen "$perf2" 5001
# bytes_of PATTERN: the sum of the bytes of the lines of a report in CSV whose column of stream ids fits
bytes_of() {
    awk -F, -v pattern="$1" '$6 ~ pattern { sum += $8 } END { printf "%d\n", sum }' <<<"$OUT"
}
run client --ip 198.18.41.9 -- iperf -c 198.18.41.2 -n 100M -y C
within "$(bytes_of '^[0-9]+$')" 104857600 115000000 'iperf: a stream'
like "$(app_log "$perf2_log")" 'local 198\.18\.41\.2 port 5001 connected with 198\.18\.41\.9 port' 'iperf: both ends are right'
# Not with -P: the server of iperf 2.1.8 crashes now and then when several clients end at once, without AppSwitch, too.
run client -- iperf -c perf2 -t 1 -R
like "$OUT" 'connected with .* \(reverse\)' 'iperf: the other way'
like "$OUT" '[1-9][0-9.]* [MG]Bytes' 'iperf: which brings something'
run client -- iperf -c perf2 -t 1 --full-duplex
is "$(grep -cE '\[ \*1\].* [MG]Bytes|FD.*[MG]Bytes' <<<"$OUT")" 1 'iperf: both ways on one connection'
run client --ip 198.18.41.9 -- iperf -c 198.18.41.2 -t 1 -d -L 5002
is "$(grep -cE 'local 198\.18\.41\.9 port 5002 connected with 198\.18\.41\.2 port' <<<"$OUT")" 1 'iperf: the server connects back'

# sockperf sends with an address on connected sockets, which pairs refuse.
start_app --name sockperf --ip 198.18.41.3 --shortcut=tcp -- sockperf server --tcp -i 198.18.41.3 -p 11111
wait_for_listen "$APP" 11111
run client -- sockperf ping-pong --tcp -i 198.18.41.3 -p 11111 -t 1 --data-integrity -m 1400
is "$STATUS" 0 'sockperf: messages there and back'
like "$OUT" 'dropped messages = 0; # duplicated messages = 0; # out-of-order messages = 0' 'sockperf: none of which is lost'
diag "$(grep 'Latency is' <<<"$OUT")"
run client -- sockperf throughput --tcp -i 198.18.41.3 -p 11111 -t 1 -m 1400
like "$OUT" 'BandWidth is [1-9]' 'sockperf: as many as possible'

done_testing
