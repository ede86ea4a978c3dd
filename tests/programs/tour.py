#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the commands of a transcript and compares what they say: tour.py FILE. Lines that begin with "# " are commands of root,
with "$ " of alice; what they say follows, up to an empty line (but for that before the number of what is listed)."""

import re
import subprocess
import sys
import tempfile
import time

PATIENCE = 20  # seconds that a server may take until it listens


def read(lines):
    steps, inside = [], False
    for line, after in zip(lines, lines[1:] + [""]):
        if re.match(r"[#$] ", line):
            steps.append((line[0], line[2:], []))
            inside = True
        elif line == "" and not re.match(r"\d+ \w+ listed\.$", after):
            inside = False
        elif inside:
            steps[-1][2].append(line)
    return steps


def run(who, command):
    argv = ["bash", "-c", command]
    if who == "$":
        argv = ["runuser", "-u", "alice", "--", *argv]
    # Not a pipe: an app that goes on would hold it open.
    with tempfile.TemporaryFile("w+") as f:
        subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT, timeout=60)
        f.seek(0)
        return f.read().rstrip("\n")


steps = read(open(sys.argv[1]).read().split("\n"))
for who, command, lines in steps:
    wanted = "\n".join(lines)
    pattern = re.escape(wanted).replace("…", ".*")
    deadline = time.monotonic() + PATIENCE
    while True:
        said = run(who, command)
        # What starts or changes something is not for doing twice.
        if re.fullmatch(pattern, said) or re.match(r"ax (run --no-block|create|remove|stop)", command) or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    good = re.fullmatch(pattern, said)
    print("ok" if good else "not ok", who, command)
    if not good:
        for line in f"said:\n{said}\nwanted:\n{wanted}".split("\n"):
            print("#", line)
print(f"1..{len(steps)}")
