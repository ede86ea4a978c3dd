/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Units that are started by the first connection (StartOnConnect=). Their apps
 * are there while the unit is stopped: namespace, addresses and names are made
 * by appswitch-start@.service. A connect to one of their ports where nobody
 * listens is really in progress (transport/dial.h: dial_hold()): the kernel
 * sends its SYN again and again, over a restart of the daemon, too, until the
 * unit listens. Copies of the sockets are kept until then: should it not come to
 * that, they are let go and hear that they are refused.
 */

#include "core/app.h"

enum { STARTER_HELD_MAX = 1024 }; /* connects that wait for one unit */

typedef struct Starter Starter;

/* Sees to it that the unit is started. Returns 0; -EBUSY if too many wait; or another negative errno. */
int starter_start(App *app);

/* One waits for it to listen on the port. Takes the copy of his socket. */
void starter_hold(App *app, uint16_t port, int fd);

/* The app listens on a port now. */
void starter_listens(App *app, uint16_t port);

/* Its last process is gone. */
void starter_ended(App *app);

/* Nobody is let go if `leaving`: the kernel goes on for them. */
Starter *starter_free(Starter *starter, bool leaving);
