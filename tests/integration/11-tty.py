#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# ax run at a terminal: what a person at a shell sees.
# timeout: 120
"""Runs itself in a host of the lab and there plays the person at a pseudo terminal."""

import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../programs"))
from terminal import Failed, Terminal, check, equal, gone, main, run, shell  # noqa: E402


def ax(*command, **options):
    return Terminal(["ax", "run", "--quiet", "--", *command], **options)


def python(code):
    return ["python3", "-u", "-c", code]


### what a program sees

@check("all three streams are a terminal, and the controlling one")
def _():
    with ax(*python("import os, sys; print([os.isatty(i) for i in range(3)], os.ttyname(0) == os.ttyname(2), "
                    "os.ctermid(), os.open('/dev/tty', os.O_RDWR) > 0, os.tcgetpgrp(0) == os.getpgrp())")) as t:
        t.expect(r"\[True, True, True\] True /dev/tty True True")
        equal(t.end(), 0, "status")


@check("the size is that of the terminal")
def _():
    with ax("stty", "size", rows=37, columns=123) as t:
        t.expect("37 123")
        equal(t.end(), 0, "status")


@check("a change of size comes through, with SIGWINCH")
def _():
    with ax(*python("import os, signal, time\n"
                    "signal.signal(signal.SIGWINCH, lambda *_: print('size', *os.get_terminal_size()))\n"
                    "print('ready')\nwhile True: time.sleep(1)")) as t:
        t.expect("ready")
        t.resize(50, 100)
        t.expect("size 100 50")
        t.resize(10, 20)
        t.expect("size 20 10")
        t.type("\x03")
        t.end()


@check("output comes through unchanged, much of it, in order")
def _():
    with ax("seq", "200000") as t:
        equal(t.end(20), 0, "status")
        equal(t.all.split(), [str(i) for i in range(1, 200001)], "numbers")


@check("input comes through, and its end")
def _():
    with ax("cat") as t:
        t.type("hello\n")
        t.expect("hello\r\n.*hello\r\n")
        t.type("\x04")
        equal(t.end(), 0, "status")


@check("what was typed before the program started is not lost")
def _():
    with Terminal(["sh", "-c", "stty -echo; echo go; sleep 0.3; exec ax run --quiet -- head -n 1"]) as t:
        t.expect("go")
        t.type("early\n")
        t.expect("early")
        equal(t.end(), 0, "status")


@check("exit statuses")
def _():
    for status in 0, 3, 255:
        with ax("sh", "-c", f"exit {status}") as t:
            equal(t.end(), status)


@check("the last output before the end is seen")
def _():
    for _ in range(20):
        with ax("sh", "-c", "echo the last word") as t:
            t.end()
            equal(t.all, "the last word\r\n")


@check("the line that says as which unit it runs")
def _():
    with Terminal(["ax", "run", "--name", "tty-info", "--ip", "198.18.11.1", "--", "sleep", "0.5"]) as t:
        equal(t.end(), 0)
        if not re.match(r"Running as unit appswitch-tty-info_\d+\.scope \(name tty-info, addresses 198\.18\.11\.1.*\)\.\r\n$", t.all):
            raise Failed(repr(t.all))


@check("one stream that is no terminal: none is made")
def _():
    with Terminal(["sh", "-c", "ax run --quiet -- tty </dev/null; ax run --quiet -- sh -c 'tty; test -t 1; echo $?' | cat"]) as t:
        equal(t.end(), 0)
        lines = t.all.split("\r\n")
        equal(lines[0], "not a tty")
        equal(lines[1].startswith("/dev/pts/") and lines[2] == "1", True, f"lines: {lines}")


@check("--pty makes one in any case")
def _():
    done = subprocess.run(["ax", "run", "--quiet", "--pty", "--", "sh", "-c", "tty; cat; exit 5"], input="piped\n",
                          stdout=subprocess.PIPE, text=True, timeout=10)
    equal(done.returncode, 5)
    equal("/dev/pts/" in done.stdout and "piped" in done.stdout, True, done.stdout)


@check("--pipe makes none")
def _():
    with Terminal(["ax", "run", "--pipe", "--quiet", "--", "sh", "-c", "tty; stty size"], rows=11, columns=22) as t:
        t.expect("/dev/pts/")
        t.expect("11 22")
        equal(t.end(), 0)


### signals of the keyboard

@check("Ctrl-C interrupts the app, and ax dies of SIGINT")
def _():
    with ax("sh", "-c", "echo ready; exec sleep 81") as t:
        t.expect("ready")
        t.type("\x03")
        equal(t.end(), -signal.SIGINT)
    gone("sleep 81")


@check("Ctrl-C that the app handles does not end ax")
def _():
    with ax(*python("import signal, time\ncaught = []\nsignal.signal(signal.SIGINT, lambda *_: caught.append(1))\nprint('ready')\n"
                    "while not caught: time.sleep(0.05)\nprint('caught')\ntime.sleep(0.2)\nprint('on')\nraise SystemExit(4)")) as t:
        t.expect("ready")
        t.type("\x03")
        t.expect("caught")
        t.expect("on")
        equal(t.end(), 4)


@check("Ctrl-backslash quits")
def _():
    with ax("sh", "-c", "ulimit -c 0; echo ready; exec sleep 82") as t:
        t.expect("ready")
        t.type("\x1c")
        equal(t.end(), -signal.SIGQUIT)
    gone("sleep 82")


@check("Ctrl-C comes as a character in raw mode")
def _():
    with ax(*python("import sys, tty\ntty.setraw(0)\nprint('ready')\nprint(repr(sys.stdin.buffer.raw.read(1)))")) as t:
        t.expect("ready")
        t.type("\x03")
        t.expect(r"b'\\x03'")
        equal(t.end(), 0)


@check("a hangup of the terminal ends the app")
def _():
    t = ax("sh", "-c", "echo ready; exec sleep 83")
    t.expect("ready")
    os.close(t.slave)
    os.close(t.master)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and not os.waitpid(t.pid, os.WNOHANG)[0]:
        time.sleep(0.05)
    gone("sleep 83")


### modes

def modes_after(argv, keys, kill=None):
    with Terminal(argv) as t:
        before = t.modes()
        t.expect("ready")
        time.sleep(0.1)
        during = t.modes()
        if kill:
            os.kill(t.pid, kill)
        else:
            t.type(keys)
        t.end()
        equal(t.modes(), before, "modes")
        equal(during != before, True, "other modes meanwhile")


raw_program = "import sys, tty; tty.setraw(0); print('ready', flush=True); sys.stdin.read(1)"


@check("modes are as before when the app has ended without restoring them")
def _():
    modes_after(["ax", "run", "--quiet", "--", "python3", "-c", raw_program], "x")


@check("also when it was killed, or ax was asked to end")
def _():
    modes_after(["ax", "run", "--quiet", "--", "sh", "-c", "echo ready; exec sleep 84"], "\x03")
    modes_after(["ax", "run", "--quiet", "--", "python3", "-c", raw_program], "", signal.SIGTERM)
    gone("sleep 84")


@check("an app that is stopped by its scope restores them, too")
def _():
    with Terminal(["ax", "run", "--quiet", "--unit", "appswitch-tty.scope", "--", "python3", "-c", raw_program]) as t:
        before = t.modes()
        t.expect("ready")
        subprocess.run(["systemctl", "kill", "--signal=KILL", "appswitch-tty.scope"], check=True)
        equal(t.end(), -signal.SIGKILL)
        equal(t.modes(), before, "modes")


### a shell with job control

@check("Ctrl-C at a shell: $? is 130, and a loop ends")
def _():
    with shell() as t:
        t.type("ax run -q -- sh -c 'echo rea''dy; exec sleep 85'\n")
        t.expect("ready")
        t.type("\x03")
        t.expect("PROMPT> ")
        equal(run(t, "echo $?"), "130\n")
        t.type("for i in 1 2 3; do ax run -q -- sh -c 'echo rea''dy; exec sleep 85'; done; echo not here\n")
        t.expect("ready")
        t.type("\x03")
        t.expect("PROMPT> ")
        t.expect_not("ready|not here")
        gone("sleep 85")


@check("Ctrl-Z, jobs, fg, go on, Ctrl-D")
def _():
    with shell() as t:
        before = t.modes()
        t.type("ax run -q -- cat\n")
        time.sleep(0.3)
        t.type("one\n")
        t.expect("one\r\n")
        t.type("\x1a")
        t.expect("Stopped")
        t.expect("PROMPT> ")
        equal(t.modes()[:4], before[:4], "modes of the shell")
        if not re.search(r"Stopped\s+ax run -q -- cat", run(t, "jobs")):
            raise Failed("jobs does not show it")
        equal("bash" in run(t, "echo this is bash"), True, "the shell has the terminal")
        t.type("fg\n")
        t.expect("ax run -q -- cat")
        time.sleep(0.3)
        t.type("two\n")
        t.expect("two\r\n")
        t.type("\x1a")
        t.expect("Stopped")
        t.expect("PROMPT> ")
        t.type("fg\n")
        t.expect("ax run -q -- cat")
        time.sleep(0.3)
        t.type("three\n")
        t.expect("three\r\n")
        t.type("\x04")
        t.expect("PROMPT> ")
        equal(run(t, "echo $?"), "0\n")
        equal(run(t, "jobs"), "")


@check("Ctrl-Z, bg: it runs on, and its output comes")
def _():
    with shell() as t:
        t.type("ax run -q -- bash -c 'echo st''art; sleep 0.5; echo mid''dle; sleep 1; echo fi''nish; exit 6'\n")
        t.expect("start")
        t.type("\x1a")
        t.expect("Stopped")
        t.expect("PROMPT> ")
        t.expect_not("middle", 0.8)
        t.type("bg\n")
        t.expect("middle")
        equal(run(t, "echo alive").endswith("alive\n"), True, "the shell is usable")
        t.expect("finish")
        time.sleep(0.3)
        t.type("\n")
        t.expect("Exit 6")


@check("Ctrl-Z just after the first output, again and again")
def _():
    with shell() as t:
        for _ in range(20):
            t.type("ax run -q -- sh -c 'echo st''art; exec sleep 89'\n")
            t.expect("start")
            t.type("\x1a")
            t.expect("Stopped", 2)
            t.expect("PROMPT> ")
            run(t, "kill %%; kill -CONT %%; wait")
    gone("sleep 89")


@check("Ctrl-C just after the first output, again and again")
def _():
    for _ in range(20):
        with ax("sh", "-c", "echo start; exec sleep 90") as t:
            t.expect("start")
            t.type("\x03")
            equal(t.end(2), -signal.SIGINT)
    gone("sleep 90")


@check("a job in the background leaves the terminal alone")
def _():
    with shell() as t:
        before = t.modes()
        t.type("ax run -q -- sleep 1 &\n")
        t.expect("PROMPT> ")
        time.sleep(0.4)
        equal(t.modes()[:4], before[:4], "modes")
        equal(run(t, "echo mine"), "mine\n")
        run(t, "wait")
        equal(run(t, "echo $?"), "0\n")


@check("a job in the background that reads is stopped, and goes on in the foreground")
def _():
    with shell() as t:
        t.type("ax run -q -- cat &\n")
        t.expect("PROMPT> ")
        time.sleep(0.5)
        t.type("\n")
        t.expect("PROMPT> ")
        t.type("fg\n")
        t.expect("ax run -q -- cat")
        time.sleep(0.4)
        t.type("late\n")
        t.expect("late\r\n")
        t.type("\x04")
        t.expect("PROMPT> ")
        equal(run(t, "echo $?"), "0\n")


@check("kill %1 of a stopped job ends its app")
def _():
    with shell() as t:
        t.type("ax run -q -- sleep 86\n")
        time.sleep(0.4)
        t.type("\x1a")
        t.expect("Stopped")
        t.expect("PROMPT> ")
        run(t, "kill %1; kill -CONT %1")
        gone("sleep 86")


@check("a pipeline with an app at its end, and one at its head")
def _():
    with shell() as t:
        equal(run(t, "seq 5 | ax run -q -- tail -n 1"), "5\n")
        equal(run(t, "ax run -q -- seq 5 | tail -n 1"), "5\n")
        equal(run(t, "echo $(ax run -q -- echo caught)"), "caught\n")
        equal(run(t, "ax run -q -- sh -c 'read x; echo got $x' <<<here"), "got here\n")


@check("a pipeline is interrupted as a whole")
def _():
    with shell() as t:
        t.type("ax run -q -- sleep 87 | ax run -q -- cat\n")
        time.sleep(0.5)
        t.type("\x03")
        t.expect("PROMPT> ")
        gone("sleep 87")


@check("a shell inside has job control of its own")
def _():
    with shell() as t:
        t.type("ax run -q -- bash --norc --noprofile -i\n")
        t.expect("PROMPT> ")
        t.type("PS1='INNER'\"> \"; bind 'set enable-bracketed-paste off'; stty -echo\n")
        t.expect("INNER> ")
        t.expect("(INNER> )?")
        t.type("sleep 88\n")
        time.sleep(0.4)
        t.type("\x1a")
        t.expect("Stopped")
        t.expect("INNER> ")
        t.type("jobs\n")
        t.expect(r"Stopped\s+sleep 88")
        t.type("kill -KILL %1\n")
        t.expect("INNER> ")
        time.sleep(0.3)
        t.type("jobs; exit 7\n")
        t.expect("PROMPT> ")
        equal(run(t, "echo $?"), "7\n")


### programs of the full screen

@check("less: a page, a search, the end")
def _():
    with open("/tmp/tty-less", "w") as f:
        f.writelines(f"line {i}\n" for i in range(1, 501))
    with ax("less", "/tmp/tty-less", rows=20, columns=60) as t:
        t.expect("line 1\r\n")
        t.expect("line 19")
        t.type("G")
        t.expect("line 500")
        t.type("/line 77\n")
        t.type("1G/line 77\n")
        t.expect("77")
        t.type("q")
        equal(t.end(), 0)


@check("top: one that redraws by itself")
def _():
    with ax("top", "-d", "0.3", rows=30, columns=100) as t:
        t.expect("load average")
        t.expect("load average")
        t.resize(20, 60)
        t.type("q")
        equal(t.end(), 0)


@check("vi: edits a file")
def _():
    if subprocess.run(["sh", "-c", "command -v vim.tiny || command -v vi || command -v vim"], capture_output=True).returncode:
        print("# no vi here")
        return
    editor = subprocess.run(["sh", "-c", "command -v vim.tiny || command -v vi || command -v vim"],
                            capture_output=True, text=True).stdout.split()[0]
    if os.path.exists("/tmp/tty-vi"):
        os.unlink("/tmp/tty-vi")
    with ax(editor, "/tmp/tty-vi") as t:
        t.expect("tty-vi")
        time.sleep(0.3)
        t.type("iwritten\x1b")
        time.sleep(0.2)
        t.type(":wq\r")
        equal(t.end(), 0)
    equal(open("/tmp/tty-vi").read(), "written\n")


main()
