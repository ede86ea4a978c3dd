/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* App.ListResolved(): which addresses an app may connect to now, as names resolved to them. */

#include <systemd/sd-bus.h>
#include "core/app.h"

/* Answers whoever started the app, the user whom it runs as, and root. Returns as a method of sd-bus. */
int resolved_bus_list(App *app, sd_bus_message *m);
