#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""peers.py HOST PORT [4|6]: connects, and prints whom the client has to do with: "PEER PORT". The same is then asked of
a connection that was made without waiting, and of a second process with the same socket."""

import os
import select
import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
family = {"4": socket.AF_INET, "6": socket.AF_INET6}.get(sys.argv[3] if len(sys.argv) > 3 else "", 0)
where = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)[0]


def peer(s):
    return "%s %d" % s.getpeername()[:2]


with socket.socket(where[0], socket.SOCK_STREAM) as s:
    s.connect(where[4])
    seen = [peer(s)]
    r, w = os.pipe()
    if os.fork() == 0:
        os.write(w, peer(s).encode())
        os._exit(0)
    seen.append(os.read(r, 100).decode())
    os.wait()
with socket.socket(where[0], socket.SOCK_STREAM) as s:
    s.setblocking(False)
    s.connect_ex(where[4])
    select.select([], [s], [])
    seen.append(peer(s))
print(seen[0] if len(set(seen)) == 1 else seen)
