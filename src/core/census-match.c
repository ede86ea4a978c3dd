/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdlib.h>
#include <string.h>

#include "core/app.h"
#include "core/census-match.h"
#include "core/holders.h"
#include "model/route.h"
#include "model/virtual-service.h"
#include "trap/pending.h"

static bool listens_on(const Trap *trap, uint16_t port) {
        for (const Listener *l = trap->listeners; l; l = l->next)
                if (l->backend.bound.port == port)
                        return true;
        return false;
}

static void turn_around(CensusConnection *k) {
        const Endpoint from = k->from;
        const uint32_t inode = k->client_inode;
        const uint64_t out = k->bytes_out;

        k->from = k->to;
        k->to = k->at = from;
        k->client_inode = k->server_inode;
        k->server_inode = inode;
        k->bytes_out = k->bytes_in;
        k->bytes_in = out;
}

/* A TCP connection in the namespace of its server: makes `from` the client's end of it. */
static void orient(CensusConnection *k, const App *server) {
        if (!route_is_own(&server->party, &k->from.address))
                return;
        if (!route_is_own(&server->party, &k->to.address)) {
                turn_around(k);
                return;
        }
        /* Within the identity: the server listens; if both do, ephemeral ports are high. */
        if (listens_on(server->trap, k->to.port) != listens_on(server->trap, k->from.port)) {
                if (listens_on(server->trap, k->from.port))
                        turn_around(k);
        } else if (k->from.port < k->to.port)
                turn_around(k);
}

/* The app that has an address, if there is just one. */
static uint64_t find_number(const Identity *identity, bool *ret_ambiguous) {
        if (!identity || !identity->parties)
                return 0;
        if (identity->parties->next) {
                *ret_ambiguous = true;
                return 0;
        }
        return CONTAINER_OF(identity->parties, App, party)->number;
}

static const Identity *identity_of(Manager *m, const Address *a, const App *fellow) {
        if (address_is_loopback(a))
                return fellow ? fellow->party.identity : NULL;
        return directory_find_address(&m->directory, a);
}

/* What the server has closed is none of his any more to who asks whether he is idle (core/idle.h). */
static void count_for(App *server, const CensusConnection *k) {
        server->party.tally.seen++;
        server->n_open += k->server_inode != 0 || k->state == CENSUS_WAITING;
}

/* Counts it for who is chosen by that: the app behind an exposed port, or the backend outside. */
static bool match_outside(Manager *m, const CensusConnection *k) {
        const App *client = manager_find_number(m, k->client);
        App *server = manager_find_number(m, k->server);
        External *external = client ? directory_find_external_at(&m->directory, &k->to.address, &k->at) : NULL;

        if (server)
                count_for(server, k);
        if (external)
                external->tally.seen++;
        return client || server;
}

bool census_match(Manager *m, CensusConnection *k) {
        App *server;
        bool ambiguous = false;

        if (k->outside)
                return match_outside(m, k);
        if (k->tcp) {
                server = manager_find_number(m, k->space);
                if (!server)
                        return false;
                orient(k, server);
                k->server = k->space;
                if (pending_find(server->trap, &k->from, &k->at))
                        return false;
                if (k->server_inode == 0 && k->state == CENSUS_ESTABLISHED)
                        k->state = CENSUS_WAITING;
        } else if (k->server == 0)
                k->server = find_number(identity_of(m, &k->at.address, NULL), &ambiguous);
        server = manager_find_number(m, k->server);
        if (k->client == 0)
                k->client = find_number(identity_of(m, &k->from.address, server), &k->is_ambiguous);
        if (!k->tcp && server && k->state == CENSUS_ESTABLISHED && pending_find(server->trap, &k->from, &k->at))
                k->state = CENSUS_WAITING;
        k->own = k->client != 0 && k->client == k->server;
        if (server && !k->own)
                count_for(server, k);
        return true;
}

struct CensusSearch {
        HoldersApp *apps;
        size_t n_apps;
        uint32_t *inodes;
        uint64_t *numbers; /* what is found */
        size_t n, n_left;
};

void census_search_free(void *p) {
        CensusSearch *s = p;

        if (!s)
                return;
        for (size_t i = 0; i < s->n_apps; i++)
                free(s->apps[i].unit);
        free(s->apps);
        free(s->inodes);
        free(s->numbers);
        free(s);
}

static bool on_holder(size_t i, uint64_t app, pid_t pid, int fd, void *userdata) {
        CensusSearch *s = userdata;

        if (s->numbers[i] == 0)
                s->n_left--;
        s->numbers[i] = app;
        return s->n_left > 0;
}

void census_search_run(void *p) {
        CensusSearch *s = p;

        holders_search(s->apps, s->n_apps, false, s->inodes, s->n, on_holder, s);
}

static int add_app(CensusSearch *s, const App *app) {
        char *unit = strdup(app->unit);

        if (!unit)
                return -ENOMEM;
        s->apps[s->n_apps++] = (HoldersApp){ unit, app->number };
        return 0;
}

static int compare_inodes(const void *a, const void *b) {
        const uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

int census_search_new(Manager *m, const Snapshot *snapshot, CensusSearch **ret) {
        CensusSearch *s;
        size_t n = 0;
        int r = 0;

        *ret = NULL;
        for (size_t i = 0; i < snapshot->n_connections; i++)
                n += snapshot->connections[i].is_ambiguous && snapshot->connections[i].client_inode != 0;
        if (n == 0)
                return 0;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->apps = calloc(m->n_apps + 1, sizeof(*s->apps));
        s->inodes = calloc(n, sizeof(*s->inodes));
        s->numbers = calloc(n, sizeof(*s->numbers));
        if (!s->apps || !s->inodes || !s->numbers)
                r = -ENOMEM;
        /* Those that share their identity are the only ones that can be meant. */
        for (const App *app = m->apps; r >= 0 && app; app = app->hh.next)
                if (app->party.identity && app->party.identity->n_parties > 1)
                        r = add_app(s, app);
        if (r < 0) {
                census_search_free(s);
                return r;
        }
        for (size_t i = 0; i < snapshot->n_connections; i++) {
                const CensusConnection *k = &snapshot->connections[i];

                if (k->is_ambiguous && k->client_inode != 0)
                        s->inodes[s->n++] = k->client_inode;
        }
        s->n_left = s->n;
        holders_sort(s->apps, s->n_apps);
        qsort(s->inodes, s->n, sizeof(*s->inodes), compare_inodes);
        *ret = s;
        return 1;
}

void census_search_apply(const CensusSearch *s, Snapshot *snapshot) {
        for (size_t i = 0; i < snapshot->n_connections; i++) {
                CensusConnection *k = &snapshot->connections[i];
                const uint32_t *at;

                if (!k->is_ambiguous || k->client_inode == 0)
                        continue;
                at = bsearch(&k->client_inode, s->inodes, s->n, sizeof(*s->inodes), compare_inodes);
                k->client = at ? s->numbers[at - s->inodes] : 0;
                k->own = k->client != 0 && k->client == k->server;
        }
}
