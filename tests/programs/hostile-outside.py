#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What hostile apps, users and clients do where the switch meets the outside.

hostile-outside.py greedy NAME: asks for ever for names below it, as many at once as it can; `ready` after the first hundred
hostile-outside.py names COUNT NAME: asks for so many names below it, one after the other, and tells what came of them
hostile-outside.py half PORT OTHER-PORT: listens at both, and accepts from the other one only
hostile-outside.py crowd HOST PORT COUNT: so many connections to there, that stay
hostile-outside.py toggle PORT SECONDS: listens there and ends it, again and again
hostile-outside.py thief PORT SECONDS: tries to bind and listen there
hostile-outside.py door PATH COUNT: so many connections to a socket there, that say nothing
"""

import collections
import contextlib
import os
import resource
import signal
import socket
import struct
import sys
import time

NAME_SERVER = '203.0.113.53', 53  # whatever address an app asks


def query(ident, name):
    labels = b''.join(bytes([len(p)]) + p.encode() for p in name.split('.'))
    return struct.pack('!HHHHHH', ident & 0xffff, 0x100, 1, 0, 0, 0) + labels + b'\0\0\1\0\1'


def greedy(name):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(NAME_SERVER)
    s.settimeout(0.001)
    n = 0
    while True:
        with contextlib.suppress(OSError):
            s.send(query(n, f'{name.replace(".", f"-{os.getpid()}-{n}.", 1)}'))
        n += 1
        if n % 10 == 0:
            with contextlib.suppress(OSError):
                s.recv(512)
        if n == 100:
            print('ready', flush=True)


def names(count, name):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(NAME_SERVER)
    s.settimeout(20)
    said = collections.Counter()
    for i in range(count):
        s.send(query(i, name.replace('.', f'-{i}.', 1)))
        said[s.recv(512)[3] & 15] += 1
    print(dict(said))


def half(port, other_port):
    ignored = socket.create_server(('', port), backlog=4096)
    with socket.create_server(('', other_port)) as s:
        while ignored:
            with s.accept()[0] as c:
                c.sendall(b'served')


def crowd(host, port, count):
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 64, count + 64))
    kept = [socket.create_connection((host, port), 20) for _ in range(count)]
    print('ready', len(kept), flush=True)
    signal.pause()


def toggle(port, seconds):
    print('ready', flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        socket.create_server(('', port)).close()


def thief(port, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for _ in range(1000):
            with contextlib.suppress(OSError):
                s.bind(('127.0.0.1', port))
                sys.exit('bound')
        s.close()
    print('never')


def door(path, count):
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 64, count + 64))
    kept = []
    for _ in range(count):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.setblocking(False)
        kept.append(s)
        if s.connect_ex(path) != 0:
            break  # the queue is full, too
    print('ready', len(kept), flush=True)
    signal.pause()


{'greedy': greedy, 'names': names, 'half': half, 'crowd': crowd, 'toggle': toggle,
 'thief': thief, 'door': door}[sys.argv[1]](*(int(a) if a.isdigit() else a for a in sys.argv[2:]))
