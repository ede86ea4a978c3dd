#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares the man pages with the programs, and what ax says of errors with those that there are: man-check.py REPOSITORY. On standard input, what `ax --help` and the help of each
command say, each after a line "@ COMMAND" ("@ " for ax itself)."""

import pathlib
import re
import sys
import xml.etree.ElementTree as ET

root = pathlib.Path(sys.argv[1])
n = 0


def check(good, text, *diagnostic):
    global n
    n += 1
    print("ok" if good else "not ok", text)
    for line in diagnostic if not good else ():
        print("#", line)


def source(path):
    return (root / path).read_text()


pages = {}
for path in sorted((root / "man").glob("*.xml")):
    page = ET.parse(path).getroot()
    name = "{}.{}".format(page.findtext("refmeta/refentrytitle"), page.findtext("refmeta/manvolnum"))
    pages[name] = page
    check(path.name == name + ".xml" and page.findtext("refnamediv/refname") == name.rsplit(".", 1)[0], f"{path.name} has its name")


def texts(element, tag):
    return ["".join(e.itertext()) for e in element.iter(tag)]


### links
built = set(re.findall(r"'([a-z0-9.-]+\.[0-9])'", source("man/meson.build")))
named = {"{}.{}".format(r.text, page.findtext("refmeta/manvolnum")) for page in pages.values() for r in page.iter("refname")}
check(built == named, "all pages are built, by each of their names", built ^ named)
dead = []
for name, page in pages.items():
    for link in page.iter("citerefentry"):
        to = "{}.{}".format(link.findtext("refentrytitle"), link.findtext("manvolnum"))
        ours = to.startswith(("ax.", "appswitch", "io.appswitch1"))
        if ours and to not in pages:
            dead.append(f"{name} -> {to}")
check(not dead, "links lead to pages that there are", *dead)
alone = [name for name, page in pages.items()
         if not any(link.findtext("refentrytitle") == name.rsplit(".", 1)[0] for other, p in pages.items() if other != name for link in p.iter("citerefentry"))]
check(not alone, "each page is linked from another", *alone)

### ax(1)
ax = pages["ax.1"]
terms = {"".join(t.itertext()): t for t in ax.iter("term")}
options = set(re.findall(r"(?<![\w-])(--?[A-Za-z-]+)", " ".join(texts(ax, "option"))))
commands = set(re.findall(r"[a-z-]+", " ".join(c for t in terms.values() for c in texts(t, "command"))))
synopsis = {w for c in ax.findall("refsynopsisdiv/cmdsynopsis") for a in c.iter("arg") for w in (a.text or "").split()}
helped = set()
command = None
for line in sys.stdin.read().split("\n"):
    if line.startswith("@ "):
        command = line[2:]
        if command:
            check(command in commands, f"ax(1) has the command {command}")
            check(command in synopsis, f"ax(1) has the command {command} in its synopsis")
    elif command == "systemd-run":
        continue  # its options are those of systemd-run(1)
    elif m := re.match(r"  (-.|  ) --([a-z-]+)", line):
        # The options of systemd-run are those of its own page.
        if command != "systemd-run" and (command or m[2] in ("help", "version", "json")):
            want = {"--" + m[2]} | ({m[1]} if m[1].strip() else set())
            helped |= want
            check(want <= options, f"ax(1) has {' '.join(sorted(want))} of {command or 'ax'}")

told = {o for t in ax.iter("term") for o in re.findall(r"(?<![\w-])(--?[A-Za-z-]+)", " ".join(texts(t, "option")))} - {"--", "-p"}
for path in (root / "src/cli").glob("*.c"):
    # Other spellings, which the help does not show.
    for name, letter in re.findall(r"\{ OPTION_\w+, \"([a-z-]+)\", (?:0|'(.)'), [^{}]*NULL \}", path.read_text()):
        helped |= {"--" + name} | ({"-" + letter} if letter else set())
check(not told - helped, "ax(1) has no option that there is not", *sorted(told - helped))
variables = {v for path in (root / "src/cli").glob("*.c") for v in re.findall(r'getenv\("([A-Z_]+)"\)', path.read_text())} - {"PATH", "SHELL", "TERM"}
for variable in sorted(variables):
    check(f"${variable}" in texts(ax, "varname"), f"ax(1) has the variable {variable}")

### keys of files
def check_keys(page, keys):
    # A key stands in the term of its own entry.
    said = {k for t in pages[page].iter("term") for k in re.findall(r"([A-Za-z0-9]+)=", "".join(t.itertext()))}
    check(len(keys) >= 4, f"{page}: its keys are found in the source", keys)
    for key in sorted(keys):
        check(key in said, f"{page} has {key}=")
    gone = said - keys - {"KEY"}  # of KEY=VALUE
    check(not gone, f"{page} has no key that there is not", *gone)


ROW = r'^ +\{ "([A-Z][A-Za-z0-9]+)"'
ENUM = r'^ +\[[A-Z_]+\] = "([A-Z][A-Za-z]+)"'


def rows(path, pattern):
    return set(re.findall(pattern, source(path), re.M))


check_keys("appswitchd.conf.5", rows("src/core/config.c", ROW))
check_keys("appswitch.policy.5", rows("src/model/policy-parse.c", ENUM))
check_keys("appswitch.services.5", set(re.findall("([A-Z][A-Za-z]+)", re.search("unknown key '%s'; allowed are ([^\"]*)", source("src/core/services.c"))[1])))
check_keys("appswitch.unit.5", rows("src/unit/settings.c", ROW))

### errors and messages
api = " ".join(pages["io.appswitch1.5"].itertext())
for error in re.findall(r'"io\.appswitch1\.(\w+)"', source("src/core/errors.h")):
    check(error in api, f"io.appswitch1(5) has the error {error}")
hints = set(re.findall(r'^ +\{ (?:"io\.appswitch1\.(\w+)"|SD_BUS_ERROR_(\w+)), [^,]+, (?:"\S+ |[A-Z])', source("src/cli/error-status.c"), re.M))
check(len(hints) > 30, "the hints of ax are found in the source", hints)
for error in re.findall(r'"io\.appswitch1\.(\w+)"', source("src/core/errors.h")):
    check((error, "") in hints, f"ax has a hint for the error {error}")
of_bus = set()
for path in [*root.glob("src/bus/*.c"), *root.glob("src/core/*.c")]:
    of_bus |= set(re.findall(r"\bSD_BUS_ERROR_(?!NULL|MAKE_CONST|MAP)([A-Z_]+)", path.read_text()))
for error in sorted(of_bus):
    check(("", error) in hints or error in ("NO_REPLY", "NAME_HAS_NO_OWNER", "SERVICE_UNKNOWN"), f"ax has a hint for SD_BUS_ERROR_{error}")
for action in re.findall(r'action id="io\.appswitch1\.([a-z-]+)"', source("polkit/io.appswitch1.policy")):
    check(f"io.appswitch1.{action}" in api, f"io.appswitch1(5) has the action {action}")
print(f"1..{n}")
