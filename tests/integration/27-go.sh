#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A statically linked Go program, as server and as client, with Go's own resolver.
# timeout: 300
. "$(dirname "$0")/lib.sh"
command -v go >/dev/null || skip_all 'go is not installed'

# The standard library is compiled once and kept beside the build.
cache=${BUILD_DIR:-$TESTS/../../build}/go-cache
if ! said=$(cd "$TESTS/../programs/go" && CGO_ENABLED=0 GOFLAGS=-mod=mod GOPROXY=off GOCACHE=$cache GOPATH=$scratch/go \
    go build -trimpath -o "$scratch/web" . 2>&1); then
    bail 'the Go program is built' "$said"
fi
unlike "$(readelf -lW "$scratch/web")" 'INTERP' 'the Go program is built, statically'
push "$scratch/web" /usr/local/bin/go-web

start_app --name goweb --ip 198.18.27.1 -- go-web serve :80
web=$APP
wait_for_listen "$web" 80

run client --ip 198.18.27.9 -- go-web get http://goweb/a
like "$OUT" '/a$' 'by name, through the resolver of Go'
run client --ip 198.18.27.9 -- go-web get http://198.18.27.1/b
is "$OUT" '198.18.27.9 198.18.27.1 /b' 'by address; both ends are right'
run client -- go-web get "http://[$(app_address "$web" 6)]/c"
like "$OUT" '/c$' 'by IPv6 address, on the same listener'
run client -- go-web lookup goweb
like " $OUT " ' 198\.18\.27\.1 ' 'the name has its address'
run client -- go-web reverse 198.18.27.1
like "$OUT" '^goweb' 'and the address its name'
SECONDS=0
run client -- go-web lookup no-such-app
like "$ERR" 'no such host' 'an unknown name is unknown'
within "$SECONDS" 0 4 'and known to be at once'

run client -- go-web post http://goweb/ 5000000
is "$OUT" true 'five million bytes go up unharmed'
run client -- go-web many http://goweb 1 300
is "$OUT" 300 '300 connections in turn'
run client -- go-web many http://198.18.27.1 50 20
is "$OUT" 1000 '1000 connections of 50 goroutines, while the runtime sends itself signals'

# Across languages.
run client -- curl -sS http://goweb/d
like "$OUT" '/d$' 'curl reaches the Go server'
start_app --name gopy -- python3 "$PROGRAMS/http-echo.py" 80
wait_for_listen "$APP" 80
run client -- go-web get http://gopy/e
like "$OUT" '"path": "/e"' 'the Go client reaches a Python server'
run client -- go-web get http://198.18.27.1:81/
like "$ERR" 'connection refused' 'a port nobody listens on refuses'

done_testing
