/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a census (core/census.h) does in a thread: the kernel's lists are read, and the two ends of a connection put together. */

#include <stdatomic.h>
#include "core/census.h"
#include "core/holders.h"
#include "transport/sock-diag.h"

/* A namespace that is to be looked into. */
typedef struct CensusSpace {
        uint64_t number; /* of the app */
        int netlink;
        bool count;
} CensusSpace;

/* The thread has nothing else, and nobody else has it. */
typedef struct CensusJob {
        int netlink; /* of the daemon's own namespace */
        CensusSpace *spaces;
        size_t n_spaces;
        atomic_uint_fast64_t progress, at; /* at: the number of the app that is looked at */

        /* Of the host's namespace, if that is wanted (core/census-host.c). */
        HoldersApp *apps; /* who may have sockets of it, by unit */
        size_t n_apps;
        uint64_t *late;   /* numbers of those among them that would hold us up */
        size_t n_late;

        /* The result. */
        CensusConnection *connections;
        size_t n_connections, allocated;
        bool truncated, without_host;
        int error;

        /* While it is made. */
        DiagTcp *tcp;
        size_t n_tcp, tcp_allocated;
        DiagPair *pairs;
        size_t n_pairs, pairs_allocated;
} CensusJob;

void census_job_free(void *job);
void census_job_run(void *job);

/* Notes a connection, if there is room. Returns 0 or -ENOMEM. */
int census_job_add(CensusJob *j, const CensusConnection *c);

/* Makes room for one more than `n` in an array. */
bool census_grow(void *array, size_t n, size_t *allocated, size_t size);

/* What the states of the two ends of a TCP connection are together. */
CensusState census_tcp_state(int a, int b);

/* What apps hold of the host's namespace. Returns 0 or a negative errno. */
int census_list_host(CensusJob *j);
