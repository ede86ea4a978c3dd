#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""outside.py serve ADDRESS PORT...: a server outside: says who connects, then sends back what comes
outside.py names HOST PORT: what a client sees of a connection, however it connects
outside.py loops HOST PORT N: the same with asyncio, N at once: how many are good
outside.py refused HOST PORT: what it is told when it is refused
outside.py itself HOST PORT N: what it is told when it could be connected to itself
outside.py timeout HOST PORT: who does not wait, or not for long
outside.py interrupted HOST PORT: a connect that a signal ends goes on
outside.py restarted HOST PORT: one that is restarted after each of many signals comes to its end
outside.py wait HOST PORT: connects, and says when
outside.py crowd HOST PORT N: so many that wait
outside.py hold HOST PORT N: connections that go on; says at the end (SIGTERM) what became of them
outside.py hostile HOST PORT DEAD-PORT HOST-PORT OTHER OTHER-PORT: a connection, made into something else
"""

import asyncio
import contextlib
import ctypes
import errno
import os
import select
import signal
import socket
import struct
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
MSG_FASTOPEN = 0x20000000
n_said = 0


def ok(good, text, *more):
    global n_said
    n_said += 1
    print("ok" if good else "not ok", text, flush=True)
    if not good:
        print("#", *more, flush=True)


def plan():
    print(f"1..{n_said}", flush=True)


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def sockaddr(host, port):
    if ":" in host:
        return struct.pack("=HH4x", socket.AF_INET6, socket.htons(port)) + socket.inet_pton(socket.AF_INET6, host) + bytes(4)
    return struct.pack("=HH", socket.AF_INET, socket.htons(port)) + socket.inet_aton(host) + bytes(8)


def raw_connect(s, host, port):
    """connect(2) itself: Python's own goes on after a signal."""
    a = sockaddr(host, port)
    return 0 if libc.connect(s.fileno(), a, len(a)) == 0 else ctypes.get_errno()


def serve(address, *ports):
    def echo(s, peer):
        with contextlib.suppress(OSError), s:
            s.sendall(f"{peer[0]} {peer[1]}\n".encode())
            for data in iter(lambda: s.recv(65536), b""):
                s.sendall(data)

    def listen(port):
        listener = socket.create_server((address, port), family=family(address), backlog=128)
        while True:
            s, peer = listener.accept()
            threading.Thread(target=echo, args=(s, peer), daemon=True).start()

    for port in ports:
        threading.Thread(target=listen, args=(port,)).start()


def peername_option(s):
    a = s.getsockopt(socket.SOL_SOCKET, 28, 16 if s.family == socket.AF_INET else 28)
    at = (4, 8) if s.family == socket.AF_INET else (8, 24)
    return socket.inet_ntop(s.family, a[slice(*at)]), struct.unpack(">H", a[2:4])[0]


def check(s, host, port, how):
    """A connected socket: what it says of itself, and whether it carries data."""
    s.settimeout(30)
    greeting = s.makefile("rb").readline().split()
    seen, own = s.getpeername()[:2], s.getsockname()
    ok(seen == (host, port), f"{how}: getpeername is what was asked for", seen)
    ok(peername_option(s) == (host, port), f"{how}: SO_PEERNAME, too", peername_option(s))
    ok(s.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) == s.family, f"{how}: the family is that of the socket")
    ok(own[0] in os.environ["OWN"].split(), f"{how}: getsockname is the app's address", own)
    ok(len(greeting) == 2 and own[1] == int(greeting[1]), f"{how}: with the port that the server sees", own, greeting)
    s.sendall(b"x" * 100000)
    s.setblocking(True)
    n = 0
    while n < 100000 and (piece := s.recv(100000)):
        n += len(piece)
    ok(n == 100000, f"{how}: data go both ways", n)
    ok(raw_connect(s, host, port) == errno.EISCONN, f"{how}: a second connect is EISCONN")


def names(host, port):
    with socket.socket(family(host)) as s:
        s.connect((host, port))
        check(s, host, port, "blocking")
    with socket.socket(family(host)) as s:
        s.settimeout(30)
        s.connect((host, port))
        raw_connect(s, host, port)  # of one that does not wait it succeeds once more
        check(s, host, port, "with a timeout")
    with socket.socket(family(host)) as s, select.epoll() as e:
        s.setblocking(False)
        e.register(s, select.EPOLLOUT | select.EPOLLET)
        ok(s.connect_ex((host, port)) == errno.EINPROGRESS, "non-blocking: EINPROGRESS")
        while not any(what == select.EPOLLOUT for _, what in e.poll(30)):
            pass
        ok(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0, "non-blocking: connected, as epoll tells")
        ok(raw_connect(s, host, port) == 0, "non-blocking: connect says so once more")
        check(s, host, port, "non-blocking")
    with socket.socket(family(host)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        s.bind(("", 5053))
        s.connect((host, port))
        ok(s.getsockname()[1] == 5053, "bound: the port is kept", s.getsockname())
        ok((s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
            s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) == (1, 77, 1), "bound: so are options")
        # Taken apart, it is an unconnected socket of the app's own.
        ok(libc.connect(s.fileno(), struct.pack("H14x", 0), 16) == 0, "connect with AF_UNSPEC ends it")
        try:
            ok(False, "no peer then", s.getpeername())
        except OSError as e:
            ok(e.errno == errno.ENOTCONN, "no peer then", e)
        s.connect((host, port))
        check(s, host, port, "connected anew")
    plan()


def loops(host, port, n):
    good = 0

    async def one():
        nonlocal good
        reader, writer = await asyncio.open_connection(host, port)
        await reader.readline()
        writer.write(b"hello\n")
        if await reader.readline() == b"hello\n" and writer.get_extra_info("peername")[:2] == (host, port):
            good += 1
        writer.close()

    async def all_of_them():
        await asyncio.gather(*(one() for _ in range(n)))

    asyncio.run(all_of_them())
    print("good:", good)


def refused(host, port):
    for _ in range(2):
        with socket.socket(family(host)) as s:
            print(errno.errorcode[raw_connect(s, host, port)], s.getsockname()[1], end=" ")
            # The socket is as good as before.
            print(errno.errorcode[raw_connect(s, host, port)])
        with socket.socket(family(host)) as s:
            s.setblocking(False)
            print(errno.errorcode[raw_connect(s, host, port)], end=" ")
            select.select([], [s], [], 30)
            print(errno.errorcode[s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)])


def itself(host, port, n):
    """A port of the host that nobody listens on, but that the kernel may choose for the other end."""
    said = set()
    for _ in range(n):
        with socket.socket(family(host)) as s:
            r = raw_connect(s, host, port)
            said.add(errno.errorcode.get(r, r))
    print(*said)


def timeout(host, port):
    with socket.socket(family(host)) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", 0, 700000))
        begin = time.monotonic()
        r = raw_connect(s, host, port)
        took = time.monotonic() - begin
        ok(r == errno.EINPROGRESS, "SO_SNDTIMEO: EINPROGRESS", r)
        ok(took >= 0.69, "SO_SNDTIMEO: not before", took)
        begin = time.monotonic()
        r = raw_connect(s, host, port)
        ok(r in (errno.EINPROGRESS, errno.EALREADY), "SO_SNDTIMEO: once more it is still on its way", r)
        ok(time.monotonic() - begin >= 0.69, "SO_SNDTIMEO: and is waited for again")
    with socket.socket(family(host)) as s:
        s.setblocking(False)
        ok(raw_connect(s, host, port) == errno.EINPROGRESS, "non-blocking: EINPROGRESS")
        ok(raw_connect(s, host, port) == errno.EALREADY, "non-blocking: EALREADY the second time")
        ok(not select.select([], [s], [], 0.1)[1], "non-blocking: it is on its way")
        try:
            ok(False, "non-blocking: no peer yet", s.getpeername())
        except OSError as e:
            ok(e.errno == errno.ENOTCONN, "non-blocking: no peer yet", e)
        ok(s.getsockname()[0] in os.environ["OWN"].split(), "non-blocking: its own end is known", s.getsockname())
    plan()


def interrupted(host, port):
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, True)
    with socket.socket(family(host)) as s:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        r = raw_connect(s, host, port)
        print("interrupted" if r == errno.EINTR else errno.errorcode.get(r, r), flush=True)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print("ready" if select.select([], [s], [], 60)[1] else "not ready", s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
              s.getpeername()[0], flush=True)


def restarted(host, port):
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, False)
    sockets = [socket.socket(family(host)) for _ in range(2)]
    for s, blocking in zip(sockets, (False, True)):
        s.setblocking(blocking)
        signal.setitimer(signal.ITIMER_REAL, 0.015, 0.015)
        r = raw_connect(s, host, port)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(errno.errorcode.get(r, r), flush=True)
    for s in sockets:
        ready = select.select([], [s], [], 60)[1]
        print("ready" if ready else "not ready", s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), flush=True)


def wait(host, port):
    with socket.socket(family(host)) as s:
        print("begins", flush=True)
        r = raw_connect(s, host, port)
        print(errno.errorcode.get(r, r), flush=True)
        if r == 0:
            print(s.getpeername()[0], flush=True)


def crowd(host, port, n):
    """Many threads that wait, while another one goes on with its own affairs."""
    threading.stack_size(65536)
    for _ in range(n):
        threading.Thread(target=lambda: raw_connect(socket.socket(family(host)), host, port), daemon=True).start()
    print("ready", flush=True)
    while True:
        time.sleep(1)


def hold(host, port, n):
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
    sockets = [socket.create_connection((host, port), timeout=30) for _ in range(n)]
    for s in sockets:
        s.makefile("rb").readline()
    own = [s.getsockname() for s in sockets]
    print("held", flush=True)
    bad = []
    while not ended:
        for s, name in zip(sockets, own):
            try:
                s.sendall(b"hello")
                if s.recv(5) != b"hello":
                    bad.append("data")
                if s.getpeername()[:2] != (host, port) or s.getsockname() != name:
                    bad.append((s.getpeername(), s.getsockname()))
            except OSError as e:
                bad.append(e)
        time.sleep(0.05)
    print("bad:", bad[:3], flush=True)


def disconnect(s):
    return libc.connect(s.fileno(), struct.pack("H14x", 0), 16)


def hostile(host, port, dead_port, host_port, other, other_port):
    """The host's own loopback, and a server outside that is no backend, must not be reached."""
    targets = ("127.0.0.1", host_port), (other, other_port)

    def attempts(s, how):
        s.setblocking(False)
        for target in targets:
            for flags in MSG_FASTOPEN, MSG_FASTOPEN | socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT:
                a = sockaddr(*target)
                name, data = ctypes.create_string_buffer(a, len(a)), ctypes.create_string_buffer(b"x", 1)
                iovec = (ctypes.c_size_t * 2)(ctypes.addressof(data), 1)
                message = (ctypes.c_size_t * 8)(ctypes.addressof(name), len(a), ctypes.addressof(iovec), 1)
                for text, call in (
                    ("sendto", lambda: libc.sendto(s.fileno(), data, 1, flags, name, len(a))),
                    ("sendmsg", lambda: libc.sendmsg(s.fileno(), message, flags)),
                    ("sendmmsg", lambda: libc.sendmmsg(s.fileno(), message, 1, flags)),
                ):
                    r = call()
                    ok(r == -1 and ctypes.get_errno() == errno.EOPNOTSUPP, f"{how}: {text} with MSG_FASTOPEN is refused",
                       r, ctypes.get_errno())
        for option, value, text in (
            ((socket.SOL_SOCKET, 27), 0, "SO_DETACH_FILTER"),
            ((socket.SOL_SOCKET, 44), 0, "SO_LOCK_FILTER"),
            ((socket.SOL_SOCKET, socket.SO_MARK), 1, "SO_MARK"),
            ((socket.IPPROTO_IP, 19), 1, "IP_TRANSPARENT"),
            ((socket.IPPROTO_TCP, 19), 1, "TCP_REPAIR"),
            # Source routing: by way of another host.
            ((socket.IPPROTO_IP, socket.IP_OPTIONS), b"\x83\x07\x04" + socket.inet_aton("198.51.100.2") + b"\0", "IP_OPTIONS"),
            ((socket.IPPROTO_IPV6, socket.IPV6_RTHDR), bytes(24), "IPV6_RTHDR"),
        ):
            try:
                s.setsockopt(*option, value)
                ok(False, f"{how}: {text} cannot be set")
            except OSError as e:
                ok(e.errno == errno.EPERM, f"{how}: {text} is refused", e)
        for call in lambda: s.bind(("", 0)), lambda: s.listen(1):
            try:
                call()
                ok(False, f"{how}: neither bind nor listen")
            except OSError as e:
                ok(e.errno == errno.EINVAL, f"{how}: neither bind nor listen", e)

    with socket.create_connection((host, port), timeout=30) as s:
        f = s.makefile("rb")
        f.readline()
        attempts(s, "connected")
        s.setblocking(True)
        s.sendall(b"still here\n")
        ok(f.readline() == b"still here\n", "it carries data all the same")
    with socket.create_connection((host, port), timeout=30) as s:
        # Another way to the peer is all that a device makes.
        try:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
        except OSError:
            pass
        attempts(s, "bound to a device")
    for target in targets:
        with socket.create_connection((host, port), timeout=30) as s:
            ok(disconnect(s) == 0, "disconnected")
            s.settimeout(1)
            r = s.connect_ex(target)
            ok(r in (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EACCES), "and then connected: not to the host's", target, r)
    # On its way to where nobody answers; and after it has failed.
    with socket.socket() as s:
        s.setblocking(False)
        s.connect_ex((host, dead_port))
        attempts(s, "in progress")
    with socket.create_connection((host, port), timeout=30) as s:
        s.shutdown(socket.SHUT_RDWR)
        attempts(s, "shut down")
    plan()


globals()[sys.argv[1]](*(int(a) if a.isdigit() else a for a in sys.argv[2:]))
