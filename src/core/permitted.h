/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What apps may reach outside by name: heard from the name service, which tells
 * of an answer before the app gets it, and kept over a restart of the daemon in
 * a file for each app, since programs look a name up once and connect often.
 */

#include "core/app.h"

/* Hook of the feed: a name resolved for an app. What is not the app's to reach is passed over. */
void permitted_hear(const char *app_id, const char *name, const Address *addresses, size_t n, unsigned ttl, void *userdata);

/* Reads what an earlier daemon wrote of the app. */
void permitted_restore(App *app);

/* The app is over. */
void permitted_forget(const App *app);

/* What was written of an app with this number, which is no more. */
void permitted_remove(const Manager *m, uint64_t number);
