/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "model/permits.h"

enum { HASHES = 512 }; /* two permits for each, of as many as there may be */

void permits_done(Permits *permits) {
        for (size_t i = 0; i < permits->n; i++)
                free(permits->list[i].name);
        free(permits->list);
        free(permits->first);
        *permits = (Permits){};
}

uint64_t permit_until(uint64_t now, unsigned ttl) {
        const unsigned bounded = MIN2(ttl, (unsigned) PERMIT_TTL_MAX);

        return now + MAX2(bounded, (unsigned) PERMIT_TTL_MIN) * USEC_PER_SEC;
}

/* FNV-1a. Who makes his addresses collide has what all would cost without. */
static size_t hash(const Address *a) {
        uint32_t h = 2166136261U;

        for (size_t i = 0; i < sizeof(a->bytes); i++)
                h = (h ^ a->bytes[i]) * 16777619U;
        return (h ^ h >> 16) % HASHES;
}

const Permit *permits_next(const Permits *permits, const Address *address, const Permit *permit) {
        uint16_t number = permit ? permit->next : permits->first ? permits->first[hash(address)] : 0;

        for (; number != 0; number = permits->list[number - 1].next)
                if (address_equal(&permits->list[number - 1].address, address))
                        return &permits->list[number - 1];
        return NULL;
}

static Permit *find(Permits *permits, const char *name, const Address *address) {
        const Permit *p = NULL;

        while ((p = permits_next(permits, address, p)))
                if (strcmp(p->name, name) == 0)
                        return &permits->list[p - permits->list];
        return NULL;
}

static void link_permit(Permits *permits, Permit *p) {
        uint16_t *first = &permits->first[hash(&p->address)];

        p->next = *first;
        *first = (uint16_t) (p - permits->list + 1);
}

static void unlink_permit(Permits *permits, const Permit *p) {
        uint16_t *number = &permits->first[hash(&p->address)];

        while (*number != p - permits->list + 1)
                number = &permits->list[*number - 1].next;
        *number = p->next;
}

/* A place for one more: a new one, or that of the one that lapses first. NULL: out of memory. */
static Permit *make_room(Permits *permits) {
        Permit *first = permits->list, *grown;

        if (!permits->first)
                permits->first = calloc(HASHES, sizeof(*permits->first));
        if (!permits->first)
                return NULL;
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
        unlink_permit(permits, first);
        free(first->name);
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
                *p = (Permit){ .address = *address, .name = copy };
                link_permit(permits, p);
        }
        p->until = MAX2(p->until, until);
        *ret = p;
        return 0;
}
