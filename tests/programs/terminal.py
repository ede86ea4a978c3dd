# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a person at a terminal does and sees, for tests in Python that run themselves in a host of the lab."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import traceback

checks = []


class Failed(Exception):
    pass


def check(text):
    def add(function):
        checks.append((text, function))
        return function
    return add


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, argv, rows=24, columns=80, env=None):
        self.text = ""
        self.all = ""
        self.status = None
        self.master, self.slave = os.openpty()
        self.resize(rows, columns)
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(self.slave, fd)
            os.closerange(3, 256)
            os.environ.update({"TERM": "xterm", "PS1": "PROMPT> ", "HISTFILE": ""})
            for key, value in (env or {}).items():
                os.environ.pop(key, None)
                if value is not None:
                    os.environ[key] = value
            os.environ.pop("PROMPT_COMMAND", None)
            os.execvp(argv[0], argv)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)
        os.close(self.slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def modes(self):
        return termios.tcgetattr(self.slave)

    def read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            piece = os.read(self.master, 65536).decode(errors="replace")
        except OSError:
            return False
        self.text += piece
        self.all += piece
        return True

    def expect(self, pattern, seconds=5):
        """Waits for output; what came up to it and with it is taken."""
        deadline = time.monotonic() + seconds
        while not (m := re.search(pattern, self.text)):
            left = deadline - time.monotonic()
            if left <= 0 or not self.read(left) and time.monotonic() >= deadline:
                raise Failed(f"no {pattern!r} in {self.text!r}")
        self.text = self.text[m.end():]
        return m

    def expect_not(self, pattern, seconds=0.3):
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.read(left)
        if re.search(pattern, self.text):
            raise Failed(f"{pattern!r} in {self.text!r}")

    def end(self, seconds=5):
        """Waits for the end; returns what subprocess would."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.read(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while self.read(0):
                    pass
                self.status = status
                return os.waitstatus_to_exitcode(status)
        raise Failed(f"no end; said: {self.text!r}")


def equal(got, wanted, what="value"):
    if got != wanted:
        raise Failed(f"{what}: got {got!r}, wanted {wanted!r}")


def shell():
    t = Terminal(["bash", "--norc", "--noprofile", "-i"])
    t.expect("PROMPT> ")
    t.type("bind 'set enable-bracketed-paste off'; stty -echo; set +H; PS1='PROMPT'\"> \"; echo rea''dy\n")
    t.expect("ready")
    t.expect("PROMPT> ")
    return t


def run(t, command, seconds=8):
    """What a command at the shell prints."""
    t.type(command + "\n")
    return t.expect(r"(?s)(.*?)PROMPT> ", seconds).group(1).replace("\r\n", "\n")


def processes(pattern):
    return subprocess.run(["pgrep", "-fx", pattern], capture_output=True, text=True).stdout.split()


def gone(pattern, seconds=5):
    deadline = time.monotonic() + seconds
    while processes(pattern):
        if time.monotonic() > deadline:
            raise Failed(f"still there: {pattern}")
        time.sleep(0.05)


def main():
    if "--inside" not in sys.argv:
        here = os.path.dirname(os.path.abspath(sys.argv[0]))
        lab = os.environ.get("LAB", os.path.join(here, "../../tools/lab"))
        os.execvp(lab, [lab, "exec", os.environ.get("HOST", "1"), "--", "python3",
                        "/usr/src/appswitch/tests/integration/" + os.path.basename(sys.argv[0]), "--inside", *sys.argv[1:]])
    os.environ["LC_ALL"] = "C.UTF-8"
    patterns = [p for p in sys.argv[1:] if p != "--inside"]
    n = 0
    for text, function in checks:
        if patterns and not any(re.search(p, text) for p in patterns):
            continue
        n += 1
        trouble = []
        try:
            function()
        except Failed as e:
            trouble = [str(e)[-600:]]
        except Exception:
            trouble = traceback.format_exc().splitlines()[-6:]
        print(("not ok" if trouble else "ok"), n, "-", text)
        for line in trouble:
            print("#", line)
        sys.stdout.flush()
    print(f"1..{n}")
