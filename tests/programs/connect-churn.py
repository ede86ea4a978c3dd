#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Connects again and again, with pauses around a time: connect-churn.py NAME PORT SECONDS PAUSE. Each pause is PAUSE seconds, half of
one more or less; every other connect is by who does not wait. Prints how many ended in which way."""

import collections
import errno
import os
import random
import select
import socket
import sys
import time

name, port, seconds, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
address = socket.gethostbyname(name)
results = collections.Counter()
end = time.monotonic() + seconds
n = 0
while time.monotonic() < end:
    n += 1
    s = socket.socket()
    s.setblocking(n % 2 == 0)
    error = s.connect_ex((address, port))
    if error == errno.EINPROGRESS:
        poll = select.poll()
        poll.register(s, select.POLLOUT)
        poll.poll()
        error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    s.setblocking(True)
    if not error:
        try:
            s.send(b"GET /xs HTTP/1.0\r\n\r\n")
            data = b"".join(iter(lambda: s.recv(4096), b""))
            error = 0 if b"started by a connect" in data else errno.EBADMSG
        except OSError as e:
            error = e.errno
    s.close()
    results[os.strerror(error) if error else "ok"] += 1
    time.sleep(pause * random.uniform(0.7, 1.3))
print("total:", n, *(f"{k}: {v}" for k, v in sorted(results.items())))
