#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""deaf-subscriber.py: asks the system bus for all signals of io.appswitch1, says "subscribed", and never reads again."""

import os
import socket
import struct
import sys
import time


def align(data, n):
    return data + bytes(-len(data) % n)


def string(s):
    return struct.pack("<I", len(s)) + s.encode() + b"\0"


def field(code, signature, value):
    return bytes([code, 1]) + signature.encode() + b"\0" + value


def call(serial, member, argument=None):
    fields = b""
    parts = [(1, "o", string("/org/freedesktop/DBus")), (2, "s", string("org.freedesktop.DBus")),
             (3, "s", string(member)), (6, "s", string("org.freedesktop.DBus"))]
    if argument is not None:
        parts.append((8, "g", b"\1s\0"))
    for part in parts:
        fields = align(fields, 8) + field(*part)
    body = string(argument) if argument is not None else b""
    head = b"l\1\0\1" + struct.pack("<III", len(body), serial, len(fields)) + fields
    return align(head, 8) + body


s = socket.socket(socket.AF_UNIX)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.connect("/run/dbus/system_bus_socket")
s.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
if not s.recv(4096).startswith(b"OK"):
    sys.exit("no")
s.sendall(b"BEGIN\r\n" + call(1, "Hello") + call(2, "AddMatch", "type='signal',sender='io.appswitch1'"))
data = b""
while b"\5\1u\0\2\0\0\0" not in data:  # the answer to the second call
    data += s.recv(4096)
print("subscribed", flush=True)
time.sleep(100000)
