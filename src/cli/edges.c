/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "cli/edges.h"

void edge_list_done(EdgeList *list) {
        free(list->edges);
        *list = (EdgeList){};
}

static int compare_place(const Edge *e, const char *server, uint16_t port) {
        return strverscmp(e->server, server) ?: (int) e->port - (int) port;
}

static int compare_edges(const void *a, const void *b) {
        const Edge *x = a, *y = b;

        return compare_place(x, y->server, y->port) ?: strverscmp(x->client, y->client);
}

static int compare_ends(const void *a, const void *b) {
        const Connection *x = *(const Connection *const *) a, *y = *(const Connection *const *) b;
        int c = strcmp(x->client_address, y->client_address);

        c = c ?: (int) x->client_port - (int) y->client_port;
        c = c ?: strcmp(x->address, y->address);
        c = c ?: (int) x->port - (int) y->port;
        return c ?: strcmp(x->transport, y->transport);
}

static const Connection **sort_ends(const ConnectionList *list) {
        const Connection **sorted = calloc(list->n_connections + 1, sizeof(*sorted));

        for (size_t i = 0; sorted && i < list->n_connections; i++)
                sorted[i] = &list->connections[i];
        if (sorted)
                qsort(sorted, list->n_connections, sizeof(*sorted), compare_ends);
        return sorted;
}

/* What a connection that was not there before has, it has had since. One with less than before is another one. */
static void add_rate(Edge *e, const Connection *c, const Connection **before, size_t n_before, double seconds) {
        const Connection **at;
        uint64_t total = c->bytes_out + c->bytes_in, then = 0;

        if (!c->counted)
                return;
        at = bsearch(&c, before, n_before, sizeof(*before), compare_ends);
        if (at && (*at)->counted && (*at)->bytes_out + (*at)->bytes_in <= total)
                then = (*at)->bytes_out + (*at)->bytes_in;
        e->n_rated++;
        e->rate += (double) (total - then) / seconds;
}

int edge_list_make(EdgeList *list, const ConnectionList *now, const ConnectionList *before, double seconds) {
        _cleanup_free_ const Connection **sorted = NULL;
        size_t n = 0;

        list->edges = calloc(now->n_connections + 1, sizeof(*list->edges));
        sorted = before ? sort_ends(before) : NULL;
        if (!list->edges || (before && !sorted))
                return -ENOMEM;
        for (size_t i = 0; i < now->n_connections; i++) {
                const Connection *c = &now->connections[i];
                Edge *e = &list->edges[n];

                if (c->own)
                        continue;
                *e = (Edge){
                        .client = *c->client ? c->client : c->client_address,
                        .server = *c->server ? c->server : c->address,
                        .transport = c->transport,
                        .port = c->port,
                        .n = 1,
                };
                if (before)
                        add_rate(e, c, sorted, before->n_connections, seconds);
                n++;
        }
        qsort(list->edges, n, sizeof(*list->edges), compare_edges);
        for (size_t i = 0; i < n; i++) {
                Edge *e = list->n_edges > 0 ? &list->edges[list->n_edges - 1] : NULL;
                const Edge *one = &list->edges[i];

                if (!e || compare_edges(e, one) != 0) {
                        list->edges[list->n_edges++] = *one;
                        continue;
                }
                e->n += one->n;
                e->n_rated += one->n_rated;
                e->rate += one->rate;
                e->mixed = e->mixed || strcmp(e->transport, one->transport) != 0;
        }
        return 0;
}

const Edge *edge_list_find(const EdgeList *list, const char *server, uint16_t port, size_t *ret_n) {
        size_t low = 0, high = list->n_edges;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (compare_place(&list->edges[middle], server, port) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (high = low; high < list->n_edges && compare_place(&list->edges[high], server, port) == 0; high++)
                ;
        *ret_n = high - low;
        return &list->edges[low];
}
