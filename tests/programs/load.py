#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""load.py connects HOST PORT N: N connections in turn; prints who answered how often, and what failed
load.py order HOST PORT N: who answered, in order
load.py load HOST PORT SECONDS THREADS: connections without pause; prints how many went well, and what failed
load.py hold HOST PORT N SECONDS: N connections that stay; prints how many echo what is sent, again and again
"""

import collections
import socket
import sys
import threading
import time

what, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])


def read_line(s):
    line = b""
    while not line.endswith(b"\n"):
        piece = s.recv(1)
        if not piece:
            raise OSError(f"end of stream after {line!r}")
        line += piece
    return line.decode().strip()


def once(word=b"hello\n"):
    with socket.create_connection((host, port), timeout=30) as s:
        who = read_line(s)
        s.sendall(word)
        if read_line(s) != word.decode().strip():
            raise OSError("wrong echo")
        return who


def say(counts):
    print(*(f"{k}:{v}" for k, v in sorted(counts.items())))


def connects(n):
    counts = collections.Counter()
    for _ in range(n):
        try:
            counts[once()] += 1
        except OSError as e:
            counts[f"failed ({e})"] += 1
    say(counts)


def order(n):
    print(" ".join(once() for _ in range(n)))


def load(seconds, threads):
    counts = collections.Counter()
    end = time.monotonic() + seconds
    lock = threading.Lock()

    def work(k):
        i = 0
        while time.monotonic() < end:
            i += 1
            try:
                once(b"%d-%d\n" % (k, i))
                key = "good"
            except OSError as e:
                key = f"failed ({e!r})"
            with lock:
                counts[key] += 1
    workers = [threading.Thread(target=work, args=(k,)) for k in range(int(threads))]
    for t in workers:
        t.start()
    for t in workers:
        t.join()
    say(counts)


def hold(n, seconds):
    sockets = [socket.create_connection((host, port), timeout=30) for _ in range(int(n))]
    for s in sockets:
        read_line(s)
    print("held", flush=True)
    end = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < end:
        rounds += 1
        for i, s in enumerate(sockets):
            s.sendall(b"%d.%d\n" % (rounds, i))
        for i, s in enumerate(sockets):
            if read_line(s) != f"{rounds}.{i}":
                raise OSError("wrong echo")
        time.sleep(0.02)
    print(f"all {len(sockets)} alive, {'many' if rounds > 10 else rounds} rounds")


if what == "connects":
    connects(int(sys.argv[4]))
elif what == "order":
    order(int(sys.argv[4]))
elif what == "load":
    load(float(sys.argv[4]), int(sys.argv[5]))
elif what == "hold":
    hold(int(sys.argv[4]), float(sys.argv[5]))
