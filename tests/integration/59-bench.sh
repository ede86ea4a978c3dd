#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tools/bench measures and reports, if only for a moment: in a lab of its own. And what its smallest program does, over TCP: a server
# that closes what it accepts at once has not refused it.
. "$(dirname "$0")/lib.sh"
need_command nginx redis-benchmark ab iperf3 haproxy nc

run env LAB_NAME="${LAB_NAME:-default}_bench" "$TESTS/../../tools/bench" --rounds 1 --setups loopback,unix,tcp \
    --works start,accept-1,http-new-16,redis-p16,stream-64k --output "$scratch/bench"
is "$STATUS" 0 'tools/bench comes to its end'
for setup in loopback unix tcp; do
    for work in accept-1 http-new-16 redis-p16 stream-64k; do
        like "$OUT" $'\n'"$work +$setup +[1-9][0-9]* +[0-9]+\.[0-9]{2} " "$work over $setup: a rate, and its ratio to loopback"
    done
done
like "$OUT" $'\nstart +unix +[1-9]' 'how long it takes to start an app'
like "$OUT" 'appswitchd: VmRSS: [1-9][0-9]* kB' 'the memory of the daemon'
is "$(wc -l <"$scratch/bench/bench.csv")" 15 'and the raw data are kept'
like "$(<"$scratch/bench/bench.gnuplot")" 'accept-1 [0-9.]+ [0-9.]+' 'with a script that draws them'

run "$TESTS/../../tools/bench" --works nothing
is "$STATUS" 2 'what it does not know it says'
like "$ERR" 'no such name: nothing \(there are: start accept-1' 'and what it knows'

done_testing
