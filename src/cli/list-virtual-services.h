/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "cli/cli.h"

/* ax list virtual-services. Returns the exit status, or a negative errno that was logged. */
int list_virtual_services(sd_bus *bus, const Settings *settings);
