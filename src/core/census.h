/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The connections of all apps, as the kernel has them: nothing is kept for a
 * connection (HACKING.md), so who wants to know asks for a snapshot.
 *
 * Pairs are found in the daemon's own namespace by the names of their ends, TCP
 * connections in the namespaces of the apps they lead into, with sockets that
 * the maker of sockets makes there. The kernel is asked in a thread
 * (basic/errand.h), as that can be held up (transport/sock-diag.h); then the
 * loop finds out in small turns which apps these are. An end says by its
 * address which identity it is of. Which instance, that the name of a pair
 * says; of a TCP connection the server is whose namespace it is in, and the
 * client is looked for among the processes of the instances (core/holders.h).
 * So is who has what is in the host's namespace: connections to the outside and
 * those by an exposed port.
 */

#include "core/manager.h"

enum {
        CENSUS_CONNECTIONS_MAX = 100000, /* of one snapshot; then it says that it is truncated */
        CENSUS_WAITING_MAX = 1024,       /* who wait for one */
};

typedef enum CensusState {
        CENSUS_ESTABLISHED,
        CENSUS_WAITING, /* to be accepted, or for room in the queue */
        CENSUS_CLOSING, /* one end is closed, or about to be */
        _CENSUS_STATE_MAX,
} CensusState;

/* "established", "waiting", "closing". */
const char *census_state_to_string(CensusState state);

typedef struct CensusConnection {
        bool tcp; /* else a pair */
        bool outside; /* one end is none of this host's apps, the other one a socket of the host's namespace */
        bool own; /* of an app with itself */
        CensusState state;
        uint64_t client, server; /* numbers of the apps; 0: not known, or not of this host */
        Endpoint from, to;       /* the two ends as the client sees them */
        Endpoint at;             /* the server's end as the server sees it */
        uint32_t client_inode, server_inode; /* of the sockets; 0: nobody has a descriptor of that end */
        bool counted;
        uint64_t bytes_out, bytes_in; /* from the client, to the client; if counted */

        uint64_t space;    /* whose namespace a TCP connection is in */
        bool is_ambiguous; /* several instances may be the client */
} CensusConnection;

/* Lives as long as somebody has a reference. */
typedef struct Snapshot {
        unsigned n_refs;
        CensusConnection *connections;
        size_t n_connections;
        bool truncated;
        bool without_host; /* what is in the host's namespace was not listed, or not of all apps */
} Snapshot;

Snapshot *snapshot_ref(Snapshot *s);
Snapshot *snapshot_unref(Snapshot *s);

typedef struct Census Census;

/* What a snapshot is wanted for. */
typedef enum CensusDepth {
        CENSUS_LOAD, /* how many each backend has, where that decides: no bytes, no search for instances of clients */
        CENSUS_FULL,
} CensusDepth;

/* `error` is 0 or a negative errno: -EOPNOTSUPP if the kernel does not list sockets, -ETIMEDOUT if it was held up. */
typedef void (*CensusDone)(Snapshot *snapshot, int error, void *userdata);

int census_new(Manager *m, Census **ret);
Census *census_free(Census *census); /* those who wait are told -ECANCELED */

/*
 * Asks for a snapshot that is begun from now on. `done` is called once, later.
 * Returns 0 or a negative errno; -EAGAIN if too many wait.
 */
int census_request(Census *census, CensusDepth depth, CensusDone done, void *userdata);

/* The app of this number, or NULL if it is over. */
App *manager_find_number(Manager *m, uint64_t number);
