#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares what the source says to the journal with the catalog of messages: catalog.py REPOSITORY"""

import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
n = 0


def check(good, text, *diagnostic):
    global n
    n += 1
    print("ok" if good else "not ok", text)
    for line in diagnostic if not good else ():
        print("#", line)


sources = {p: p.read_text() for p in sorted((root / "src").rglob("*.[ch]"))}
header = root / "src/model/journal.h"
ids = dict(re.findall(r'#define (MESSAGE_\w+) "([^"]*)"', sources[header]))
catalog = (root / "catalog/appswitch.catalog").read_text()
entries = dict(re.findall(r"^-- ([0-9a-f]{32})\n(.*?)(?=^-- |\Z)", catalog, re.M | re.S))

check(len(ids) >= 10 and all(re.fullmatch("[0-9a-f]{32}", i) for i in ids.values()), "messages have ids")
check(len(set(ids.values())) == len(ids), "of their own")
for name, i in ids.items():
    check(any(re.search(rf"\b{name}\b", text) for p, text in sources.items() if p != header), f"{name} is used")
    check(i in entries, f"{name} is in the catalog")
check(not set(entries) - set(ids.values()), "the catalog has no others", set(entries) - set(ids.values()))
literal = [f"{p}: {line}" for p, text in sources.items() for line in text.split("\n") if re.search(r"MESSAGE_ID=[0-9a-f]", line)]
check(not literal, "no id is written anywhere else", *literal)

fields = set(re.findall(r'"(\w+)=%s"', "".join(sources.values()))) | {"APPSWITCH_RULE"}
for i, text in entries.items():
    head, _, body = text.partition("\n\n")
    keys = dict(line.split(": ", 1) for line in head.split("\n"))
    check(keys.keys() == {"Subject", "Defined-By", "Documentation"} and len(body.strip().split("\n")) >= 2,
          f"{i}: {keys.get('Subject')}", head)
    check(set(re.findall("@([^@]*)@", text)) <= fields, f"{i}: its fields are those of records", text)
    long = [line for line in text.split("\n") if len(line) > 110]
    check(not long, f"{i}: its lines are of a fit width", *long)

# Whoever logs about an app says which.
bare = []
for p, text in sources.items():
    for m in re.finditer(r'\blog_(?:warning|error|info|notice|debug)(?:_errno)?\(((?:[^;"]|"(?:\\.|[^"\\])*")*)\);', text):
        if re.search(r"\b(?:app|trap->party|call->trap->party)->id\b", m.group(1)) and "/cli/" not in str(p):
            bare.append(f"{p}: {' '.join(m.group(0).split())}")
check(not bare, "records about an app have APPSWITCH_APP=", *bare)
print(f"1..{n}")
