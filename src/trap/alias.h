/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What an app is to see of a TCP connection where that is not what the kernel
 * says: of one to a virtual service, its address and port instead of the
 * backend's; of one to the outside, its own address instead of the host's. It
 * is kept with the socket (transport/peer-lock.h). As long as nobody on this node
 * made such a one, no socket is looked at.
 */

#include "trap/call.h"
#include "transport/peer-lock.h"

/*
 * Whether `call->fd`, a TCP socket, may be such a one. Asks nothing that takes
 * the socket's lock: most sockets are not.
 */
bool alias_is_possible(const Call *call);

/*
 * Whether it is a socket of the host's namespace that was made by us
 * (trap/outside.h): it is nothing but its connection.
 */
bool alias_is_outside(const Call *call);

/*
 * Finds out what the app is to see. `peer`: it must be connected. Returns 1; 0
 * if it is what the kernel says; or a negative errno for the app.
 */
int alias_get(Call *call, bool peer, PeerView *ret);
