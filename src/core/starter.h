/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Units that are started by the first connection (StartOnConnect=). Their apps
 * are there while the unit is stopped: namespace, addresses and names are made
 * by appswitch-start@.service. A connect to one of their ports where nobody
 * listens is really in progress (transport/dial.h: dial_hold()): the kernel
 * sends its SYN again and again, over a restart of the daemon, too, until the
 * unit listens. So that nobody waits for the kernel's next one, a copy of each
 * is kept and sent when it is known what becomes of it (transport/syn.h). Copies
 * of the sockets are kept until then, for the next daemon, too: should the unit
 * not come to listen, they are let go and hear that they are refused.
 *
 * Who comes from outside waits with the port of the host (core/exposures.h).
 */

#include "basic/fd-queue.h"
#include "core/app.h"

enum {
        STARTER_HELD_MAX = 2048, /* connects that wait for one unit */
        STARTER_HELD_PER_USER_MAX = STARTER_HELD_MAX / 2, /* of them by apps of one user, but root */
        STARTER_FD_NAME_MAX = 32,
};

/* One that was started listens for one family before it does for the other. */
#define STARTER_GRACE_USEC (1 * USEC_PER_SEC)

typedef struct Starter Starter;

/* Sees to it that the unit is started for `client`. Returns 0; -EBUSY if too many wait; or another negative errno. */
int starter_start(App *app, const App *client);

/* The same for a connection from outside. */
int starter_start_for_outside(App *app);

/* `client` waits for it to listen on the port. Takes the copy of his socket. */
void starter_hold(App *app, const App *client, uint16_t port, int fd);

/* The app listens by one more. To be told after those from outside were given to it. */
void starter_listens(App *app);

/* It has accepted one, so that there may be room for who waits. */
void starter_has_room(App *app);

/* Its last process is gone. */
void starter_ended(App *app);

/* The unit was stopped as nobody was connected, and it is started again if somebody waits by now. */
void starter_go_on(App *app);

/* Whether somebody waits for the app. */
bool starter_has_waiting(const App *app);

/* Where those that wait are kept for the next daemon, and how that takes them back. Takes the queue; the listeners must be there. */
void starter_fd_name(const App *app, char name[static STARTER_FD_NAME_MAX]);
void starter_restore(App *app, FdQueue kept);

/* Of the app. Nobody is let go if the daemon is being left: the kernel goes on for them. */
void starter_free(App *app);
