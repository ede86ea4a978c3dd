/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* accept(2) from the inside of the switch. */

#include "trap/call.h"

/* What is given to an accept. */
typedef struct Connection {
        int fd;
        Endpoint peer;
        Pending *pending; /* whose `fd` is it, or NULL */
} Connection;

/*
 * Gives a connection to an accept that waits already, past the queue; it stays
 * the caller's. `connect` is the id of the connect that it came by, 0 for none.
 * Returns 0 and keeps the note of the delivery (trap/delivery.h), which the
 * caller ends; or -EAGAIN if nobody waits any more.
 */
int accept_hand_over(Listener *listener, const Connection *connection, uint64_t connect);

/* A connection is in the queue of a listener with accepts that wait. */
void accept_ready(Listener *listener);

/* The listener is gone: accepts that wait end. */
void accept_abandon(Listener *listener);
