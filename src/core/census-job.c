/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "basic/fd.h"
#include "core/census-job.h"
#include "transport/sock-diag.h"

enum {
        ENDS_MAX = 2 * CENSUS_CONNECTIONS_MAX,
        SPACE_ENDS_MAX = 40000, /* TCP sockets of one app: it must not hide the connections of others */
        PORT_DOMAIN = 53,
        /* As the kernel numbers the states of TCP. */
        STATE_ESTABLISHED = 1,
        STATE_SYN_SENT = 2,
        STATE_SYN_RECV = 3,
        STATE_NEW_SYN_RECV = 12,
};

void census_job_free(void *p) {
        CensusJob *j = p;

        if (!j)
                return;
        safe_close(j->netlink);
        for (size_t i = 0; i < j->n_spaces; i++)
                safe_close(j->spaces[i].netlink);
        free(j->spaces);
        for (size_t i = 0; i < j->n_apps; i++)
                free(j->apps[i].unit);
        free(j->apps);
        free(j->late);
        free(j->connections);
        free(j->tcp);
        free(j->pairs);
        free(j);
}

bool census_grow(void *array, size_t n, size_t *allocated, size_t size) {
        void **p = array, *grown;
        size_t more = MAX2(2 * n, (size_t) 64);

        if (n < *allocated)
                return true;
        grown = reallocarray(*p, more, size);
        if (!grown)
                return false;
        *p = grown;
        *allocated = more;
        return true;
}

int census_job_add(CensusJob *j, const CensusConnection *c) {
        if (j->n_connections >= CENSUS_CONNECTIONS_MAX) {
                j->truncated = true;
                return 0;
        }
        if (!census_grow(&j->connections, j->n_connections, &j->allocated, sizeof(*j->connections)))
                return -ENOMEM;
        j->connections[j->n_connections++] = *c;
        return 0;
}

static int on_tcp(const DiagTcp *end, void *userdata) {
        CensusJob *j = userdata;

        atomic_fetch_add(&j->progress, 1);
        /* What is asked of the name service, which is in every namespace. */
        if (end->local.port == PORT_DOMAIN || end->peer.port == PORT_DOMAIN)
                return 0;
        if (j->n_tcp >= SPACE_ENDS_MAX) {
                j->truncated = true;
                return 1;
        }
        if (!census_grow(&j->tcp, j->n_tcp, &j->tcp_allocated, sizeof(*j->tcp)))
                return -ENOMEM;
        j->tcp[j->n_tcp++] = *end;
        return 0;
}

static int on_pair(const DiagPair *end, void *userdata) {
        CensusJob *j = userdata;

        atomic_fetch_add(&j->progress, 1);
        if (j->n_pairs >= ENDS_MAX) {
                j->truncated = true;
                return 1;
        }
        if (!census_grow(&j->pairs, j->n_pairs, &j->pairs_allocated, sizeof(*j->pairs)))
                return -ENOMEM;
        j->pairs[j->n_pairs++] = *end;
        return 0;
}

static int compare_endpoints(const Endpoint *a, const Endpoint *b) {
        return memcmp(a, b, sizeof(*a));
}

/* The two ends of one connection are beside each other, whichever comes first. */
static int compare_tcp(const void *a, const void *b) {
        const DiagTcp *x = a, *y = b;
        const bool x_turned = compare_endpoints(&x->local, &x->peer) > 0, y_turned = compare_endpoints(&y->local, &y->peer) > 0;
        int c = compare_endpoints(x_turned ? &x->peer : &x->local, y_turned ? &y->peer : &y->local);

        if (c == 0)
                c = compare_endpoints(x_turned ? &x->local : &x->peer, y_turned ? &y->local : &y->peer);
        return c ?: (int) x_turned - (int) y_turned;
}

CensusState census_tcp_state(int a, int b) {
        const int states[] = { a, b };
        CensusState state = CENSUS_ESTABLISHED;

        for (size_t i = 0; i < ELEMENTSOF(states); i++)
                switch (states[i]) {
                case STATE_ESTABLISHED:
                        break;
                case STATE_SYN_SENT:
                case STATE_SYN_RECV:
                case STATE_NEW_SYN_RECV:
                        return CENSUS_WAITING;
                default:
                        state = CENSUS_CLOSING;
                }
        return state;
}

/* Which of the ends is the server's is found out in the loop, where it is known who listens. */
static int add_tcp(CensusJob *j, uint64_t space, const DiagTcp *a, const DiagTcp *b) {
        CensusConnection c = {
                .tcp = true,
                .space = space,
                .from = a->local,
                .to = a->peer,
                .at = a->peer,
                .client_inode = a->inode,
                .server_inode = b ? b->inode : 0,
                .state = census_tcp_state(a->state, b ? b->state : a->state),
                .counted = a->counted || (b && b->counted),
        };

        /* What an end received is data alone; what was acknowledged counts its end, too. */
        c.bytes_in = a->counted ? a->received : b ? b->acked : 0;
        c.bytes_out = b && b->counted ? b->received : a->acked;
        /* The kernel sees it off, nobody has it any more. */
        if (c.client_inode == 0 && c.server_inode == 0)
                return 0;
        return census_job_add(j, &c);
}

static int list_space(CensusJob *j, const CensusSpace *space) {
        static const int families[] = { AF_INET, AF_INET6 };
        int r = 0;

        j->n_tcp = 0;
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(families); i++)
                r = diag_list_tcp(space->netlink, families[i], space->count, on_tcp, j);
        if (r < 0)
                return r;
        if (j->n_tcp > 0)
                qsort(j->tcp, j->n_tcp, sizeof(*j->tcp), compare_tcp);
        r = 0;
        for (size_t i = 0, n; r >= 0 && i < j->n_tcp; i += n) {
                const DiagTcp *a = &j->tcp[i], *b = i + 1 < j->n_tcp ? &j->tcp[i + 1] : NULL;

                if (b && (compare_endpoints(&a->local, &b->peer) != 0 || compare_endpoints(&a->peer, &b->local) != 0))
                        b = NULL;
                n = b ? 2 : 1;
                r = add_tcp(j, space->number, a, b);
        }
        return r;
}

/* Servers' ends first; then by inode. */
static int compare_pairs(const void *a, const void *b) {
        const DiagPair *x = a, *y = b;

        if (x->name.type != y->name.type)
                return x->name.type == SOCKET_NAME_SERVER ? -1 : 1;
        return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static int add_pair(CensusJob *j, const DiagPair *client, const DiagPair *server) {
        CensusConnection c = { .state = client && server ? CENSUS_ESTABLISHED : CENSUS_CLOSING };

        if (server) {
                c.client = server->name.peer_app;
                c.server = server->name.local_app;
                c.from = server->name.peer;
                c.to = c.at = server->name.local;
                c.server_inode = server->inode;
        }
        if (client) {
                c.from = client->name.local;
                c.to = client->name.peer;
                if (!server)
                        c.at = c.to;
                c.client_inode = client->inode;
        }
        return census_job_add(j, &c);
}

static int merge_pairs(CensusJob *j) {
        const DiagPair *clients;
        size_t n_servers = 0, n_clients;
        _cleanup_free_ bool *seen = NULL;
        int r = 0;

        if (j->n_pairs == 0)
                return 0;
        qsort(j->pairs, j->n_pairs, sizeof(*j->pairs), compare_pairs);
        while (n_servers < j->n_pairs && j->pairs[n_servers].name.type == SOCKET_NAME_SERVER)
                n_servers++;
        clients = j->pairs + n_servers;
        n_clients = j->n_pairs - n_servers;
        seen = calloc(n_clients + 1, sizeof(*seen));
        if (!seen)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < n_servers; i++) {
                const DiagPair key = { .name.type = SOCKET_NAME_CLIENT, .inode = j->pairs[i].peer }, *client = NULL;

                if (key.inode != 0 && n_clients > 0)
                        client = bsearch(&key, clients, n_clients, sizeof(*clients), compare_pairs);
                if (client)
                        seen[client - clients] = true;
                r = add_pair(j, client, &j->pairs[i]);
        }
        for (size_t i = 0; r >= 0 && i < n_clients; i++)
                if (!seen[i])
                        r = add_pair(j, &clients[i], NULL);
        return r;
}

static int compare_connections(const void *a, const void *b) {
        const CensusConnection *x = a, *y = b;
        int c = compare_endpoints(&x->from, &y->from);

        return c ?: compare_endpoints(&x->at, &y->at);
}

/*
 * What waits in the queue of a listener for a pair is no connection of its own.
 * Pairs are the later ones, as TCP connections were listed before them, so that
 * for each there is its pair.
 */
static void drop_stand_ins(CensusJob *j, size_t n_tcp) {
        CensusConnection *pairs = j->connections + n_tcp;
        const size_t n_pairs = j->n_connections - n_tcp;
        size_t n = 0;

        if (n_pairs == 0 || n_tcp == 0)
                return;
        qsort(pairs, n_pairs, sizeof(*pairs), compare_connections);
        for (size_t i = 0; i < n_tcp; i++) {
                const CensusConnection *c = &j->connections[i], turned = { .from = c->to, .at = c->from }, *pair = NULL;

                if (c->server_inode == 0)
                        pair = bsearch(c, pairs, n_pairs, sizeof(*pairs), compare_connections);
                if (!pair && c->client_inode == 0)
                        pair = bsearch(&turned, pairs, n_pairs, sizeof(*pairs), compare_connections);
                if (!pair || (pair->server != 0 && pair->server != c->space))
                        j->connections[n++] = *c;
        }
        memmove(j->connections + n, pairs, n_pairs * sizeof(*pairs));
        j->n_connections = n + n_pairs;
}

void census_job_run(void *p) {
        CensusJob *j = p;
        size_t n_tcp;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < j->n_spaces; i++) {
                atomic_store(&j->at, j->spaces[i].number);
                r = list_space(j, &j->spaces[i]);
                /* A namespace whose last process is gone meanwhile is no error. */
                j->spaces[i].netlink = safe_close(j->spaces[i].netlink);
        }
        atomic_store(&j->at, 0);
        n_tcp = j->n_connections;
        if (r >= 0)
                r = diag_list_pairs(j->netlink, on_pair, j);
        if (r >= 0)
                r = merge_pairs(j);
        if (r >= 0)
                drop_stand_ins(j, n_tcp);
        if (r >= 0)
                r = census_list_host(j);
        j->error = MIN2(r, 0);
}
