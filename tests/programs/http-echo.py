#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""http-echo.py [PORT [ADDRESS]]: an HTTP/1.1 server that says who asks and gets its data back.

GET /bytes/N      N bytes that are the same each time
GET anything      {"client": ADDRESS, "server": ADDRESS, "pid": PID, "path": PATH}
PUT, POST         the SHA-256 of what was sent
"""

import http.server
import hashlib
import json
import os
import socket
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body, content_type="text/plain"):
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/bytes/"):
            self.answer(pattern(int(self.path[len("/bytes/"):])))
            return
        plain = [a.removeprefix("::ffff:") for a in (self.client_address[0], self.connection.getsockname()[0])]
        said = {"client": plain[0], "server": plain[1], "pid": os.getpid(), "path": self.path}
        self.answer(json.dumps(said).encode() + b"\n", "application/json")

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(hashlib.sha256(body).hexdigest().encode() + b"\n")

    do_POST = do_PUT


def pattern(length):
    line = b"0123456789abcdefghijklmnopqrstuvwxyz\n"
    return (line * (length // len(line) + 1))[:length]


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def server_bind(self):
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 80
    address = sys.argv[2] if len(sys.argv) > 2 else "::"
    Server.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
    Server((address, port), Handler).serve_forever()


main()
