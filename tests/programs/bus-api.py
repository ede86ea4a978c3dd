#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bus-api.py PAGE XML POLICY: whether the API is what is written about it.

Runs the examples of the man page PAGE (its DocBook source), in their order, as a user at a shell would: each must
succeed and print what the page says it does, where "…" and what is <replaceable> stand for anything, and 4711 for the
leader of the app web_1. Before the first and after each of them it looks at all objects that there are:

  * each can be introspected, and what it says is what is written in XML;
  * its properties are those of its interfaces; those that are "const" never change, and a change of one that is
    "true" comes as a signal.

Then whether the page, the policy of the bus and the examples leave nothing out. Prints "ok TEXT" and "not ok TEXT",
what there is to say in lines with "#", and at the end 1..N."""

import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

from gi.repository import Gio, GLib

NAME = "io.appswitch1"
EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"
n_tests = 0


def test(good, text, *details):
    global n_tests
    n_tests += 1
    print("ok" if good else "not ok", text)
    if not good:
        for d in details:
            print("#", str(d).replace("\n", "\n# ")[:1500])


### what is written

class Interface:
    """An <interface>, so that two of them can be compared. Names of arguments count."""

    def __init__(self, element):
        self.methods = {m.get("name"): [(a.get("direction", "in"), a.get("type"), a.get("name")) for a in m.findall("arg")]
                        for m in element.findall("method")}
        self.signals = {s.get("name"): [(a.get("type"), a.get("name")) for a in s.findall("arg")]
                        for s in element.findall("signal")}
        self.properties = {p.get("name"): (p.get("type"), p.get("access"), self.emits(p))
                           for p in element.findall("property")}

    @staticmethod
    def emits(element):
        return next((a.get("value") for a in element.findall("annotation") if a.get("name") == EMITS), "true")

    def differences(self, other):
        for kind in "methods", "signals", "properties":
            mine, its = getattr(self, kind), getattr(other, kind)
            for member in sorted(mine.keys() | its.keys()):
                if mine.get(member) != its.get(member):
                    yield f"{member}: written {mine.get(member)}, there is {its.get(member)}"


def read_interfaces(text):
    return {i.get("name"): Interface(i) for i in ET.fromstring(text).iter("interface")
            if i.get("name").startswith(NAME + ".")}


class Example:
    def __init__(self, text):
        lines = text.replace("\\\n", " ").strip("\n").split("\n")
        self.command = lines[0].removeprefix("# ")
        self.wanted = " ".join(" ".join(lines[1:]).split())

    def call(self):
        """(interface, member) of the call it makes, or None."""
        m = re.search(r"busctl\b.* call (?:-- )?\S+ \S+ (\S+) (\w+)", self.command)
        return m.groups() if m else None

    def only_reads(self):
        call = self.call()
        return not call or re.match("Get|List", call[1])

    def matches(self, output):
        pattern = ".*".join(re.escape(p) for p in self.wanted.split("…"))
        return re.fullmatch(pattern, " ".join(output.split())) is not None


def read_examples(page):
    for section in page.iter("refsect1"):
        if section.findtext("title") != "Examples":
            continue
        for screen in section.iter("screen"):
            for r in screen.iter("replaceable"):
                r.text = "…"
            block = "".join(screen.itertext())
            yield from (Example(e) for e in re.split(r"\n(?=# )", block.strip("\n")))


### what there is

class Bus:
    def __init__(self):
        self.bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
        self.changed = set()        # (path, interface, property) of which a signal told
        self.values = {}            # of before
        self.found = {}             # interfaces that objects have
        self.trouble = []
        self.emitted = set()        # properties whose changes were seen and told
        self.bus.signal_subscribe(NAME, "org.freedesktop.DBus.Properties", "PropertiesChanged", None, None, 0, self.on_changed)

    def on_changed(self, bus, sender, path, interface, signal, arguments):
        of, changed, invalidated = arguments.unpack()
        self.changed |= {(path, of, p) for p in [*changed, *invalidated]}

    def call(self, path, interface, member, arguments=None):
        return self.bus.call_sync(NAME, path, interface, member, arguments, None, 0, 20000).unpack()

    def get_all(self, path, interface):
        return self.call(path, "org.freedesktop.DBus.Properties", "GetAll", GLib.Variant("(s)", (interface,)))[0]

    def look(self, path="/"):
        """Walks the tree of objects; a process that ends on the way takes its object with it, and that is fine."""
        xml = self.call(path, "org.freedesktop.DBus.Introspectable", "Introspect")[0]
        for name, interface in read_interfaces(xml).items():
            self.found[name] = interface
            try:
                self.compare(path, name, interface, self.get_all(path, name))
            except GLib.Error as e:
                if "Unknown" not in e.message:
                    self.trouble.append(f"{path} {name}: {e.message}")
        for node in ET.fromstring(xml).findall("node"):
            self.look(path.rstrip("/") + "/" + node.get("name"))

    def compare(self, path, name, interface, values):
        if values.keys() != interface.properties.keys():
            self.trouble.append(f"{path}: GetAll of {name} gives {sorted(values)}")
        before = self.values.get((path, name))
        self.values[path, name] = values
        for p, v in values.items():
            if not before or before.get(p) == v:
                continue
            emits = interface.properties[p][2]
            if emits == "const":
                self.trouble.append(f"{path}: {p} is const, and was {before[p]} and is {v}")
            elif emits == "true":
                deadline = time.monotonic() + 20
                while (path, name, p) not in self.changed and time.monotonic() < deadline:
                    GLib.timeout_add(100, lambda: False)
                    GLib.MainContext.default().iteration(True)
                if (path, name, p) in self.changed:
                    self.emitted.add((name, p))
                else:
                    self.trouble.append(f"{path}: {p} has changed without a signal, from {before[p]} to {v}")


def run_example(bus, example, seconds=20):
    """A program that was started may take its time until it listens: what only reads is tried again."""
    command = example.command
    if "4711" in command:
        command = command.replace("4711", str(bus.get_all("/io/appswitch1/app/web_5f1", NAME + ".App")["Leader"]))
    deadline = time.monotonic() + seconds
    while True:
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
        if done.returncode == 0 and example.matches(done.stdout):
            return True, ""
        if not example.only_reads() or time.monotonic() > deadline:
            return False, f"status {done.returncode}\n{done.stderr}got:    {done.stdout}\nwanted: {example.wanted}"
        time.sleep(0.2)


def check_policy(path, interfaces):
    root = ET.parse(path)
    default = next(p for p in root.iter("policy") if p.get("context") == "default")
    allowed = {(a.get("send_interface"), a.get("send_member")) for a in default.findall("allow") if a.get("send_destination")}
    test(any(d.get("send_destination") == NAME and len(d.attrib) == 1 for d in default.findall("deny")),
         "the policy of the bus denies what it does not allow")
    meant = {("org.freedesktop.DBus.Introspectable", None), ("org.freedesktop.DBus.Peer", None),
             ("org.freedesktop.DBus.ObjectManager", "GetManagedObjects"),
             ("org.freedesktop.DBus.Properties", "Get"), ("org.freedesktop.DBus.Properties", "GetAll")}
    meant |= {(name, m) for name, i in interfaces.items() for m in i.methods}
    test(allowed == meant, "and allows just the members of the interfaces", *sorted(map(str, allowed ^ meant)))
    owners = [p.get("user") for p in root.iter("policy") for a in p.findall("allow") if a.get("own")]
    test(owners == ["root"], "only root may have the name", owners)


def main(page_path, xml_path, policy_path):
    page = ET.parse(page_path).getroot()
    with open(xml_path) as f:
        interfaces = read_interfaces(f.read())
    examples = list(read_examples(page))
    bus = Bus()
    bus.look()
    for example in examples:
        good, why = run_example(bus, example)
        test(good, "example: " + " ".join(example.command.split())[:100], why)
        bus.look()
    test(not bus.trouble, "what objects say of themselves holds", *bus.trouble[:20])
    for name, interface in interfaces.items():
        test(name in bus.found, f"{name}: there was an object that has it")
        differences = list(interface.differences(bus.found[name])) if name in bus.found else []
        test(not differences, f"{name}: is as it is written", *differences)
        text = " ".join("".join(page.itertext()).split())
        missing = [m for m in [*interface.methods, *interface.signals, *interface.properties] if not re.search(rf"\b{m}\b", text)]
        test(not missing, f"{name}: all of it is in the man page", *missing)
        missing = interface.methods.keys() - {call[1] for e in examples if (call := e.call()) and call[0] == name}
        test(not missing, f"{name}: each method has an example", *sorted(missing))
    unknown = [n for n in bus.found if n not in interfaces]
    test(not unknown, "no object has an interface that is not written down", *unknown)
    test((NAME + ".App", "Tags") in bus.emitted, "a change was told by a signal", *bus.emitted)
    check_policy(policy_path, interfaces)
    print(f"1..{n_tests}")


main(*sys.argv[1:])
