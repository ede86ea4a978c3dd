/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.freedesktop.LogControl1 (systemd, the man page of that name): what is logged, and where to, changed while we run. */

#include <systemd/sd-bus.h>

/* Adds the object. Returns 0 or a negative errno. */
int log_control_add(sd_bus *bus);
