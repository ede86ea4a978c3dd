#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A name server that behaves as the first label of the name that it is asked for says:

    name-server.py ADDRESS...       serves port 53 of each over UDP and TCP

A has 203.0.113.1, AAAA has 2001:db8:63::1, with a time to live of 60 seconds, unless the label says otherwise; TXT has how
often the name and type were asked for; other types are empty. `asked NAME TYPE` for each question goes to stdout.
"""

import os
import random
import socket
import struct
import sys
import threading
import time

TYPES = {1: 'A', 5: 'CNAME', 16: 'TXT', 28: 'AAAA', 65: 'HTTPS'}
V4, V6 = socket.inet_aton('203.0.113.1'), socket.inet_pton(socket.AF_INET6, '2001:db8:63::1')
asked = {}
lock = threading.Lock()


def parse(query):
    """The labels in lower case, type, end of the question, and whether there is more than that (EDNS)."""
    labels, pos = [], 12
    while query[pos]:
        labels.append(query[pos + 1:pos + 1 + query[pos]].decode().lower())
        pos += 1 + query[pos]
    return labels, struct.unpack('!H', query[pos + 1:pos + 3])[0], pos + 5, len(query) > pos + 5


def name(text):
    return b''.join(bytes([len(p)]) + p.encode() for p in text.split('.') if p) + b'\0'


def record(kind, data, ttl=60, owner=b'\xc0\x0c'):
    return owner + struct.pack('!HHIH', kind, 1, ttl, len(data)) + data


def message(query, end, records=(), authority=(), rcode=0, flags=0, ident=None, question=None, recursion=0x80):
    head = struct.unpack('!H', query[:2])[0] if ident is None else ident
    return struct.pack('!HHHHHH', head, 0x8100 | recursion | flags | rcode, 1, len(records), len(authority), 0) + (
        query[12:end] if question is None else question) + b''.join(records) + b''.join(authority)


def soa(ttl, minimum):
    return record(6, name('ns.test') + name('nobody.test') + struct.pack('!IIIII', 1, 2, 3, 4, minimum), ttl, name('test'))


def usual(kind, ttl=60, count=0):
    if kind == 1:
        return [record(1, V4, ttl)]
    if kind == 28:
        return [record(28, V6, ttl)]
    if kind == 16:
        text = str(count).encode()
        return [record(16, bytes([len(text)]) + text, ttl)]
    return []


def many(count):
    return [record(1, bytes([203, 0, 113, i % 250 + 1])) for i in range(count)]


def dear(query, end):
    """As many records as there is room for, each of whose names is a chain of pointers that is as long as can be."""
    begin, count = end + 12, 8000
    chain = [0xc000 | 12 + 1 + query[12]] + [0xc000 | begin + 2 * i for i in range(count - 1)]
    owner = struct.pack('!H', 0xc000 | begin + 2 * (count - 1))
    names = [b'\xc0\x0c'] + [name(f'c{i}.test') for i in range(15)]
    aliases = [record(5, names[i + 1], owner=names[i]) for i in range(15)]
    return message(query, end, [record(16, struct.pack(f'!{count}H', *chain))] + [record(1, V4, owner=owner)] * 2900 + aliases)


def answer(query, tcp, reply):
    """Says what there is to say by reply(octets), which may be called several times, or not at all."""
    labels, kind, end, edns = parse(query)
    text = '.'.join(labels)
    with lock:
        count = asked[text, kind] = asked.get((text, kind), 0) + 1
    print('asked', text, TYPES.get(kind, kind), 'tcp' if tcp else 'udp', flush=True)
    how, _, argument = labels[0].partition('-') if labels else ('', '', '')
    good = message(query, end, usual(kind, count=count))
    if how == 'slow':
        time.sleep(int(argument.split('-')[0]) / 1000)
    elif how == 'mute' or how == 'once' and count == 1:
        return
    elif how == 'garbage':
        for size in (0, 1, 11, 12, 13, 512, 4096, 40000):
            reply(os.urandom(size))
    elif how == 'wrong':
        ident = struct.unpack('!H', query[:2])[0]
        forged = [record(1, socket.inet_aton('203.0.113.66'))]
        for delta in (1, 255, 32768):
            reply(message(query, end, forged, ident=(ident + delta) & 0xffff))
        reply(message(query, end, forged, question=name('other.test') + b'\0\1\0\1'))
        reply(message(query, end, forged, flags=0x7800))
        reply(query)
    elif how == 'flood':
        for _ in range(1000):
            reply(os.urandom(random.randint(12, 600)))
        return
    elif how == 'loop':
        reply(message(query, end, [record(5, b'\xc0\x0c')] + usual(kind)))
        return
    elif how == 'pointers':
        at = end + 12
        reply(message(query, end, [record(1, V4, owner=struct.pack('!H', 0xc000 | end))] * 4))
        reply(message(query, end, [record(5, struct.pack('!H', 0xc000 | at))]))
        return
    elif how == 'cut':
        reply(good[:-3])
        return
    elif how == 'counts':
        reply(good[:6] + b'\xff\xff\xff\xff\xff\xff' + good[12:])
        return
    elif how == 'tc' and not tcp:
        reply(message(query, end, flags=0x0200))
        return
    elif how == 'tc':
        if argument.startswith('reset') or argument.startswith('mute') or argument.startswith('half'):
            reply(argument.split('-')[0])
            return
        good = message(query, end, many(500))
    elif how == 'big':
        good = message(query, end, many(100))
    elif how == 'dear':
        good = dear(query, end) if tcp else message(query, end, flags=0x0200)
    elif how == 'servfail':
        good = message(query, end, rcode=2)
    elif how == 'refused':
        good = message(query, end, rcode=5)
    elif how == 'old' and edns:
        good = query[:2] + b'\x81\x81' + b'\0' * 8
    elif how == 'lame':
        good = message(query, end, authority=[record(2, name('elsewhere.test'))], recursion=0)
    elif how == 'virtual':
        good = message(query, end, [record(1, socket.inet_aton('198.18.5.5'))])
    elif how == 'alias':
        good = message(query, end, [record(5, name('real.test'), 30), record(1, V4, 20, name('real.test')),
                                    record(1, socket.inet_aton('203.0.113.99'), 20, name('unasked.test'))])
    elif how == 'none':
        good = message(query, end, authority=[soa(60, 60)], rcode=3)
    elif how == 'ttl':
        good = message(query, end, usual(kind, int(argument.split('-')[0]), count))
    elif how == 'lower':
        good = message(query, end, usual(kind), question=query[12:end].lower())
    reply(good)


def serve_udp(sock):
    while True:
        query, peer = sock.recvfrom(65535)
        threading.Thread(target=answer, args=(query, False, lambda data, p=peer: sock.sendto(data, p)), daemon=True).start()


def serve_stream(conn):
    def reply(data):
        if data == 'reset':
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            conn.close()
        elif data == 'mute':
            time.sleep(30)
        elif data == 'half':
            conn.sendall(b'\xff\xff' + b'x' * 100)
        else:
            conn.sendall(struct.pack('!H', len(data)) + data)
    with conn:
        try:
            while True:
                size = struct.unpack('!H', conn.recv(2, socket.MSG_WAITALL))[0]
                answer(conn.recv(size, socket.MSG_WAITALL), True, reply)
        except (OSError, struct.error):
            pass


def serve_tcp(sock):
    while True:
        threading.Thread(target=serve_stream, args=(sock.accept()[0],), daemon=True).start()


for address in sys.argv[1:]:
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    udp = socket.socket(family, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    udp.bind((address, 53))
    tcp = socket.create_server((address, 53), family=family, backlog=256)
    threading.Thread(target=serve_udp, args=(udp,)).start()
    threading.Thread(target=serve_tcp, args=(tcp,)).start()
