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

/* Of the first `n` labels, each of `bits` bits of the network: the last one comes first. */
static void format_zone(const Pool *pool, unsigned n, unsigned bits, unsigned last, char *buf, size_t size) {
        const bool v4 = pool->address.family == AF_INET;
        size_t l = 0;

        for (unsigned i = n; i-- > 0;) {
                const uint8_t byte = pool->address.bytes[i * bits / 8];
                const unsigned label = i == n - 1 ? last : v4 ? byte : i % 2 == 0 ? byte >> 4 : byte & 0xf;

                l += (size_t) snprintf(buf + l, size - l, v4 ? "%u." : "%x.", label);
        }
        (void) snprintf(buf + l, size - l, v4 ? "in-addr.arpa" : "ip6.arpa");
}

int pool_reverse_zones(const Pool *pool, PoolZoneFunction add, void *userdata) {
        const unsigned bits = pool->address.family == AF_INET ? 8 : 4;
        const unsigned n = (pool->prefix + bits - 1) / bits, n_zones = 1U << (n * bits - pool->prefix);
        const uint8_t byte = pool->address.bytes[(n - 1) * bits / 8];
        const unsigned first = bits == 8 ? byte : n % 2 == 1 ? byte >> 4 : byte & 0xf;
        char zone[2 * 32 + sizeof("ip6.arpa")];

        for (unsigned i = 0; i < n_zones; i++) {
                int r;

                format_zone(pool, n, bits, first + i, zone, sizeof(zone));
                r = add(zone, userdata);
                if (r < 0)
                        return r;
        }
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
