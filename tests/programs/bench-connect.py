#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tools/bench-scale runs in apps.

bench-connect.py serve PORT...              listens on all of them, and closes what it accepts
bench-connect.py connect ADDRESS PORT N     connects and closes N times; prints the best time, and the median of the best 200 in a
                                            row, in ns
"""

import select
import socket
import statistics
import sys
import time


def serve(ports):
    poll = select.poll()
    sockets = {}
    for port in ports:
        s = socket.create_server(("", int(port)), backlog=1000)
        sockets[s.fileno()] = s
        poll.register(s, select.POLLIN)
    print("ready", flush=True)
    while True:
        for fd, _ in poll.poll():
            sockets[fd].accept()[0].close()


def connect(address, port, n):
    times = []
    for _ in range(n):
        s = socket.socket()
        before = time.perf_counter_ns()
        s.connect((address, port))
        s.close()
        times.append(time.perf_counter_ns() - before)
    print(min(times), int(min(statistics.median(times[i:i + 200]) for i in range(0, n, 200))))


if sys.argv[1] == "serve":
    serve(sys.argv[2:])
else:
    connect(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
