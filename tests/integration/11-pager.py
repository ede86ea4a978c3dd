#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Colours and pager: what ax does is compared with what systemctl does in the same place.
# timeout: 120
"""Runs itself in a host of the lab and there plays the person at a pseudo terminal."""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../programs"))
from terminal import Failed, Terminal, check, equal, gone, main  # noqa: E402

PAGER = "/tmp/pager-test"
# Nothing of it is there but what a case says.
NONE = dict.fromkeys(["SYSTEMD_COLORS", "NO_COLOR", "SYSTEMD_PAGER", "PAGER", "SYSTEMD_LESS", "LESS", "SYSTEMD_PAGERSECURE",
                      "LESSSECURE", "COLORTERM", "COLUMNS"])
LIST = {"systemctl": ["systemctl", "list-units", "--all"], "ax": ["ax", "list"]}


def prepare():
    with open(PAGER, "w") as f:
        f.write('#!/bin/sh\necho "<my pager: $# $*, less $LESS, secure $LESSSECURE>"\nexec cat\n')
    os.chmod(PAGER, 0o755)
    for i in range(3):
        subprocess.run(["ax", "run", "--no-block", "--quiet", "--name", f"pager-{i}", "--", "sleep", "600"], check=True,
                       stderr=subprocess.DEVNULL)


def clean():
    subprocess.run(["ax", "stop", "pager-0", "pager-1", "pager-2"], check=True)
    os.unlink(PAGER)


def say(argv, env, before=()):
    """What a command says at a terminal of its own, to somebody who leaves the pager when there is nothing more."""
    with Terminal([*before, *argv], env=NONE | env, rows=300, columns=200) as t:
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            t.read(0.05)
            if os.waitid(os.P_PID, t.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
            if "(END)" in t.all or "lines " in t.all:
                t.type("q")
        t.end()
        return t.all


def say_without_terminal(argv, env):
    clean_env = {k: v for k, v in os.environ.items() if k not in NONE} | {"TERM": "xterm"} | {k: v for k, v in env.items() if v is not None}
    return subprocess.run(argv, env=clean_env, stdout=subprocess.PIPE, text=True, timeout=20).stdout


def traits(text):
    """What of it can be compared: whether there are colours, and what pager has had it."""
    pager = next((line for line in text.split("\n") if line.startswith("<my pager")), None)
    return {"colours": "\x1b[0;" in text or "\x1b[4" in text or "\x1b[1" in text, "pager": pager and pager.strip()}


def compare(env, **more):
    both = {name: traits(say(argv, env, **more)) for name, argv in LIST.items()}
    equal(both["ax"], both["systemctl"], f"with {env}")
    return both["ax"]


COLOURS = [{}, {"TERM": "dumb"}, {"TERM": None}, {"TERM": "linux"}, {"NO_COLOR": "1"}, {"NO_COLOR": ""}, {"TERM": "dumb", "SYSTEMD_COLORS": "1"},
           {"NO_COLOR": "1", "SYSTEMD_COLORS": "1"}, {"SYSTEMD_COLORS": "auto-16", "NO_COLOR": "1"}, {"COLORTERM": "truecolor"}]
COLOURS += [{"SYSTEMD_COLORS": word} for word in
            ("0", "no", "false", "off", "n", "f", "NO", "1", "yes", "true", "on", "16", "256", "auto-16", "auto-256", "nonsense", "")]


@check("colours at a terminal are there when those of systemctl are")
def _():
    seen = {str(env): compare({"SYSTEMD_PAGER": "cat", **env})["colours"] for env in COLOURS}
    equal(set(seen.values()), {True, False}, "both happen")
    equal(seen["{}"], True, "at a terminal without anything said")


@check("colours in a pipe are there when those of systemctl are")
def _():
    for env in COLOURS:
        both = {name: traits(say_without_terminal(argv, env))["colours"] for name, argv in LIST.items()}
        equal(both["ax"], both["systemctl"], f"with {env}")


@check("other commands have colours by the same rule")
def _():
    for argv in (["ax", "status"], ["ax", "doctor"], ["ax", "list", "names"]):
        equal(traits(say(argv, {"SYSTEMD_PAGER": ""}))["colours"], True, f"{argv} at a terminal")
        equal(traits(say(argv, {"SYSTEMD_PAGER": "", "NO_COLOR": "1"}))["colours"], False, f"{argv} with NO_COLOR")
        equal("\x1b" in say_without_terminal(argv, {}), False, f"{argv} in a pipe")
        # That of systemd 252 does not know of it yet.
        equal("\x1b" in say_without_terminal(argv, {"SYSTEMD_COLORS": "24bit"}), True, f"{argv} in a pipe with 24bit")


PAGERS = [{"SYSTEMD_PAGER": PAGER}, {"PAGER": PAGER}, {"SYSTEMD_PAGER": "", "PAGER": PAGER}, {"SYSTEMD_PAGER": "cat", "PAGER": PAGER},
          {"SYSTEMD_PAGER": PAGER, "PAGER": "cat"}, {"SYSTEMD_PAGER": f"{PAGER} -a  'b c'"}, {"SYSTEMD_PAGER": PAGER, "SYSTEMD_LESS": "FRX"},
          {"SYSTEMD_PAGER": PAGER, "LESS": "x"}, {"SYSTEMD_PAGER": PAGER, "TERM": "dumb"}, {"SYSTEMD_PAGER": PAGER, "TERM": None},
          {"SYSTEMD_PAGER": "/nonexistent", "PAGER": PAGER}, {"SYSTEMD_PAGER": " cat "}, {"SYSTEMD_PAGER": "  "}, {}]
SECURE = [{}, {"SYSTEMD_PAGERSECURE": "0"}, {"SYSTEMD_PAGERSECURE": "1"}, {"SYSTEMD_PAGERSECURE": "nonsense"}]


@check("the pager is that of systemctl, for root without a session")
def _():
    for env in PAGERS:
        equal(compare(env)["pager"], None, f"with {env}")  # it is not trusted
        for secure in SECURE[1:]:
            compare(env | secure)


@check("the pager is that of systemctl, for a user in his session")
def _():
    session = ["systemd-run", "--quiet", "--pty", "--wait", "--collect", "--uid=alice", "--property=PAMName=login", "env", "-i"]
    seen = set()
    for env in [*PAGERS[:8], {}]:
        both = {}
        for name, argv in LIST.items():
            words = ["SYSTEMD_PAGERSECURE=0"] if env.get("SYSTEMD_PAGER", "").startswith(PAGER) else []
            words += [f"{k}={v}" for k, v in ({"TERM": "xterm", "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"} | env).items() if v is not None]
            both[name] = traits(say(argv, env, before=[*session, *words]))
        equal(both["ax"], both["systemctl"], f"with {env}")
        seen.add(both["ax"]["pager"])
    equal(len(seen) > 3, True, f"different ones: {seen}")


@check("--no-pager, and no terminal: none")
def _():
    env = {"SYSTEMD_PAGER": PAGER, "SYSTEMD_PAGERSECURE": "0"}
    equal("<my pager" in say(["ax", "list"], env), True, "there is one")
    for argv in (["ax", "list", "--no-pager"], ["ax", "--no-pager", "list"], ["ax", "--no-pager", "status"], ["ax", "list", "--json=pretty"]):
        equal("<my pager" in say(argv, env), False, f"{argv}")
    equal("<my pager" in say_without_terminal(["ax", "list"], env), False, "in a pipe")


@check("less keeps what is longer than the terminal, and to leave it early is no failure")
def _():
    with Terminal(["ax", "status", "pager-0", "pager-1", "pager-2"], env=NONE, rows=10) as t:
        t.expect("lines 1-")
        t.type("q")
        equal(t.end(), 0, "status")
    with Terminal(["ax", "list"], env=NONE, rows=40) as t:
        t.expect("3 apps listed")
        equal(t.end(), 0, "what fits is just printed")
    with Terminal(["ax", "status"], env=NONE | {"SYSTEMD_LESS": "RSXM"}, rows=40) as t:
        t.expect(r"\(END\)|lines \d")
        t.type("q")
        equal(t.end(), 0, "with other options it stays")


@check("in its secure mode less starts no shell")
def _():
    with Terminal(["ax", "status"], env=NONE | {"SYSTEMD_LESS": "RSXM"}, rows=10) as t:
        t.expect("lines 1-")
        t.type("!")
        t.expect("(?i)not available")
        t.type("\n")
        t.expect("lines 1-")
        t.type("q")
        equal(t.end(), 0, "status")


@check("Ctrl-C in the pager, and its death, leave nothing behind")
def _():
    with Terminal(["ax", "status"], env=NONE | {"SYSTEMD_LESS": "RSXM"}, rows=10) as t:
        t.expect("lines 1-")
        t.type("\x03")
        time.sleep(0.2)
        t.type("q")
        t.end()
    with Terminal(["ax", "status"], env=NONE | {"SYSTEMD_LESS": "RSXM"}, rows=10) as t:
        t.expect("lines 1-")
        os.kill(t.pid, 9)
        gone("less")
        t.end()


@check("columns are as wide as the terminal, or as COLUMNS says")
def _():
    env = NONE | {"SYSTEMD_PAGER": "", "NO_COLOR": "1"}

    def width(argv, **more):
        with Terminal(argv, env=env | more.pop("env", {}), **more) as t:
            t.end()
            return max(len(line.rstrip("\r")) for line in t.all.split("\n"))

    full = width(["ax", "list"], columns=500)
    if not 90 < full <= 500:
        raise Failed(f"{full} columns")
    equal(width(["ax", "list"], columns=80) <= 80, True, "80 columns")
    equal(width(["ax", "list"], columns=500, env={"COLUMNS": "75"}) <= 75, True, "75 by COLUMNS")
    equal(width(["ax", "list", "--full"], columns=80), full, "--full")
    equal(max(map(len, say_without_terminal(["ax", "list"], {}).split("\n"))), full, "in a pipe")


if "--inside" in sys.argv:
    prepare()
try:
    main()
finally:
    if "--inside" in sys.argv:
        clean()
