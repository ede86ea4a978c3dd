/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Proves who gets which identity: apps of one name (or one address) share it,
 * what belongs to somebody else is refused with a sentence that says so, and
 * nothing is left when the last one leaves.
 */

#include <stdio.h>
#include <string.h>

#include "model/virtual-service.h"
#include "unit.h"

enum { ALICE = 1000, BOB = 1001 };

static Directory directory;

static void init(const char *pool4, const char *pool6) {
        Pool four, six;

        ck_assert_int_eq(pool_parse(pool4, &four), 0);
        ck_assert_int_eq(pool_parse(pool6, &six), 0);
        directory_init(&directory, &four, &six);
}

static void setup(void) {
        init("198.18.0.0/15", "fdaa:a55:317c::/64");
}

static char *message;

/* Joins as `uid`, addresses as text; the message stays in `message`. */
static int join_as(Party *party, uid_t uid, const char *name, const char *const *texts) {
        Address addresses[IDENTITY_ADDRESSES_MAX + 1];
        IdentityClaim claim = {
                .names = &name,
                .n_names = name ? 1 : 0,
                .addresses = addresses,
                .strategy = _STRATEGY_INVALID,
                .uid = uid,
                .owner = uid,
                .id = party->id,
        };

        for (; *texts; texts++)
                addresses[claim.n_addresses++] = unit_address(*texts);
        free(message);
        return directory_join(&directory, party, &claim, &message);
}

#define JOIN(party, uid, name, ...) join_as(party, uid, name, (const char *const[]){ __VA_ARGS__ __VA_OPT__(,) NULL })

static void assert_empty(void) {
        ck_assert_ptr_null(directory.by_name);
        ck_assert_ptr_null(directory.by_address);
        directory_done(&directory);
}

static void teardown(void) {
        free(message);
        message = NULL;
}

/* A name gets the addresses of its hash in both families, and is found by all of them. */
START_TEST(test_name) {
        Party web = { .id = "web_1" };
        const Identity *i;

        ck_assert_int_eq(JOIN(&web, ALICE, "web"), 0);
        ck_assert_ptr_null(message);
        i = web.identity;
        ck_assert_ptr_nonnull(i);
        ck_assert_str_eq(identity_name(i), "web");
        ck_assert_uint_eq(i->owner, ALICE);
        ck_assert_uint_eq(i->n_parties, 1);
        ck_assert_uint_eq(i->n_addresses, 2);
        unit_assert_address(identity_address(i, AF_INET), "198.18.202.44");
        unit_assert_address(identity_address(i, AF_INET6), "fdaa:a55:317c:0:8b8f:9c35:7cbd:25aa");
        ck_assert_ptr_null(identity_address(i, AF_UNIX));

        ck_assert_ptr_eq(directory_find_name(&directory, "web"), i);
        ck_assert_ptr_null(directory_find_name(&directory, "we"));
        ck_assert_ptr_null(directory_find_name(&directory, "webs"));
        for (size_t n = 0; n < i->n_addresses; n++) {
                ck_assert(identity_has_address(i, &i->addresses[n].address));
                ck_assert_ptr_eq(directory_find_address(&directory, &i->addresses[n].address), i);
        }
        directory_leave(&directory, &web);
        ck_assert_ptr_null(web.identity);
        assert_empty();
}
END_TEST

/* Apps of one name share one identity until the last one leaves, in whatever order. */
START_TEST(test_join_name) {
        Party a = { .id = "web_1" }, b = { .id = "web_2" }, c = { .id = "web_3" };
        Address address;

        ck_assert_int_eq(JOIN(&a, ALICE, "web"), 0);
        ck_assert_int_eq(JOIN(&b, ALICE, "web"), 0);
        ck_assert_ptr_eq(a.identity, b.identity);
        ck_assert_uint_eq(a.identity->n_parties, 2);
        address = *identity_address(a.identity, AF_INET);

        directory_leave(&directory, &a);
        ck_assert_ptr_eq(directory_find_address(&directory, &address), b.identity);
        ck_assert_int_eq(JOIN(&c, ALICE, "web"), 0);
        ck_assert_ptr_eq(b.identity, c.identity);
        directory_leave(&directory, &b);
        ck_assert_ptr_nonnull(directory_find_name(&directory, "web"));
        directory_leave(&directory, &c);
        ck_assert_ptr_null(directory_find_address(&directory, &address));
        assert_empty();

        /* Who has none leaves none. */
        directory_leave(&directory, &c);
}
END_TEST

/* Chosen addresses come first, once each; the family that was not chosen comes from the pool. */
START_TEST(test_name_with_addresses) {
        Party web = { .id = "web_1" }, db = { .id = "db_1" };

        ck_assert_int_eq(JOIN(&web, ALICE, "web", "10.0.0.1", "10.0.0.2", "10.0.0.1"), 0);
        ck_assert_uint_eq(web.identity->n_addresses, 3);
        unit_assert_address(&web.identity->addresses[0].address, "10.0.0.1");
        unit_assert_address(&web.identity->addresses[1].address, "10.0.0.2");
        unit_assert_address(identity_address(web.identity, AF_INET), "10.0.0.1");
        unit_assert_address(identity_address(web.identity, AF_INET6), "fdaa:a55:317c:0:8b8f:9c35:7cbd:25aa");

        ck_assert_int_eq(JOIN(&db, ALICE, "db", "2001:db8::1", "10.0.0.3"), 0);
        ck_assert_uint_eq(db.identity->n_addresses, 2);
        unit_assert_address(identity_address(db.identity, AF_INET), "10.0.0.3");
        unit_assert_address(identity_address(db.identity, AF_INET6), "2001:db8::1");

        directory_leave(&directory, &web);
        directory_leave(&directory, &db);
        assert_empty();
}
END_TEST

/* Who joins a name may name its addresses, all or some, in any order; but no further one. */
START_TEST(test_join_name_with_addresses) {
        Party a = { .id = "web_1" }, b = { .id = "web_2" };

        ck_assert_int_eq(JOIN(&a, ALICE, "web", "10.0.0.1", "10.0.0.2"), 0);
        ck_assert_int_eq(JOIN(&b, ALICE, "web", "10.0.0.2"), 0);
        directory_leave(&directory, &b);
        ck_assert_int_eq(JOIN(&b, ALICE, "web", "fdaa:a55:317c:0:8b8f:9c35:7cbd:25aa", "10.0.0.2", "10.0.0.1"), 0);
        ck_assert_uint_eq(a.identity->n_addresses, 3);
        directory_leave(&directory, &b);

        ck_assert_int_eq(JOIN(&b, ALICE, "web", "10.0.0.9"), -EADDRINUSE);
        ck_assert_str_eq(message,
                         "Name web belongs to an app with the addresses 10.0.0.1, 10.0.0.2, fdaa:a55:317c:0:8b8f:9c35:7cbd:25aa, and 10.0.0.9 is none of them");
        ck_assert_int_eq(JOIN(&b, ALICE, "web", "10.0.0.1", "2001:db8::1"), -EADDRINUSE);
        ck_assert_str_eq(message,
                         "Name web belongs to an app with the addresses 10.0.0.1, 10.0.0.2, fdaa:a55:317c:0:8b8f:9c35:7cbd:25aa, and 2001:db8::1 is none of them");
        ck_assert_ptr_null(b.identity);
        ck_assert_uint_eq(a.identity->n_parties, 1);

        directory_leave(&directory, &a);
        assert_empty();
}
END_TEST

/* Without a name, apps of one address share an identity; the other family is link-local. */
START_TEST(test_join_address) {
        Party a = { .id = "app_1" }, b = { .id = "app_2" };

        ck_assert_int_eq(JOIN(&a, ALICE, NULL, "10.0.0.1", "10.0.0.2"), 0);
        ck_assert_ptr_null(identity_name(a.identity));
        ck_assert_uint_eq(a.identity->n_addresses, 3);
        ck_assert(address_is_link_local(identity_address(a.identity, AF_INET6)));

        ck_assert_int_eq(JOIN(&b, ALICE, NULL, "10.0.0.2"), 0);
        ck_assert_ptr_eq(a.identity, b.identity);
        directory_leave(&directory, &b);
        ck_assert_int_eq(JOIN(&b, ALICE, NULL, "10.0.0.2", "10.0.0.1", "10.0.0.2"), 0);
        ck_assert_ptr_eq(a.identity, b.identity);
        directory_leave(&directory, &b);

        /* One more than the others have, in either order. */
        ck_assert_int_eq(JOIN(&b, ALICE, NULL, "10.0.0.1", "10.0.0.3"), -EADDRINUSE);
        ck_assert_str_eq(message,
                         "Address 10.0.0.1 belongs to an app with the addresses 10.0.0.1, 10.0.0.2, fe80::d9a6:3f47:af7:f12e, and 10.0.0.3 is none of them");
        ck_assert_int_eq(JOIN(&b, ALICE, NULL, "10.0.0.3", "10.0.0.1"), -EADDRINUSE);
        ck_assert_str_eq(message,
                         "Address 10.0.0.1 belongs to an app with the addresses 10.0.0.1, 10.0.0.2, fe80::d9a6:3f47:af7:f12e, and 10.0.0.3 is none of them");
        /* With a name it would not be unnamed any more. */
        ck_assert_int_eq(JOIN(&b, ALICE, "web", "10.0.0.1"), -EEXIST);
        ck_assert_str_eq(message, "Address 10.0.0.1 belongs to an app without a name, so that it cannot be named web");
        ck_assert_ptr_null(directory_find_name(&directory, "web"));

        directory_leave(&directory, &a);
        assert_empty();
}
END_TEST

/* Names and addresses of two apps are never had by one, nor does anybody add his own to those of another. */
START_TEST(test_conflicts) {
        Party web = { .id = "web_1" }, db = { .id = "db_1" }, unnamed = { .id = "app_1" }, other = { .id = "app_2" };

        ck_assert_int_eq(JOIN(&web, ALICE, "web", "10.0.0.1"), 0);
        ck_assert_int_eq(JOIN(&db, ALICE, "db", "10.0.0.2"), 0);
        ck_assert_int_eq(JOIN(&unnamed, ALICE, NULL, "10.0.0.3"), 0);

        ck_assert_int_eq(JOIN(&other, ALICE, "db", "10.0.0.1"), -EADDRINUSE);
        ck_assert_str_eq(message, "Name db and address 10.0.0.1 belong to different apps");
        ck_assert_int_eq(JOIN(&other, ALICE, "new", "10.0.0.1"), -EEXIST);
        ck_assert_str_eq(message, "Address 10.0.0.1 belongs to an app with the names web, and new is none of them");
        ck_assert_int_eq(JOIN(&other, ALICE, "web", "10.0.0.1", "10.0.0.2"), -EADDRINUSE);
        ck_assert_str_eq(message, "Name web and address 10.0.0.2 belong to different apps");
        ck_assert_int_eq(JOIN(&other, ALICE, "web", "10.0.0.3"), -EADDRINUSE);
        ck_assert_str_eq(message, "Name web and address 10.0.0.3 belong to different apps");
        ck_assert_int_eq(JOIN(&other, ALICE, NULL, "10.0.0.3", "10.0.0.1"), -EADDRINUSE);
        ck_assert_str_eq(message, "Address 10.0.0.3 and address 10.0.0.1 belong to different apps");
        /* Root is bound by this as well. */
        ck_assert_int_eq(JOIN(&other, 0, "db", "10.0.0.1"), -EADDRINUSE);

        ck_assert_ptr_null(other.identity);
        directory_leave(&directory, &web);
        directory_leave(&directory, &db);
        directory_leave(&directory, &unnamed);
        assert_empty();
}
END_TEST

/* A name and an address belong to who claimed them first; only that user and root may join. */
START_TEST(test_owner) {
        Party web = { .id = "web_1" }, unnamed = { .id = "app_1" }, other = { .id = "app_2" };

        ck_assert_int_eq(JOIN(&web, ALICE, "web", "10.0.0.1"), 0);
        ck_assert_int_eq(JOIN(&unnamed, ALICE, NULL, "10.0.0.3"), 0);

        ck_assert_int_eq(JOIN(&other, BOB, "web"), -EEXIST);
        ck_assert_str_eq(message, "Name web belongs to an app of user 1000");
        ck_assert_int_eq(JOIN(&other, BOB, "web", "10.0.0.1"), -EEXIST);
        ck_assert_int_eq(JOIN(&other, BOB, "mine", "10.0.0.1"), -EADDRINUSE);
        ck_assert_str_eq(message, "Address 10.0.0.1 belongs to an app of user 1000");
        ck_assert_int_eq(JOIN(&other, BOB, NULL, "10.0.0.3"), -EADDRINUSE);
        ck_assert_str_eq(message, "Address 10.0.0.3 belongs to an app of user 1000");

        ck_assert_int_eq(JOIN(&other, 0, "web"), 0);
        ck_assert_ptr_eq(other.identity, web.identity);
        ck_assert_uint_eq(web.identity->owner, ALICE);
        directory_leave(&directory, &other);
        ck_assert_int_eq(JOIN(&other, 0, NULL, "10.0.0.3"), 0);
        directory_leave(&directory, &other);

        /* Free again, it may be anybody's. */
        directory_leave(&directory, &web);
        ck_assert_int_eq(JOIN(&other, BOB, "web", "10.0.0.1"), 0);
        ck_assert_uint_eq(other.identity->owner, BOB);
        directory_leave(&directory, &other);
        directory_leave(&directory, &unnamed);
        assert_empty();
}
END_TEST

/* What root starts for a user is the user's. */
START_TEST(test_owner_of_new) {
        Party a = { .id = "web_1" }, b = { .id = "web_2" };
        const char *name = "web";
        IdentityClaim claim = {
                .names = &name,
                .n_names = 1,
                .strategy = _STRATEGY_INVALID,
                .owner = ALICE,
                .id = "web_1",
        };

        ck_assert_int_eq(directory_join(&directory, &a, &claim, &message), 0);
        ck_assert_uint_eq(a.identity->owner, ALICE);
        ck_assert_int_eq(JOIN(&b, ALICE, "web"), 0);
        directory_leave(&directory, &a);
        directory_leave(&directory, &b);
        assert_empty();
}
END_TEST

/* Who may run apps as a user may join what is that user's, as well as what is his own. */
START_TEST(test_owner_of_run_as) {
        Party mine = { .id = "mine_1" }, web = { .id = "web_1" }, other = { .id = "web_2" };
        const char *web_name = "web", *mine_name = "mine";
        IdentityClaim claim = { .names = &web_name, .n_names = 1, .strategy = _STRATEGY_INVALID, .uid = BOB, .owner = ALICE, .id = "web_2" };

        ck_assert_int_eq(JOIN(&web, ALICE, "web"), 0);
        ck_assert_int_eq(JOIN(&mine, BOB, "mine"), 0);
        ck_assert_int_eq(directory_join(&directory, &other, &claim, &message), 0);
        ck_assert_ptr_eq(other.identity, web.identity);
        directory_leave(&directory, &other);
        claim.names = &mine_name;
        ck_assert_int_eq(directory_join(&directory, &other, &claim, &message), 0);
        ck_assert_uint_eq(other.identity->owner, BOB);
        directory_leave(&directory, &other);
        ck_assert_int_eq(JOIN(&other, BOB, "web"), -EEXIST);

        /* Or what he is authorized to join, and no more than that: also of root's nothing else. */
        claim.names = &web_name;
        claim.owner = BOB;
        claim.joins = &(uid_t){ ALICE };
        free(message);
        ck_assert_int_eq(directory_join(&directory, &other, &claim, &message), 0);
        directory_leave(&directory, &other);
        claim.joins = &(uid_t){ 0 };
        ck_assert_int_eq(directory_join(&directory, &other, &claim, &message), -EEXIST);
        directory_leave(&directory, &mine);
        directory_leave(&directory, &web);
        assert_empty();
}
END_TEST

/* Addresses that mean something else are refused, with the reason, and nothing is made. */
START_TEST(test_reserved) {
        Party a = { .id = "web_1" };

        ck_assert_int_eq(JOIN(&a, 0, "web", "127.0.0.1"), -EINVAL);
        ck_assert_str_eq(message, "Address 127.0.0.1 is a loopback address");
        ck_assert_int_eq(JOIN(&a, 0, "web", "10.0.0.1", "ff02::1"), -EINVAL);
        ck_assert_str_eq(message, "Address ff02::1 is a multicast address");
        ck_assert_int_eq(JOIN(&a, 0, NULL, "169.254.1.1"), -EINVAL);
        ck_assert_str_eq(message, "Address 169.254.1.1 is link-local; those are given to unnamed apps");
        ck_assert_int_eq(JOIN(&a, 0, NULL, "::ffff:10.0.0.1"), -EINVAL);
        ck_assert_ptr_null(a.identity);
        assert_empty();
}
END_TEST

/* Six addresses can be chosen, so that with those of both pools there are eight; more are refused. */
START_TEST(test_limit) {
        Party a = { .id = "web_1" };

        ck_assert_int_eq(JOIN(&a, ALICE, "web", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6",
                              "10.0.0.7"),
                         -E2BIG);
        ck_assert_str_eq(message, "More than 6 addresses were given");
        assert_empty();
        ck_assert_int_eq(JOIN(&a, ALICE, "web", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"),
                         0);
        ck_assert_uint_eq(a.identity->n_addresses, 7);
        directory_leave(&directory, &a);
        assert_empty();
}
END_TEST

/* When the hashes of two names meet, the second one takes its next candidate. */
START_TEST(test_pool_collision) {
        Party a = { .id = "n168_1" }, b = { .id = "n212_2" };

        ck_assert_int_eq(JOIN(&a, ALICE, "n168"), 0);
        unit_assert_address(identity_address(a.identity, AF_INET), "198.18.33.234");
        ck_assert_int_eq(JOIN(&b, ALICE, "n212"), 0);
        unit_assert_address(identity_address(b.identity, AF_INET), "198.18.30.225");
        directory_leave(&directory, &a);
        directory_leave(&directory, &b);

        ck_assert_int_eq(JOIN(&b, ALICE, "n212"), 0);
        unit_assert_address(identity_address(b.identity, AF_INET), "198.18.33.234");
        directory_leave(&directory, &b);
        assert_empty();
}
END_TEST

/* A pool without a free candidate says so and leaves nothing behind; what is given back can be had again. */
START_TEST(test_pool_exhausted) {
        static Party parties[14];
        Party more = { .id = "x4_1" };
        char name[16], address[16];

        init("192.0.2.240/28", "fd00::/64");
        for (unsigned i = 0; i < ELEMENTSOF(parties); i++) {
                (void) snprintf(name, sizeof(name), "full-%u", i);
                (void) snprintf(address, sizeof(address), "192.0.2.%u", 241 + i);
                parties[i].id = "full";
                ck_assert_int_eq(JOIN(&parties[i], ALICE, name, address), 0);
        }
        ck_assert_int_eq(JOIN(&more, ALICE, "x0"), -EADDRNOTAVAIL);
        ck_assert_str_eq(message, "No address is left in the pool for 'x0'");
        ck_assert_ptr_null(more.identity);
        ck_assert_ptr_null(directory_find_name(&directory, "x0"));
        /* An address of one's own is not from the pool. */
        ck_assert_int_eq(JOIN(&more, ALICE, "x0", "10.0.0.1"), 0);
        directory_leave(&directory, &more);

        directory_leave(&directory, &parties[5]);
        ck_assert_int_eq(JOIN(&more, ALICE, "x0"), 0);
        unit_assert_address(identity_address(more.identity, AF_INET), "192.0.2.246");
        directory_leave(&directory, &more);
        for (unsigned i = 0; i < ELEMENTSOF(parties); i++)
                directory_leave(&directory, &parties[i]);
        assert_empty();
}
END_TEST

/* Who wants neither name nor address gets link-local ones hashed from the app's id, never reserved ones. */
START_TEST(test_unnamed) {
        Party a = { .id = "app_1" }, b = { .id = "app_2" }, reserved = { .id = "app_130" };

        ck_assert_int_eq(JOIN(&a, ALICE, NULL), 0);
        ck_assert_int_eq(JOIN(&b, BOB, NULL), 0);
        ck_assert_ptr_ne(a.identity, b.identity);
        ck_assert_ptr_null(identity_name(a.identity));
        ck_assert_ptr_null(directory.by_name);
        unit_assert_address(identity_address(a.identity, AF_INET), "169.254.209.120");
        unit_assert_address(identity_address(a.identity, AF_INET6), "fe80::d9a6:3f47:af7:f12e");

        /* Its first candidate is in 169.254.255.0/24, which RFC 3927 reserves. */
        ck_assert_int_eq(JOIN(&reserved, ALICE, NULL), 0);
        unit_assert_address(identity_address(reserved.identity, AF_INET), "169.254.159.109");

        directory_leave(&directory, &a);
        directory_leave(&directory, &b);
        directory_leave(&directory, &reserved);
        assert_empty();
}
END_TEST

/* Of many unnamed apps none gets a link-local address that is reserved, or one twice. */
START_TEST(test_unnamed_many) {
        enum { MANY = 5000 };
        static Party parties[MANY];
        static char ids[MANY][16];

        for (unsigned i = 0; i < MANY; i++) {
                const Address *a;

                (void) snprintf(ids[i], sizeof(ids[i]), "app_%u", i);
                parties[i].id = ids[i];
                ck_assert_int_eq(JOIN(&parties[i], ALICE, NULL), 0);
                ck_assert_uint_eq(parties[i].identity->n_parties, 1);
                a = identity_address(parties[i].identity, AF_INET);
                ck_assert(address_is_link_local(a));
                ck_assert(a->bytes[2] != 0 && a->bytes[2] != 255);
                ck_assert(address_is_link_local(identity_address(parties[i].identity, AF_INET6)));
        }
        ck_assert_uint_eq(HASH_COUNT(directory.by_address), 2 * MANY);
        for (unsigned i = 0; i < MANY; i++)
                directory_leave(&directory, &parties[i]);
        assert_empty();
}
END_TEST

static int restore(Party *party, const char *name, uid_t owner, const char *const *texts) {
        Address addresses[IDENTITY_ADDRESSES_MAX];
        IdentityClaim claim = {
                .names = &name,
                .n_names = name ? 1 : 0,
                .addresses = addresses,
                .strategy = _STRATEGY_INVALID,
                .owner = owner,
        };

        for (; *texts; texts++)
                addresses[claim.n_addresses++] = unit_address(*texts);
        return directory_restore(&directory, party, &claim);
}

#define RESTORE(party, name, owner, ...) restore(party, name, owner, (const char *const[]){ __VA_ARGS__, NULL })

typedef struct ManyClaim {
        const char *const *names;
        const char *const *addresses;
        Strategy strategy;
} ManyClaim;

static IdentityClaim many_claim(const ManyClaim *many, Address *addresses, uid_t uid) {
        IdentityClaim claim = {
                .names = many->names,
                .addresses = addresses,
                .strategy = many->strategy,
                .uid = uid,
                .owner = uid,
                .id = "many",
        };

        for (const char *const *n = many->names; n && *n; n++)
                claim.n_names++;
        for (const char *const *a = many->addresses; a && *a; a++)
                addresses[claim.n_addresses++] = unit_address(*a);
        return claim;
}

static int join_many(Party *party, uid_t uid, const ManyClaim *many) {
        Address addresses[IDENTITY_ADDRESSES_MAX + 1];
        IdentityClaim claim = many_claim(many, addresses, uid);

        free(message);
        return directory_join(&directory, party, &claim, &message);
}

#define TEXTS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NAMES(...) (&(ManyClaim){ .names = TEXTS(__VA_ARGS__), .strategy = _STRATEGY_INVALID })

/* The first app says which names there are, each of which finds it, once each; addresses are those of the first name. */
START_TEST(test_names) {
        Party a = { .id = "web_1" }, alone = { .id = "web_2" };
        const Identity *i;

        ck_assert_int_eq(join_many(&a, ALICE, NAMES("web", "www", "shop.web", "www")), 0);
        i = a.identity;
        ck_assert_uint_eq(i->n_names, 3);
        ck_assert_str_eq(identity_name(i), "web");
        ck_assert_str_eq(i->names[1].name, "www");
        ck_assert_str_eq(i->names[2].name, "shop.web");
        for (size_t n = 0; n < i->n_names; n++) {
                ck_assert(identity_has_name(i, i->names[n].name));
                ck_assert_ptr_eq(directory_find_name(&directory, i->names[n].name), i);
        }
        ck_assert(!identity_has_name(i, "shop"));
        unit_assert_address(identity_address(i, AF_INET), "198.18.202.44");
        directory_leave(&directory, &a);
        assert_empty();
        ck_assert_int_eq(JOIN(&alone, ALICE, "web"), 0);
        unit_assert_address(identity_address(alone.identity, AF_INET), "198.18.202.44");
        directory_leave(&directory, &alone);
        assert_empty();
}
END_TEST

/* Others join by any of its names and addresses, in whatever order, and have them all. */
START_TEST(test_join_by_any) {
        const ManyClaim claims[] = {
                { .names = TEXTS("web") },
                { .names = TEXTS("www") },
                { .names = TEXTS("www", "web") },
                { .names = TEXTS("web", "www", "web") },
                { .addresses = TEXTS("10.0.0.2") },
                { .addresses = TEXTS("10.0.0.2", "10.0.0.1") },
                { .names = TEXTS("www"), .addresses = TEXTS("10.0.0.2") },
                { .names = TEXTS("www"), .addresses = TEXTS("fdaa:a55:317c:0:8b8f:9c35:7cbd:25aa") },
        };
        Party a = { .id = "web_1" }, b = { .id = "web_2" };

        ck_assert_int_eq(join_many(&a, ALICE,
                                   &(ManyClaim){ TEXTS("web", "www"), TEXTS("10.0.0.1", "10.0.0.2"), _STRATEGY_INVALID }),
                         0);
        for (size_t i = 0; i < ELEMENTSOF(claims); i++) {
                ck_assert_msg(join_many(&b, ALICE, &claims[i]) == 0, "%zu: %s", i, message);
                ck_assert_ptr_eq(b.identity, a.identity);
                ck_assert_uint_eq(a.identity->n_names, 2);
                ck_assert_uint_eq(a.identity->n_addresses, 3);
                directory_leave(&directory, &b);
        }
        directory_leave(&directory, &a);
        assert_empty();
}
END_TEST

/* A claim that mixes what two apps have, or adds to what one has, is refused, names the conflict and changes nothing. */
START_TEST(test_conflicts_of_names) {
        const struct {
                ManyClaim claim;
                int error;
                const char *message;
        } table[] = {
                { { .names = TEXTS("web", "db") }, -EEXIST, "Name web and name db belong to different apps" },
                { { .names = TEXTS("new", "web") },
                  -EEXIST,
                  "Name web belongs to an app with the names web, www, and new is none of them" },
                { { .names = TEXTS("www", "new") },
                  -EEXIST,
                  "Name www belongs to an app with the names web, www, and new is none of them" },
                { { .names = TEXTS("www"), .addresses = TEXTS("10.0.0.2") },
                  -EADDRINUSE,
                  "Name www and address 10.0.0.2 belong to different apps" },
                { { .names = TEXTS("new"), .addresses = TEXTS("10.0.0.3") },
                  -EEXIST,
                  "Address 10.0.0.3 belongs to an app without a name, so that it cannot be named new" },
                { { .addresses = TEXTS("10.0.0.1", "10.0.0.2") },
                  -EADDRINUSE,
                  "Address 10.0.0.1 and address 10.0.0.2 belong to different apps" },
        };
        Party web = { .id = "web_1" }, db = { .id = "db_2" }, unnamed = { .id = "app_3" }, other = { .id = "app_4" };

        ck_assert_int_eq(join_many(&web, ALICE, &(ManyClaim){ TEXTS("web", "www"), TEXTS("10.0.0.1"), _STRATEGY_INVALID }),
                         0);
        ck_assert_int_eq(JOIN(&db, ALICE, "db", "10.0.0.2"), 0);
        ck_assert_int_eq(JOIN(&unnamed, ALICE, NULL, "10.0.0.3"), 0);
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                /* Root is bound by this as well. */
                for (uid_t uid = 0; uid <= ALICE; uid += ALICE) {
                        ck_assert_int_eq(join_many(&other, uid, &table[i].claim), table[i].error);
                        ck_assert_str_eq(message, table[i].message);
                        ck_assert_ptr_null(other.identity);
                }
        ck_assert_ptr_null(directory_find_name(&directory, "new"));
        ck_assert_uint_eq(HASH_COUNT(directory.by_name), 3);
        /* Whose it is is said before that. */
        ck_assert_int_eq(join_many(&other, BOB, NAMES("new", "www")), -EEXIST);
        ck_assert_str_eq(message, "Name www belongs to an app of user 1000");
        directory_leave(&directory, &web);
        directory_leave(&directory, &db);
        directory_leave(&directory, &unnamed);
        assert_empty();
}
END_TEST

/* Eight names, no more. */
START_TEST(test_names_limit) {
        Party a = { .id = "web_1" };

        ck_assert_int_eq(join_many(&a, ALICE, NAMES("a", "b", "c", "d", "e", "f", "g", "h", "i")), -ENAMETOOLONG);
        ck_assert_str_eq(message, "More than 8 names were given");
        assert_empty();
        ck_assert_int_eq(join_many(&a, ALICE, NAMES("a", "b", "c", "d", "e", "f", "g", "h")), 0);
        ck_assert_uint_eq(a.identity->n_names, 8);
        directory_leave(&directory, &a);
        assert_empty();
}
END_TEST

/* A user has a number of names at most, whichever apps have them; who joins takes none, and root is not bound. */
START_TEST(test_names_of_user) {
        Party a = { .id = "a_1" }, b = { .id = "b_2" }, c = { .id = "c_3" }, d = { .id = "d_4" };
        Party root = { .id = "root_5" };

        directory.names_per_user_max = 3;
        ck_assert_int_eq(join_many(&a, ALICE, NAMES("a1", "a2")), 0);
        ck_assert_int_eq(join_many(&b, ALICE, NAMES("b1", "b2")), -EDQUOT);
        ck_assert_str_eq(message, "User 1000 would have 4 names, more than the 3 that NamesPerUserMax= allows");
        ck_assert_int_eq(join_many(&b, ALICE, NAMES("b1")), 0);
        ck_assert_int_eq(JOIN(&c, ALICE, "c1"), -EDQUOT);
        ck_assert_int_eq(JOIN(&c, ALICE, NULL, "10.0.0.1"), 0);
        ck_assert_int_eq(join_many(&d, ALICE, NAMES("a2", "a1")), 0);
        directory_leave(&directory, &d);
        ck_assert_int_eq(JOIN(&d, BOB, "d1"), 0);
        ck_assert_int_eq(join_many(&root, 0, NAMES("r1", "r2", "r3", "r4")), 0);
        directory_leave(&directory, &root);
        directory_leave(&directory, &b);
        directory_leave(&directory, &c);
        ck_assert_int_eq(JOIN(&c, ALICE, "c1"), 0);
        directory_leave(&directory, &a);
        directory_leave(&directory, &c);
        directory_leave(&directory, &d);
        assert_empty();
}
END_TEST

/* The first app says the strategy, else it is the directory's; another one later is refused by name. */
START_TEST(test_strategy) {
        Party a = { .id = "web_1" }, b = { .id = "web_2" };

        directory.strategy = STRATEGY_RANDOM;
        ck_assert_int_eq(join_many(&a, ALICE, NAMES("web")), 0);
        ck_assert_int_eq(a.identity->strategy, STRATEGY_RANDOM);
        ck_assert_int_eq(join_many(&b, ALICE, &(ManyClaim){ TEXTS("web"), NULL, STRATEGY_RANDOM }), 0);
        directory_leave(&directory, &b);
        ck_assert_int_eq(join_many(&b, ALICE, &(ManyClaim){ TEXTS("web"), NULL, STRATEGY_ROUND_ROBIN }), -EALREADY);
        ck_assert_str_eq(message,
                         "Connections to web are balanced by random, as its first app has it, not by round-robin");
        ck_assert_ptr_null(b.identity);
        directory_leave(&directory, &a);

        ck_assert_int_eq(join_many(&a, ALICE, &(ManyClaim){ TEXTS("web"), NULL, STRATEGY_SOURCE_HASH }), 0);
        ck_assert_int_eq(a.identity->strategy, STRATEGY_SOURCE_HASH);
        ck_assert_int_eq(join_many(&b, ALICE, NAMES("web")), 0);
        ck_assert_int_eq(b.identity->strategy, STRATEGY_SOURCE_HASH);
        directory_leave(&directory, &a);
        directory_leave(&directory, &b);
        assert_empty();
}
END_TEST

/* A virtual service has an identity that is claimed as apps' are, and that nobody joins or shares. */
START_TEST(test_service) {
        VirtualService service = { .id = (char *) "shop" };
        Party a = { .id = "web_1" };
        Address addresses[IDENTITY_ADDRESSES_MAX];
        IdentityClaim claim;
        Identity *i = NULL, *j = NULL;

        claim = many_claim(&(ManyClaim){ TEXTS("front", "www"), TEXTS("10.0.0.1"), STRATEGY_RANDOM }, addresses, ALICE);
        ck_assert_int_eq(directory_add_service(&directory, &service, &claim, &i, &message), 0);
        ck_assert_ptr_eq(i->service, &service);
        ck_assert_ptr_eq(directory_find_name(&directory, "www"), i);
        ck_assert_int_eq(i->strategy, STRATEGY_RANDOM);
        ck_assert_uint_eq(i->n_addresses, 2);
        ck_assert_uint_eq(i->owner, ALICE);

        ck_assert_int_eq(JOIN(&a, ALICE, "www"), -EEXIST);
        ck_assert_str_eq(message, "Name www belongs to the virtual service 'shop' of user 1000");
        ck_assert_int_eq(JOIN(&a, 0, NULL, "10.0.0.1"), -EADDRINUSE);
        ck_assert_str_eq(message, "Address 10.0.0.1 belongs to the virtual service 'shop' of user 1000");
        free(message);
        ck_assert_int_eq(directory_add_service(&directory, &service, &claim, &j, &message), -EEXIST);
        ck_assert_str_eq(message, "Name front belongs to the virtual service 'shop' of user 1000");

        ck_assert_int_eq(JOIN(&a, ALICE, "web", "10.0.0.2"), 0);
        free(message);
        claim = many_claim(&(ManyClaim){ TEXTS("other"), TEXTS("10.0.0.2"), STRATEGY_RANDOM }, addresses, ALICE);
        ck_assert_int_eq(directory_add_service(&directory, &service, &claim, &j, &message), -EADDRINUSE);
        ck_assert_str_eq(message, "Address 10.0.0.2 belongs to an app of user 1000");
        free(message);
        claim = many_claim(&(ManyClaim){ TEXTS("web"), NULL, STRATEGY_RANDOM }, addresses, ALICE);
        ck_assert_int_eq(directory_add_service(&directory, &service, &claim, &j, &message), -EEXIST);
        ck_assert_str_eq(message, "Name web belongs to an app of user 1000");
        ck_assert_ptr_null(j);
        directory_leave(&directory, &a);
        directory_remove_service(&directory, i);
        assert_empty();
}
END_TEST

/*
 * What holds for names whose hashes meet: who is there first has the address
 * of the hash, the other one its own next candidate; so the same order gives
 * the same, and the other order the other way round. A third name is not
 * touched by their order, and an address that is free again is had again.
 */
START_TEST(test_pool_order) {
        static const char *const orders[][3] = {
                { "n168", "n212", "web" }, { "n168", "web", "n212" }, { "web", "n168", "n212" },
                { "n212", "n168", "web" }, { "n212", "web", "n168" }, { "web", "n212", "n168" },
        };
        char last[ADDRESS_STRING_MAX] = "";

        for (size_t i = 0; i < ELEMENTSOF(orders); i++) {
                Party parties[3] = { { .id = "a" }, { .id = "b" }, { .id = "c" } };
                const Identity *n168, *n212;

                for (size_t p = 0; p < 3; p++)
                        ck_assert_int_eq(JOIN(&parties[p], ALICE, orders[i][p]), 0);
                n168 = directory_find_name(&directory, "n168");
                n212 = directory_find_name(&directory, "n212");
                unit_assert_address(identity_address(directory_find_name(&directory, "web"), AF_INET), "198.18.202.44");
                if (i < 3) {
                        unit_assert_address(identity_address(n168, AF_INET), "198.18.33.234");
                        unit_assert_address(identity_address(n212, AF_INET), "198.18.30.225");
                } else {
                        unit_assert_address(identity_address(n212, AF_INET), "198.18.33.234");
                        if (*last)
                                unit_assert_address(identity_address(n168, AF_INET), last);
                        else
                                (void) address_format(identity_address(n168, AF_INET), last);
                }
                for (size_t p = 0; p < 3; p++) {
                        char before[ADDRESS_STRING_MAX];

                        (void) address_format(identity_address(parties[p].identity, AF_INET), before);
                        directory_leave(&directory, &parties[p]);
                        ck_assert_int_eq(JOIN(&parties[p], ALICE, orders[i][p]), 0);
                        unit_assert_address(identity_address(parties[p].identity, AF_INET), before);
                }
                for (size_t p = 0; p < 3; p++)
                        directory_leave(&directory, &parties[p]);
                assert_empty();
        }
}
END_TEST

/* Names are back, too, in their order, and the strategy; a record with one more or one less is of another app. */
START_TEST(test_restore_names) {
        Address addresses[IDENTITY_ADDRESSES_MAX];
        Party a = { .id = "web_1" }, b = { .id = "web_2" };
        IdentityClaim claim;

        claim = many_claim(&(ManyClaim){ TEXTS("web", "www"), TEXTS("10.0.0.1", "fd00::1"), STRATEGY_SOURCE_HASH }, addresses,
                           ALICE);
        directory.names_per_user_max = 1; /* has been looked at before */
        ck_assert_int_eq(directory_restore(&directory, &a, &claim), 0);
        ck_assert_str_eq(identity_name(a.identity), "web");
        ck_assert_ptr_eq(directory_find_name(&directory, "www"), a.identity);
        ck_assert_int_eq(a.identity->strategy, STRATEGY_SOURCE_HASH);
        claim.n_names = 1;
        ck_assert_int_eq(directory_restore(&directory, &b, &claim), -EADDRINUSE);
        claim.names = TEXTS("web", "other");
        claim.n_names = 2;
        ck_assert_int_eq(directory_restore(&directory, &b, &claim), -EADDRINUSE);
        addresses[0] = unit_address("10.0.0.2");
        addresses[1] = unit_address("fd00::2");
        claim.names = TEXTS("other", "www");
        ck_assert_int_eq(directory_restore(&directory, &b, &claim), -EADDRINUSE);
        ck_assert_ptr_null(directory_find_name(&directory, "other"));
        directory_leave(&directory, &a);
        assert_empty();
}
END_TEST

/* Listeners are found by their port, those of one app side by side. */
START_TEST(test_ports) {
        static Backend backends[6];
        Party a = { .id = "web_1" }, b = { .id = "web_2" };
        const ServicePort *port;

        ck_assert_int_eq(JOIN(&a, ALICE, "web"), 0);
        ck_assert_int_eq(JOIN(&b, ALICE, "web"), 0);
        ck_assert_ptr_null(identity_find_port(a.identity, 80));
        for (unsigned i = 0; i < ELEMENTSOF(backends); i++) {
                backends[i] = (Backend){
                        .party = i % 2 ? &b : &a,
                        .family = AF_INET,
                        .bound = unit_endpoint("0.0.0.0", i < 5 ? 80 : 81),
                };
                ck_assert_int_eq(directory_add_backend(&directory, &backends[i]), 0);
        }
        port = identity_find_port(a.identity, 80);
        ck_assert_ptr_nonnull(port);
        ck_assert_ptr_eq(port->backends, &backends[0]);
        ck_assert_ptr_eq(backends[0].next, &backends[2]);
        ck_assert_ptr_eq(backends[2].next, &backends[4]);
        ck_assert_ptr_eq(backends[4].next, &backends[1]);
        ck_assert_ptr_eq(backends[1].next, &backends[3]);
        ck_assert_ptr_null(backends[3].next);
        ck_assert_ptr_eq(identity_find_port(a.identity, 81)->backends, &backends[5]);
        for (unsigned i = 0; i < ELEMENTSOF(backends); i++)
                directory_remove_backend(&directory, &backends[i]);
        ck_assert_ptr_null(a.identity->ports);
        directory_leave(&directory, &a);
        directory_leave(&directory, &b);
        assert_empty();
}
END_TEST

/* After a restart apps have what they had, though it is from the pool or link-local, and share what they shared. */
START_TEST(test_restore) {
        Party a = { .id = "web_1" }, b = { .id = "web_2" }, unnamed = { .id = "app_3" }, next = { .id = "web_4" };

        ck_assert_int_eq(RESTORE(&a, "web", ALICE, "10.0.0.1", "fdaa:a55:317c::1"), 0);
        ck_assert_int_eq(RESTORE(&b, "web", ALICE, "10.0.0.1", "fdaa:a55:317c::1"), 0);
        ck_assert_int_eq(RESTORE(&unnamed, NULL, BOB, "169.254.1.1", "fe80::1"), 0);
        ck_assert_ptr_eq(a.identity, b.identity);
        ck_assert_ptr_ne(a.identity, unnamed.identity);
        ck_assert_uint_eq(a.identity->n_parties, 2);
        ck_assert_uint_eq(a.identity->n_addresses, 2);
        ck_assert_uint_eq(a.identity->owner, ALICE);
        ck_assert_uint_eq(unnamed.identity->owner, BOB);
        ck_assert_ptr_eq(directory_find_name(&directory, "web"), a.identity);
        unit_assert_address(identity_address(unnamed.identity, AF_INET), "169.254.1.1");

        /* The owner is the one of then. */
        ck_assert_int_eq(JOIN(&next, BOB, "web"), -EEXIST);
        ck_assert_int_eq(JOIN(&next, ALICE, "web"), 0);
        ck_assert_ptr_eq(a.identity, next.identity);

        directory_leave(&directory, &a);
        directory_leave(&directory, &b);
        directory_leave(&directory, &next);
        directory_leave(&directory, &unnamed);
        assert_empty();
}
END_TEST

/* Records that contradict each other are not believed, and nothing comes of them. */
START_TEST(test_restore_contradiction) {
        Party a = { .id = "web_1" }, b = { .id = "web_2" };

        ck_assert_int_eq(RESTORE(&a, "web", ALICE, "10.0.0.1", "fd00::1"), 0);
        /* Its name with other addresses, */
        ck_assert_int_eq(RESTORE(&b, "web", ALICE, "10.0.0.2", "fd00::2"), -EADDRINUSE);
        /* its second address with another first one, */
        ck_assert_int_eq(RESTORE(&b, "db", ALICE, "10.0.0.2", "fd00::1"), -EADDRINUSE);
        /* its addresses with another name or none, */
        ck_assert_int_eq(RESTORE(&b, "db", ALICE, "10.0.0.1", "fd00::1"), -EADDRINUSE);
        ck_assert_int_eq(RESTORE(&b, NULL, ALICE, "10.0.0.1", "fd00::1"), -EADDRINUSE);
        /* its first address with another second one. */
        ck_assert_int_eq(RESTORE(&b, "web", ALICE, "10.0.0.1", "fd00::2"), -EADDRINUSE);

        ck_assert_ptr_null(b.identity);
        ck_assert_uint_eq(a.identity->n_parties, 1);
        ck_assert_ptr_null(directory_find_name(&directory, "db"));
        directory_leave(&directory, &a);
        assert_empty();
}
END_TEST

/* A record with as many addresses as there is room for, all of one family, leaves none for the other. */
START_TEST(test_restore_full) {
        Party a = { .id = "web_1" };

        ck_assert_int_lt(RESTORE(&a, "web", ALICE, "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5",
                                 "10.0.0.6", "10.0.0.7", "10.0.0.8"),
                         0);
        ck_assert_ptr_null(a.identity);
        assert_empty();
        ck_assert_int_eq(RESTORE(&a, "web", ALICE, "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5",
                                 "10.0.0.6", "10.0.0.7", "fd00::1"),
                         0);
        ck_assert_uint_eq(a.identity->n_addresses, 8);
        directory_leave(&directory, &a);
        assert_empty();
}
END_TEST

int main(void) {
        return UNIT_RUN("directory", setup, teardown, test_name, test_join_name, test_name_with_addresses,
                        test_join_name_with_addresses, test_join_address, test_conflicts, test_owner,
                        test_owner_of_new, test_owner_of_run_as, test_reserved, test_limit, test_pool_collision, test_pool_exhausted,
                        test_unnamed, test_unnamed_many, test_restore, test_restore_contradiction,
                        test_restore_full, test_names, test_join_by_any, test_conflicts_of_names, test_names_limit,
                        test_names_of_user, test_strategy, test_service, test_pool_order, test_restore_names,
                        test_ports);
}
