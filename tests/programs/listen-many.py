#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""listen-many.py FIRST N: listens on so many ports, and says "ready"."""

import socket
import sys
import time

first, n = int(sys.argv[1]), int(sys.argv[2])
sockets = [socket.create_server(("", first + i)) for i in range(n)]
print("ready", flush=True)
time.sleep(100000)
