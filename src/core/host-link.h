/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The network device that systemd-resolved knows the names of apps by: it has
 * name servers and routing domains for devices alone, and for none that is a
 * loopback, is down or has no address. So there is one without a way to
 * anywhere: a dummy, or where the kernel has none a veth pair with both its
 * ends on the host. Its address is a loopback one, which nobody else has.
 *
 * To make and to remove it takes a lock of the kernel's that others can hold.
 */

#include <stdbool.h>

/* Makes the device, if it is not there. Returns its index or a negative errno. */
int host_link_make(void);

/* Whether it is there. */
bool host_link_exists(void);

/* Removes it. Returns 0, also if it is not there, or a negative errno. */
int host_link_remove(void);
