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

static unsigned address_bits(const Address *a) {
        return a->family == AF_INET ? 32 : 128;
}

static bool prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits) {
        unsigned whole = bits / 8, rest = bits % 8;

        if (memcmp(a, b, whole) != 0)
                return false;
        return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static const Address link_local4 = { AF_INET, { 169, 254 } };
static const Address mapped4 = { AF_INET6, { [10] = 0xff, [11] = 0xff } };

int pool_parse(const char *s, Pool *ret) {
        char text[ADDRESS_STRING_MAX];
        const char *slash = strchr(s, '/');
        Pool p = {};
        char *end;
        unsigned long prefix;

        if (!slash || (size_t) (slash - s) >= sizeof(text) || slash[1] < '0' || slash[1] > '9')
                return -EINVAL;
        memcpy(text, s, (size_t) (slash - s));
        text[slash - s] = '\0';
        if (address_parse(text, &p.network) < 0)
                return -EINVAL;
        prefix = strtoul(slash + 1, &end, 10);
        if (*end)
                return -EINVAL;
        if (p.network.family == AF_INET ? prefix < 8 || prefix > 28 : prefix < 32 || prefix > 112)
                return -EINVAL;
        p.prefix = (unsigned) prefix;
        if (address_reserved_reason(&p.network))
                return -EINVAL;

        /* Of the reserved networks these are the only ones that are smaller than a pool can be. */
        if (pool_contains(&p, &link_local4) || pool_contains(&p, &mapped4))
                return -EINVAL;

        for (unsigned bit = p.prefix; bit < address_bits(&p.network); bit++)
                if (p.network.bytes[bit / 8] & (0x80 >> (bit % 8)))
                        return -EINVAL;
        *ret = p;
        return 0;
}

bool pool_contains(const Pool *pool, const Address *a) {
        return pool->network.family == a->family && prefix_equal(pool->network.bytes, a->bytes, pool->prefix);
}

Address pool_candidate(const Pool *pool, const char *name, unsigned try) {
        unsigned host_bits = address_bits(&pool->network) - pool->prefix;
        uint64_t host = hash_name(name, try), mask;
        unsigned last = address_bits(&pool->network) / 8;
        Address a = pool->network;

        mask = host_bits >= 64 ? UINT64_MAX : (UINT64_C(1) << host_bits) - 1;
        /* From 1 to mask - 1: neither the network's nor the broadcast address. */
        host = 1 + host % (mask - 1);
        for (unsigned i = 0; i < 8 && i * 8 < host_bits; i++)
                a.bytes[last - 1 - i] |= (uint8_t) (host >> (i * 8));
        return a;
}
