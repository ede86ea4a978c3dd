/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The objects of the daemon that have an interface, out of one answer. */

#include <systemd/sd-bus.h>

#include "basic/macro.h"

/* Reads the properties of one object, an a{sv} at the place where the message stands. Returns 0 or a negative errno. */
typedef int (*ObjectReader)(sd_bus_message *m, void *userdata);

/* Calls `read` for each. Returns 0, what it returned, or a negative errno with `error` set. */
int objects_read(sd_bus *bus, const char *interface, ObjectReader read, void *userdata, sd_bus_error *error);
