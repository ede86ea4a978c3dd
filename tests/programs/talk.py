#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client for one connection: talk.py HOST PORT. Sends each line of standard input and prints what comes back."""

import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection, connection.makefile("rw") as peer:
    for line in iter(sys.stdin.readline, ""):
        peer.write(line)
        peer.flush()
        print(peer.readline(), end="", flush=True)
