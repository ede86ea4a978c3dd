/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The connection that is being given to an accept(2) is out of the listener's
 * queue and not yet in the caller's hands. For as long as that takes a copy of
 * it lies in a socket that is in the descriptor store: should the daemon be
 * killed then, the next one puts it back. There is never more than one.
 */

#include "trap/call.h"

#define DELIVERY_FD_NAME "delivery"

typedef struct Delivery Delivery;

/* Begins, with what an earlier daemon left (`fd`, taken in any case, or -EBADF). Returns 0 or a negative errno. */
int delivery_new(int fd, Delivery **ret);
Delivery *delivery_free(Delivery *delivery);

/* Before and after the caller is given the connection. */
void delivery_begin(Call *call, const Listener *l, int connection, const Endpoint *peer);
void delivery_end(Switch *sw);

/* Puts back what an earlier daemon did not deliver: the caller waits still. */
void delivery_resume(Switch *sw);
