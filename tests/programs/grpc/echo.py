#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""echo.py serve PORT: a gRPC server that needs no generated code, as its messages are bytes
echo.py who TARGET: prints whom the server sees
echo.py sum TARGET SIZE: whether the server gets SIZE bytes unharmed
echo.py stream TARGET N: prints how many of N messages come back in order on a stream both ways
echo.py many TARGET THREADS N: prints how many of N calls by each thread went well, on channels of their own
echo.py deadline TARGET: prints the status of a call that takes too long, and of one that is cancelled
echo.py aio TARGET N: prints how many of N calls at once went well, with asyncio
"""

import asyncio
import hashlib
import os
import sys
import threading
import time
from concurrent import futures

import grpc

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
# Each channel has a connection of its own.
ALONE = OPTIONS + [("grpc.use_local_subchannel_pool", 1)]


def who(_, context):
    return context.peer().encode()


def digest(data, _):
    return hashlib.sha256(data).hexdigest().encode()


def echo(messages, _):
    yield from messages


def slow(_, context):
    time.sleep(5)
    return b""


def serve(port):
    server = grpc.server(futures.ThreadPoolExecutor(16), options=OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Echo", {
        "Who": grpc.unary_unary_rpc_method_handler(who),
        "Sum": grpc.unary_unary_rpc_method_handler(digest),
        "Stream": grpc.stream_stream_rpc_method_handler(echo),
        "Slow": grpc.unary_unary_rpc_method_handler(slow),
    }),))
    if not server.add_insecure_port(f"[::]:{port}"):
        sys.exit("cannot listen")
    server.start()
    server.wait_for_termination()


def many(target, threads, n):
    good = [0] * threads

    def work(i):
        for _ in range(n):
            with grpc.insecure_channel(target, options=ALONE) as channel:
                good[i] += channel.unary_unary("/Echo/Sum")(b"x", timeout=20) == digest(b"x", None)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    print(sum(good))


async def at_once(target, n):
    async with grpc.aio.insecure_channel(target) as channel:
        call = channel.unary_unary("/Echo/Sum")
        answers = await asyncio.gather(*(call(b"%d" % i, timeout=20) for i in range(n)))
    print(sum(a == digest(b"%d" % i, None) for i, a in enumerate(answers)))


def deadline(channel):
    call = channel.unary_unary("/Echo/Slow")
    try:
        call(b"", timeout=0.3)
    except grpc.RpcError as e:
        print(e.code().name)
    future = call.future(b"", timeout=4)
    time.sleep(0.2)
    future.cancel()
    print(future.code().name)


def main():
    what, target, *args = sys.argv[1:]
    if what == "serve":
        serve(int(target))
    elif what == "many":
        many(target, int(args[0]), int(args[1]))
    elif what == "aio":
        asyncio.run(at_once(target, int(args[0])))
    else:
        with grpc.insecure_channel(target, options=OPTIONS) as channel:
            if what == "who":
                try:
                    print(channel.unary_unary("/Echo/Who")(b"", timeout=10).decode())
                except grpc.RpcError as e:
                    print(e.code().name, e.details())
            elif what == "sum":
                data = os.urandom(int(args[0]))
                print(channel.unary_unary("/Echo/Sum")(data, timeout=20) == digest(data, None))
            elif what == "stream":
                n = int(args[0])
                sent = [b"%d" % i * 100 for i in range(n)]
                came = list(channel.stream_stream("/Echo/Stream")(iter(sent), timeout=20))
                print(sum(a == b for a, b in zip(sent, came)))
            elif what == "deadline":
                deadline(channel)


main()
