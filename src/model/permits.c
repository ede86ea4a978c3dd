/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "model/permits.h"

void permits_done(Permits *permits) {
        for (size_t i = 0; i < permits->n; i++)
                free(permits->list[i].name);
        free(permits->list);
        *permits = (Permits){};
}

uint64_t permit_until(uint64_t now, unsigned ttl) {
        const unsigned bounded = MIN2(ttl, (unsigned) PERMIT_TTL_MAX);

        return now + MAX2(bounded, (unsigned) PERMIT_TTL_MIN) * USEC_PER_SEC;
}

const Permit *permits_next(const Permits *permits, const Address *address, const Permit *permit) {
        for (size_t i = permit ? (size_t) (permit - permits->list) + 1 : 0; i < permits->n; i++)
                if (address_equal(&permits->list[i].address, address))
                        return &permits->list[i];
        return NULL;
}

static Permit *find(Permits *permits, const char *name, const Address *address) {
        const Permit *p = NULL;

        while ((p = permits_next(permits, address, p)))
                if (strcmp(p->name, name) == 0)
                        return &permits->list[p - permits->list];
        return NULL;
}

/* A place for one more: a new one, or that of the one that lapses first. NULL: out of memory. */
static Permit *make_room(Permits *permits) {
        Permit *first = permits->list, *grown;

        if (permits->n < PERMITS_MAX) {
                /* Doubled, so that it is not moved each time. */
                if ((permits->n & (permits->n - 1)) == 0) {
                        grown = reallocarray(permits->list, MAX2(permits->n * 2, (size_t) 1), sizeof(*grown));
                        if (!grown)
                                return NULL;
                        permits->list = grown;
                }
                permits->list[permits->n] = (Permit){};
                return &permits->list[permits->n++];
        }
        for (size_t i = 1; i < permits->n; i++)
                if (permits->list[i].until < first->until)
                        first = &permits->list[i];
        return first;
}

int permits_add(Permits *permits, const char *name, const Address *address, uint64_t until, Permit **ret) {
        Permit *p = find(permits, name, address);
        char *copy;

        if (!p) {
                copy = strdup(name);
                p = copy ? make_room(permits) : NULL;
                if (!p) {
                        free(copy);
                        return -ENOMEM;
                }
                free(p->name);
                *p = (Permit){ .address = *address, .name = copy };
        }
        p->until = MAX2(p->until, until);
        *ret = p;
        return 0;
}
