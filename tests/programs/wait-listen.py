#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""wait-listen.py APP PORT [SECONDS]: waits until the app listens on the port, as `ax list` has it."""

import json
import subprocess
import sys
import time


def ports(app_id):
    out = subprocess.run(["ax", "list", "--json=short"], stdout=subprocess.PIPE, check=True).stdout
    for app in json.loads(out or b"[]"):
        if app["id"] == app_id:
            return {listener["port"] for listener in app["listens"]}
    sys.exit(f"{app_id} is not there")


def main():
    app_id, port = sys.argv[1], int(sys.argv[2])
    deadline = time.monotonic() + float(sys.argv[3] if len(sys.argv) > 3 else 20)
    while port not in ports(app_id):
        if time.monotonic() > deadline:
            sys.exit(f"{app_id} does not listen on port {port}: {ports(app_id)}")
        time.sleep(0.05)


main()
