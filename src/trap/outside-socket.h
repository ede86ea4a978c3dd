/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The sockets of the host's namespace that connections to the outside are. */

#include "transport/peer-lock.h"
#include "trap/link.h"

/*
 * Makes one for what the route leads to: with the options of the client's
 * socket, of the app's user, and without our rights. One to no backend comes
 * from where the configuration says (Switch.exit). It never waits. Returns it,
 * or a negative errno for the caller.
 */
int outside_socket_new(const Connect *c, const Route *route, int family);

/* Begins. Returns 0 also if it is on its way, or a negative errno of connect(2). */
int outside_socket_connect(int fd, const Endpoint *to, int family);

/*
 * Locks it, before anybody has it, to this one peer. Returns 0; -ECONNREFUSED if
 * the host has connected it to itself; or another negative errno.
 */
int outside_socket_lock(int fd, const Endpoint *target, const PeerView *view);
