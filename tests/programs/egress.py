#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""egress.py watchman FILE ADDRESS:PORT...: writes down who gets through to where nobody is to get to
egress.py reset ADDRESS PORT: a server that ends each connection by a reset, after what it said
egress.py errors PORT ADDRESS...: what connect(2) says of each, to who waits and to who does not
egress.py storm ADDRESS PORT N: what so many connects are told
egress.py bound PORT HOST PORT: from where the server sees one that is bound
egress.py elsewhere ADDRESS DEVICE HOST PORT: what one is told that would leave from an address or by a device of the host
egress.py load HOST PORT SECONDS: connections, one after the other in each of some threads: how many failed, and how
egress.py names PORT NAME...: connects to what each of the names resolves to
egress.py by-name NAME PORT ADDRESS PORT...: looks a name up, and connects to all these
egress.py once NAME PORT: looks a name up once, and connects to all of it at once and at each SIGUSR1
egress.py lapses NAME PORT: looks a name up once, and connects to it until it may not any more
egress.py race NAME PORT N: looks it up and connects, many at once
egress.py swap ADDRESS PORT OTHER PORT SECONDS: puts other sockets under the number of one that connects
egress.py eyeballs PORT V6 V4: the first of the two that answers
"""

import asyncio
import errno
import os
import signal
import socket
import struct
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from ctypes import CDLL, get_errno

libc = CDLL(None, use_errno=True)


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def sockaddr(host, port):
    if ":" in host:
        return struct.pack("=HH4x", socket.AF_INET6, socket.htons(port)) + socket.inet_pton(socket.AF_INET6, host) + bytes(4)
    return struct.pack("=HH", socket.AF_INET, socket.htons(port)) + socket.inet_aton(host) + bytes(8)


def connect(host, port, timeout=None, s=None):
    """connect(2) itself; 0 or the name of the error, which of a socket that does not wait is what comes of it."""
    s = s or socket.socket(family(host))
    s.setblocking(timeout is None)
    a = sockaddr(host, port)
    if libc.connect(s.fileno(), a, len(a)) == 0:
        return "0"
    error = get_errno()
    if error == errno.EINPROGRESS and timeout is not None:
        import select

        if not select.select([], [s], [], timeout)[1]:
            return "nothing"
        error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return errno.errorcode.get(error, str(error))


def parse(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def watchman(path, *places):
    log = open(path, "w", buffering=1)

    def watch(listener, place):
        while True:
            s, peer = listener.accept()
            print(place, peer[0], file=log)
            s.close()

    for place in places:
        host, port = parse(place)
        listener = socket.create_server((host, port), family=family(host))
        threading.Thread(target=watch, args=(listener, place)).start()
    print("ready", file=log)


def reset(address, port):
    listener = socket.create_server((address, port))
    while True:
        s, _ = listener.accept()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()


def errors(port, *addresses):
    """All at once: some take their time."""
    with ThreadPoolExecutor(2 * len(addresses)) as pool:
        said = [(a, pool.submit(connect, a, port), pool.submit(connect, a, port, 5)) for a in addresses]
    for a, waits, goes_on in said:
        print(a, waits.result(), goes_on.result())


def storm(address, port, n):
    said = {}
    for _ in range(n):
        s = socket.socket(family(address))
        r = connect(address, port, s=s)
        said[r] = said.get(r, 0) + 1
        s.close()
    print(*(f"{k} {v}" for k, v in sorted(said.items())))


def bound(own, host, port):
    with socket.socket(family(host)) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", own))
        s.connect((host, port))
        print(s.getsockname()[1], *s.makefile("rb").readline().decode().split())


def elsewhere(address, device, host, port):
    with socket.socket(family(host)) as s:
        try:
            s.bind((address, 0))
            print("bound", connect(host, port, s=s), end=" ")
        except OSError as e:
            print(errno.errorcode[e.errno], end=" ")
    with socket.socket(family(host)) as s:
        try:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            print(connect(host, port, s=s))
        except OSError as e:
            print(errno.errorcode[e.errno])


def load(host, port, seconds):
    end = time.monotonic() + seconds
    good, bad = [0], []

    def run(timeout):
        while time.monotonic() < end:
            with socket.socket(family(host)) as s:
                r = connect(host, port, timeout, s)
                try:
                    s.settimeout(10)
                    said = s.recv(100) if r == "0" else r
                    peer = s.getpeername()[0] if r == "0" else r
                except OSError as e:
                    said = peer = str(e)
                if peer == host and said:
                    good[0] += 1
                else:
                    bad.append((r, peer))

    threads = [threading.Thread(target=run, args=(t,)) for t in (None, None, 10, 10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print("good" if good[0] > 100 else good[0], len(bad), *bad[:3])


def resolve(name):
    return sorted({a[4][0] for a in socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM)})


def names(port, *which):
    for name in which:
        try:
            print(name, *(f"{a} {connect(a, port)}" for a in resolve(name)))
        except socket.gaierror as e:
            print(name, "is no name" if e.errno == socket.EAI_NONAME else "fails")


def by_name(name, port, *places):
    for a in resolve(name):
        print(name, a, port, connect(a, port))
    for host, p in zip(places[::2], places[1::2]):
        print(host, p, connect(str(host), p))


def once(name, port):
    addresses = resolve(name)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    while True:
        print(*(f"{a} {connect(a, port)}" for a in addresses), flush=True)
        signal.pause()


def lapses(name, port):
    (address,) = resolve(name)
    first = connect(address, port)
    while (r := connect(address, port)) == "0":
        time.sleep(0.2)
    print(first, r)


def race(name, port, n):
    """Each connects at the very moment that it hears of the address; as many at once as lookups may be under way."""
    said = []

    def some(i):
        for k in range(i, n, 16):
            try:
                for a in resolve(name.replace("#", str(k))):
                    said.append(connect(a, port))
            except socket.gaierror as e:
                said.append(str(e))

    threads = [threading.Thread(target=some, args=(i,)) for i in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(*(f"{k} {said.count(k)}" for k in sorted(set(said))))


def swap(address, port, other, other_port, seconds):
    """What is connected under the number is another socket now and then, and the address another one."""
    end = time.monotonic() + seconds
    place = socket.socket().detach()
    buffer = bytearray(sockaddr(address, port))
    good, bad = sockaddr(address, port), sockaddr(other, other_port)
    import ctypes

    shared = (ctypes.c_char * len(buffer)).from_buffer(buffer)

    def swapper():
        while time.monotonic() < end:
            s = socket.socket()
            s.setblocking(False)
            os.dup2(s.fileno(), place)
            s.close()

    def changer():
        while time.monotonic() < end:
            buffer[:] = bad
            buffer[:] = good

    def connector():
        while time.monotonic() < end:
            libc.connect(place, shared, len(good))

    threads = [threading.Thread(target=f) for f in (swapper, changer, connector, connector)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print("done")


def eyeballs(port, v6, v4):
    async def run():
        loop = asyncio.get_running_loop()

        async def getaddrinfo(*_, **__):
            return [(family(a), socket.SOCK_STREAM, 6, "", (a, port)) for a in (v6, v4)]

        loop.getaddrinfo = getaddrinfo
        _, writer = await asyncio.open_connection("both", port, happy_eyeballs_delay=0.25)
        print(writer.get_extra_info("peername")[0])

    asyncio.run(run())


globals()[sys.argv[1].replace("-", "_")](*(int(a) if a.isdigit() else a for a in sys.argv[2:]))
