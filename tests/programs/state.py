#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""state.py: what a process inherits, one `key value` a line: the same natively and in an app."""

import os
import resource
import sys

for i, word in enumerate(sys.argv[1:]):
    print(f"argv{i}", os.fsencode(word))
print("argc", len(sys.argv) - 1)
print("cwd", os.getcwdb())
mask = os.umask(0)
os.umask(mask)
print("umask", oct(mask))
for name in sorted(n for n in dir(resource) if n.startswith("RLIMIT_")):
    print(name, resource.getrlimit(getattr(resource, name)))
print("nice", os.getpriority(os.PRIO_PROCESS, 0))
print("scheduler", os.sched_getscheduler(0))
print("affinity", sorted(os.sched_getaffinity(0)))
print("oom_score_adj", open("/proc/self/oom_score_adj").read().strip())
for line in open("/proc/self/status"):
    # What Python itself sets is the same on both sides.
    if line.split(":")[0] in ("Uid", "Gid", "Groups", "NoNewPrivs", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
                              "SigBlk", "SigIgn"):
        print(*line.split())
print("descriptors", sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1])
for fd in range(3):
    try:
        st = os.fstat(fd)
        print("fd", fd, st.st_dev, st.st_ino)
    except OSError as e:
        print("fd", fd, e)
