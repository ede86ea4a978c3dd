#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""unreachable.py ERROR:ADDRESS:PORT...: what connects give, blocking and not, and that they give it at once. As TAP.

ERROR is the name of an errno, or "ok".
"""

import errno
import re
import select
import socket
import sys
import time


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def name_of(number):
    return "ok" if number == 0 else errno.errorcode.get(number, str(number))


def blocking(family, target):
    with socket.socket(family) as s:
        return name_of(s.connect_ex(target))


def non_blocking(family, target):
    with socket.socket(family) as s:
        s.setblocking(False)
        number = s.connect_ex(target)
        if number == errno.EINPROGRESS:
            if not select.select([], [s], [], 5)[1]:
                return "nothing within 5 seconds"
            number = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return name_of(number)


def main():
    n = 0
    for wanted, host, port in (re.fullmatch(r"(\w+):\[?(.*?)\]?:(\d+)", word).groups() for word in sys.argv[1:]):
        family, _, _, _, target = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        for text, function in (("blocking", blocking), ("non-blocking", non_blocking)):
            start = time.monotonic()
            got = function(family, target)
            took = time.monotonic() - start
            n += 1
            good = got == wanted and took < 0.5
            print(f"{'ok' if good else 'not ok'} {host} port {port}, {text}: {wanted}")
            if not good:
                print(f"# got {got} after {took:.3f} s")
    print(f"1..{n}")


main()
