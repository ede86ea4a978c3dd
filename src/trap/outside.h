/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Carrying out a connect(2) to what is outside of all apps: a backend, which may
 * be a service of the host itself, or just an address that the app may reach.
 */

#include "trap/link.h"

/*
 * Connects to where the route leads, ROUTE_EXTERNAL or ROUTE_OUTSIDE. Returns 0 if the call is ended or waits, or
 * a negative errno for the caller; -EPIPE if that backend is no good, which is
 * noted, and another one may be.
 */
int connect_outside(Connect *c, const Route *route);

/* connect(2) on what such a call made, which may be under way or have failed. `state` is of TCP. Ends the call, or lets it wait. */
void connect_outside_again(Connect *c, int state);

/* Of the switch, for its beginning and its end. Returns 0 or a negative errno. */
int outside_init(Switch *sw);
void outside_done(Switch *sw);
