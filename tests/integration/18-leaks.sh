#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A thousand apps and ten thousand connections leave nothing behind.
# timeout: 600
. "$(dirname "$0")/lib.sh"

echo_py=$PROGRAMS/echo.py load=$PROGRAMS/load.py

cat >"$scratch/figures.py" <<'PY'
# What there is, as "key value" lines.
import os, subprocess
def out(*a):
    return subprocess.run(a, capture_output=True, text=True).stdout
def memory(pid):
    return {l.split(":")[0]: int(l.split()[1]) for l in open(f"/proc/{pid}/smaps_rollup") if "kB" in l}
for unit in "appswitchd", "appswitch-dnsd", "appswitch-exec":
    pid = out("systemctl", "show", "-P", "MainPID", unit).strip()
    print(f"{unit}-pid", pid)
    print(f"{unit}-fds", len(os.listdir(f"/proc/{pid}/fd")))
    m = memory(pid)
    print(f"{unit}-memory", m["Private_Dirty"] + m["Private_Clean"])
    print(f"{unit}-rss", m["Rss"])
    print(f"{unit}-threads", len(os.listdir(f"/proc/{pid}/task")))
print("stored", out("systemctl", "show", "-P", "NFileDescriptorStore", "appswitchd").strip())
print("systemd-fds", len(os.listdir("/proc/1/fd")))
print("namespaces", len(out("lsns", "--noheadings", "--type", "net", "--output", "NS").split()))
print("scopes", len(out("systemctl", "list-units", "--all", "--plain", "--no-legend", "appswitch-*.scope").splitlines()))
print("failed", len(out("systemctl", "list-units", "--all", "--plain", "--no-legend", "--state=failed").splitlines()))
print("records", len(os.listdir("/run/appswitch/apps")))
print("apps", len(out("ax", "list", "--no-legend").splitlines()))
print("cgroups", sum(len(d) for p, d, f in os.walk("/sys/fs/cgroup/appswitch.slice")))
print("processes", sum(1 for p in os.listdir("/proc") if p.isdigit() and os.path.exists(f"/proc/{p}/exe")))
print("bus-names", len(out("busctl", "list", "--unique", "--no-legend").splitlines()))
PY
push "$scratch/figures.py" /tmp/leaks-figures.py
figures() {
    # What has just ended may take systemd a moment.
    wait_until 5 quiet
    host python3 /tmp/leaks-figures.py
}
quiet() {
    [[ ! $(host systemctl list-units --all --plain --no-legend 'appswitch-app*.scope') ]]
}
figure() {
    sed -n "s/^$2 //p" <<<"$1"
}

# compare BEFORE AFTER WHAT
compare() {
    local key
    diag "$3, before and after:" "
$(paste -d' ' <(cut -d' ' -f1 <<<"$1") <(cut -d' ' -f2 <<<"$1") <(cut -d' ' -f2 <<<"$2") | column -t)"
    for key in appswitchd-pid appswitch-dnsd-pid appswitch-exec-pid; do
        is "$(figure "$2" "$key")" "$(figure "$1" "$key")" "$3: ${key%-pid} is the same process"
    done
    for key in appswitch-dnsd-fds appswitch-exec-fds appswitchd-threads stored namespaces scopes failed records apps \
        cgroups bus-names; do
        within "$(figure "$2" "$key")" 0 "$(figure "$1" "$key")" "$3: $key are no more"
    done
    # The daemon has up to 16 sockets of each family ready for a server; how many are left of them is chance. And
    # systemd holds a journal stream or the like open for a moment.
    within "$(figure "$2" appswitchd-fds)" 0 "$(($(figure "$1" appswitchd-fds) + 32))" "$3: appswitchd-fds are no more"
    within "$(figure "$2" systemd-fds)" 0 "$(($(figure "$1" systemd-fds) + 2))" "$3: systemd-fds are no more"
    within "$(figure "$2" processes)" 0 "$(($(figure "$1" processes) + 1))" "$3: processes are no more"
    for key in appswitchd-memory appswitch-dnsd-memory appswitch-exec-memory; do
        within "$(($(figure "$2" "$key") - $(figure "$1" "$key")))" -1000000 1023 "$3: $key grows by less than 1 MiB"
    done
}

start_app --name leaks-server --ip 198.18.18.1 -- python3 "$echo_py" x 7 128
wait_for_listen "$APP" 7
# What is kept ready for a server is there as soon as several clients come at once.
run client -- python3 "$load" load 198.18.18.1 7 1 16
like "$OUT" '^good:[0-9]+$' 'the server serves'

cat >"$scratch/many.py" <<'PY'
# many.py N: that many times `ax run -- true` in a row; prints how many went well, and the time.
import subprocess, sys, time
def see(*a):
    print("$", *a, file=sys.stderr)
    sys.stderr.write(subprocess.run(a, capture_output=True, text=True).stdout)
n = int(sys.argv[1])
start = time.monotonic()
good = 0
for i in range(n):
    options = [[], ["--name", f"leaks-{i % 10}"], ["--ip", f"198.18.19.{i % 10}"], ["--tag", f"a=b{i % 10}"]][i % 4]
    ax = subprocess.Popen(["ax", "run", *options, "--", "true"])
    try:
        good += ax.wait(60) == 0
    except subprocess.TimeoutExpired:
        print("the run number", i, "does not end:", *options, file=sys.stderr)
        see("ps", "-eo", "pid,ppid,stat,etimes,times,wchan:24,args")
        see("ax", "list")
        see("systemctl", "list-units", "--all", "--plain", "--no-legend", "appswitch*")
        ax.kill()
        break
print(good, f"{(time.monotonic() - start) / n * 1000:.1f} ms each")
PY
push "$scratch/many.py" /tmp/leaks-many.py

# A warm-up, so that what grows once has grown.
run host python3 /tmp/leaks-many.py 100
is "${OUT%% *}" 100 '100 apps in a row run well'
client -- python3 "$load" connects 198.18.18.1 7 500 >/dev/null
before=$(figures)

run host python3 /tmp/leaks-many.py 1000
diag "ax run -- true: $OUT"
is "${OUT%% *}" 1000 '1000 apps in a row run well'
after=$(figures)
compare "$before" "$after" '1000 apps'

before=$after
CLIENT_TIMEOUT=200
run client -- python3 "$load" connects leaks-server 7 5000
is "$OUT" 'x:5000' '5000 connections in turn'
run client -- python3 -c '
import concurrent.futures, subprocess, sys
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    outs = list(pool.map(lambda i: subprocess.run([sys.executable, sys.argv[1], "connects", "198.18.18.1", "7", "625"], capture_output=True, text=True).stdout.strip(), range(8)))
print(*outs)' "$load"
is "$OUT" "$(printf 'x:625 %.0s' 1 2 3 4 5 6 7 8 | sed 's/ $//')" '5000 connections from eight processes'
after=$(figures)
compare "$before" "$after" '10000 connections'
within "$(host_sh 'busctl get-property io.appswitch1 /io/appswitch1 io.appswitch1.Manager NConnections | cut -d" " -f2')" 10000 100000 \
    'the daemon has counted them'
is "$(host_sh 'ss -xpH | grep -c "198\.18\.18\.1:7[<>#]"')" 0 'no pair is left'

# What fails, and what is interrupted, leaves nothing either.
before=$after
host_sh 'for i in $(seq 60); do
    ax run -- nonexistent; ax run --uid nobody-there -- true; ax run --ip 127.0.0.1 -- true; ax run --name -x -- true
    done; cd /tmp; for i in $(seq 30); do ax run -- sleep 100 & p=$!; sleep 0.0$((i % 10)); kill -KILL $p; done' >/dev/null 2>&1
run client -- python3 -c '
import socket
for i in range(500):
    for a in ("198.18.18.1", 8), ("198.18.77.1", 1), ("192.0.2.1", 1):
        s = socket.socket()
        s.settimeout(None if i % 2 else 1)
        try: s.connect(a)
        except OSError: pass
        s.close()
l = []
for i in range(300):
    l.append(socket.create_server(("", 0)))
for x in l: x.close()
for i in range(300):
    socket.create_server(("", 0)).close()
print("done")'
is "$OUT" 'done' 'failures'
after=$(figures)
compare "$before" "$after" 'failures'

done_testing
