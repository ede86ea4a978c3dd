#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill-starting.py UNIT N MSEC: kills the main process of a service N times, each a little later after it was started:
0 to MSEC milliseconds. So each step of its start is the last one at some time."""

import os
import signal
import sys
import time

unit, n, longest = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
procs = f"/sys/fs/cgroup/system.slice/{unit}/cgroup.procs"


def find(other_than):
    """The process of the service, when it is a new one."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with open(procs) as f:
                pids = [int(line) for line in f]
        except OSError:
            pids = []
        if pids and pids[0] != other_than:
            return pids[0]
        time.sleep(0.0005)
    sys.exit(f"{unit} is not started again")


last = 0
for i in range(n):
    pid = find(last)
    time.sleep(longest * i / n / 1000)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    last = pid
find(last)
