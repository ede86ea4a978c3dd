/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which apps the connections of a snapshot are of, as far as the loop knows; and the search for the rest. */

#include "core/census.h"

/* Finds out who has the connection. Returns false if it is none. */
bool census_match(Manager *m, CensusConnection *k);

/* The search, in a thread, for the instances of which only the identity is known. */
typedef struct CensusSearch CensusSearch;

/* Returns 1; 0 if there is nobody to be looked for; or -ENOMEM. */
int census_search_new(Manager *m, const Snapshot *snapshot, CensusSearch **ret);
void census_search_free(void *search);
void census_search_run(void *search);

/* What was found. */
void census_search_apply(const CensusSearch *search, Snapshot *snapshot);
