/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who talks to whom: connections gathered by client, server and port. */

#include "cli/connection.h"

typedef struct Edge {
        const char *client; /* id of the app, or its address if that is all that is known */
        const char *server; /* id, or the address */
        const char *transport;
        uint16_t port;
        size_t n;       /* connections */
        bool mixed;     /* of both transports */
        size_t n_rated; /* of which the rate is known */
        double rate;    /* bytes per second, both ways */
} Edge;

typedef struct EdgeList {
        Edge *edges; /* sorted by server, port, client */
        size_t n_edges;
} EdgeList;

void edge_list_done(EdgeList *list);
#define _cleanup_edge_list_ _cleanup_(edge_list_done)

/*
 * Gathers the connections of `now`, but for those of apps with themselves; it
 * has to outlive the list. If there is a `before`, as many seconds ago, the
 * bytes since then are a rate. Returns 0 or -ENOMEM.
 */
int edge_list_make(EdgeList *list, const ConnectionList *now, const ConnectionList *before, double seconds);

/* The edges that lead to a server's port. */
const Edge *edge_list_find(const EdgeList *list, const char *server, uint16_t port, size_t *ret_n);
