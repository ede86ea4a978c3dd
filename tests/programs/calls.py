# SPDX-License-Identifier: LGPL-2.1-or-later
"""calls.py SECONDS: makes trapped calls without a pause for so long; those of the middle half are counted."""

import socket
import sys
import time

seconds = float(sys.argv[1])
s = socket.socket()
n = [0, 0]
print("ready", flush=True)
begin = time.monotonic()
while (now := time.monotonic() - begin) <= seconds:
    s.getsockname()
    n[seconds / 4 <= now <= seconds * 3 / 4] += 1
print(n[1], "calls", flush=True)
