#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""exposed.py serve PORT HOW [BACKLOG]: says to each connection who it is from, which end it has, and the
    number of who serves it, then sends back what comes; HOW: accept, poll, epoll (edge-triggered), workers
    (SO_REUSEPORT), asyncio, four (IPv4 only)
exposed.py toggle PORT: listens, or ends that, for each line on FIFO /tmp/toggle-PORT
exposed.py ask HOST PORT [SOURCE]: prints what is said to a connection
exposed.py tally HOST PORT N [SOURCE]: how many of N connections each number got
exposed.py hold HOST PORT N: holds N connections at once; a line on the standard input: says of how many
    what is sent comes back, and ends
exposed.py queue HOST PORT N: makes N connections at once, each of which sends something; says how many were
    served in the end, one by one
"""

import asyncio
import os
import select
import socket
import sys


def listener(port, backlog=128, reuse_port=False, family=socket.AF_INET6):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("", port))
    s.listen(backlog)
    return s


def plain(address):
    host = address[0].removeprefix("::ffff:")
    return f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"


def greet(connection, accepted):
    """What accept(2) and getpeername(2) say has to be the same."""
    peer = connection.getpeername()
    if peer[:2] != accepted[:2]:
        peer = ("differs-" + peer[0], peer[1])
    domain = connection.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN)
    if domain != connection.family:
        peer = (f"family-{domain}", 0)
    connection.sendall(f"{plain(peer)} {plain(connection.getsockname())} {os.getpid()}\n".encode())


def serve_poll(s, how):
    connections = {}
    s.setblocking(False)
    if how == "poll":
        poller = select.poll()
        poller.register(s, select.POLLIN)
    else:
        poller = select.epoll()
        poller.register(s, select.EPOLLIN | (select.EPOLLET if how == "epoll" else 0))
    while True:
        for fd, _ in poller.poll():
            if fd == s.fileno():
                while True:
                    try:
                        c, peer = s.accept()
                    except BlockingIOError:
                        break
                    greet(c, peer)
                    connections[c.fileno()] = c
                    poller.register(c, select.POLLIN)
                continue
            data = b""
            try:
                data = connections[fd].recv(65536)
            except ConnectionError:
                pass
            if data:
                connections[fd].sendall(data)
            else:
                poller.unregister(fd)
                connections.pop(fd).close()


def serve_accept(s):
    """One after the other."""
    while True:
        c, peer = s.accept()
        with c:
            try:
                greet(c, peer)
                while data := c.recv(65536):
                    c.sendall(data)
            except ConnectionError:
                pass


async def serve_asyncio(port):
    async def serve(reader, writer):
        sock = writer.get_extra_info("socket")
        writer.write(f"{plain(sock.getpeername())} {plain(sock.getsockname())} {os.getpid()}\n".encode())
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, sock=listener(port))
    await server.serve_forever()


def serve(port, how, backlog=128):
    if how == "asyncio":
        asyncio.run(serve_asyncio(port))
    elif how == "workers":
        if os.fork() == 0 or os.fork() == 0:
            pass
        serve_accept(listener(port, reuse_port=True))
    elif how == "accept":
        serve_accept(listener(port, backlog))
    else:
        serve_poll(listener(port, backlog, family=socket.AF_INET if how == "four" else socket.AF_INET6), how)


def toggle(port):
    path = f"/tmp/toggle-{port}"
    if not os.path.exists(path):
        os.mkfifo(path)
    s = listener(port)
    while True:
        with open(path) as f:
            for _ in f:
                if s:
                    s.close()
                    s = None
                else:
                    s = listener(port)


def connect(host, port, source=None):
    return socket.create_connection((host, port), 20, (source, 0) if source else None)


def said(c):
    with c.makefile() as f:
        return f.readline().strip()


def ask(host, port, source=None):
    with connect(host, port, source) as c:
        text, own = said(c), plain(c.getsockname())
        peer, *rest = text.split() or ["nothing"]
        print("me" if peer == own else peer, *rest)


def tally(host, port, n, source=None):
    counts = {}
    for _ in range(n):
        with connect(host, port, source) as c:
            number = said(c).split()[-1]
        counts[number] = counts.get(number, 0) + 1
    print(*sorted(counts.values()))


def hold(host, port, n):
    held = [connect(host, port) for _ in range(n)]
    greeted = sum(bool(said(c)) for c in held)
    print("holding", greeted, flush=True)
    sys.stdin.readline()
    good = 0
    for i, c in enumerate(held):
        try:
            c.sendall(b"%08d" % i)
            good += c.recv(8, socket.MSG_WAITALL) == b"%08d" % i
        except OSError as e:
            print(e, file=sys.stderr)
    print("good", good, flush=True)


def queue(host, port, n):
    waiting = []
    for _ in range(n):
        c = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        c.setblocking(False)
        c.connect_ex((host, port))
        waiting.append(c)
    print("waiting", flush=True)
    good = 0
    for c in waiting:
        c.settimeout(60)
        try:
            # In this order: it may not be connected yet.
            select.select([], [c], [], 60)
            c.sendall(b"hello")
            with c.makefile("rb") as f:
                good += bool(f.readline()) and f.read(5) == b"hello"
        except OSError as e:
            print(e, file=sys.stderr)
        c.close()
    print("served", good, flush=True)


def main():
    verb, *args = sys.argv[1:]
    if verb == "serve":
        serve(int(args[0]), args[1], *map(int, args[2:]))
    elif verb == "toggle":
        toggle(int(args[0]))
    elif verb == "ask":
        ask(args[0], int(args[1]), *args[2:])
    elif verb == "tally":
        tally(args[0], int(args[1]), int(args[2]), *args[3:])
    else:
        {"hold": hold, "queue": queue}[verb](args[0], int(args[1]), int(args[2]))


main()
