/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files app*.c have of each other. */

#include "core/app.h"

/* An app of which nothing is known yet. NULL: out of memory. */
App *app_alloc(Manager *m);

/* From now on it is found by its id and its unit, which are set. */
void app_register(App *app);

/* Begins to serve the app, by its filters. Returns 0 or a negative errno. */
int app_trap(App *app);

/* Begins to answer pings. Takes the sockets in any case. An app can do without. */
void app_answer_echo(App *app, int v4, int v6);

/* Asks whether its owner is on the bus: it may be gone already; from then on the match tells. Returns 0 or a negative errno. */
int app_track_owner(App *app);

/* Writes its record; that it cannot be done is logged. */
void app_save_record(const App *app);
