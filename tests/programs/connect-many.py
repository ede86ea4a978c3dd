#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many first connects at a time, half of them by who does not wait: connect-many.py NAME PORT N [FILE]. Prints how many ended in
which way, and how many ms after the time in FILE (of server-late.py) the last one was answered by connect(2)."""

import collections
import errno
import os
import select
import socket
import sys
import threading
import time

name, port, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
address = socket.gethostbyname(name)
results = collections.Counter()
times = []


def one(wait):
    s = socket.socket()
    s.setblocking(wait)
    error = s.connect_ex((address, port))
    if error == errno.EINPROGRESS and not wait:
        poll = select.poll()
        poll.register(s, select.POLLOUT)
        poll.poll()
        error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        s.setblocking(True)
    times.append(time.monotonic())
    if not error:
        s.send(b"GET /xs HTTP/1.0\r\n\r\n")
        try:
            data = b"".join(iter(lambda: s.recv(4096), b""))
            error = 0 if b"started by a connect" in data else errno.EBADMSG
        except OSError as e:
            error = e.errno
    results[os.strerror(error) if error else "ok"] += 1


threads = [threading.Thread(target=one, args=(i % 2 == 0,)) for i in range(n)]
for t in threads:
    t.start()
print("begun", flush=True)
for t in threads:
    t.join()
print(*(f"{k}: {v}" for k, v in sorted(results.items())))
if len(sys.argv) > 4:
    with open(sys.argv[4]) as f:
        print("late:", int((max(times) - float(f.read())) * 1000))
