/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "model/pool.h"

/*
 * FNV-1a with 64 bits (draft-eastlake-fnv), stirred by the finalizer of
 * MurmurHash3: the same on every node, and nothing secret hangs on it.
 */
static uint64_t hash_name(const char *name, unsigned try) {
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        for (; *name; name++)
                h = (h ^ (uint8_t) *name) * UINT64_C(0x100000001b3);
        /* Behind the name, or names that differ little would share their candidates. */
        h ^= try * UINT64_C(0x9e3779b97f4a7c15);
        h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
        h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
        return h ^ (h >> 33);
}

static const Address link_local4 = { AF_INET, { 169, 254 } };
static const Address mapped4 = { AF_INET6, { [10] = 0xff, [11] = 0xff } };

int pool_parse(const char *s, Pool *ret) {
        Pool p;

        if (!strchr(s, '/') || network_parse(s, &p) < 0)
                return -EINVAL;
        if (p.address.family == AF_INET ? p.prefix < 8 || p.prefix > 28 : p.prefix < 32 || p.prefix > 112)
                return -EINVAL;
        if (address_reserved_reason(&p.address))
                return -EINVAL;

        /* Of the reserved networks these are the only ones that are smaller than a pool can be. */
        if (network_contains(&p, &link_local4) || network_contains(&p, &mapped4))
                return -EINVAL;
        *ret = p;
        return 0;
}

Address pool_candidate(const Pool *pool, const char *name, unsigned try) {
        unsigned host_bits = address_bits(&pool->address) - pool->prefix;
        uint64_t host = hash_name(name, try), mask;
        unsigned last = address_bits(&pool->address) / 8;
        Address a = pool->address;

        mask = host_bits >= 64 ? UINT64_MAX : (UINT64_C(1) << host_bits) - 1;
        /* From 1 to mask - 1: neither the network's nor the broadcast address. */
        host = 1 + host % (mask - 1);
        for (unsigned i = 0; i < 8 && i * 8 < host_bits; i++)
                a.bytes[last - 1 - i] |= (uint8_t) (host >> (i * 8));
        return a;
}
