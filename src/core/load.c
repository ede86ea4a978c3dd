/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/app.h"
#include "core/load.h"
#include "model/virtual-service.h"

/* While there are connections that can end. */
#define REFRESH_USEC (1 * USEC_PER_SEC)

struct Load {
        Manager *manager;
        sd_event_source *timer;
        bool wanted;   /* a snapshot is on its way */
        bool again;    /* it will not have all connections that were made since */
        bool services; /* there is a virtual service of that kind: any app can be one of its backends */
};

static void request(Load *load);

/* Not when a connection is made, as there may be many. */
static bool find_services(const Directory *d) {
        for (const AddressEntry *e = d->by_address; e; e = e->hh.next)
                if (e->identity->service && e->identity->strategy == STRATEGY_LEAST_CONNECTIONS)
                        return true;
        return false;
}

bool load_matters(const Load *load, const App *app) {
        return load->services || (app->party.identity && app->party.identity->strategy == STRATEGY_LEAST_CONNECTIONS);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Load *load = userdata;
        bool any;

        load->timer = sd_event_source_disable_unref(load->timer);
        any = load->services = find_services(&load->manager->directory);
        for (const App *app = load->manager->apps; !any && app; app = app->hh.next)
                any = load_matters(load, app);
        if (any)
                request(load);
        return 0;
}

static void refresh_later(Load *load) {
        if (!load->timer)
                (void) sd_event_add_time_relative(load->manager->event, &load->timer, CLOCK_MONOTONIC, REFRESH_USEC, 0,
                                                  on_timer, load);
}

static void on_snapshot(Snapshot *snapshot, int error, void *userdata) {
        Load *load = userdata;
        bool any = false;

        load->wanted = false;
        if (error == -ECANCELED)
                return;
        for (App *app = load->manager->apps; snapshot && app; app = app->hh.next) {
                if (!load_matters(load, app))
                        continue;
                tally_end(&app->party.tally);
                any = any || app->party.tally.seen > 0;
        }
        for (External *e = snapshot && load->services ? load->manager->directory.externals : NULL; e; e = e->hh.next) {
                tally_end(&e->tally);
                any = any || e->tally.seen > 0;
        }
        if (TAKE(load->again, false))
                request(load);
        else if (any || !snapshot)
                refresh_later(load);
}

static void request(Load *load) {
        if (load->wanted) {
                load->again = true;
                return;
        }
        load->wanted = census_request(load->manager->census, CENSUS_LOAD, on_snapshot, load) >= 0;
        if (!load->wanted)
                refresh_later(load);
}

void load_connected(Load *load, const Identity *identity) {
        if (load->services || identity->strategy == STRATEGY_LEAST_CONNECTIONS)
                request(load);
        else
                refresh_later(load);
}

void load_connected_outside(Load *load) {
        if (load->services)
                request(load);
        else
                refresh_later(load);
}

bool load_looks_outside(const Load *load) {
        if (load->services && load->manager->directory.externals)
                return true;
        for (const App *app = load->manager->apps; app; app = app->hh.next)
                if (app->n_exposes > 0 && load_matters(load, app))
                        return true;
        return false;
}

int load_new(Manager *m, Load **ret) {
        Load *load = calloc(1, sizeof(*load));

        if (!load)
                return -ENOMEM;
        load->manager = m;
        *ret = load;
        return 0;
}

Load *load_free(Load *load) {
        if (!load)
                return NULL;
        sd_event_source_disable_unref(load->timer);
        free(load);
        return NULL;
}
