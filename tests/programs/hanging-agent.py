#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hanging-agent.py ROUNDS: callers of RunApp that go away while polkit waits for an agent that never answers.

We are agent and caller in one process, on two connections: polkit has the agent ask for a password, the caller leaves
the bus, and the agent has to be told that nobody wants an answer any more. More rounds than may wait for one user
(8 at polkit, 256 in all) would not come through if anything were left of the ones before."""

import os
import sys

from gi.repository import Gio, GLib

PATH = "/io/appswitch1/test/Agent"
POLKIT = ("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority")
INTERFACE = """<node><interface name="org.freedesktop.PolicyKit1.AuthenticationAgent">
  <method name="BeginAuthentication">
    <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/>
    <arg type="a{ss}" direction="in"/><arg type="s" direction="in"/><arg type="a(sa{sv})" direction="in"/>
  </method>
  <method name="CancelAuthentication"><arg type="s" direction="in"/></method>
</interface></node>"""

began, cancelled = [], set()


def on_call(connection, sender, path, interface, method, arguments, invocation):
    if method == "BeginAuthentication":
        began.append(arguments.unpack())    # and never an answer
    else:
        cancelled.add(arguments.unpack()[0])
        invocation.return_value(None)


def connect():
    return Gio.DBusConnection.new_for_address_sync(
        Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM),
        Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)


def start_time():
    with open("/proc/self/stat") as f:
        return int(f.read().rsplit(")", 1)[1].split()[19])


def wait(condition, what):
    context, late = GLib.MainContext.default(), []
    GLib.timeout_add_seconds(30, lambda: late.append(1))
    while not condition():
        context.iteration(True)
        if late:
            sys.exit(f"{what}: began {len(began)}, cancelled {len(cancelled)}")


def main(rounds):
    agent = connect()
    agent.register_object(PATH, Gio.DBusNodeInfo.new_for_xml(INTERFACE).interfaces[0], on_call, None, None)
    subject = ("unix-process", {"pid": GLib.Variant("u", os.getpid()), "start-time": GLib.Variant("t", start_time()),
                                "uid": GLib.Variant("i", os.getuid())})
    agent.call_sync(*POLKIT, "RegisterAuthenticationAgent",
                    GLib.Variant("((sa{sv})ss)", (subject, "C.UTF-8", PATH)), None, 0, -1)
    for i in range(rounds):
        caller = connect()
        arguments = GLib.Variant("(asasa{sv})", (["sleep", "1000"], ["PATH=/usr/bin:/bin"],
                                                 {"Addresses": GLib.Variant("as", ["198.18.56.99"])}))
        caller.call("io.appswitch1", "/io/appswitch1", "io.appswitch1.Manager", "RunApp", arguments, None,
                    Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION, 60000, None, None)
        wait(lambda: len(began) == i + 1, f"round {i}: nobody is asked")
        caller.close_sync()
        wait(lambda: began[i][4] in cancelled, f"round {i}: the question is not taken back")
    print(f"{began[0][0]}\n{began[0][1]}\n{rounds} rounds")


main(int(sys.argv[1]))
