#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ask-password.py [--answer TEXT]... [--end SIGNAL] [--wait] CMD...: a person at a terminal who is asked for passwords.

Runs the command at a terminal of its own and types the answers at the prompts of pkttyagent, one after the other; a
prompt for which there is none is where the command gets the signal, or is left alone (--wait: until Enter is read from
our own input). Prints what there was to see, then "prompts N" and "status N"."""

import argparse
import os
import pty
import re
import select
import signal
import sys
import termios
import time

PROMPT = re.compile(r"Password: ")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--answer", action="append", default=[])
    p.add_argument("--end", default="INT")
    p.add_argument("--wait", action="store_true")
    p.add_argument("command", nargs=argparse.REMAINDER)
    args = p.parse_args()
    pid, master = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "dumb"
        os.execvp(args.command[0], args.command)
    text, seen, prompts, deadline = "", 0, 0, time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([master], [], [], 1)[0]:
            continue
        try:
            piece = os.read(master, 65536).decode(errors="replace")
        except OSError:
            break
        if not piece:
            break
        text += piece
        while m := PROMPT.search(text, seen):
            seen = m.end()
            prompts += 1
            if prompts <= len(args.answer):
                # What comes before it has turned the echo off it throws away.
                while termios.tcgetattr(master)[3] & termios.ECHO and time.monotonic() < deadline:
                    time.sleep(0.01)
                os.write(master, args.answer[prompts - 1].encode() + b"\n")
                continue
            if args.wait:
                print("asked", flush=True)
                sys.stdin.readline()
            os.kill(pid, getattr(signal, "SIG" + args.end))
    else:
        os.kill(pid, signal.SIGKILL)
        text += "\n(took too long)"
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(text.replace("\r", ""))
    print(f"prompts {prompts}\nstatus {status}")


main()
