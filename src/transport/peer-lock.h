/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A TCP socket that an app holds though it is of another namespace must be of
 * no use for anything but the one connection that it was made for. A filter
 * (SO_ATTACH_FILTER), locked (SO_LOCK_FILTER), passes segments only that come
 * from that peer's port to that local port: so no other handshake can succeed,
 * whether the socket connects or listens, nor can a refusal be told from
 * silence, whoever has the socket and whatever he does with it.
 *
 * The same filter carries what the client is to see as the ends of his
 * connection where that is not what the kernel says (a virtual service, a
 * backend outside), in instructions that are never reached. So nothing is kept
 * for a connection, nothing is to be forgotten, a restarted daemon knows it, and
 * no mark is set that could mean something to the host's own rules. A keyed hash
 * over the program makes it ours; that it names the ports of the socket that it
 * is found on keeps it from being used again on another one.
 */

#include "model/address.h"

/* What an app sees of its connection. */
typedef struct PeerView {
        int family;     /* of the socket that it made, or listens with */
        Endpoint local; /* port 0: the one that the kernel says */
        Endpoint peer;
        bool accepted;  /* it is the server; else it connected */
} PeerView;

/*
 * Locks a socket to one connection. `view` may be NULL: as the kernel has it.
 * Returns 0 or a negative errno of setsockopt(2).
 */
int peer_lock(int fd, const Endpoint *local, const Endpoint *peer, const PeerView *view);

/*
 * The same, and as long as the segments of the peer carry this bit of a mark
 * (skb->mark; with fwmark_reflect that of the socket) it does not hear that it
 * is refused: the kernel goes on to send SYN until somebody listens there.
 */
int peer_lock_held(int fd, const Endpoint *local, const Endpoint *peer, const PeerView *view, uint32_t mark_bit);

/* Whether there is a lock, of whomever. Takes no lock of the socket's. */
bool peer_lock_is_set(int fd);

/*
 * Reads the view back. `local` is where the kernel says that the socket is, and
 * `peer`, if that is known, whom it is connected to. Returns 0; -ENODATA if
 * there is none, or none that is to be believed; or a negative errno. Takes the
 * socket's lock.
 */
int peer_lock_get_view(int fd, const Endpoint *local, const Endpoint *peer, PeerView *ret);
