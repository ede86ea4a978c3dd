#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hostile.py memory: calls whose memory never answers, again and again
hostile.py lock: a socket whose lock is held for ever
hostile.py hold-lock HOST PORT: the same with a connection to there
hostile.py toggle: a listener whose mode changes while it is accepted from
hostile.py accepts PROCESSES THREADS: as many accepts that wait
hostile.py reuse HOST PORT LOOPBACK-PORT: a connection over TCP, made into something else
hostile.py give HOST PORT PATH: a connection over TCP, given to whoever listens at PATH
hostile.py take PATH LOOPBACK-PORT: takes one there, and tries to get somewhere else with it (outside of apps)
"""

import array
import ctypes
import mmap
import os
import socket
import struct
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
kept = []  # what must not be freed
AF_UNSPEC = struct.pack("H14x", 0)


def disconnect(s):
    return libc.connect(s.fileno(), AF_UNSPEC, 16)


def silent_page():
    """The address of a page that nobody ever fills."""
    SYS_userfaultfd, UFFDIO_API, UFFDIO_REGISTER = 323, 0xC018AA3F, 0xC020AA00
    uffd = libc.syscall(SYS_userfaultfd, os.O_CLOEXEC)
    if uffd < 0:
        sys.exit(f"userfaultfd: {os.strerror(ctypes.get_errno())}")
    if libc.ioctl(uffd, UFFDIO_API, ctypes.create_string_buffer(struct.pack("QQQ", 0xAA, 0, 0), 24)) < 0:
        sys.exit("UFFDIO_API")
    m = mmap.mmap(-1, 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(m))
    if libc.ioctl(uffd, UFFDIO_REGISTER, ctypes.create_string_buffer(struct.pack("QQQQ", address, 4096, 1, 0), 32)) < 0:
        sys.exit("UFFDIO_REGISTER")
    kept.append((uffd, m))
    return address


def memory():
    address = silent_page()
    print("ready", flush=True)
    while True:
        with socket.socket() as s:
            libc.connect(s.fileno(), ctypes.c_void_p(address), 16)


def lock():
    # tcp_sendmsg() copies with the lock of the socket held.
    address = silent_page()
    listener = socket.create_server(("127.0.0.1", 9))
    s = socket.create_connection(("127.0.0.1", 9))
    threading.Thread(target=lambda: libc.send(s.fileno(), ctypes.c_void_p(address), 4096, 0)).start()
    time.sleep(0.3)
    print("ready", flush=True)
    name, size = ctypes.create_string_buffer(128), ctypes.c_int(128)
    for call in (
        lambda: libc.getsockname(s.fileno(), name, ctypes.byref(size)),
        lambda: libc.getpeername(s.fileno(), name, ctypes.byref(size)),
        lambda: libc.connect(s.fileno(), struct.pack("=HH4s8x", 2, 0x0900, bytes(4)), 16),
        lambda: libc.listen(s.fileno(), 5),
        lambda: libc.bind(s.fileno(), struct.pack("=HH4s8x", 2, 0, bytes(4)), 16),
        lambda: libc.setsockopt(s.fileno(), 6, 1, struct.pack("i", 1), 4),
        lambda: libc.getsockopt(s.fileno(), 6, 11, name, ctypes.byref(size)),
        lambda: libc.accept(s.fileno(), None, None),
    ):
        threading.Thread(target=call).start()
    time.sleep(1000)


def hold_lock(host, port):
    address = silent_page()
    s = socket.create_connection((host, port))
    threading.Thread(target=lambda: libc.send(s.fileno(), ctypes.c_void_p(address), 4096, 0)).start()
    time.sleep(0.3)
    print("ready", flush=True)
    time.sleep(1000)


def toggle():
    listener = socket.create_server(("127.0.0.1", 9), backlog=64)

    def flip():
        while True:
            os.set_blocking(listener.fileno(), False)
            os.set_blocking(listener.fileno(), True)

    def connect():
        while True:
            try:
                socket.create_connection(("127.0.0.1", 9)).close()
            except OSError:
                pass

    for f in flip, connect:
        threading.Thread(target=f).start()
    print("ready", flush=True)
    while True:
        fd = libc.accept(listener.fileno(), None, None)
        if fd >= 0:
            os.close(fd)


def accepts(processes, threads):
    threading.stack_size(65536)
    listener = socket.create_server(("", 9), backlog=8)

    def wait():
        try:
            listener.accept()
        except OSError:
            pass

    for _ in range(processes):
        if os.fork() == 0:
            for _ in range(threads):
                threading.Thread(target=wait).start()
            time.sleep(1000)
    print("ready", flush=True)
    time.sleep(1000)


def attempts(s, loopback_port):
    """What can be reached with a socket that was connected elsewhere; nothing is what should be printed."""
    s.settimeout(1)
    for where in ("127.0.0.1", loopback_port), ("0.0.0.0", loopback_port):
        disconnect(s)
        try:
            s.connect(where)
            print("reached", where, flush=True)
        except OSError:
            pass
    disconnect(s)
    try:
        s.sendto(b"x", 0x20000000, ("127.0.0.1", loopback_port))  # MSG_FASTOPEN
        print("sent", s.recv(10), flush=True)
    except OSError:
        pass


def reuse(host, port, loopback_port):
    s = socket.create_connection((host, port))
    attempts(s, loopback_port)
    s = socket.create_connection((host, port))
    for what, f in ("bind", lambda: s.bind(("", 0))), ("listen", lambda: s.listen(1)):
        try:
            f()
            print(what, "on a connection")
        except OSError:
            pass
    print("done")


def give(host, port, path):
    s = socket.create_connection((host, port))
    with socket.socket(socket.AF_UNIX) as u:
        u.connect(path)
        u.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
        u.recv(1)
    print("done")


def take(path, loopback_port):
    with socket.socket(socket.AF_UNIX) as u:
        u.bind(path)
        os.chmod(path, 0o666)
        u.listen(1)
        print("ready", flush=True)
        c, _ = u.accept()
        _, fds, _, _ = socket.recv_fds(c, 1, 1)
        s = socket.socket(fileno=fds[0])
        s.sendall(b"still connected\n")
        attempts(s, loopback_port)
        disconnect(s)
        try:
            s.listen(1)
            s.accept()
            print("accepted")
        except OSError:
            pass
        c.sendall(b"x")
    print("done")


{"memory": memory, "lock": lock, "hold-lock": hold_lock, "toggle": toggle, "accepts": accepts, "reuse": reuse, "give": give,
 "take": take}[sys.argv[1]](*(int(a) if a.isdigit() else a for a in sys.argv[2:]))
