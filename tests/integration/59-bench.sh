#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tools/bench measures and reports, if only for a moment: in a lab of its own. And what its smallest program does, over TCP: a server
# that closes what it accepts at once has not refused it.
. "$(dirname "$0")/lib.sh"
need_command nginx redis-benchmark ab iperf3 haproxy nc

bench=$TESTS/../../tools/bench
export LAB_NAME="${LAB_NAME:-default}_bench"
run "$bench" --rounds 1 --seconds 0.3 --setups loopback,unix,tcp --works start,accept-1,http-new-16,redis-get-p16,stream-64k \
    --output "$scratch/bench"
is "$STATUS" 0 'tools/bench comes to its end'
for setup in loopback unix tcp; do
    for work in accept-1 http-new-16 redis-get-p16 stream-64k; do
        like "$OUT" $'\n'"$work +$setup +[1-9][0-9.]* +[0-9]+\.[0-9]{2} " "$work over $setup: a rate, and its ratio to loopback"
    done
done
like "$OUT" $'\nstart +unix +[1-9]' 'how long it takes to start an app'
like "$OUT" 'appswitchd: VmRSS: [1-9][0-9]* kB' 'the memory of the daemon'
unlike "$OUT" 'Left out: [^\n]*(loopback|unix|tcp)' 'and nothing of it failed'
is "$(wc -l <"$scratch/bench/bench.csv")" 15 'and the raw data are kept'
is "$(awk -F, 'NR > 1 && $2 != "start" && !($8 > 0 && $9 > 0 && $13 > 0 && $14 > 0)' "$scratch/bench/bench.csv")" '' \
    'with processor time of client and server, the memory of server and daemon'
is "$(awk -F, '$2 == "accept-1" && $1 != "loopback" && !($10 > 0)' "$scratch/bench/bench.csv")" '' \
    "and the daemon's processor time, where it makes connections"
is "$(awk -F, '$2 == "stream-64k" && !($12 > 0)' "$scratch/bench/bench.csv")" '' 'and of a client that is there for a second'
like "$(<"$scratch/bench/bench.gnuplot")" 'accept-1 [0-9.]+ [0-9.]+' 'with a script that draws them'

run "$bench" --latency --rounds 1 --seconds 0.5 --output "$scratch/bench"
is "$STATUS" 0 'how long calls take'
for call in getsockname connect accept4; do
    like "$OUT" $'\n'"unix +16 $call +[1-9][0-9]* +[0-9.]+ +[0-9.]+ +[0-9.]+ " "$call among 16 clients"
done

run "$bench" --floor --rounds 2 --seconds 0.3 --output "$scratch/bench"
is "$STATUS" 0 'the least that a supervisor can take'
for work in http-new-1 http-new-16; do
    for setup in native epoll poll threads unix; do
        like "$OUT" $'\n'"$work +$setup +[1-9][0-9]* +[0-9]+\.[0-9]{2} +[0-9.]+-[0-9.]+ +[0-9.]*[1-9]" \
            "$work over $setup: a rate, its ratio to native, processor time"
    done
done
is "$(grep -cE '^http-new-(1|16),(native|epoll|poll|threads|unix),[12],[1-9][0-9.]*,[0-9.]*[1-9][0-9.]*$' "$scratch/bench/floor.csv")" 20 \
    'and the raw data are kept'

build=${BUILD_DIR:-build}
[[ $build == /* ]] || build=$TESTS/../../$build
floor=$build/tests/bench/floor peers=$build/tests/bench/peers
for way in epoll poll threads; do
    run "$floor" "$way" "$peers" serve epoll 7001 -- sh -c "'$peers' connect 127.0.0.1 7001 0.2 2; exit 7"
    like "$STATUS:$OUT" '^7:[1-9][0-9.]* ' "waiting by $way it makes connections, and has the exit status of the client"
done
mkfifo "$scratch/alive"
"$floor" poll "$peers" serve epoll 7001 -- sh -c 'sleep 1000 & echo up; wait' >"$scratch/alive" &
pid=$!
exec {alive}<"$scratch/alive"
IFS= read -rt 20 line <&"$alive"
is "$line" up 'it runs a client that has children'
{ kill -KILL "$pid"; wait "$pid"; } 2>"$scratch/killed"
run timeout 20 cat <&"$alive"
is "$STATUS:$OUT" 0: 'nothing of which is left when it is killed'
exec {alive}<&-
run "$floor" poll "$peers" serve epoll 7001
is "$STATUS:$ERR" '2:Usage: floor epoll|poll|threads SERVER... -- CLIENT...' 'it says what it wants'
run "$floor" poll false -- true
is "$STATUS:$ERR" '1:floor: the server has ended' 'and that there is no server'

run "$bench" --report "$scratch/bench"
is "$STATUS" 0 'from the data'
like "$OUT" '\| http-new-16 against loopback \| at least 1\.05 \| [0-9.]+ \([0-9.]+ to [0-9.]+\) \| (met|\*\*not met\*\*) \|' 'it says what is met'
like "$OUT" 'p99\.9 of connect, 16 clients at full load \| below 200 µs \| [0-9]+ µs \(natively [0-9]+\)' 'also of the time of a call'
like "$OUT" $'\n''\| http-new-16 \|( [0-9.]+ \([0-9.]+ to [0-9.]+\) \|){4}' 'and what there is no getting below'
run "$bench" --report "$scratch/nothing"
is "$STATUS:$ERR" "1:bench: $scratch/nothing: there is no such directory" 'and where there are no data'

run "$bench" --works nothing
is "$STATUS" 2 'what it does not know it says'
like "$ERR" 'no such name: nothing \(there are: start accept-1' 'and what it knows'
run "$bench" --seconds 0
is "$STATUS:$ERR" '2:bench: --seconds: a number greater than 0 and below 100, not "0"' 'so of a time'
for setup in slirp:slirp4netns pasta:pasta podman:podman; do
    ! command -v "${setup#*:}" >/dev/null || continue
    run "$bench" --setups "${setup%:*}"
    is "$STATUS:$ERR" "2:bench: ${setup%:*}: ${setup#*:} is missing: tools/install-deps bench" "and what is missing for ${setup%:*}"
done

done_testing
