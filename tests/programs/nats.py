#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client of NATS that needs no library, as the protocol is text.

nats.py whoami HOST PORT: the address that the server sees
nats.py relay FROM TO N SIZE: prints how many of N messages come in order and unharmed from one server to the other
nats.py fan FROM OTHER SUBSCRIBERS N: subscribers at both; prints how many messages they get together
nats.py queue FROM OTHER SUBSCRIBERS N: subscribers of one queue; prints how many messages come, how many of
    them are different, and to how many subscribers
"""

import hashlib
import json
import socket
import sys
import threading

PORT = 4222


class Nats:
    def __init__(self, host, port=PORT):
        self.socket = socket.create_connection((host, port), timeout=20)
        self.stream = self.socket.makefile("rb")
        self.info = json.loads(self.line().removeprefix("INFO "))
        self.sid = 0
        self.send(b'CONNECT {"verbose": false, "pedantic": false, "name": "test"}\r\n')
        self.flush()

    def line(self):
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError("the server has closed the connection")
        return line.decode().rstrip()

    def send(self, data):
        self.socket.sendall(data)

    def flush(self):
        """Waits until the server has seen everything."""
        self.send(b"PING\r\n")
        while (line := self.line()) != "PONG":
            if line.startswith("-ERR"):
                raise OSError(line)

    def subscribe(self, subject, queue=""):
        self.sid += 1
        self.send(f"SUB {subject} {queue} {self.sid}\r\n".encode())
        self.flush()

    def publish(self, subject, data):
        self.send(f"PUB {subject} {len(data)}\r\n".encode() + data + b"\r\n")

    def message(self):
        while True:
            line = self.line()
            if line == "PING":
                self.send(b"PONG\r\n")
            elif line.startswith("MSG "):
                size = int(line.split()[-1])
                data = self.stream.read(size + 2)
                return data[:-2]
            elif line.startswith("-ERR"):
                raise OSError(line)


def data_of(i, size):
    return (b"%d " % i + hashlib.sha256(b"%d" % i).digest() * (size // 32 + 1))[:max(size, 16)]


class Subscriber(threading.Thread):
    """Collects what comes until it is told to stop."""

    def __init__(self, host, queue=""):
        super().__init__(daemon=True)
        self.nats = Nats(host)
        self.nats.subscribe("data", queue)
        self.nats.subscribe("control")
        self.is_there = threading.Event()
        self.got = []
        self.start()

    def run(self):
        while (data := self.nats.message()) != b"stop":
            if data == b"there?":
                self.is_there.set()
            else:
                self.got.append(data)


def deliver(source, subscribers, messages):
    """Publishes when the servers know all subscribers; returns when these have everything."""
    publisher = Nats(source)
    while not all(s.is_there.wait(0.05) for s in subscribers):
        publisher.publish("control", b"there?")
        publisher.flush()
    for data in messages:
        publisher.publish("data", data)
    publisher.publish("control", b"stop")
    publisher.flush()
    for s in subscribers:
        s.join(20)


def relay(source, target, n, size):
    subscriber = Subscriber(target)
    deliver(source, [subscriber], (data_of(i, size) for i in range(n)))
    print(sum(got == data_of(i, size) for i, got in enumerate(subscriber.got)))


def fan(source, other, subscribers, n):
    all_of_them = [Subscriber((source, other)[i % 2]) for i in range(subscribers)]
    deliver(source, all_of_them, (data_of(i, 100) for i in range(n)))
    print(sum(got == data_of(i, 100) for s in all_of_them for i, got in enumerate(s.got)))


def queue(source, other, subscribers, n):
    all_of_them = [Subscriber((source, other)[i % 2], "workers") for i in range(subscribers)]
    deliver(source, all_of_them, (b"%d" % i for i in range(n)))
    got = [data for s in all_of_them for data in s.got]
    print(len(got), len(set(got)), sum(bool(s.got) for s in all_of_them))


def main():
    what, *args = sys.argv[1:]
    if what == "whoami":
        print(Nats(args[0], int(args[1])).info["client_ip"])
    else:
        {"relay": relay, "fan": fan, "queue": queue}[what](args[0], args[1], *map(int, args[2:]))


main()
