/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What stands behind an app's listening socket: three sockets.
 *
 *   the app's end   one end of a SOCK_SEQPACKET pair, put over the app's own
 *                   descriptor; readable when a connection waits, so that
 *                   poll, select and epoll work natively
 *   the end         the other one, kept here: each message sent into it is one
 *                   connection (SCM_RIGHTS, with the client's address as
 *                   payload). The queue is the kernel's: it is bounded and
 *                   survives the daemon. HUP here means that the last copy of
 *                   the app's end was closed.
 *   the native one  the TCP socket that the app bound, kept listening in the
 *                   app's namespace: conflicts of ports, socket options and
 *                   /proc/net/tcp are the kernel's. Only the app itself can
 *                   connect to it; those connections are plain TCP, and are
 *                   moved into the queue one at a time. A copy of it lies in
 *                   the receive queue of the end, where the next daemon finds
 *                   it.
 */

#include "transport/socket-name.h"

enum {
        /* net.core.somaxconn: what listen(2) cuts a backlog to. */
        LISTENER_BACKLOG_MAX = 4096,
};

typedef struct ListenerSockets {
        uint64_t number; /* unique on this node, also over restarts of the daemon */
        int end;
        int native;
        int family;
        Endpoint bound;
        bool v6only;
        unsigned backlog;
        unsigned queued; /* connections in the kernel's queue */
        bool held;       /* the native socket does not answer */
        uint64_t netns;  /* cookie of the app's namespace */
} ListenerSockets;

#define LISTENER_SOCKETS_NONE { .end = -EBADF, .native = -EBADF }

/*
 * Lets the app's bound socket `native` listen and makes the pair. Takes
 * `native` only on success. Returns 0 and the app's end, or a negative errno
 * of listen(2), socketpair(2) or bind(2).
 */
int listener_sockets_open(ListenerSockets *l, uint64_t number, int native, int backlog, bool nonblock,
                          int *ret_app_end);

/*
 * Takes the end as an earlier daemon left it; the native socket is in its
 * queue. Returns 0 or a negative errno; takes it on success.
 */
int listener_sockets_adopt(ListenerSockets *l, uint64_t number, int end);

/*
 * Closes all, and the app's port is free at once. Whoever keeps a copy of the
 * end, as the descriptor store does for a while, does not keep the native
 * socket by it.
 */
void listener_sockets_close(ListenerSockets *l);

/* Closes our descriptors alone: the end and what is in its queue are left to the next daemon. */
void listener_sockets_leave(ListenerSockets *l);

/* Changes the backlog as another listen(2) does. Returns 0 or a negative errno. */
int listener_sockets_set_backlog(ListenerSockets *l, int backlog);

/* Whether one more connection would exceed the backlog, as TCP counts it: one more than asked for fits. */
bool listener_sockets_full(const ListenerSockets *l);

/*
 * Queues a connection. Returns 0, or a negative errno: -EPIPE or -ECONNRESET
 * if the app's end is closed. `connection` stays the caller's.
 */
int listener_sockets_push(ListenerSockets *l, int connection, const Endpoint *peer);

/*
 * Takes the next connection out of the queue through a copy of the app's end.
 * Returns 0; -EAGAIN if none waits; -EINVAL if the socket was shut down; or
 * another negative errno.
 */
int listener_sockets_pop(ListenerSockets *l, int app_end, int *ret_connection, Endpoint *ret_peer);

/*
 * Takes a connection that the app made to itself from the native socket.
 * Returns 0, -EAGAIN if there is none, or another negative errno of accept(2).
 */
int listener_sockets_accept_native(ListenerSockets *l, int *ret_connection, Endpoint *ret_peer);

/*
 * Lets the native socket not answer for a while (a filter that passes nothing,
 * socket(7)), so that a client waits as before a full queue; or answer again.
 */
void listener_sockets_hold(ListenerSockets *l, bool hold);

/* Whether all copies of the app's end are closed. */
bool listener_sockets_hung_up(const ListenerSockets *l);
