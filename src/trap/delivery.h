/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The connection that is being given to an accept(2). For as long as that takes
 * a note of it, with a copy, lies in a queue that is in the descriptor store;
 * of one that is pending, and so in the spool anyhow, the note lies in the
 * memory of the calls (trap/call.h). Should the daemon be killed then, the next
 * one finds out whether the caller got it, and gives it to him or takes it off
 * its lists. There is never more than one.
 */

#include "trap/accept.h"

#define DELIVERY_FD_NAME "delivery"

typedef struct Delivery Delivery;

/* Begins, with what an earlier daemon left (FD_QUEUE_NONE: nothing), which is taken in any case. Returns 0 or a negative errno. */
int delivery_new(FdQueue left, Delivery **ret);
Delivery *delivery_free(Delivery *delivery);

/*
 * Before and after the caller is given the connection. `connect` is the id of
 * the connect that it comes by and that was not answered yet, or 0.
 */
void delivery_begin(Call *call, const Listener *l, const Connection *connection, uint64_t connect);
void delivery_end(Switch *sw);

/* Does what an earlier daemon could not. To be called when all apps, listeners and pending connections are back. */
void delivery_resume(Switch *sw);
