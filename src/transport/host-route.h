/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where an address of the outside really is: on the host itself, or beyond it.
 * The host's routes know, and are asked each time (rtnetlink(7), RTM_GETROUTE):
 * addresses come and go. The kernel answers at once, since Linux 4.14 without a
 * lock that others can hold.
 */

#include "model/address.h"

typedef struct HostRoutes HostRoutes;

/* Returns 0 or a negative errno. */
int host_routes_new(HostRoutes **ret);
HostRoutes *host_routes_free(HostRoutes *routes);
DEFINE_CLEANUP(HostRoutes *, host_routes_free)

/*
 * Whether what is sent there stays on the host. Returns 1; 0 if it leaves, or if
 * no way leads there; or a negative errno if that cannot be found out.
 */
int host_routes_is_local(HostRoutes *routes, const Address *to);
