#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hostile-late.py hold PATH: keeps at PATH what apps give (outside of apps), so that their memory does not answer when they are dead
hostile-late.py stay PATH: an app with memory that never answers, and whose holder is there
hostile-late.py leave PATH HOST PORT: a process of an app asks for a name into memory that answers when it is dead
hostile-late.py take-over PATH: takes that process's number, has its memory answered and tells what came of it (outside of apps)
"""

import array
import ctypes
import mmap
import os
import signal
import socket
import struct
import sys
import time

SYS_userfaultfd, SYS_clone3 = 323, 435
UFFDIO_API, UFFDIO_REGISTER, UFFDIO_COPY = 0xC018AA3F, 0xC020AA00, 0xC028AA03
ADDRESS, SIZE_ADDRESS = 0x10000000, 0x20000000  # where there is nothing else
MAP_FIXED = 0x10
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]


def check(r, what):
    if r < 0:
        sys.exit(f"{what}: {os.strerror(ctypes.get_errno())}")
    return r


def page(address):
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_FIXED
    if libc.mmap(address, 4096, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0) != address:
        sys.exit("mmap")


def silent_page(path):
    """A page that nobody fills but the one who listens at `path`."""
    page(SIZE_ADDRESS)
    uffd = check(libc.syscall(SYS_userfaultfd, os.O_CLOEXEC), "userfaultfd")
    check(libc.ioctl(uffd, UFFDIO_API, ctypes.create_string_buffer(struct.pack("QQQ", 0xAA, 0, 0), 24)), "UFFDIO_API")
    area = ctypes.create_string_buffer(struct.pack("QQQQ", SIZE_ADDRESS, 4096, 1, 0), 32)
    check(libc.ioctl(uffd, UFFDIO_REGISTER, area), "UFFDIO_REGISTER")
    with socket.socket(socket.AF_UNIX) as u:
        u.connect(path)
        u.sendmsg([struct.pack("i", os.getpid())], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [uffd]))])
        u.recv(1)


def take(path):
    u = socket.socket(socket.AF_UNIX)
    u.bind(path)
    os.chmod(path, 0o666)
    u.listen(128)
    print("ready", flush=True)
    while True:
        c, _ = u.accept()
        number, fds, _, _ = socket.recv_fds(c, 4, 1)
        c.sendall(b"x")
        c.close()
        yield struct.unpack("i", number)[0], fds[0]


def hold(path):
    for _, fd in take(path):
        print("held", fd, flush=True)


def stay(path):
    silent_page(path)
    print("ready", flush=True)
    while True:
        with socket.socket() as s:
            libc.connect(s.fileno(), ctypes.c_void_p(SIZE_ADDRESS), 16)


def leave(path, host, port):
    pid = os.fork()
    if pid == 0:
        page(ADDRESS)
        with socket.create_connection((host, int(port))) as s:
            silent_page(path)
            libc.getpeername(s.fileno(), ctypes.c_void_p(ADDRESS), ctypes.c_void_p(SIZE_ADDRESS))
        os._exit(0)
    os.waitpid(pid, 0)
    print("left", flush=True)
    time.sleep(1000)


def fork_as(number):
    """As whoever makes processes until one has the number."""
    pid = ctypes.c_int(number)
    args = struct.pack("11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(pid), 1, 0)
    return check(libc.syscall(SYS_clone3, args, len(args)), "clone3")


def take_over(path):
    number, uffd = next(take(path))
    while os.path.exists(f"/proc/{number}"):
        time.sleep(0.05)
    done_in, done_out = os.pipe()
    ready_in, ready_out = os.pipe()
    if fork_as(number) == 0:
        page(ADDRESS)
        os.write(ready_out, b"x")
        os.read(done_in, 1)
        written = ctypes.string_at(ADDRESS, 16)
        print("written: " + written.hex() if any(written) else "untouched", flush=True)
        os._exit(0)
    os.read(ready_in, 1)
    source = ctypes.create_string_buffer(struct.pack("i", 128), 8192)
    aligned = (ctypes.addressof(source) + 4095) & ~4095
    ctypes.memmove(aligned, struct.pack("i", 128), 4)
    copy = ctypes.create_string_buffer(struct.pack("QQQQq", SIZE_ADDRESS, aligned, 4096, 0, 0), 40)
    check(libc.ioctl(uffd, UFFDIO_COPY, copy), "UFFDIO_COPY")
    time.sleep(1)
    os.write(done_out, b"x")
    os.waitpid(number, 0)


{"hold": hold, "stay": stay, "leave": leave, "take-over": take_over}[sys.argv[1]](*sys.argv[2:])
