#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A page with things from many hosts, as a browser fetches it: six connections to each host at once, kept alive, each name
# looked up once for all, and by whichever family answers first (RFC 8305).
#
#   browse.py HOSTS CONNECTIONS REQUESTS PORT DOMAIN     prints "HOSTS good: REQUESTS in all"
#
# Host number N is called nN.DOMAIN, and answers /n/N/I with that path.
import asyncio
import sys


async def connection(name, port, number, requests):
    reader, writer = await asyncio.open_connection(name, port, happy_eyeballs_delay=0.1)
    good = 0
    for i in range(requests):
        path = f'/n/{number}/{i}'
        writer.write(f'GET {path} HTTP/1.1\r\nHost: {name}\r\n\r\n'.encode())
        head = (await reader.readuntil(b'\r\n\r\n')).decode()
        length = next(int(line.split(':')[1]) for line in head.splitlines() if line.lower().startswith('content-length:'))
        good += (await reader.readexactly(length)).decode().strip() == path
    writer.close()
    return good


async def main(hosts, connections, requests, port, domain):
    good = await asyncio.gather(*(connection(f'n{n}.{domain}', port, n, requests)
                                  for n in range(1, hosts + 1) for _ in range(connections)))
    print(f'{hosts} good: {sum(good)}')

asyncio.run(asyncio.wait_for(main(*map(int, sys.argv[1:5]), sys.argv[5]), 60))
