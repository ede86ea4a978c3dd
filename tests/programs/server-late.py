#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An HTTP server that takes its time before it listens: server-late.py PORT SECONDS FILE. Then the time is in FILE (CLOCK_MONOTONIC).
It says who its clients are."""

import http.server
import sys
import time

port, seconds, path = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        data = f"started by a connect of {self.client_address[0]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 200


time.sleep(seconds)
server = Server(("", port), Handler)
with open(path, "w") as f:
    f.write(str(time.monotonic()))
server.serve_forever()
