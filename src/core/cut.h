/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Cutting connections that are made. The daemon has no descriptor of them: they
 * are found by a census, their descriptors among those of the processes of both
 * apps, and are shut down there (shutdown(2)), in a thread. Both sides see the
 * end of the stream, and cannot write any more. What waits to be accepted is
 * hung up on.
 */

#include "core/census.h"

/*
 * Whether a connection is to be cut. Of client and server at least one is an
 * app that runs; the other one is NULL if it is not known, or is none of this
 * host. Not asked for connections of an app with itself, which are its own
 * business.
 */
typedef bool (*CutFilter)(const App *client, const App *server, const CensusConnection *c, void *userdata);

typedef struct CutResult {
        int error;         /* 0, or a negative errno: it could not be found out, or not all of it, which connections there are */
        unsigned n_cut;
        unsigned n_missed; /* that are to be cut, but nobody was found who has a descriptor of them (they may have ended) */
} CutResult;

typedef void (*CutDone)(const CutResult *result, void *userdata);

/*
 * Cuts all connections for which `filter` is true, those included that are
 * being made when it is called. What would make new ones has to be stopped
 * before. Both functions are called later, with the same `userdata`; `done`
 * once, last. Returns 0 or a negative errno; -EAGAIN if too many wait.
 */
int connections_cut(Manager *m, CutFilter filter, CutDone done, void *userdata);

/* The daemon ends: all that are under way end with -ECANCELED. */
void connections_cut_abandon(Manager *m);
