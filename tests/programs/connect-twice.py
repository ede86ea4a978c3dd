# SPDX-License-Identifier: LGPL-2.1-or-later
"""connect-twice.py ADDRESS PORT N: connects without waiting, and once more when it is done, N times, while signals come
that restart what they interrupt. Says what each of them was told, and the one after it, and how often."""

import collections
import os
import select
import signal
import socket
import sys

address, port, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
signals = 0


def on_alarm(_signal, _frame):
    global signals
    signals += 1


signal.signal(signal.SIGALRM, on_alarm)
signal.siginterrupt(signal.SIGALRM, False)
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
told = collections.Counter()
for _ in range(n):
    with socket.socket() as s:
        s.setblocking(False)
        first = s.connect_ex((address, port))
        select.select([], [s], [], 10)
        second, third = s.connect_ex((address, port)), s.connect_ex((address, port))
        told[" ".join(os.strerror(e).replace(" ", "-") for e in (first, second, third))] += 1
signal.setitimer(signal.ITIMER_REAL, 0)
print("many signals" if signals > n / 10 else f"{signals} signals")
for what, count in sorted(told.items()):
    print(f"{what}: {count}")
