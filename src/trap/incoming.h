/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Connections from outside of the host, to a port of the host that is an app's
 * (core/exposures.h). What the daemon accepts there is what the app gets: a
 * socket of the host's namespace, locked to its peer, with a note of what the
 * app is to see as its own end (transport/peer-lock.h). Nothing of it is kept
 * once the app has it.
 *
 * It reaches the app as one from another app does: a connection with the
 * client's address is dialed into the app's queue, and when the app accepts
 * that, it gets the socket (trap/pending.h). So how many may wait is for the app
 * to say (listen(2)). If its queue is full some wait before it, and more are not
 * accepted by the daemon but wait in the kernel.
 */

#include "model/route.h"
#include "trap/switch.h"

/*
 * Gives a connection of `client` to the backend of the route. Takes `*fd` on
 * success. Returns 0; -EAGAIN if the queue is full and it is not to `wait`
 * before it; -EPIPE if the backend does not take it, which is noted in `tried`;
 * or another negative errno.
 */
int incoming_give(Switch *sw, const Route *route, const Endpoint *client, int *fd, bool wait, RouteTried *tried);

/* Whether no more of these are to be accepted for this port of the app now. From then on the hook `has_room` tells when there may be again. */
bool incoming_is_full(Trap *trap, uint16_t port);
