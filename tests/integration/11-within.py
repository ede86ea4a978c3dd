#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# ax run within ssh, sudo, tmux and cron: status, terminal, signals and size are what they are without it.
# timeout: 150
"""Runs itself in a host of the lab. A case is observed twice, with the program as it is and under ax run, and compared."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../programs"))
from terminal import Failed, Terminal, check, equal, gone, main, processes  # noqa: E402

NATIVE, APP = "", "ax run --quiet -- "
DIR = "/srv/within"
SSH = ["ssh", "-F", f"{DIR}/config", "here"]
SUDOERS = "/etc/sudoers.d/50-appswitch-within"
CRON = "/etc/cron.d/appswitch-within"

# What a program finds: who it is, where, on what.
LOOK = r"""id -un; id -Gn; pwd; umask; test -t 0 && echo terminal in; test -t 1 && echo terminal out; echo "$HOME $SHELL"; ulimit -n"""
# One that tells its size, whenever it changes, and ends by a signal.
SIZE = """import os, signal, time
def tell(*_): os.write(1, b"%d %d\\n" % tuple(reversed(os.get_terminal_size())))
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.signal(signal.SIGWINCH, tell)
print("ready", flush=True)
tell()
while True: time.sleep(1)"""


def sh(script):
    return subprocess.run(["bash", "-ec", script], check=True, stdout=subprocess.PIPE, text=True).stdout


def quote(word):
    return "'" + word.replace("'", "'\\''") + "'"


def wait_until(condition, what, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(what)
        time.sleep(0.05)


def same(observe, *args):
    """The same with and without; returns it."""
    native, app = observe(NATIVE, *args), observe(APP, *args)
    equal(app, native, "under ax run")
    return native


def prepare():
    sh(f"""rm -rf {DIR} ~alice/.ssh; mkdir -p {DIR} /run/sshd; cd {DIR}
        ssh-keygen -q -t ed25519 -N '' -f host_key; ssh-keygen -q -t ed25519 -N '' -f user_key
        install -d -o alice -g alice -m 700 ~alice/.ssh; install -o alice -g alice -m 600 user_key.pub ~alice/.ssh/authorized_keys
        printf '%s\n' 'Port 2222' 'ListenAddress 127.0.0.1' 'HostKey {DIR}/host_key' 'PidFile none' 'UsePAM yes' \
            'PasswordAuthentication no' 'PrintMotd no' 'PrintLastLog no' >sshd_config
        printf '%s\n' 'Host here' 'HostName 127.0.0.1' 'Port 2222' 'User alice' 'IdentityFile {DIR}/user_key' \
            'UserKnownHostsFile {DIR}/known_hosts' 'StrictHostKeyChecking accept-new' 'BatchMode yes' 'LogLevel error' >config
        echo 'alice ALL=(ALL) NOPASSWD: ALL' >{SUDOERS}; chmod 440 {SUDOERS}""")
    with open(f"{DIR}/size", "w") as f:
        f.write(SIZE)
    sh("systemd-run --quiet --collect --unit=within-sshd /usr/sbin/sshd -D -e -f " + DIR + "/sshd_config")
    wait_until(lambda: subprocess.run([*SSH, "true"], stderr=subprocess.DEVNULL).returncode == 0, "sshd runs")


def clean():
    subprocess.run("systemctl stop within-sshd.service within-cron.service; rm -rf ~alice/.ssh", shell=True, stderr=subprocess.DEVNULL)
    for path in (SUDOERS, CRON):
        if os.path.exists(path):
            os.unlink(path)
    shutil.rmtree(DIR, ignore_errors=True)


### at a terminal, whatever leads there

def statuses(wrap):
    def observe(prefix):
        result = []
        for script in ("exit 7", "kill -TERM $$", "kill -KILL $$", "true"):
            with Terminal(wrap(prefix + "sh -c " + quote(script))) as t:
                result.append(t.end(15))
        return result
    return observe


def look(wrap):
    def observe(prefix):
        with Terminal(wrap(prefix + "sh -c " + quote(LOOK)), rows=33, columns=99) as t:
            t.end(15)
            return t.all
    return observe


def sizes(wrap):
    def observe(prefix):
        seen = []
        with Terminal(wrap(prefix + "python3 -c " + quote(SIZE)), rows=33, columns=99) as t:
            t.expect("ready", 15)
            seen.append(t.expect(r"(\d+ \d+)\r", 10).group(1))
            t.resize(20, 70)
            seen.append(t.expect(r"(\d+ \d+)\r", 10).group(1))
            t.type("\x03")
            seen.append(t.end(15))
        return seen
    return observe


def interrupted(wrap):
    def observe(prefix):
        seen = []
        for key in "\x03", "\x1c":
            with Terminal(wrap(prefix + "sh -c " + quote("ulimit -c 0; echo ready; exec sleep 7301"))) as t:
                t.expect("ready", 15)
                t.type(key)
                seen.append(t.end(15))
        with Terminal(wrap(prefix + "sh -c 'echo ready; exec cat'")) as t:
            t.expect("ready", 15)
            t.type("typed\n")
            t.expect("typed\r\n.*typed\r\n", 15)
            t.type("\x04")
            seen.append(t.end(15))
        gone("sleep 7301")
        return seen
    return observe


def hung_up(wrap):
    """Whether what runs there is gone when the terminal is."""
    def observe(prefix):
        t = Terminal(wrap(prefix + "sh -c " + quote("echo ready; exec sleep 7302")))
        t.expect("ready", 15)
        wait_until(lambda: processes("sleep 7302"), "it runs")
        os.close(t.slave)
        os.close(t.master)
        os.kill(t.pid, signal.SIGHUP)
        os.waitpid(t.pid, 0)
        gone("sleep 7302", 15)
        return True
    return observe


def ssh(command):
    return [*SSH[:1], "-tt", *SSH[1:], command]


def sudo(command):
    return ["runuser", "-u", "alice", "--", "sudo", "-n", "sh", "-c", command]


def sudo_user(command):
    return ["sudo", "-n", "-u", "alice", "sh", "-c", command]


for way, wrap in (("ssh -t", ssh), ("sudo of a user", sudo), ("sudo -u of root", sudo_user)):
    check(f"{way}: statuses")(lambda wrap=wrap: same(statuses(wrap)))
    check(f"{way}: user, groups, directory, mask, limits and the terminal")(lambda wrap=wrap: same(look(wrap)))
    check(f"{way}: Ctrl-C, Ctrl-backslash, input and its end")(lambda wrap=wrap: same(interrupted(wrap)))


@check("ssh -t: a new size of the window")
def _():
    equal(same(sizes(ssh))[:2], ["33 99", "20 70"])


@check("sudo of a user: a new size of the window")
def _():
    equal(same(sizes(sudo))[:2], ["33 99", "20 70"])


@check("ssh -t: it ends with the connection")
def _():
    same(hung_up(ssh))


@check("sudo: it ends with the terminal, also where sudo makes one of its own")
def _():
    same(hung_up(sudo))
    with open(SUDOERS, "a") as f:
        f.write("Defaults use_pty\n")
    same(hung_up(sudo))
    same(interrupted(sudo))
    equal(same(sizes(sudo))[:2], ["33 99", "20 70"])


@check("ssh without a terminal: input, output, errors and status")
def _():
    def observe(prefix):
        done = subprocess.run([*SSH, prefix + "sh -c " + quote("echo wrong >&2; wc -c; exit 9")], input="x" * 300000, text=True,
                              capture_output=True, timeout=30)
        return done.returncode, done.stdout, done.stderr
    equal(same(observe), (9, "300000\n", "wrong\n"))


@check("ssh without a terminal: a whole shell session that is an app")
def _():
    done = subprocess.run([*SSH, APP + "bash"], input="cd /tmp\npwd\nfalse\nexit 5\n", text=True, capture_output=True, timeout=30)
    equal((done.returncode, done.stdout), (5, "/tmp\n"))


@check("sudo without a terminal")
def _():
    def observe(prefix):
        done = subprocess.run(sudo(prefix + "sh -c " + quote("id -un; wc -c; echo wrong >&2; kill -TERM $$")), input="x" * 1000, text=True,
                              capture_output=True, timeout=30)
        return done.returncode, done.stdout, done.stderr
    same(observe)


@check("ssh: an app in the background outlives the connection")
def _():
    subprocess.run([*SSH, "ax run --no-block --quiet --name within-stays -- sleep 7303 >/dev/null 2>&1 </dev/null"], check=True, timeout=30)
    wait_until(lambda: processes("sleep 7303"), "it runs")
    time.sleep(0.5)
    equal(len(processes("sleep 7303")), 1, "still")
    sh("ax stop within-stays")
    gone("sleep 7303")


@check("a script is interrupted as a whole, whatever shell has it")
def _():
    def observe(prefix):
        seen = []
        for shell in "dash", "bash":
            with Terminal([shell, "-c", f"echo ready; {prefix}sleep 7306; echo went on; exit 4"]) as t:
                t.expect("ready", 15)
                wait_until(lambda: processes("sleep 7306"), "it runs")
                time.sleep(0.3)
                t.type("\x03")
                seen.append((t.end(15), "went on" in t.all))
        with Terminal(["dash", "-c", f"echo ready; {prefix}sleep 7306; echo went on; exit 4"]) as t:
            t.expect("ready", 15)
            wait_until(lambda: processes("sleep 7306"), "it runs")
            sh("pkill -INT -fx 'sleep 7306'")
            seen.append((t.end(15), "went on" in t.all))
        return seen
    equal(same(observe), [(-2, False), (-2, False), (4, True)])


### tmux

class Tmux:
    """A server of its own with one pane, which has a shell."""

    n = 0

    def __enter__(self):
        Tmux.n += 1
        self.name = f"within-{Tmux.n}"
        self("-f", "/dev/null", "new-session", "-d", "-x", "93", "-y", "31", "env", "PS1=ready> ", "bash", "--norc", "--noprofile")
        self.expect("ready>")
        return self

    def __exit__(self, *_):
        self("kill-server")

    def __call__(self, *words):
        return subprocess.run(["tmux", "-L", self.name, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout

    def expect(self, pattern, seconds=10):
        wait_until(lambda: re.search(pattern, self("capture-pane", "-p")), f"no {pattern!r} in {self('capture-pane', '-p')!r}", seconds)
        return re.search(pattern, self("capture-pane", "-p"))

    def type(self, *keys):
        self("send-keys", *keys)


@check("tmux: size, Ctrl-C, Ctrl-Z and status at its shell")
def _():
    def observe(prefix):
        seen = []
        with Tmux() as tmux:
            tmux.type(f"clear; {prefix}python3 {DIR}/size; echo status: $?", "Enter")
            seen.append(tmux.expect(r"ready\n(\d+ \d+)\n").group(1))
            tmux("resize-window", "-x", "71", "-y", "20")
            seen.append(tmux.expect(r"ready\n\d+ \d+\n(\d+ \d+)").group(1))
            tmux.type("C-c")
            # Whoever waits for what dies of SIGINT gives the list up, so there is no status to be seen.
            tmux.expect(r"\^C\n(status: \d+\n)?ready>")
            tmux.type(f"clear; {prefix}sleep 7304", "Enter")
            wait_until(lambda: processes("sleep 7304"), "it runs")
            time.sleep(0.3)
            tmux.type("C-z")
            tmux.expect(r"Stopped .*sleep 7304")
            tmux.type("fg", "Enter")
            time.sleep(0.3)
            tmux.type("C-c")
            time.sleep(0.3)
            tmux.type("echo status: $?", "Enter")
            seen.append(tmux.expect(r"status: (\d+)").group(1))
        gone("sleep 7304")
        return seen
    equal(same(observe)[2], "130")


@check("tmux: it ends with its session")
def _():
    def observe(prefix):
        with Tmux() as tmux:
            tmux.type(f"{prefix}sleep 7305", "Enter")
            wait_until(lambda: processes("sleep 7305"), "it runs")
            tmux("kill-session")
            gone("sleep 7305", 15)
        return True
    same(observe)


@check("tmux: a pane whose program is an app, and its end")
def _():
    def observe(prefix):
        with Tmux() as tmux:
            tmux("set-option", "-g", "remain-on-exit", "on")
            tmux("new-window", f"{prefix}sh -c 'echo in a pane; read x; exit 6'")
            tmux.expect("in a pane")
            tmux.type("Enter")
            # That it is dead is known when its terminal is closed, how it ended when it was waited for. tmux misses a SIGCHLD at
            # times, with a program of its own, too, and waits with the next one.
            end = "#{?pane_dead,#{pane_dead_status}#{pane_dead_signal},}"

            def ended():
                told = tmux("display-message", "-p", end).strip()
                if not told:
                    tmux("run-shell", "true")
                return told
            wait_until(ended, "it has ended")
            return tmux("display-message", "-p", end).strip()
    equal(same(observe), "6")


@check("tmux: one that runs as an app, with all its panes")
def _():
    with Terminal(["ax", "run", "--quiet", "--name", "within-tmux", "--", "tmux", "-L", "within-app", "-f", "/dev/null", "new-session",
                   "env", "PS1=ready> ", "bash", "--norc", "--noprofile"], rows=31, columns=93) as t:
        t.expect("ready> ", 15)
        t.type("cat /proc/self/cgroup\n")
        t.expect(r"appswitch-within-tmux_\d+\.scope", 10)
        t.type("exit\n")
        equal(t.end(15), 0)


### cron

@check("cron: user, directory, no terminal, output and status")
def _():
    jobs = {"native": NATIVE, "app": APP}
    lines = ["SHELL=/bin/sh", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", f"WITHIN={DIR}/cron"]
    sh(f"install -d -o alice -g alice {DIR}/cron")
    with open(f"{DIR}/job", "w") as f:
        f.write(LOOK + '; echo "$LOGNAME $WITHIN"; cat | wc -c; echo wrong >&2; exit 3\n')
    for name, prefix in jobs.items():
        lines.append(f"@reboot alice {prefix}sh {DIR}/job >$WITHIN/{name} 2>&1; echo status $? >>$WITHIN/{name}; touch $WITHIN/{name}.end")
    with open(CRON, "w") as f:
        f.write("\n".join(lines) + "\n")
    # What it makes at its first start, and does jobs of @reboot only without.
    if os.path.exists("/run/crond.reboot"):
        os.unlink("/run/crond.reboot")
    sh("systemd-run --quiet --collect --unit=within-cron /usr/sbin/cron -f")
    said = {}
    for name in jobs:
        wait_until(lambda: os.path.exists(f"{DIR}/cron/{name}.end"), f"the job {name} has ended", 30)
        said[name] = open(f"{DIR}/cron/{name}").read()
    equal(said["app"], said["native"])
    equal(said["app"].startswith("alice\n") and said["app"].endswith("wrong\nstatus 3\n"), True, said["app"])


if "--inside" in sys.argv:
    prepare()
try:
    main()
finally:
    if "--inside" in sys.argv:
        clean()
