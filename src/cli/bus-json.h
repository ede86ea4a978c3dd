/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a D-Bus message says, as JSON. */

#include <systemd/sd-bus.h>

#include "cli/json.h"

/*
 * The next complete value of the message: numbers, booleans and strings are the
 * like, arrays and structures are arrays, dictionaries with strings as keys are
 * objects, variants are what is in them. Returns 1; 0 at the end of what the
 * message stands in; -EOPNOTSUPP for other types; or another negative errno.
 */
int bus_json_read(sd_bus_message *m, json_object **ret);
