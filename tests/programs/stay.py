#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A server whose connections stay: stay.py PORT. What comes is sent back."""

import socket
import sys
import threading


def serve(connection):
    while data := connection.recv(4096):
        connection.sendall(data)
    connection.close()


server = socket.create_server(("", int(sys.argv[1])))
while True:
    threading.Thread(target=serve, args=server.accept()[:1], daemon=True).start()
