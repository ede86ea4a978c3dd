#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""fuse-directory.py DIRECTORY UID: an empty file system of a user's own, which nobody else can enter, not even root.

It answers just enough of fuse(4) for its root to be entered, and goes on until it is unmounted."""

import ctypes
import os
import struct
import sys

INIT, GETATTR, ACCESS, FORGET, BATCH_FORGET = 26, 3, 34, 2, 42

directory, uid = sys.argv[1], int(sys.argv[2])
fd = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={fd},rootmode=40700,user_id={uid},group_id={uid}"
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"test", directory.encode(), b"fuse", 0, options.encode()) < 0:
    sys.exit(os.strerror(ctypes.get_errno()))
attributes = struct.pack("<QQQQQQIIIIIIIIII", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40700, 2, uid, uid, 0, 4096, 0)
while True:
    try:
        request = os.read(fd, 1 << 17)
    except OSError:  # unmounted
        break
    _, opcode, unique = struct.unpack_from("<IIQ", request)
    if opcode in (FORGET, BATCH_FORGET):
        continue
    error, body = 0, b""
    if opcode == INIT:
        major, minor = struct.unpack_from("<II", request, 40)
        body = struct.pack("<IIIIHHIIHHI", 7, min(minor, 31), 0, 0, 12, 9, 65536, 1, 1, 0, 0) + bytes(28)
    elif opcode == GETATTR:
        body = struct.pack("<QII", 3600, 0, 0) + attributes
    elif opcode != ACCESS:
        error = -38  # ENOSYS
    os.write(fd, struct.pack("<IiQ", 16 + len(body), error, unique) + body)
