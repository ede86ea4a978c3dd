/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Stops units that are started by connections (core/starter.h) when no
 * connection to them has been open for some time (StopWhenIdleSec=). What is
 * open is for the kernel to say (core/census.h), those from outside included.
 *
 * No connect is lost by that. When the time is over the app gets no new
 * connections (Party.stopping), and then it is counted once more: what was begun
 * before is seen by that, and the unit stays. Else it is stopped. Who connects
 * meanwhile waits: in his call, for as long as somebody still listens, then as
 * for any unit that is stopped; and it is started again when it has stopped.
 * That it is being stopped is written down before, so that a new daemon goes on
 * with it.
 */

#include "core/app.h"

typedef struct Idle Idle;

int idle_new(Manager *m, Idle **ret);

/* The apps must be gone. */
Idle *idle_free(Idle *idle);

/* A connection to the app was made, or one of its processes was started: it is not idle. */
void idle_used(App *app);

/* One of its listeners is about to end. */
void idle_listener_ends(App *app);

/* An earlier daemon may have been about to stop it. */
void idle_resume(App *app);

/* The app is over. */
void idle_forget(App *app);

/* Whether its connections are to be counted; and of any, those in the host's namespace. */
bool idle_matters(const App *app);
bool idle_looks_outside(const Manager *m);
