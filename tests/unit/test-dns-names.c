/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "dns/names.h"
#include "dns/reverse.h"

/* Of one identity: knows all names of it. */
static const NameSight everybody = { .identity = 1 };
static const NameViewer somebody = { .identity = 1 };

static Names *names;

static void setup(void) {
        names = names_new();
        ck_assert_ptr_nonnull(names);
        ck_assert_int_eq(names_begin(names, "ax.internal", 5), 0);
}

static void teardown(void) {
        names = names_free(names);
}

static DnsFeedAddress address(const char *text) {
        DnsFeedAddress a = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

        ck_assert_int_eq(inet_pton((int) a.family, text, a.bytes), 1);
        return a;
}

static int set(const char *name, const char *text) {
        DnsFeedAddress a = address(text);

        return names_set(names, name, &a, 1, &everybody);
}

static size_t count_reverse(const char *text) {
        DnsFeedAddress a = address(text);
        size_t n = 0;

        for (const NameAddress *i = names_find_address(names, &a, &somebody); i; i = i->next)
                n++;
        return n;
}

/* Only names that can be spelt in DNS without escapes come into the table. */
START_TEST(test_valid) {
        char label[65], name[256];

        ck_assert(name_is_valid("web"));
        ck_assert(name_is_valid("web-1.shop"));
        ck_assert(name_is_valid("_http._tcp"));
        ck_assert(name_is_valid("1"));
        ck_assert(!name_is_valid(""));
        ck_assert(!name_is_valid("."));
        ck_assert(!name_is_valid(".web"));
        ck_assert(!name_is_valid("web."));
        ck_assert(!name_is_valid("web..shop"));
        ck_assert(!name_is_valid("-web"));
        ck_assert(!name_is_valid("web-"));
        ck_assert(!name_is_valid("web-.shop"));
        ck_assert(!name_is_valid("Web"));
        ck_assert(!name_is_valid("w b"));
        ck_assert(!name_is_valid("w\\b"));
        ck_assert(!name_is_valid("w\303\244b"));

        memset(label, 'a', sizeof(label));
        label[63] = '\0';
        ck_assert(name_is_valid(label));
        label[63] = 'a';
        label[64] = '\0';
        ck_assert(!name_is_valid(label));

        for (size_t i = 0; i < 255; i++)
                name[i] = i % 2 ? '.' : 'a';
        name[253] = '\0';
        ck_assert(name_is_valid(name));
        name[253] = '.';
        name[255] = '\0';
        ck_assert(!name_is_valid(name));
}
END_TEST

/* A name has the addresses of the last set and no others, in both tables. */
START_TEST(test_set) {
        DnsFeedAddress two[] = {address("198.18.0.1"), address("fd00::1")};
        const Name *n;

        ck_assert_int_eq(names_set(names, "web", two, 2, &everybody), 0);
        n = names_find(names, "web", &somebody);
        ck_assert_ptr_nonnull(n);
        ck_assert_uint_eq(n->n_addresses, 2);
        ck_assert_uint_eq(count_reverse("198.18.0.1"), 1);
        ck_assert_uint_eq(count_reverse("fd00::1"), 1);

        ck_assert_int_eq(set("web", "198.18.0.2"), 0);
        n = names_find(names, "web", &somebody);
        ck_assert_uint_eq(n->n_addresses, 1);
        ck_assert_uint_eq(count_reverse("198.18.0.1"), 0);
        ck_assert_uint_eq(count_reverse("fd00::1"), 0);
        ck_assert_uint_eq(count_reverse("198.18.0.2"), 1);

        ck_assert_int_eq(names_set(names, "web", NULL, 0, &everybody), 0);
        ck_assert_ptr_nonnull(names_find(names, "web", &somebody));
        ck_assert_uint_eq(count_reverse("198.18.0.2"), 0);

        ck_assert_int_eq(names_unset(names, "web"), 0);
        ck_assert_ptr_null(names_find(names, "web", &somebody));
        ck_assert_int_eq(names_unset(names, "web"), -ENOENT);
}
END_TEST

/* Bytes of an IPv4 address that are not used do not make it another one, and one listed twice is one. */
START_TEST(test_address_key) {
        DnsFeedAddress a[] = {address("198.18.0.1"), address("198.18.0.1")};

        a[1].bytes[15] = 0xff;
        ck_assert_int_eq(names_set(names, "web", a, 2, &everybody), 0);
        ck_assert_uint_eq(names_find(names, "web", &somebody)->n_addresses, 1);
        ck_assert_uint_eq(count_reverse("198.18.0.1"), 1);
        ck_assert_ptr_nonnull(names_find_address(names, a + 1, &somebody));
}
END_TEST

/* A refused set leaves the name as it was. */
START_TEST(test_set_invalid) {
        DnsFeedAddress a[DNS_FEED_ADDRESSES_MAX + 1] = {};
        char name[DNS_FEED_NAME_MAX + 1];

        for (size_t i = 0; i < ELEMENTSOF(a); i++) {
                a[i].family = AF_INET;
                a[i].bytes[0] = (uint8_t) i;
        }
        ck_assert_int_eq(set("web", "198.18.0.1"), 0);
        ck_assert_int_eq(names_set(names, "web", a, DNS_FEED_ADDRESSES_MAX + 1, &everybody), -EINVAL);
        ck_assert_int_eq(names_set(names, "web", a, DNS_FEED_ADDRESSES_MAX, &everybody), 0);
        a[1].family = AF_UNIX;
        ck_assert_int_eq(names_set(names, "web", a, 2, &everybody), -EINVAL);
        ck_assert_int_eq(names_set(names, "Web", a, 1, &everybody), -EINVAL);
        ck_assert_uint_eq(names_find(names, "web", &somebody)->n_addresses, DNS_FEED_ADDRESSES_MAX);

        /* With the domain it would not fit into a DNS name. */
        for (size_t i = 0; i < 245; i++)
                name[i] = i % 2 ? '.' : 'a';
        name[245] = '\0';
        ck_assert(name_is_valid(name));
        ck_assert_int_eq(set(name, "198.18.0.1"), -EINVAL);
        name[241] = '\0';
        ck_assert_int_eq(set(name, "198.18.0.1"), 0);
}
END_TEST

/* Several names with one address are all found by it, whichever goes first. */
START_TEST(test_shared_address) {
        ck_assert_int_eq(set("a", "198.18.0.1"), 0);
        ck_assert_int_eq(set("b", "198.18.0.1"), 0);
        ck_assert_int_eq(set("c", "198.18.0.1"), 0);
        ck_assert_uint_eq(count_reverse("198.18.0.1"), 3);
        ck_assert_int_eq(names_unset(names, "a"), 0);
        ck_assert_uint_eq(count_reverse("198.18.0.1"), 2);
        ck_assert_int_eq(names_unset(names, "c"), 0);
        ck_assert_int_eq(names_unset(names, "b"), 0);
        ck_assert_uint_eq(count_reverse("198.18.0.1"), 0);
}
END_TEST

/* A name above others exists for as long as one of them does. */
START_TEST(test_parents) {
        ck_assert_int_eq(set("a.b.c", "198.18.0.1"), 0);
        ck_assert_int_eq(set("x.b.c", "198.18.0.2"), 0);
        ck_assert(names_is_parent(names, "b.c", &somebody));
        ck_assert(names_is_parent(names, "c", &somebody));
        ck_assert(!names_is_parent(names, "a.b.c", &somebody));
        ck_assert(!names_is_parent(names, "b", &somebody));
        ck_assert_int_eq(names_unset(names, "a.b.c"), 0);
        ck_assert(names_is_parent(names, "b.c", &somebody));
        ck_assert_int_eq(names_unset(names, "x.b.c"), 0);
        ck_assert(!names_is_parent(names, "b.c", &somebody));
        ck_assert(!names_is_parent(names, "c", &somebody));
}
END_TEST

/* Until the commit of a snapshot old names stay; it drops those not mentioned. */
START_TEST(test_snapshot) {
        ck_assert_int_eq(set("old", "198.18.0.1"), 0);
        ck_assert_int_eq(set("both", "198.18.0.2"), 0);
        names_commit(names);
        ck_assert_ptr_nonnull(names_find(names, "old", &somebody));

        ck_assert_int_eq(names_begin(names, "ax.internal", 7), 0);
        ck_assert_int_eq(set("both", "198.18.0.3"), 0);
        ck_assert_int_eq(set("new", "198.18.0.4"), 0);
        ck_assert_ptr_nonnull(names_find(names, "old", &somebody));
        names_commit(names);
        ck_assert_ptr_null(names_find(names, "old", &somebody));
        ck_assert_uint_eq(count_reverse("198.18.0.1"), 0);
        ck_assert_ptr_nonnull(names_find(names, "both", &somebody));
        ck_assert_ptr_nonnull(names_find(names, "new", &somebody));
        ck_assert_uint_eq(names->ttl, 7);

        /* One that breaks off forgets nothing. */
        ck_assert_int_eq(names_begin(names, "ax.internal", 7), 0);
        ck_assert_int_eq(names_begin(names, "ax.internal", 7), 0);
        ck_assert_ptr_nonnull(names_find(names, "both", &somebody));
}
END_TEST

START_TEST(test_begin_invalid) {
        ck_assert_int_eq(names_begin(names, "", 5), -EINVAL);
        ck_assert_int_eq(names_begin(names, "ax.internal.", 5), -EINVAL);
        ck_assert_int_eq(names_begin(names, "AX", 5), -EINVAL);
        ck_assert_int_eq(names_begin(names, "ax", NAME_TTL_MAX + 1), -EINVAL);
        ck_assert_str_eq(names->domain, "ax.internal");
}
END_TEST

/* The table is bounded; a name that is in it can still change. */
START_TEST(test_bound) {
        char name[16];

        for (unsigned i = 0; i < NAMES_MAX; i++) {
                snprintf(name, sizeof(name), "n%u", i);
                ck_assert_int_eq(set(name, "198.18.0.1"), 0);
        }
        ck_assert_int_eq(set("more", "198.18.0.1"), -ENOSPC);
        ck_assert_int_eq(set("n0", "198.18.0.2"), 0);
        ck_assert_int_eq(names_unset(names, "n1"), 0);
        ck_assert_int_eq(set("more", "198.18.0.1"), 0);
}
END_TEST

/* Reverse names are read strictly: one spelling for each address. */
START_TEST(test_reverse) {
        static const struct {
                const char *name;
                int result;
                const char *address;
        } table[] = {
                        {"1.0.18.198.in-addr.arpa", 0, "198.18.0.1"},
                        {"255.255.255.255.in-addr.arpa", 0, "255.255.255.255"},
                        {"0.0.0.0.in-addr.arpa", 0, "0.0.0.0"},
                        {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.a.d.f.ip6.arpa", 0,
                         "fdab::1"},
                        {"18.198.in-addr.arpa", REVERSE_PARTIAL, NULL},
                        {"in-addr.arpa", REVERSE_PARTIAL, NULL},
                        {"ip6.arpa", REVERSE_PARTIAL, NULL},
                        {"f.ip6.arpa", REVERSE_PARTIAL, NULL},
                        {"arpa", REVERSE_PARTIAL, NULL},
                        {"256.0.18.198.in-addr.arpa", -EINVAL, NULL},
                        {"01.0.18.198.in-addr.arpa", -EINVAL, NULL},
                        {"a.0.18.198.in-addr.arpa", -EINVAL, NULL},
                        {"9.1.0.18.198.in-addr.arpa", -EINVAL, NULL},
                        {"-1.0.18.198.in-addr.arpa", -EINVAL, NULL},
                        {"10.ip6.arpa", -EINVAL, NULL},
                        {"g.ip6.arpa", -EINVAL, NULL},
                        {"0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.a.d.f.ip6.arpa",
                         -EINVAL, NULL},
                        {"1.in-addr.arpa.example", -ENOENT, NULL},
                        {"xin-addr.arpa", -ENOENT, NULL},
                        {"web", -ENOENT, NULL},
                        {"", -ENOENT, NULL},
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                DnsFeedAddress a, expected;

                ck_assert_msg(reverse_parse(table[i].name, &a) == table[i].result, "%s", table[i].name);
                if (!table[i].address)
                        continue;
                expected = address(table[i].address);
                ck_assert_mem_eq(&a, &expected, sizeof(a));
        }
}
END_TEST

/* A name is known to its own identity and to the views it is told for; so are its parent, and its address. */
START_TEST(test_sight) {
        static const NameViewer own = { .identity = 7, .view = 1 }, friend = { .identity = 8, .view = 70 },
                                stranger = { .identity = 9, .view = 71 };
        NameSight sight = { .identity = 7, .views[1] = 1 << 6 };
        DnsFeedAddress a = { AF_INET, { 198, 18, 0, 1 } };
        const NameAddress *first;

        ck_assert_int_eq(names_set(names, "a.shop", &a, 1, &sight), 0);
        sight = (NameSight){ .identity = 8 };
        ck_assert_int_eq(names_set(names, "b.shop", &a, 1, &sight), 0);

        ck_assert_ptr_nonnull(names_find(names, "a.shop", &own));
        ck_assert_ptr_nonnull(names_find(names, "a.shop", &friend));
        ck_assert_ptr_null(names_find(names, "a.shop", &stranger));
        ck_assert_ptr_null(names_find(names, "b.shop", &own));
        ck_assert(names_is_parent(names, "shop", &own));
        ck_assert(!names_is_parent(names, "shop", &stranger));
        ck_assert_ptr_null(names_find_address(names, &a, &stranger));
        first = names_find_address(names, &a, &own);
        ck_assert_str_eq(first->name->name, "a.shop");
        ck_assert_ptr_null(name_next_seen(first, &own));
        first = names_find_address(names, &a, &friend);
        ck_assert_ptr_nonnull(name_next_seen(first, &friend));

        /* Told anew, it is as it is told then. */
        sight = (NameSight){ .identity = 7, .views[1] = 1 << 7 };
        ck_assert_int_eq(names_set(names, "a.shop", &a, 1, &sight), 0);
        ck_assert_ptr_null(names_find(names, "a.shop", &friend));
        ck_assert_ptr_nonnull(names_find(names, "a.shop", &stranger));
        ck_assert_int_eq(names_unset(names, "a.shop"), 0);
        ck_assert(!names_is_parent(names, "shop", &stranger));
        ck_assert(names_is_parent(names, "shop", &friend));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("dns-names");
        TCase *tcase = tcase_create("names");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, test_valid);
        tcase_add_test(tcase, test_set);
        tcase_add_test(tcase, test_address_key);
        tcase_add_test(tcase, test_set_invalid);
        tcase_add_test(tcase, test_shared_address);
        tcase_add_test(tcase, test_parents);
        tcase_add_test(tcase, test_snapshot);
        tcase_add_test(tcase, test_begin_invalid);
        tcase_add_test(tcase, test_bound);
        tcase_add_test(tcase, test_reverse);
        tcase_add_test(tcase, test_sight);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
