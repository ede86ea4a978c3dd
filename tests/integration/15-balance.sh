#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Instances with one name share its connections, and who is gone gets none.
# timeout: 150
. "$(dirname "$0")/lib.sh"

echo_py=$PROGRAMS/echo.py load=$PROGRAMS/load.py

# instance NAME GREETING [PORT]: an instance of an app that greets so
instance() {
    start_app --name "$1" --ip 198.18.15.1 -- python3 "$echo_py" "$2" "${3:-7}"
    wait_for_listen "$APP" "${3:-7}"
}

instance balance a
a=$APP
instance balance b
b=$APP
run client -- python3 "$load" connects balance 7 100
is "$OUT" 'a:50 b:50' 'two instances share alike'
run client -- python3 "$load" order 198.18.15.1 7 6
like "$OUT" '^(a b a b a b|b a b a b a)$' 'in turn'
instance balance c
c=$APP
run client -- python3 "$load" connects balance 7 300
is "$OUT" 'a:100 b:100 c:100' 'three instances share alike'
run client -- python3 "$load" order 198.18.15.1 7 9
like "$OUT" '^(a b c|b c a|c a b|a c b|b a c|c b a) \1 \1$|^(. . .) ' 'in turn'
is "$(tr ' ' '\n' <<<"$OUT" | sort | uniq -c | tr -s ' \n' ' ')" ' 3 a 3 b 3 c ' 'each as often'
run client -- python3 "$load" connects "$(app_address "$a" 6)" 7 30
is "$OUT" 'a:10 b:10 c:10' 'by IPv6, too'
is "$(host ax list --json=short | /usr/bin/python3 -c 'import json, sys
print(len({tuple(a["addresses"]) for a in json.load(sys.stdin) if a["name"] == "balance"}))')" 1 'all have the same addresses'

# A client of its own app reaches all of them; at 127.0.0.1, ::1 and localhost, too.
for host in balance 198.18.15.1 127.0.0.1 ::1 localhost; do
    run client --name balance -- python3 "$load" connects "$host" 7 9
    is "$OUT" 'a:3 b:3 c:3' "an instance without a listener reaches its fellows at $host"
done
host_sh 'setsid python3 '"$echo_py"' host 7 >/dev/null 2>&1 </dev/null & setsid python3 '"$echo_py"' host 8 >/dev/null 2>&1 </dev/null & sleep 0.5
    ax run --quiet --name balance -- python3 '"$load"' connects 127.0.0.1 7 3
    ax run --quiet --name balance -- python3 '"$load"' connects 127.0.0.1 8 1
    ax run --quiet --name balance -- python3 '"$load"' connects ::1 8 1
    ax run --quiet -- python3 '"$load"' connects 127.0.0.1 7 1
    python3 '"$load"' connects 127.0.0.1 8 1' >"$scratch/loop"
is "$(<"$scratch/loop")" 'a:1 b:1 c:1
failed ([Errno 111] Connection refused):1
failed ([Errno 111] Connection refused):1
failed ([Errno 111] Connection refused):1
host:1' 'what listens on the host is never reached'

# Who closes or dies gets no more, from the next connect on.
host ax stop "$c"
run client -- python3 "$load" connects balance 7 20
is "$OUT" 'a:10 b:10' 'a stopped instance gets no more'
host ax kill --signal=KILL "$b"
run client -- python3 "$load" connects balance 7 20
is "$OUT" 'a:20' 'a killed instance gets no more'

# Again and again, without a single failure: each round kills an instance, or closes its listener.
start_app --name balance --ip 198.18.15.1 -- python3 -c '
import os, signal, socket, sys, threading, time
def serve(l):
    try:
        while True:
            s, _ = l.accept()
            s.sendall(b"x\n"); s.sendall(s.recv(100)); s.close()
    finally:
        os._exit(0)
while True:
    # A child that listens for a moment and is killed, and one that closes.
    l = socket.create_server(("::", 7), family=socket.AF_INET6, dualstack_ipv6=True)
    pid = os.fork()
    if pid == 0: serve(l)
    l.close()
    time.sleep(0.02)
    os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
    print("round", flush=True)'
flapping=$APP flapping_log=$APP_LOG
run client -- python3 "$load" connects balance 7 400
diag "with an instance that comes and goes: $OUT"
# A connection that is already in the queue or under way when the instance is killed is lost with it, as with TCP;
# but none is refused.
unlike "$OUT" 'refused' 'no connect is refused while an instance comes and goes'
like "$OUT" 'a:[0-9]+' 'the other one serves'
isnt "$(app_log "$flapping_log" | wc -l)" 0 'it came and went'
like "$(host ax list)" "$flapping" 'and still does' || diag "$(app_log "$flapping_log")"
host ax stop "$flapping"

cat >"$scratch/gone.py" <<'PY'
# Each round: an instance is killed, and when that is done (its process is gone), ten connects must be served.
import json, subprocess, sys, time
run = lambda *a: subprocess.run(a, check=True, capture_output=True, text=True).stdout
failures = 0
for i in range(20):
    with open("/tmp/balance-gone.log", "w+") as f:
        subprocess.run(["ax", "run", "--no-block", "--json=short", "--name", "balance", "--ip", "198.18.15.1", "--",
                        "sh", "-c", 'exec python3 "$0" b 7 >/dev/null', sys.argv[1]], check=True, stdout=f)
        f.seek(0)
        app = json.load(f)[0]
    while not any(x["id"] == app["id"] and x["listens"] for x in json.loads(run("ax", "list", "--json=short"))):
        time.sleep(0.01)
    if i % 2:
        run("kill", "-KILL", str(app["leader"]))
        while True:
            try:
                open(f"/proc/{app['leader']}/stat").close()
            except OSError:
                break
    else:
        run("ax", "stop", app["id"])
    got = run("ax", "run", "--quiet", "--", "python3", sys.argv[2], "connects", "198.18.15.1", "7", "10").strip()
    if got != "a:10":
        failures += 1
        print(i, got)
print("failures", failures)
PY
push "$scratch/gone.py" /tmp/balance-gone.py
run host timeout 60 python3 /tmp/balance-gone.py "$echo_py" "$load"
is "$OUT" 'failures 0' '200 connects right after an instance was killed or stopped: none fails'
host ax stop "$a"
run client -- python3 "$load" connects 198.18.15.1 7 1
like "$OUT" 'unreachable|No route' 'with the last instance the address is gone'

# Ports are each app's own.
for i in 0 1 2 3 4 5 6 7 8 9; do
    start_app --name "balance-$i" --ip "198.18.15.1$i" -- python3 "$echo_py" "server$i" 80
    apps[i]=$APP
done
for i in 0 1 2 3 4 5 6 7 8 9; do
    wait_for_listen "${apps[i]}" 80
done
run client -- sh -c 'for i in 0 1 2 3 4 5 6 7 8 9; do python3 "$0" order balance-$i 80 1; done' "$load"
is "$(tr '\n' ' ' <<<"$OUT")" "$(printf 'server%s ' 0 1 2 3 4 5 6 7 8 9)" 'ten servers on port 80'
is "$(host ss -Hltn 'sport = :80')" '' 'none of which is on the host'

# A listener that only one instance has; SO_REUSEPORT in one instance.
start_app --name balance-ports --ip 198.18.15.30 -- python3 "$echo_py" one 1001
wait_for_listen "$APP" 1001
start_app --name balance-ports --ip 198.18.15.30 -- python3 "$echo_py" two 1002
wait_for_listen "$APP" 1002
run client -- sh -c 'python3 "$0" connects balance-ports 1001 4; python3 "$0" connects balance-ports 1002 4' "$load"
is "$OUT" $'one:4\ntwo:4' 'instances with other ports'
start_app --name balance-reuse --ip 198.18.15.31 -- python3 -c '
import os, socket
def serve(name):
    l = socket.socket()
    l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    l.bind(("", 7)); l.listen(64)
    while True:
        s, _ = l.accept()
        s.sendall(name + b"\n"); s.sendall(s.recv(100)); s.close()
for name in b"p", b"q":
    if os.fork() == 0: serve(name)
os.wait()'
wait_for_listen "$APP" 7
two_listen() {
    [[ $(client -- python3 "$load" connects balance-reuse 7 20) == 'p:10 q:10' ]]
}
ok 'listeners of one instance with SO_REUSEPORT share in turn' wait_until 5 two_listen

# A listener that is closed with connections in its queue leaves its port at once. (One SYN in some thousands finds the
# listener while it is being closed, and is dropped by the kernel, also natively: it is sent again after a second.)
start_app --name balance-rebind --ip 198.18.15.34 -- python3 -c '
import select, socket
for i in range(300):
    l = socket.create_server(("", 7))
    select.select([l], [], [])
    l.close()
print("done", flush=True)'
rebind=$APP_LOG
host_sh 'timeout 30 ax run --quiet -- python3 -c "
import socket
while True:
    try: socket.create_connection((\"198.18.15.34\", 7), timeout=1)
    except (ConnectionError, TimeoutError): pass
    except OSError: break"; true'
is "$(app_log "$rebind" | tail -n 1)" 'done' 'a port is free as soon as its listener is closed, also with clients in the queue' ||
    diag "$(app_log "$rebind")"

# The tags of each instance count.
start_app --name balance-tags --ip 198.18.15.32 --tag zone=red -- python3 "$echo_py" red 7
wait_for_listen "$APP" 7
start_app --name balance-tags --ip 198.18.15.32 --tag zone=blue -- python3 "$echo_py" blue 7
wait_for_listen "$APP" 7
run client --tag zone=red -- python3 "$load" connects balance-tags 7 4
is "$OUT" 'red:4' 'a client gets those instances only that it shares a tag with'

# A full queue: clients wait, as TCP has them.
start_app --name balance-slow --ip 198.18.15.33 -- python3 -c '
import socket, time
l = socket.create_server(("", 7), backlog=2)
print("ready", flush=True)
while True:
    s, _ = l.accept()
    s.sendall(b"slow\n"); s.sendall(s.recv(100)); s.close()
    time.sleep(0.01)'
wait_for_listen "$APP" 7
run client -- python3 "$load" load 198.18.15.33 7 2 6
like "$OUT" '^good:[0-9]+$' 'six clients at a server with a backlog of 2: none fails'

done_testing
