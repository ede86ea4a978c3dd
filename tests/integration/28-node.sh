#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Node: libuv's event loop, cluster workers that share a listener, getaddrinfo in threads and c-ares beside it.
. "$(dirname "$0")/lib.sh"

# That of the distribution, if it is there.
node=$(host_sh 'test -x /usr/bin/node && echo /usr/bin/node || command -v node') || skip_all 'node is not installed'
js=$PROGRAMS/node/web.js

start_app --name nodeweb --ip 198.18.28.1 -- "$node" "$js" serve 80
web=$APP
wait_for_listen "$web" 80

run client --ip 198.18.28.9 -- "$node" "$js" get http://nodeweb/a
like "$OUT" '"path":"/a"' 'by name'
run client --ip 198.18.28.9 -- "$node" "$js" get http://198.18.28.1/b
like "$OUT" '"client":"198.18.28.9","server":"198.18.28.1","port":80,.*"path":"/b"' 'by address; both ends are right'
run client -- "$node" "$js" get "http://[$(app_address "$web" 6)]/c"
like "$OUT" '"path":"/c"' 'by IPv6 address, on the same listener'
if host "$node" -e 'process.exit(typeof fetch === "function" ? 0 : 1)'; then
    run client -- "$node" "$js" fetch http://nodeweb/d
    like "$OUT" '"path":"/d"' 'with fetch'
else
    skip 'with fetch' 'this node has none'
fi
run client -- "$node" "$js" lookup nodeweb
is "$OUT" '198.18.28.1 198.18.28.1' 'both resolvers know the name'
run client -- "$node" "$js" get http://no-such-app/
like "$ERR" 'ENOTFOUND' 'an unknown name is not found'
run client -- "$node" "$js" get http://198.18.28.1:81/
like "$ERR" 'ECONNREFUSED' 'a port nobody listens on refuses'
run client --tag zone=other -- "$node" "$js" get http://198.18.28.1/
like "$ERR" 'EACCES' 'without a common tag it is forbidden'

run client -- "$node" "$js" post http://nodeweb/ 5000000
is "$OUT" true 'five million bytes go up unharmed'
run client -- "$node" "$js" many http://nodeweb 20 30
is "$OUT" 600 '600 connections, 20 at once'
run client -- "$node" "$js" many http://198.18.28.1 10 100 keep
is "$OUT" 1000 '1000 requests on connections kept alive'

# Workers get their connections from the primary, or accept themselves: both are in cluster.
start_app --name nodemany --ip 198.18.28.2 -- "$node" "$js" serve 80 2
wait_for_listen "$APP" 80
run client -- "$node" "$js" many http://nodemany 10 20
is "$OUT" 200 'a cluster whose primary hands connections out'
start_app --name nodeshared --ip 198.18.28.3 -- env NODE_CLUSTER_SCHED_POLICY=none "$node" "$js" serve 80 2
wait_for_listen "$APP" 80
run client -- "$node" "$js" many http://nodeshared 10 20
is "$OUT" 200 'a cluster whose workers share the listener'

# Across languages.
run client -- curl -sS http://nodeweb/e
like "$OUT" '"path":"/e"' 'curl reaches the Node server'

done_testing
