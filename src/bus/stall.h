/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A bus that does not take what we say any more. dbus-daemon counts what it
 * holds of ours for those who do not read, and at 127 MiB reads nothing from us
 * until they do: one client that subscribes to our signals and never reads them
 * would so, one day, silence us. When the connection to the bus is given up, all
 * that is forgotten; the next daemon begins with a new one (main ends without a
 * bus), and no app is lost.
 */

#include "core/manager.h"

/* Watches the manager's bus from now on. Returns 0 or a negative errno. */
int stall_watch(Manager *m);
