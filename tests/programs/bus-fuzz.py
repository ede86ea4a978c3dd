#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bus-fuzz.py [--seed N] [--calls N]: calls every method of io.appswitch1 with what comes to mind.

Introspects all objects, and then calls methods of theirs at random: with arguments of the types that are written down
and values that may be anything; with such arguments and one that is wrong; and with those of a random signature, nested
as deep as the bus lets pass, with descriptors. Reads and sets properties likewise, and calls what is not there. What the
daemon answers does not matter here, but that it answers does: each call must come to an end. The seed that is printed
makes the same calls again, if the same objects are there. Ends with the numbers of answers by kind."""

import argparse
import collections
import os
import random
import sys
import tempfile
import xml.etree.ElementTree as ET

import dbus
import dbus.lowlevel

NAME = "io.appswitch1"
BASIC = "ybnqiuxtdsogh"
DEPTH_MAX = 32      # of arrays, and of structs (D-Bus Specification, "Valid Signatures")

WORDS = ["", "a", "web", "nosuch_1", "all", "leader", "zone=default", "zone=x", "=", "198.18.0.1", "::", "fd00::1", "127.0.0.1",
         "../../etc/passwd", "/io/appswitch1", "%s%n", "\n", "\x01", "é", "名前", "\U0001f600", "xn--nxasmq6b", "a" * 63, "a" * 64,
         "a" * 255, "x" * 5000, "true", "/bin/true", "sh", "PATH=/usr/bin", "NAME", "=x", "root", "0", "-1", "4294967295", "alice",
         "app-x.scope", "x.slice", "io.appswitch1.App", "io.appswitch1.Manager", "Version", "auto", "unix", "tcp", "yes"]
OPTIONS = ["Name", "Names", "Addresses", "Tags", "User", "Group", "Unit", "Slice", "Description", "Shortcut", "Collect", "Terminal",
           "StopWithCaller", "WorkingDirectory", "StandardInput", "StandardOutput", "StandardError", "Control", "ArgumentBytes",
           "EnvironmentBytes", "Weight", "Strategy"]
RANGES = {"y": (0, 255), "n": (-2**15, 2**15 - 1), "q": (0, 2**16 - 1), "i": (-2**31, 2**31 - 1), "u": (0, 2**32 - 1),
          "x": (-2**63, 2**63 - 1), "t": (0, 2**64 - 1)}


# What makes sense at these places, so that the daemon also gets to look at the others.
GOOD = {("RunApp", 0): [["true"], ["sleep", "1"]], ("RunApp", 1): [["PATH=/usr/bin:/bin"]],
        ("SetTags", 0): [["zone=x"]], ("SetAppTags", 1): [["zone=x", "a=b"]]}


class Fuzzer:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.connect()
        self.fds = [os.open("/dev/null", os.O_RDWR), os.open("/", os.O_PATH), os.memfd_create("fuzz"), *os.pipe(),
                    os.open(tempfile.gettempdir(), os.O_RDONLY)]
        self.answers = collections.Counter()
        self.objects = {}       # path -> [(interface, [methods], [properties])]
        self.words = list(WORDS)

    def connect(self):
        self.bus = dbus.SystemBus(private=True)
        self.bus.set_exit_on_disconnect(False)

    ### what there is

    def introspect(self, path="/"):
        xml = self.bus.call_blocking(NAME, path, "org.freedesktop.DBus.Introspectable", "Introspect", "", ())
        root = ET.fromstring(xml)
        self.objects[path] = [(i.get("name"),
                               [(m.get("name"), "".join(a.get("type") for a in m.findall("arg") if a.get("direction", "in") == "in"))
                                for m in i.findall("method")],
                               [p.get("name") for p in i.findall("property")]) for i in root.findall("interface")]
        for node in root.findall("node"):
            self.introspect(path.rstrip("/") + "/" + node.get("name"))

    def learn(self):
        """Names that mean something to the daemon, to get past the first question it asks."""
        self.words += [p for p in self.objects]
        for app in self.bus.call_blocking(NAME, "/io/appswitch1", NAME + ".Manager", "ListApps", "", ()):
            self.words += [str(app[0]), str(app[1]), str(app[2])]

    ### types and values

    def signature(self, depth=0):
        r = self.random
        kind = r.choice("b" * 6 + "aav({") if depth < 3 else "b"
        if kind == "b":
            return r.choice(BASIC)
        if kind == "a":
            return "a" + self.signature(depth + 1)
        if kind == "(":
            return "(" + "".join(self.signature(depth + 1) for _ in range(r.randint(1, 4))) + ")"
        if kind == "{":
            return "a{" + r.choice(BASIC[:-1]) + self.signature(depth + 1) + "}"
        return "v"

    def deep(self):
        n = self.random.choice([1, 8, DEPTH_MAX - 1, DEPTH_MAX])
        return self.random.choice(["a" * n + "y", "(" * n + "y" + ")" * n, "a" * n + "(" * n + "s" + ")" * n])

    def value(self, signature, depth=0):
        """A value of one complete type, for dbus.lowlevel.Message.append()."""
        r = self.random
        s = next(iter(dbus.Signature(signature)))
        c = s[0]
        if c in RANGES:
            low, high = RANGES[c]
            return r.choice([low, high, 0, 1, r.randint(low, high), r.randint(0, 64)])
        if c == "b":
            return r.choice([False, True])
        if c == "d":
            return r.choice([0.0, -1.5, 1e308, float("inf"), float("nan")])
        if c == "s":
            return r.choice(self.words)
        if c == "o":
            return r.choice(["/", "/a/b", *self.objects])
        if c == "g":
            return r.choice(["", "s", "a{sv}", "(((y)))"])
        if c == "h":
            return dbus.types.UnixFd(r.choice(self.fds))
        if c == "v":
            inner = self.signature(depth + 1) if depth < 8 else "y"
            return self.variant(inner, depth + 1)
        if c == "(":
            return tuple(self.value(t, depth + 1) for t in dbus.Signature(s[1:-1]))
        # Deep ones stay thin: there would be as many as can be counted.
        n = r.choice([0, 1, 1, 2, 3, 20, 3000 if s in ("as", "ay", "au") else 20]) if depth == 0 else r.choice([0, 1, 1, 2]) if depth < 4 else 1
        if s[1] == "{":
            key, of = list(dbus.Signature(s[2:-1]))
            entries = {}
            for _ in range(min(n, 8)):
                k = r.choice(OPTIONS) if s == "a{sv}" and r.random() < 0.9 else self.value(key, depth + 1)
                entries[k] = self.option(k) if s == "a{sv}" and k in OPTIONS and r.random() < 0.8 else self.value(of, depth + 1)
            return dbus.Dictionary(entries, signature=s[2:-1])
        return dbus.Array([self.value(s[1:], depth + 1) for _ in range(n)], signature=s[1:])

    def option(self, name):
        """One of RunApp's, of its own type."""
        return self.variant({"Names": "as", "Addresses": "as", "Tags": "as", "Collect": "b", "Terminal": "b", "StopWithCaller": "b",
                             "WorkingDirectory": "h", "StandardInput": "h", "StandardOutput": "h", "StandardError": "h",
                             "Control": "h", "ArgumentBytes": "aay", "EnvironmentBytes": "aay", "Weight": "u"}.get(name, "s"), 2)

    def variant(self, signature, depth):
        """dbus-python takes the type of a variant from that of the value."""
        v = self.value(signature, depth)
        c = signature[0]
        if c in "aho" or c == "v":
            return v
        if c == "(":
            return dbus.Struct(v, signature=signature[1:-1])
        return {"y": dbus.Byte, "n": dbus.Int16, "q": dbus.UInt16, "i": dbus.Int32, "u": dbus.UInt32, "x": dbus.Int64,
                "t": dbus.UInt64, "b": dbus.Boolean, "d": dbus.Double, "s": dbus.String, "g": dbus.Signature}[c](v)

    ### calls

    def send(self, path, interface, member, signature, arguments):
        m = dbus.lowlevel.MethodCallMessage(NAME, path, interface, member)
        try:
            if signature:
                m.append(*arguments, signature=signature)
        except (TypeError, ValueError, OverflowError, dbus.DBusException):
            return self.answers.update(["not sendable"])
        try:
            self.bus.send_message_with_reply_and_block(m, 60)
            answer = "done"
        except dbus.DBusException as e:
            answer = e.get_dbus_name()
        if answer == "org.freedesktop.DBus.Error.Disconnected":     # by the bus: more descriptors than it passes on, say
            self.connect()
        if answer in ("org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.ServiceUnknown"):
            sys.exit(f"no answer ({answer}): {path} {interface}.{member} {signature} {repr(arguments)[:1000]} … {repr(arguments)[-3000:]}")
        self.answers.update([answer])

    def arguments(self, signature, member):
        return [self.random.choice(GOOD[member, i]) if t == "as" and (member, i) in GOOD and self.random.random() < 0.7
                else self.value(t) for i, t in enumerate(dbus.Signature(signature))]

    def one(self):
        r = self.random
        path = r.choice(list(self.objects))
        interfaces = self.objects[path]
        what = r.random()
        if what < 0.75:
            choices = [(i, m, s) for i, methods, _ in interfaces for m, s in methods if i.startswith(NAME)]
            if not choices:
                path, choices = "/io/appswitch1", [(i, m, s) for i, methods, _ in self.objects["/io/appswitch1"]
                                                   for m, s in methods if i.startswith(NAME)]
            interface, member, signature = r.choice(choices)
            how = r.random()
            if how < 0.1:
                signature = "".join(self.signature() for _ in range(r.randint(0, 4)))
            elif how < 0.15:
                signature = self.deep()
            elif how < 0.25:    # one argument too many, or too few
                types = list(dbus.Signature(signature))
                signature = "".join(types[:-1] if types and r.random() < 0.5 else [*types, self.signature()])
        elif what < 0.95:
            interface = "org.freedesktop.DBus.Properties"
            member, signature = r.choice([("Get", "ss"), ("GetAll", "s"), ("Set", "ssv")])
            if r.random() < 0.8:
                of, _, properties = r.choice(interfaces) if interfaces else ("x.y", [], [])
                arguments = [of, r.choice([*properties, "Nonsense"]), self.value("v")][:len(signature)]
                return self.send(path, interface, member, signature, arguments)
        else:
            path, interface, member, signature = r.choice([
                (path, "org.freedesktop.DBus.Peer", r.choice(["Ping", "GetMachineId", "Nonsense"]), ""),
                (path, NAME + ".Manager", "Nonsense", "s"), (path, "x.y", "RunApp", "as"),
                ("/io/appswitch1/app/nosuch_5f1", NAME + ".App", "Stop", ""),
                ("/io/appswitch1/app/" + "a" * 1000, NAME + ".App", "Kill", "si"),
                ("/io/appswitch1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", self.signature()),
                ("/org/freedesktop/LogControl1", "org.freedesktop.DBus.Properties", "Set", "ssv")])
        self.send(path, interface, member, signature, self.arguments(signature, member))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    p.add_argument("--calls", type=int, default=3000)
    args = p.parse_args()
    print(f"seed {args.seed}", flush=True)
    fuzzer = Fuzzer(args.seed)
    fuzzer.introspect()
    fuzzer.learn()
    for _ in range(args.calls):
        fuzzer.one()
    for answer, n in fuzzer.answers.most_common():
        print(n, answer)


main()
