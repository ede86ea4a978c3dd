#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Asks for the addresses of many names as an app, each once: ask-many.py FILE NAME N WINDOW SECONDS. `{}` in NAME is a number
from 0. Begins when there is FILE; has up to WINDOW questions under way; ends after N, or when SECONDS are over. Prints how many
ended in which way, as `NOERROR: 3 nothing: 1`."""

import collections
import os
import select
import socket
import struct
import sys
import time

RCODES = {0: 'NOERROR', 2: 'SERVFAIL', 3: 'NXDOMAIN', 5: 'REFUSED'}
file, name, n, window, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
sock.connect(('192.0.2.1', 53))
results = collections.Counter()
waiting = set()
asked = 0


def query(i):
    labels = name.replace('{}', str(i)).split('.')
    return struct.pack('!HHHHHH', i & 0xffff, 0x0100, 1, 0, 0, 0) + b''.join(bytes([len(p)]) + p.encode() for p in labels) + b'\0\0\1\0\1'


print('ready', flush=True)
while not os.path.exists(file):
    time.sleep(0.02)
end = time.monotonic() + seconds
while time.monotonic() < end and (waiting or asked < n):
    while asked < n and len(waiting) < window:
        sock.send(query(asked))
        waiting.add(asked & 0xffff)
        asked += 1
    if select.select([sock], [], [], max(0, end - time.monotonic()))[0]:
        answer = sock.recv(65535)
        waiting.discard(struct.unpack('!H', answer[:2])[0])
        results[RCODES.get(answer[3] & 15, 'other')] += 1
results['nothing'] = len(waiting)
print(*(f'{k}: {v}' for k, v in sorted(results.items()) if v))
