#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""names.py NAME ADDRESS4 ADDRESS6: what libc's resolver makes of the name of an app, as TAP."""

import socket
import sys
import time

name, address4, address6 = sys.argv[1:]
n = 0


def check(text, got, wanted):
    global n
    n += 1
    print(("ok " if got == wanted else "not ok ") + text)
    if got != wanted:
        print(f"# got {got!r}, wanted {wanted!r}")


def addresses(host, family):
    try:
        return sorted({a[4][0] for a in socket.getaddrinfo(host, 80, family, socket.SOCK_STREAM)})
    except socket.gaierror as e:
        return e.errno


for host in name, name.upper(), name.capitalize(), name + ".ax.internal", name + ".ax.internal.", name + ".AX.Internal":
    check(f"{host}: A", addresses(host, socket.AF_INET), [address4])
    check(f"{host}: AAAA", addresses(host, socket.AF_INET6), [address6])
    check(f"{host}: both", addresses(host, socket.AF_UNSPEC), sorted([address4, address6]))
check("PTR of IPv4", socket.getnameinfo((address4, 80), socket.NI_NAMEREQD)[0], name + ".ax.internal")
check("PTR of IPv6", socket.getnameinfo((address6, 80), socket.NI_NAMEREQD)[0], name + ".ax.internal")
check("gethostbyname", socket.gethostbyname(name), address4)
check("gethostbyaddr", socket.gethostbyaddr(address4)[0], name + ".ax.internal")

for host in "no-such-name", "no-such-name.ax.internal", "www.example.com", "x." + name + ".ax.internal", name + ".internal":
    start = time.monotonic()
    check(f"{host} is not there", addresses(host, socket.AF_UNSPEC) in (socket.EAI_NONAME, socket.EAI_NODATA), True)
    took = time.monotonic() - start
    check(f"{host} is told at once", took < 0.5 or took, True)
start = time.monotonic()
try:
    got = socket.getnameinfo(("192.0.2.1", 80), socket.NI_NAMEREQD)
except socket.gaierror as e:
    got = e.errno
check("PTR of an address outside", got, socket.EAI_NONAME)
check("is told at once", time.monotonic() - start < 0.5, True)
check("localhost", addresses("localhost", socket.AF_INET), ["127.0.0.1"])
print(f"1..{n}")
