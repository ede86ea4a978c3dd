#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hold.py HOST PORT N [BYTES]: holds N connections, having sent so many bytes on each, and says "closed K" when K of
them have ended. hold.py --serve PORT [own]: accepts, holds, and reads; "own": also connects to itself."""

import selectors
import socket
import sys


def serve(port, own):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, backlog=4096, dualstack_ipv6=True)
    poll = selectors.DefaultSelector()
    poll.register(listener, selectors.EVENT_READ)
    mine = [socket.create_connection(("127.0.0.1", port)) for _ in range(own)]
    print("ready", flush=True)
    while mine is not None:
        for key, _ in poll.select():
            if key.fileobj is listener:
                s, _ = listener.accept()
                poll.register(s, selectors.EVENT_READ)
            else:
                try:
                    data = key.fileobj.recv(65536)
                except OSError:
                    data = b""
                if not data:
                    poll.unregister(key.fileobj)
                    key.fileobj.close()


def hold(host, port, n, size):
    poll = selectors.DefaultSelector()
    for _ in range(n):
        s = socket.create_connection((host, port))
        s.sendall(b"x" * size)
        poll.register(s, selectors.EVENT_READ)
    print("connected", flush=True)
    closed = 0
    while True:
        for key, _ in poll.select():
            try:
                data = key.fileobj.recv(65536)
            except OSError:
                data = b""
            if not data:
                poll.unregister(key.fileobj)
                key.fileobj.close()
                closed += 1
                print("closed", closed, flush=True)


if sys.argv[1] == "--serve":
    serve(int(sys.argv[2]), len(sys.argv) > 3)
else:
    hold(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 0)
