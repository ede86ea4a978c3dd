#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# `ss -xp` on the host shows who talks to whom.
. "$(dirname "$0")/lib.sh"
need_command ss

start_app --name ss-server --ip 198.18.19.1 --ip fdaa:a55:317c::1901 -- python3 "$PROGRAMS/echo.py" x 7
wait_for_listen "$APP" 7
server_pid=$(host ax list --json=short | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["leader"])')
start_app --name ss-client --ip 198.18.19.2 --ip fdaa:a55:317c::1902 -- python3 -c '
import socket, time
four = socket.create_connection(("198.18.19.1", 7))
six = socket.create_connection(("fdaa:a55:317c::1901", 7))
print("ports", four.getsockname()[1], six.getsockname()[1], flush=True)
time.sleep(1000)'
client_pid=$(host ax list --json=short | /usr/bin/python3 -c 'import json, sys
print(*(a["leader"] for a in json.load(sys.stdin) if a["name"] == "ss-client"))')
ok 'the client is connected' wait_until 10 host grep -q ports "$APP_LOG"
read -r _ port4 port6 < <(host grep ports "$APP_LOG")

run host ss -xpH
# The server listens for both families, and has the addresses mapped.
four=$(grep -E "198\.18\.19\.2\]?:$port4" <<<"$OUT")
six=$(grep -F "fdaa:a55:317c::1902]:$port6" <<<"$OUT")
diag "$four" "$six"
is "$(wc -l <<<"$four")" 2 'the two ends of a connection are there' || diag "$(grep ax: <<<"$OUT")"
like "$four" "198\.18\.19\.2:$port4.198\.18\.19\.1:7[^\"]*\"python3\",pid=$client_pid," 'the client: its address, that of the server, its process'
like "$four" "198\.18\.19\.1\]:7.\[::ffff:198\.18\.19\.2\]:${port4}[^\"]*\"python3\",pid=$server_pid," 'the server: its address, that of the client, its process'
unlike "$four" 'appswitchd' 'the daemon holds no end'
is "$(wc -l <<<"$six")" 2 'the same with IPv6'
like "$six" "fdaa:a55:317c::1902\]:$port6.*pid=$client_pid," 'the client'
like "$six" "fdaa:a55:317c::1901\]:7.*pid=$server_pid," 'the server'
like "$(host nsenter -t "$server_pid" -n ss -ltnpH 'sport = 7')" "pid=$server_pid," 'the listener is in the namespace of the server'
host ax stop "$APP"
run host ss -xpH
unlike "$OUT" "198\.18\.19\.2\]?:$port4" 'when the client is gone, both ends are'

done_testing
