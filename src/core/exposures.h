/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The ports of the host at which apps can be reached from outside. The daemon
 * has a socket for each address and port, bound from the moment that the first
 * app is started with it until the last such app ends, so that it is nobody
 * else's; but it listens only while one of them does: else the kernel refuses,
 * as it does where nobody listens. IPv4 and IPv6 are two sockets, so that a
 * client is refused by the family that no app listens with, and takes the other.
 *
 * Apps of one identity may share a port of the host, if it leads to the same
 * port of theirs. A connection goes to one of those that expose it to the
 * client (ExposeFrom=), by the identity's strategy; instances that do not are
 * not reached from outside.
 *
 * A port that leads to an app that is started by it (core/starter.h) listens
 * while that is stopped, too. Some dozens of connections are accepted then, each
 * of a client that may reach the app, and wait here; more wait in the kernel.
 *
 * The sockets are in the descriptor store, and with them what waits there.
 */

#include "core/app.h"

enum {
        EXPOSED_PORTS_MAX = 1024, /* on the node */
        EXPOSED_SOCKETS_MAX = 2 * EXPOSED_PORTS_MAX, /* each by both families */
};

typedef struct Exposures Exposures;

/* One that is bound, for whoever shows or guards them. */
typedef struct ExposedPort {
        Endpoint at;
        const Identity *identity;
        uint16_t port; /* of the apps */
        bool listens;
        uint64_t n_accepted, n_refused;
} ExposedPort;

int exposures_new(Manager *m, Exposures **ret);

/* The apps must be gone. The sockets stay in the descriptor store if the switch is being left. */
Exposures *exposures_free(Exposures *e);

/*
 * Takes what an earlier daemon left, if `name` is that of one of its sockets.
 * Returns 0 or -EINVAL. When the apps and their listeners are back,
 * exposures_resume() closes those that nobody took.
 */
int exposures_keep(Exposures *e, const char *name, int fd);
void exposures_resume(Exposures *e);

/*
 * Binds what the app is to be exposed at; all or nothing. It has its identity.
 * Returns 0, or a negative errno, with a sentence in `ret_message` (to be
 * freed) if there is one for the user: -EADDRINUSE if a port is taken, in
 * `ret_taken`, without a sentence if by somebody else than an app;
 * -EADDRNOTAVAIL if the host does not have an address; -EDQUOT if there are too
 * many.
 */
int exposures_add(App *app, Endpoint *ret_taken, char **ret_message);
void exposures_remove(App *app);

/* Somebody of this identity listens on the port from now on; or does so no more, by this backend (its id). */
void exposures_listener_begins(Exposures *e, const Identity *identity, uint16_t port);
void exposures_listener_ends(Exposures *e, const Identity *identity, uint16_t port, uint64_t backend);

/* What the identity's apps may get has changed: one drains, or has room again. */
void exposures_update(Exposures *e, const Identity *identity);

/*
 * Whether somebody waits at one of its ports for the app to be started. Refuses
 * those where it does not listen, and says how many they were, as far as they
 * are known.
 */
bool exposures_has_waiting(const App *app);
unsigned exposures_refuse_waiting(App *app);

/* Whether the app exposes what this port leads to. */
bool exposures_has(const App *app, const ExposedPort *port);

/* Calls for each that is bound. */
void exposures_foreach(Exposures *e, void (*function)(const ExposedPort *port, void *userdata), void *userdata);
