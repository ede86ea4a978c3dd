/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <netinet/in.h>
#include <stdio.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "core/guarding.h"
#include "core/host-names.h"
#include "model/journal.h"

enum {
        NETWORKS_UNION_MAX = 1024, /* for one port; with more it is for who accepts alone */
        HOST_NAMES_PORTS = 2,
        /* Records of refusals in a window of time. */
        RECORDS_PER_WINDOW = 10,
        WINDOW_SEC = 10,
};

struct Guarding {
        Manager *manager;
        Guard *guard;
        sd_event_source *turn;
        GuardPort *ports; /* while they are gathered */
        size_t n;
        int error;
        uint64_t window; /* rate limit of the records of refusals */
        unsigned n_records;
};

static bool may_record(Guarding *g) {
        const uint64_t window = now_usec(CLOCK_MONOTONIC) / (WINDOW_SEC * USEC_PER_SEC);

        if (window != g->window) {
                g->window = window;
                g->n_records = 0;
        }
        return ++g->n_records <= RECORDS_PER_WINDOW;
}

void guarding_refused(Guarding *g, const ExposedPort *port, const Endpoint *client) {
        char at[ENDPOINT_STRING_MAX], from[ENDPOINT_STRING_MAX], host[ENDPOINT_STRING_MAX + 32], peer[ENDPOINT_STRING_MAX + 32];

        if (!may_record(g))
                return;
        (void) endpoint_format(&port->at, port->at.address.family, at);
        (void) endpoint_format(client, client->address.family, from);
        (void) snprintf(host, sizeof(host), "APPSWITCH_HOST_ADDRESS=%s", at);
        (void) snprintf(peer, sizeof(peer), "APPSWITCH_ADDRESS=%s", from);
        (void) log_fields(LOG_NOTICE, 0,
                          (const char *const[]){ "MESSAGE_ID=" MESSAGE_EXPOSED_REFUSED, host, peer, NULL },
                          "%s was refused a connection to %s of the host: no app there is exposed to it (ExposeFrom=).%s", from, at,
                          g->n_records == RECORDS_PER_WINDOW ? " (Further records are held back for a while.)" : "");
}

static bool has(const Networks *networks, const Network *network) {
        for (size_t i = 0; i < networks->n; i++)
                if (network_equal(&networks->networks[i], network))
                        return true;
        return false;
}

static int merge(Networks *to, const Networks *from) {
        Network *grown = reallocarray(to->networks, to->n + from->n + 1, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        to->networks = grown;
        for (size_t i = 0; i < from->n; i++)
                if (!has(to, &from->networks[i]))
                        to->networks[to->n++] = from->networks[i];
        return to->n > NETWORKS_UNION_MAX ? -E2BIG : 0;
}

int guarding_networks(const Manager *m, const ExposedPort *port, Networks *ret) {
        Networks networks = {};
        int r = 0;

        for (const Party *party = port->identity->parties; r >= 0 && party; party = party->next) {
                const App *app = CONTAINER_OF(party, App, party);

                if (app->exposed && exposures_has(app, port))
                        r = merge(&networks, &app->expose_from);
        }
        if (r == -E2BIG) {
                networks_done(&networks);
                r = networks_add(&networks, "any");
                r = r < 0 ? r : -E2BIG;
        }
        if (r < 0 && r != -E2BIG) {
                networks_done(&networks);
                return r;
        }
        *ret = networks;
        return r;
}

static void add_port(const ExposedPort *port, void *userdata) {
        Guarding *g = userdata;
        GuardPort *p = &g->ports[g->n];

        if (g->n == EXPOSED_SOCKETS_MAX || g->error < 0)
                return;
        *p = (GuardPort){ .protocol = IPPROTO_TCP, .port = port->at.port, .address = port->at.address };
        g->error = guarding_networks(g->manager, port, &p->from);
        if (g->error == -E2BIG) {
                log_warning("Port %u of the host: more than %i networks may reach it, so only who accepts looks at them.",
                            port->at.port, NETWORKS_UNION_MAX);
                g->error = 0;
        }
        if (g->error >= 0)
                g->n++;
}

static void add_host_names(Guarding *g) {
        static const uint8_t protocols[HOST_NAMES_PORTS] = { IPPROTO_UDP, IPPROTO_TCP };

        for (size_t i = 0; i < ELEMENTSOF(protocols) && g->manager->host_names; i++) {
                const Endpoint at = host_names_endpoint();

                g->ports[g->n++] = (GuardPort){
                        .protocol = protocols[i],
                        .port = at.port,
                        .address = at.address,
                        .local = true,
                };
        }
}

static int gather(Guarding *g) {
        g->n = 0;
        g->error = 0;
        g->ports = calloc(EXPOSED_SOCKETS_MAX + HOST_NAMES_PORTS, sizeof(*g->ports));
        if (!g->ports)
                return -ENOMEM;
        exposures_foreach(g->manager->exposures, add_port, g);
        add_host_names(g);
        return g->error;
}

static int on_turn(sd_event_source *s, void *userdata) {
        Guarding *g = userdata;
        int r;

        r = gather(g);
        if (r >= 0)
                r = guard_set(g->guard, g->ports, g->n);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to have exposed ports guarded, ignoring: %m");
        for (size_t i = 0; g->ports && i < g->n; i++)
                networks_done(&g->ports[i].from);
        free(TAKE_PTR(g->ports));
        return 0;
}

int guarding_new(Manager *m, int fd, Guarding **ret) {
        Guarding *g = calloc(1, sizeof(*g));
        int r;

        if (!g) {
                safe_close(fd);
                return -ENOMEM;
        }
        g->manager = m;
        r = guard_new(m->event, fd, &g->guard);
        if (r >= 0)
                r = sd_event_add_defer(m->event, &g->turn, on_turn, g);
        if (r < 0) {
                guarding_free(g);
                return r;
        }
        *ret = g;
        return 0;
}

Guarding *guarding_free(Guarding *g) {
        if (!g)
                return NULL;
        sd_event_source_disable_unref(g->turn);
        guard_free(g->guard);
        free(g);
        return NULL;
}

void guarding_changed(Guarding *g) {
        (void) sd_event_source_set_enabled(g->turn, SD_EVENT_ONESHOT);
}

bool guarding_is_up(const Guarding *g) {
        return guard_is_up(g->guard);
}

int guarding_count(Guarding *g, GuardCounted done, void *userdata) {
        return guard_count(g->guard, done, userdata);
}

const GuardCount *guarding_find_count(const GuardCount *counts, size_t n, const ExposedPort *port) {
        return guard_find_count(counts, n, &(GuardPort){
                .protocol = IPPROTO_TCP,
                .port = port->at.port,
                .address = port->at.address,
        });
}
