#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""listen-many.py FIRST N [KEEP]: listens on so many ports, and says "ready"; then closes all but the first KEEP of them."""

import socket
import sys
import time

first, n = int(sys.argv[1]), int(sys.argv[2])
sockets = [socket.create_server(("", first + i)) for i in range(n)]
print("ready", flush=True)
if len(sys.argv) > 3:
    time.sleep(2)
    for s in sockets[int(sys.argv[3]):]:
        s.close()
    print("closed", flush=True)
time.sleep(100000)
