/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <utlist.h>

#include "core/service-table.h"

/* At each address of its identity that it listens on. The place is the same as that in the identity. */
struct Membership {
        ServiceMember members[IDENTITY_ADDRESSES_MAX];
};

Service *service_table_find(const ServiceTable *t, const Endpoint *at) {
        Service *s;

        HASH_FIND(hh, t->services, at, sizeof(*at), s);
        return s;
}

static void note_change(ServiceTable *t, Service *s) {
        const bool first = !t->changes;

        if (s->changed)
                return;
        s->changed = true;
        DL_APPEND(t->changes, s);
        if (first && t->on_change)
                t->on_change(t->userdata);
}

static Service *service_new(ServiceTable *t, const Identity *identity, const Endpoint *at) {
        Service *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        s->at = *at;
        s->identity = identity;
        HASH_ADD(hh, t->services, at, sizeof(s->at), s);
        return s;
}

static void service_forget(ServiceTable *t, Service *s) {
        if (s->changed)
                DL_DELETE(t->changes, s);
        HASH_DELETE(hh, t->services, s);
        free(s);
}

void service_table_done(ServiceTable *t) {
        Service *s, *tmp;

        HASH_ITER(hh, t->services, s, tmp) {
                assert(s->n_members == 0);
                service_forget(t, s);
        }
}

void service_table_add(ServiceTable *t, Listener *l) {
        const Identity *identity = l->backend.party->identity;
        struct Membership *membership;

        membership = calloc(1, sizeof(*membership));
        l->membership = membership;
        for (size_t i = 0; membership && i < identity->n_addresses; i++) {
                const Endpoint at = { identity->addresses[i].address, l->backend.bound.port };
                ServiceMember *member = &membership->members[i];
                Service *s;

                if (!backend_matches(&l->backend, &at))
                        continue;
                s = service_table_find(t, &at) ?: service_new(t, identity, &at);
                if (!s)
                        continue;
                s->identity = identity; /* one that is gone and not settled yet may have had the address */
                *member = (ServiceMember){ .service = s, .listener = l };
                DL_APPEND(s->members, member);
                s->n_members++;
                note_change(t, s);
        }
}

void service_table_remove(ServiceTable *t, Listener *l) {
        struct Membership *membership = TAKE_PTR(l->membership);

        for (size_t i = 0; membership && i < IDENTITY_ADDRESSES_MAX; i++) {
                ServiceMember *member = &membership->members[i];
                Service *s = member->service;

                if (!s)
                        continue;
                DL_DELETE(s->members, member);
                if (--s->n_members == 0)
                        s->identity = NULL;
                note_change(t, s);
                /* Nobody was told, nobody is. */
                if (s->n_members == 0 && !s->announced)
                        service_forget(t, s);
        }
        free(membership);
}

void service_table_count(ServiceTable *t, const Identity *identity, const Endpoint *to, bool refused) {
        Endpoint at = *to;
        const Address *own;
        Service *s;

        if (address_is_loopback(&at.address)) {
                own = identity_address(identity, at.address.family);
                if (!own)
                        return;
                at.address = *own;
        }
        s = service_table_find(t, &at);
        if (!s)
                return;
        if (refused)
                s->n_refused++;
        else
                s->n_connections++;
}

Service *service_table_next_change(ServiceTable *t) {
        return t->changes;
}

void service_table_settle(ServiceTable *t, Service *s) {
        if (s->n_members == 0) {
                service_forget(t, s);
                return;
        }
        s->announced = true;
        s->changed = false;
        DL_DELETE(t->changes, s);
}
