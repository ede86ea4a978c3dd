#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""listen-many.py FIRST N [TURNS]: listens on so many ports, says "ready"; with TURNS closes them all and begins anew, so
often, before that."""

import socket
import sys
import time

first, n = int(sys.argv[1]), int(sys.argv[2])
for turn in range(int(sys.argv[3]) if len(sys.argv) > 3 else 1):
    sockets = None
    sockets = [socket.create_server(("", first + i)) for i in range(n)]
print("ready", flush=True)
time.sleep(100000)
