/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that every node of every version finds the same addresses for a name, and that all of them can be used. */

#include <stdio.h>
#include <string.h>

#include "model/pool.h"
#include "unit.h"

static Pool pool(const char *text) {
        Pool p;

        ck_assert_msg(pool_parse(text, &p) == 0, "%s", text);
        return p;
}

/* Networks within the sizes are taken as they are written. */
START_TEST(test_parse) {
        static const struct {
                const char *text, *network;
                unsigned prefix;
        } table[] = {
                { "198.18.0.0/15", "198.18.0.0", 15 }, { "10.0.0.0/8", "10.0.0.0", 8 },
                { "192.0.2.240/28", "192.0.2.240", 28 }, { "192.0.2.128/25", "192.0.2.128", 25 },
                { "fd00::/32", "fd00::", 32 },         { "fdaa:a55:317c::/64", "fdaa:a55:317c::", 64 },
                { "fd00::1:0/112", "fd00::1:0", 112 },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Pool p = pool(table[i].text);

                unit_assert_address(&p.address, table[i].network);
                ck_assert_uint_eq(p.prefix, table[i].prefix);
        }
}
END_TEST

/* What is no network, has host bits or the wrong size is refused, and the result is left as it was. */
START_TEST(test_parse_bad) {
        static const char *const bad[] = {
                "",
                "/",
                "/15",
                "198.18.0.0",
                "198.18.0.0/",
                "198.18.0.0/ 15",
                "169.0.0.0/8", /* 169.254.0.0/16 is in it */
                "169.254.0.0/15",
                "169.128.0.0/9",
                "::8000:0:0/81", /* and ::ffff:0:0/96 in this */
                "::fff0:0:0/92",
                "198.18.0.0/+15",
                "198.18.0.0/-15",
                "198.18.0.0/15x",
                "198.18.0.0/15/15",
                "198.18.0.0/0xf",
                "198.18.0.0/4294967311", /* 15 in 32 bits */
                "198.18.0.0/18446744073709551631",
                "198.18.0.0 /15",
                "198.18/15",
                "web/15",
                "198.18.0.1/15",
                "198.19.0.0/14",
                "192.0.2.8/28",
                "128.0.0.0/7",
                "0.0.0.0/0",
                "192.0.2.0/29",
                "192.0.2.1/32",
                "192.0.2.0/64",
                "fd00::/31",
                "fd00::/113",
                "fd00::/128",
                "fd00::/28",
                "fd00::1/64",
                "fd00:0:0:0:8000::/64",
                "fd00::%1/64",
                "[fd00::]/64",
                "0000:0000:0000:0000:0000:0000:198.018.000.001:0/64",
        };
        const Pool before = pool("198.18.0.0/15");

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                Pool p = before;

                ck_assert_msg(pool_parse(bad[i], &p) == -EINVAL, "%s", bad[i]);
                ck_assert(address_equal(&p.address, &before.address) && p.prefix == before.prefix);
        }
}
END_TEST

/* A pool contains the addresses of its network, at both ends too, and none of the other family. */
START_TEST(test_contains) {
        static const struct {
                const char *pool, *address;
                bool contains;
        } table[] = {
                { "198.18.0.0/15", "198.17.255.255", false }, { "198.18.0.0/15", "198.18.0.0", true },
                { "198.18.0.0/15", "198.19.255.255", true },  { "198.18.0.0/15", "198.20.0.0", false },
                { "198.18.0.0/15", "::198.18.0.1", false },   { "198.18.0.0/15", "c612::", false },
                { "10.0.0.0/8", "10.255.255.255", true },     { "10.0.0.0/8", "11.0.0.0", false },
                { "192.0.2.240/28", "192.0.2.239", false },   { "192.0.2.240/28", "192.0.2.255", true },
                { "fd00::/64", "fd00::ffff:ffff:ffff:ffff", true }, { "fd00::/64", "fd00:0:0:1::", false },
                { "fd00::/64", "253.0.0.0", false },          { "fd00:1::/112", "fd00:1::ffff", true },
                { "fd00:1::/112", "fd00:1::1:0", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Pool p = pool(table[i].pool);
                Address a = unit_address(table[i].address);

                ck_assert_msg(network_contains(&p, &a) == table[i].contains, "%s %s", table[i].pool, table[i].address);
        }
}
END_TEST

/*
 * The addresses of names do not change from one version to the next: nodes of
 * both must agree. A change here is a change of the protocol.
 */
START_TEST(test_fixed) {
        static const struct {
                const char *pool, *name;
                unsigned try;
                const char *address;
        } table[] = {
                { "198.18.0.0/15", "web", 0, "198.18.202.44" },
                { "198.18.0.0/15", "web", 1, "198.18.144.244" },
                { "198.18.0.0/15", "db.shop", 0, "198.19.205.154" },
                { "198.18.0.0/15", "db.shop", 63, "198.18.97.48" },
                { "198.18.0.0/15", "a", 0, "198.18.164.22" },
                { "198.18.0.0/15", "app_1", 0, "198.18.21.20" },
                { "fdaa:a55:317c::/64", "web", 0, "fdaa:a55:317c:0:8b8f:9c35:7cbd:25aa" },
                { "fdaa:a55:317c::/64", "web", 1, "fdaa:a55:317c:0:aa40:491d:ea17:b37e" },
                { "fdaa:a55:317c::/64", "db.shop", 63, "fdaa:a55:317c:0:722a:9023:eead:7034" },
                { "10.0.0.0/8", "web", 0, "10.247.190.224" },
                { "10.0.0.0/8", "db.shop", 0, "10.38.191.100" },
                { "10.1.16.0/20", "web", 0, "10.1.27.108" },
                { "10.1.16.0/20", "db.shop", 63, "10.1.17.60" },
                { "192.0.2.240/28", "web", 0, "192.0.2.246" },
                { "192.0.2.240/28", "web", 1, "192.0.2.254" },
                { "fd00::/32", "web", 0, "fd00::8b8f:9c35:7cbd:25aa" },
                { "fd00:1::/112", "web", 0, "fd00:1::ec7e" },
                { "fd00:1::/112", "db.shop", 0, "fd00:1::75e" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Pool p = pool(table[i].pool);
                Address a = pool_candidate(&p, table[i].name, table[i].try);

                unit_assert_address(&a, table[i].address);
        }
}
END_TEST

static bool host_bits_all(const Pool *p, const Address *a, bool ones) {
        unsigned bits = a->family == AF_INET ? 32 : 128;

        for (unsigned bit = p->prefix; bit < bits; bit++)
                if (!!(a->bytes[bit / 8] & (0x80 >> (bit % 8))) != ones)
                        return false;
        return true;
}

/* Every candidate is an address of the pool that a host can have. */
START_TEST(test_candidates_usable) {
        static const char *const pools[] = {
                "10.0.0.0/8", "198.18.0.0/15", "10.1.16.0/20", "192.0.2.0/24", "192.0.2.128/25", "192.0.2.240/28",
                "fd00::/32",  "fd00::/64",     "fd00::/72",    "fd00::/68",    "fd00::/100",     "fd00::/112",
        };

        for (size_t i = 0; i < ELEMENTSOF(pools); i++) {
                Pool p = pool(pools[i]);
                char name[32];

                for (unsigned n = 0; n < 500; n++) {
                        (void) snprintf(name, sizeof(name), "name-%u", n);
                        for (unsigned try = 0; try < 8; try++) {
                                Address a = pool_candidate(&p, name, try);

                                ck_assert_msg(network_contains(&p, &a), "%s %s", pools[i], name);
                                ck_assert_msg(!host_bits_all(&p, &a, false), "%s %s", pools[i], name);
                                ck_assert_msg(!host_bits_all(&p, &a, true), "%s %s", pools[i], name);
                        }
                }
        }
}
END_TEST

/* The smallest pool is used up to its last address: the 14 candidates of a name are all there are. */
START_TEST(test_candidates_cover) {
        Pool p = pool("192.0.2.240/28");
        unsigned seen = 0;

        for (unsigned try = 0; try < POOL_TRIES_MAX; try++) {
                Address a = pool_candidate(&p, "x0", try);

                seen |= 1U << (a.bytes[3] - 240);
        }
        ck_assert_uint_eq(seen, 0x7ffe);
}
END_TEST

/* Names spread: of many in a large pool hardly two meet at the first try. */
START_TEST(test_spread) {
        enum { NAMES = 1000 };
        static Address addresses[NAMES];
        Pool p = pool("198.18.0.0/15");
        unsigned collisions = 0;
        char name[16];

        for (unsigned i = 0; i < NAMES; i++) {
                (void) snprintf(name, sizeof(name), "web-%u", i);
                addresses[i] = pool_candidate(&p, name, 0);
                for (unsigned j = 0; j < i; j++)
                        collisions += address_equal(&addresses[i], &addresses[j]);
        }
        /* By the birthday problem 1000² / 2 / 2^17 = 3.8 are to be expected. */
        ck_assert_uint_lt(collisions, 15);
}
END_TEST

static int count_zone(const char *zone, void *userdata) {
        char *all = userdata;

        (void) snprintf(all + strlen(all), 8192 - strlen(all), "%s%s", *all ? " " : "", zone);
        return strcmp(zone, "130.2.0.192.in-addr.arpa") == 0 ? -E2BIG : 0;
}

/* The reverse zones are just those of the pool, also where it ends within a label. */
START_TEST(test_reverse_zones) {
        static const struct {
                const char *pool, *zones;
        } table[] = {
                { "10.0.0.0/8", "10.in-addr.arpa" },
                { "198.18.0.0/15", "18.198.in-addr.arpa 19.198.in-addr.arpa" },
                { "192.0.2.0/24", "2.0.192.in-addr.arpa" },
                { "10.1.16.0/23", "16.1.10.in-addr.arpa 17.1.10.in-addr.arpa" },
                { "fdaa:a55:317c::/64", "0.0.0.0.c.7.1.3.5.5.a.0.a.a.d.f.ip6.arpa" },
                { "fd00::/32", "0.0.0.0.0.0.d.f.ip6.arpa" },
                { "fd00:0:10::/46", "0.1.0.0.0.0.0.0.0.0.d.f.ip6.arpa 1.1.0.0.0.0.0.0.0.0.d.f.ip6.arpa "
                                    "2.1.0.0.0.0.0.0.0.0.d.f.ip6.arpa 3.1.0.0.0.0.0.0.0.0.d.f.ip6.arpa" },
        };
        char zones[8192];
        Pool p;

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                p = pool(table[i].pool);
                zones[0] = '\0';
                ck_assert_int_eq(pool_reverse_zones(&p, count_zone, zones), 0);
                ck_assert_str_eq(zones, table[i].zones);
        }
        p = pool("192.0.2.128/25");
        zones[0] = '\0';
        ck_assert_int_eq(pool_reverse_zones(&p, count_zone, zones), -E2BIG);
        ck_assert_str_eq(zones, "128.2.0.192.in-addr.arpa 129.2.0.192.in-addr.arpa 130.2.0.192.in-addr.arpa");
}
END_TEST

int main(void) {
        return UNIT_RUN("pool", NULL, NULL, test_parse, test_parse_bad, test_contains, test_fixed,
                        test_candidates_usable, test_candidates_cover, test_spread, test_reverse_zones);
}
