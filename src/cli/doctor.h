/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What `ax doctor` looks at. It asks the kernel, the service manager and the
 * bus themselves, and changes nothing. All of it works without the daemon, and
 * what takes root is skipped for others.
 */

#include <systemd/sd-bus.h>

#include "cli/checkup.h"

/* The version, and whatever the daemons ask of it. */
void doctor_kernel(Checkup *c);

/* A trial of a trapped call, with a child of our own, as the daemon does it with its apps. */
void doctor_trap(Checkup *c);

/* The service manager, its units, polkit, and what is installed for them. `bus` is the system bus. */
void doctor_services(Checkup *c, sd_bus *bus);

/* The daemon itself, and how apps and the host find names. `bus` may be NULL. */
void doctor_names(Checkup *c, sd_bus *bus);
