/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sockets of the host that are bound for as long as an app is exposed there, and
 * listen now and then (core/exposures.h).
 *
 * Whoever has SO_REUSEADDR can bind the port beside one that has it, too, and
 * does not listen: another user would take the port. So the listener does not
 * have it, and connections are in the way of listen(2) then, but for that very
 * call, by SO_REUSEPORT: that is for sockets of the same user alone.
 */

#include <sys/types.h>
#include "model/address.h"

/*
 * Makes one that belongs to a user, and listens. Of IPv6, where there is such,
 * for either family: the app may have a listener of either, and options of both.
 * Returns it or a negative errno.
 */
int exposed_socket_new(const Endpoint *at, uid_t uid);

/* Returns 0 or a negative errno. */
int exposed_socket_listen(int fd, bool on);

/* Makes a connection one that is in nobody's way: of the next who binds the port, and of the listener. Returns 0 or a negative errno. */
int exposed_socket_share(int fd);
