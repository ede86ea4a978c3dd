#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# gRPC's C core: a poller of its own around epoll with edges, one listener for both families, resolving by c-ares, streams
# on one connection, many connections, asyncio.
. "$(dirname "$0")/lib.sh"
host /usr/bin/python3 -c 'import grpc' 2>/dev/null || skip_all 'python3-grpcio is not installed'
grpc=(/usr/bin/python3 "$PROGRAMS/grpc/echo.py")

start_app --name grpc --ip 198.18.42.1 -- "${grpc[@]}" serve 50051
server=$APP
wait_for_listen "$server" 50051

run client --ip 198.18.42.9 -- "${grpc[@]}" who 198.18.42.1:50051
like "$OUT" '^ipv4:198\.18\.42\.9:[0-9]+$' 'by address; the server sees who asks'
run client --name caller -- "${grpc[@]}" who grpc:50051
like "$OUT" '^ipv(4:198\.18\.|6:%5Bfdaa|6:\[fdaa)' 'by name'
run client --name caller -- "${grpc[@]}" who "[$(app_address "$server" 6)]:50051"
like "$OUT" '^ipv6:(%5B|\[)fdaa' 'by IPv6 address'
run client -- "${grpc[@]}" who 198.18.42.1:50052
like "$OUT" '^UNAVAILABLE .*Connection refused' 'where nobody listens it is told so'
run client -- env GRPC_DNS_RESOLVER=native "${grpc[@]}" sum grpc:50051 20000000
is "$OUT" True 'a message of twenty million bytes, by the resolver of libc'
run client -- "${grpc[@]}" stream grpc:50051 3000
is "$OUT" 3000 '3000 messages come back on a stream'
run client -- "${grpc[@]}" many 198.18.42.1:50051 8 25
is "$OUT" 200 '200 connections of eight threads'
run client -- "${grpc[@]}" aio grpc:50051 300
is "$OUT" 300 '300 calls at once with asyncio'
run client -- "${grpc[@]}" deadline grpc:50051
is "$OUT" $'DEADLINE_EXCEEDED\nCANCELLED' 'calls that take too long, or are cancelled'

done_testing
