/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How many connections each backend has, for those that are chosen by it
 * (STRATEGY_LEAST_CONNECTIONS): asked of the kernel (core/census.h) when a
 * connection was made to one of them, and now and then for as long as they
 * have any, as nobody tells us of the end of one.
 */

#include "core/census.h"

typedef struct Load Load;

int load_new(Manager *m, Load **ret);
Load *load_free(Load *load);

/* An app with this identity got a connection. */
void load_connected(Load *load, const Identity *identity);

/* A backend outside got one. */
void load_connected_outside(Load *load);

/* Whether connections that are in the host's namespace count for that. */
bool load_looks_outside(const Load *load);

/* Whether the app is one of those that are chosen by it. */
bool load_matters(const Load *load, const App *app);
