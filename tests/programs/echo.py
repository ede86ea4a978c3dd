#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""echo.py NAME [PORT [BACKLOG]]: greets each connection with "NAME\\n", then sends back what comes. Threads that are
blocked in accept serve it, as in many servers."""

import socket
import sys
import threading

name = sys.argv[1]
port = int(sys.argv[2]) if len(sys.argv) > 2 else 7
backlog = int(sys.argv[3]) if len(sys.argv) > 3 else 128


def talk(s):
    with s:
        try:
            s.sendall(name.encode() + b"\n")
            while data := s.recv(65536):
                s.sendall(data)
        except OSError:
            pass


def serve():
    while True:
        s, _ = listener.accept()
        threading.Thread(target=talk, args=(s,), daemon=True).start()


listener = socket.create_server(("::", port), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True)
print("ready", flush=True)
threads = [threading.Thread(target=serve) for _ in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
