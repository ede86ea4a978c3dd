#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bus-client.py CASE: calls of io.appswitch1 that no well-behaved client makes, with what busctl cannot send.

D-Bus by hand (Specification 0.42, "Message Protocol", "Authentication Protocol"): words longer than an argument of
execve(2), arrays of a million entries, and calls whose answers nobody waits for. Prints what the daemon answers."""

import os
import socket
import struct
import sys
import time

CALL, REPLY, ERROR = 1, 2, 3
MANAGER = ("io.appswitch1", "/io/appswitch1", "io.appswitch1.Manager")
BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


class Writer:
    def __init__(self):
        self.data = bytearray()

    def align(self, n):
        self.data += bytes(-len(self.data) % n)

    def u32(self, v):
        self.align(4)
        self.data += struct.pack("<I", v)

    def string(self, s):
        s = s if isinstance(s, bytes) else s.encode()
        self.u32(len(s))
        self.data += s + b"\0"

    def signature(self, s):
        self.data += bytes([len(s)]) + s.encode() + b"\0"

    def array(self, alignment, items, write):
        self.u32(0)
        at = len(self.data)
        self.align(alignment)
        begin = len(self.data)
        for i in items:
            write(i)
        struct.pack_into("<I", self.data, at - 4, len(self.data) - begin)

    def strings(self, words):
        self.array(4, words, self.string)

    def options(self, options):
        def entry(item):
            key, (signature, value) = item
            self.align(8)
            self.string(key)
            self.signature(signature)
            self.string(value) if signature == "s" else self.strings(value)

        self.array(8, options, entry)


class Bus:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect("/run/dbus/system_bus_socket")
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        assert self.socket.recv(4096).startswith(b"OK")
        self.socket.sendall(b"BEGIN\r\n")
        self.serial = 0
        self.buffer = b""
        self.answers = {}
        self.socket.settimeout(30)
        self.wait(self.call(BUS, "Hello", "", b""))

    def call(self, to, member, signature, body, flags=0):
        self.serial += 1
        w = Writer()
        w.data += struct.pack("<BBBBII", ord("l"), CALL, flags, 1, len(body), self.serial)

        def field(f):
            code, sig, value = f
            w.align(8)
            w.data.append(code)
            w.signature(sig)
            w.signature(value) if sig == "g" else w.string(value)

        fields = [(1, "o", to[1]), (2, "s", to[2]), (3, "s", member), (6, "s", to[0])]
        w.array(8, fields + ([(8, "g", signature)] if signature else []), field)
        w.align(8)
        self.socket.sendall(w.data + body)
        return self.serial

    def run_app(self, argv, environment=("PATH=/usr/bin",), options=None, flags=0):
        w = Writer()
        w.strings(argv)
        w.strings(environment)
        w.options(options or [])
        return self.call(MANAGER, "RunApp", "asasa{sv}", bytes(w.data), flags)

    def read(self, n):
        while len(self.buffer) < n:
            data = self.socket.recv(1 << 20)
            if not data:
                raise EOFError("the bus broke off")
            self.buffer += data
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def message(self):
        """Returns (type, serial of the call, name of the error, first word of the body)."""
        _, kind, _, _, size, _, fields = struct.unpack("<BBBBIII", self.read(16))
        header = self.read(fields + -fields % 8)[:fields]
        body = self.read(size)
        serial, error, at = 0, "", 0
        while at < fields:
            at += -at % 8
            code, n = header[at], header[at + 1]
            signature = header[at + 2:at + 2 + n]
            at += 3 + n
            if signature == b"g":
                at += header[at] + 2
                continue
            at += -at % 4
            value = struct.unpack_from("<I", header, at)[0]
            at += 4
            if signature == b"u":
                serial = value if code == 5 else serial
                continue
            error = header[at:at + value].decode() if code == 4 else error
            at += value + 1
        word = body[4:4 + struct.unpack_from("<I", body)[0]].decode() if kind == ERROR and body else ""
        return kind, serial, error, word

    def wait(self, serial):
        while serial not in self.answers:
            kind, answered, error, word = self.message()
            self.answers[answered] = "ok" if kind == REPLY else f"{error}: {word[:300]}"
        return self.answers[serial]


def match_rule():
    w = Writer()
    w.string("type='signal',sender='io.appswitch1'")
    return bytes(w.data)


def timed(bus, serial):
    """The answer, and whether it came soon (on a slow machine, too): the daemon does nothing else meanwhile."""
    begin = time.monotonic()
    said = bus.wait(serial)
    took = time.monotonic() - begin
    return said + (f" (after {took:.1f} s)" if took > 5 else "")


def main(case):
    bus = Bus()
    if case == "tags":      # a million of one tag, which are one tag
        print(timed(bus, bus.run_app(["true"], options=[("Tags", ("as", ["a=b"] * 1000000))])))
    elif case == "addresses":
        print(timed(bus, bus.run_app(["true"], options=[("Addresses", ("as", ["198.18.0.1"] * 1000000))])))
    elif case == "program":  # escaped, it is longer than any message may be
        print(timed(bus, bus.run_app([b"\1" * (9 << 20)])))
    elif case == "arguments":
        print(timed(bus, bus.run_app(["true", *["x" * 65535] * 150])))
    elif case == "environment":
        print(timed(bus, bus.run_app(["true"], environment=["A=" + "x" * 65535] * 150)))
    elif case in ("User", "Group", "Description", "Name", "Unit", "Slice", "Shortcut"):
        print(timed(bus, bus.run_app(["true"], options=[(case, ("s", "x" * (9 << 20)))])))
    elif case == "twice":
        print(timed(bus, bus.run_app(["true"], options=[("Description", ("s", "x")), ("Description", ("s", "y"))])))
    elif case == "newline":  # of the program, whose name the journal gets
        print(timed(bus, bus.run_app([sys.argv[2].encode().decode("unicode_escape")])))
    elif case == "flood":   # calls that wait for polkit, as many as come
        n = int(sys.argv[2])
        serials = [bus.run_app(["true", *["x" * 65535] * int(sys.argv[3])]) for _ in range(n)]
        answers = [bus.wait(s).split(":")[0] for s in serials]
        for a in sorted(set(answers)):
            print(answers.count(a), a)
    elif case == "deaf":    # subscribes, asks, and never reads
        bus.call(BUS, "AddMatch", "s", match_rule())
        bus.socket.settimeout(1)
        objects = ("io.appswitch1", "/io/appswitch1", "org.freedesktop.DBus.ObjectManager")
        try:
            for n in range(int(sys.argv[2])):
                bus.call(objects, "GetManagedObjects", "", b"")
        except (TimeoutError, OSError) as e:
            print(n, "calls, then", e)
        print("asked", flush=True)
        time.sleep(int(sys.argv[3]))
    else:
        sys.exit(__doc__)


main(sys.argv[1])
