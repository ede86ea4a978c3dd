/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The addresses that names resolved to for one app, and until when. An app that
 * may connect to a name may connect to these as long as the answer lasts. One
 * address can stand for several names.
 *
 * What has lapsed stays until its place is wanted, so that it can be told from
 * what never was.
 */

#include "model/address.h"

enum {
        PERMITS_MAX = 1024,         /* of one app; more put out what lapses soonest */
        PERMIT_TTL_MIN = 5,         /* seconds: who has just been told an address is to be able to use it */
        PERMIT_TTL_MAX = 24 * 3600,
};

typedef struct Permit {
        Address address;
        uint64_t until; /* CLOCK_MONOTONIC, µs */
        uint64_t noted; /* its owner's: what was written down of that; core/permitted.c */
        char *name;     /* lower case, without a dot at its end */
        uint16_t next;  /* of those whose address has the same hash: its number, from 1; 0: no more */
} Permit;

/* Zero to begin with. They are looked at by each connect(2) to the outside, so they are found by a hash of the address. */
typedef struct Permits {
        Permit *list;
        size_t n;
        uint16_t *first; /* for each hash, as Permit.next */
} Permits;

void permits_done(Permits *permits);

/*
 * The name resolved to the address until then. If that is known, it is for the
 * longer time from now on. Returns 0 and where it is (until the next call), or
 * -ENOMEM.
 */
int permits_add(Permits *permits, const char *name, const Address *address, uint64_t until, Permit **ret);

/* The next one of this address after `permit`, or with NULL the first; NULL: no more. */
const Permit *permits_next(const Permits *permits, const Address *address, const Permit *permit);

/* When what resolved at `now`, for `ttl` seconds, lapses. */
uint64_t permit_until(uint64_t now, unsigned ttl);
