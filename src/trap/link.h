/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Carrying out a connect(2) to another app. */

#include "model/route.h"
#include "trap/call.h"

/* The listener that a backend of the directory is part of. */
static inline Listener *backend_listener(Backend *backend) {
        return CONTAINER_OF(backend, Listener, backend);
}

typedef struct Connect {
        Call *call;
        SocketInfo socket;
        Endpoint bound; /* where the socket is bound to */
        Endpoint to;
        RouteTried tried;
        int flags; /* of the descriptor */
        bool foreign; /* the socket was made by us, for another connection: the kernel must not connect it */
        bool held; /* it waits for an app that is being started */
        bool tcp;  /* it stays a TCP connection */
        int error; /* of the last backend outside that was no good: a negative errno */
} Connect;

/* Finds the server and connects to it. Ends the call, or lets it wait. */
void connect_route(Connect *c);

/*
 * Connects to the backend that the route chose. Returns 0 if the call is ended
 * or waits, or a negative errno for the caller; -EPIPE if the backend does not
 * take it.
 */
int connect_backend(Connect *c, const Route *route);

/* Of what is tried: the listener does not take it. It is forgotten if it is gone, else it rests. */
void listener_skip(Listener *listener, RouteTried *tried);

/* The listener does not take it: it is forgotten if it is gone, else it rests, and this connect does not try it again. */
void connect_skip(Connect *c, Listener *listener);

/*
 * Nobody listens there. Who does not wait is told so as TCP tells it, later and
 * by SO_ERROR: by a socket that was refused by the app itself, in its own
 * namespace. Returns 0 if the call is ended, or a negative errno for the
 * caller.
 */
int connect_refused(Connect *c, const Route *route);

/*
 * To an app that is started by it. Returns 0 if the call is ended, or a
 * negative errno for the caller.
 */
int connect_started(Connect *c, const Route *route);

/*
 * Those that wait, as the app is about to be stopped (Party.stopping), and
 * somebody listens there still: looks again where they go.
 */
void connects_resume(Trap *server);

/* Where the connection begins, but for an ephemeral port. Returns 0 or a negative errno for the caller. */
int connect_get_source(const Connect *c, const Route *route, Endpoint *ret);

/*
 * Puts a socket over the caller's descriptor, in place of `old`. Returns 1, 0 if
 * the caller is gone and the call with him, or a negative errno.
 */
int connect_replace(Connect *c, int old, int fd);

/* The same with a socket of the app's own namespace that has the options of the call's. */
int connect_replace_by_plain(Connect *c);
