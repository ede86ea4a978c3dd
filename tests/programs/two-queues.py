#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""two-queues.py serve PORT OTHER: listens on both, and never accepts from PORT; who comes to OTHER gets an "x".
two-queues.py ask HOST PORT N: N connections one after the other; together HOST PORT N: all at once, having said "waiting".
Both say how many were "served"."""

import select
import socket
import sys


def serve(port, other):
    listeners = [socket.create_server(("", p), backlog=4096) for p in (port, other)]
    listeners[1].setblocking(False)
    poll = select.poll()
    poll.register(listeners[1], select.POLLIN)
    while poll.poll():
        try:
            s, _ = listeners[1].accept()
        except BlockingIOError:
            continue
        with s:
            s.setblocking(True)
            s.sendall(b"x")


def connect(host, port):
    return socket.create_connection((host, port), 20)


def ask(host, port, n, together):
    sockets = [connect(host, port) for _ in range(n)] if together else (connect(host, port) for _ in range(n))
    if together:
        print("waiting", flush=True)
    served = 0
    for s in sockets:
        with s:
            try:
                served += s.recv(1) == b"x"
            except OSError:
                pass
    print(f"served {served}", flush=True)


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]), int(sys.argv[3]))
else:
    ask(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[1] == "together")
