/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that a network has just the addresses that are meant, and that a list of them is told back as it was said. */

#include <string.h>

#include "basic/text.h"
#include "model/network.h"
#include "unit.h"

START_TEST(test_parse) {
        static const char *const good[] = { "0.0.0.0/0", "10.0.0.0/8", "192.0.2.128/25", "192.0.2.7", "::/0", "2001:db8::/32", "fd00::1" };
        static const char *const bad[] = { "", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8 ",
                                           "10.0.0.1/8", "10.0.0.0/008x", "10.0.0/8", "::/129", "fd00::1/64", "[::]/0", "name",
                                           "10.0.0.0/4294967304", "::ffff:10.0.0.0/104" };
        char text[NETWORK_STRING_MAX];
        Network n;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                ck_assert_msg(network_parse(good[i], &n) == 0, "%s", good[i]);
                ck_assert_str_eq(network_format(&n, text), good[i]);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(network_parse(bad[i], &n) == -EINVAL, "%s", bad[i]);
        /* An address with its full prefix is the address. */
        ck_assert_int_eq(network_parse("192.0.2.7/32", &n), 0);
        ck_assert_str_eq(network_format(&n, text), "192.0.2.7");
        ck_assert(network_is_address(&n));
}
END_TEST

START_TEST(test_contains) {
        static const struct {
                const char *network, *address;
                bool contains;
        } table[] = {
                { "0.0.0.0/0", "255.255.255.255", true }, { "0.0.0.0/0", "::1", false },
                { "::/0", "1.2.3.4", false },             { "192.0.2.128/25", "192.0.2.255", true },
                { "192.0.2.128/25", "192.0.2.127", false }, { "192.0.2.7", "192.0.2.7", true },
                { "192.0.2.7", "192.0.2.6", false },      { "2001:db8::/33", "2001:db8:7fff::1", true },
                { "2001:db8::/33", "2001:db8:8000::1", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                const Address a = unit_address(table[i].address);
                Network n;

                ck_assert_int_eq(network_parse(table[i].network, &n), 0);
                ck_assert_msg(network_contains(&n, &a) == table[i].contains, "%s %s", table[i].network, table[i].address);
        }
}
END_TEST

static void check_list(const char *list, const char *expected) {
        _cleanup_free_ char *joined = NULL;
        _cleanup_strv_ char **v = NULL;
        Networks networks = {};

        ck_assert_msg(networks_add_list(&networks, list) == 0, "%s", list);
        v = networks_to_strv(&networks);
        joined = strv_join(v, " ");
        ck_assert_str_eq(joined, expected);
        networks_done(&networks);
}

/* Words stand for networks, and come back as words. */
START_TEST(test_list) {
        Networks networks = {};
        Address a = unit_address("127.1.2.3");

        check_list("any", "any");
        check_list("localhost,192.0.2.0/24", "localhost 192.0.2.0/24");
        check_list(" 192.0.2.0/24 ,\tfd00::/8, 192.0.2.0/24", "192.0.2.0/24 fd00::/8");
        check_list("0.0.0.0/0", "0.0.0.0/0");
        check_list("::/0,0.0.0.0/0", "any");

        ck_assert(!networks_contain(&networks, &a));
        ck_assert_int_eq(networks_add_list(&networks, ""), -EINVAL);
        ck_assert_int_eq(networks_add_list(&networks, "any,,any"), -EINVAL);
        ck_assert_int_eq(networks_add(&networks, "Any"), -EINVAL);
        ck_assert_int_eq(networks_add(&networks, "localhost"), 0);
        ck_assert(networks_contain(&networks, &a));
        a = unit_address("::1");
        ck_assert(networks_contain(&networks, &a));
        a = unit_address("::2");
        ck_assert(!networks_contain(&networks, &a));
        for (unsigned i = 0; i < NETWORKS_MAX - 2; i++) {
                char text[32];

                (void) snprintf(text, sizeof(text), "10.0.0.%u", i);
                ck_assert_int_eq(networks_add(&networks, text), 0);
        }
        ck_assert_int_eq(networks_add(&networks, "192.0.2.1"), -E2BIG);
        ck_assert_int_eq(networks_add(&networks, "10.0.0.0"), 0);
        networks_done(&networks);
}
END_TEST

int main(void) {
        return UNIT_RUN("network", NULL, NULL, test_parse, test_contains, test_list);
}
