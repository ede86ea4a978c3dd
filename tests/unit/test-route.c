/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves where connections go: to whom, in which turn, from which address, and why not. */

#include <string.h>

#include "model/route.h"
#include "unit.h"

/* Two instances of "web", one "db", one client; all with one tag in common unless a test says otherwise. */
static Directory directory;
static Party web1 = { .id = "web_1" }, web2 = { .id = "web_2" }, db = { .id = "db_3" }, client = { .id = "client_4" };

static void join(Party *party, const char *name, const char *address4, const char *address6) {
        Address addresses[] = { unit_address(address4), unit_address(address6) };
        IdentityClaim claim = {
                .names = &name,
                .n_names = 1,
                .addresses = addresses,
                .n_addresses = 2,
                .strategy = _STRATEGY_INVALID,
                .id = party->id,
        };
        _cleanup_free_ char *message = NULL;

        ck_assert_int_eq(directory_join(&directory, party, &claim, &message), 0);
        ck_assert_int_eq(tags_add(&party->tags, "zone=default"), 0);
}

static void leave(Party *party) {
        ServicePort *port, *tmp;

        HASH_ITER(hh, party->identity->ports, port, tmp)
                for (Backend *next, *b = port->backends; b; b = next) {
                        next = b->next;
                        if (b->party == party)
                                directory_remove_backend(&directory, b);
                }
        directory_leave(&directory, party);
        tags_done(&party->tags);
}

static void setup(void) {
        Pool four, six;

        ck_assert_int_eq(pool_parse("198.18.0.0/15", &four), 0);
        ck_assert_int_eq(pool_parse("fd00::/64", &six), 0);
        directory_init(&directory, &four, &six);
        join(&web1, "web", "198.18.0.10", "fd00::10");
        join(&web2, "web", "198.18.0.10", "fd00::10");
        join(&db, "db", "198.18.0.20", "fd00::20");
        join(&client, "client", "198.18.0.30", "fd00::30");
}

static void teardown(void) {
        leave(&web1);
        leave(&web2);
        leave(&db);
        leave(&client);
        directory_done(&directory);
}

static void set_tag(Party *party, const char *tag) {
        tags_done(&party->tags);
        ck_assert_int_eq(tags_add(&party->tags, tag), 0);
}

static uint64_t last_id;

/* Listens on a socket of `family` that is bound to this address. The backend outlives the test. */
static void listen_on(Backend *b, Party *party, int family, const char *address, uint16_t port) {
        *b = (Backend){ .party = party, .id = ++last_id, .family = family, .bound = unit_endpoint(address, port) };
        ck_assert_int_eq(directory_add_backend(&directory, b), 0);
}

static Route connect_from(Party *from, const char *address, uint16_t port) {
        Endpoint to = unit_endpoint(address, port);

        return route_connect(&directory, from, &to, 0, NULL);
}

static void assert_route(const char *address, uint16_t port, RouteVerdict verdict, const Backend *backend) {
        Route r = connect_from(&client, address, port);

        ck_assert_msg(r.verdict == verdict, "%s: %i", address, r.verdict);
        ck_assert_ptr_eq(r.backend, backend);
}

/* Instances get connections in turn, and so do the listeners of one instance. */
START_TEST(test_turns) {
        static Backend a, b;

        listen_on(&a, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&b, &web2, AF_INET, "0.0.0.0", 80);
        for (int i = 0; i < 6; i++)
                assert_route("198.18.0.10", 80, ROUTE_BACKEND, i % 2 ? &b : &a);
}
END_TEST

/* An instance with two listeners (SO_REUSEPORT) gets no more than one with one; its listeners take turns. */
START_TEST(test_turns_of_apps) {
        static Backend a1, a2, b;
        unsigned n_a1 = 0, n_a2 = 0, n_b = 0;

        listen_on(&a1, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&a2, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&b, &web2, AF_INET, "0.0.0.0", 80);
        for (int i = 0; i < 12; i++) {
                Route r = connect_from(&client, "198.18.0.10", 80);

                n_a1 += r.backend == &a1;
                n_a2 += r.backend == &a2;
                n_b += r.backend == &b;
        }
        ck_assert_uint_eq(n_a1, 3);
        ck_assert_uint_eq(n_a2, 3);
        ck_assert_uint_eq(n_b, 6);
}
END_TEST

/* A new instance gets one connection at once, and then its share: it has nothing to catch up on. */
START_TEST(test_turn_of_new) {
        static Backend a, b;

        listen_on(&a, &web1, AF_INET, "0.0.0.0", 80);
        for (int i = 0; i < 10; i++)
                assert_route("198.18.0.10", 80, ROUTE_BACKEND, &a);
        listen_on(&b, &web2, AF_INET, "0.0.0.0", 80);
        assert_route("198.18.0.10", 80, ROUTE_BACKEND, &b);
        assert_route("198.18.0.10", 80, ROUTE_BACKEND, &a);
        assert_route("198.18.0.10", 80, ROUTE_BACKEND, &b);
        directory_remove_backend(&directory, &a);
        assert_route("198.18.0.10", 80, ROUTE_BACKEND, &b);
        directory_remove_backend(&directory, &b);
        assert_route("198.18.0.10", 80, ROUTE_NO_BACKEND, NULL);
}
END_TEST

static Route connect_at(uint64_t now, const RouteTried *tried) {
        Endpoint to = unit_endpoint("198.18.0.10", 80);

        return route_connect(&directory, &client, &to, now, tried);
}

/* Who is started by a connect is asked when nobody listens, at that port only, and neither by himself nor while he drains. */
START_TEST(test_starts) {
        RouteTried tried = {};
        static Backend a, b;
        Route r;

        web2.starts[0] = 80;
        web2.n_starts = 1;
        r = connect_from(&client, "198.18.0.10", 80);
        ck_assert_int_eq(r.verdict, ROUTE_STARTS);
        ck_assert_ptr_eq(r.starts, &web2);
        ck_assert_int_eq(route_verdict_to_errno(r.verdict), 0);
        assert_route("198.18.0.10", 81, ROUTE_NO_BACKEND, NULL);
        ck_assert_int_eq(connect_from(&web2, "198.18.0.10", 80).verdict, ROUTE_NO_BACKEND);
        ck_assert_int_eq(connect_from(&web1, "127.0.0.1", 80).verdict, ROUTE_STARTS);
        web2.draining = true;
        assert_route("198.18.0.10", 80, ROUTE_NO_BACKEND, NULL);
        web2.draining = false;
        listen_on(&a, &web1, AF_INET, "0.0.0.0", 80);
        assert_route("198.18.0.10", 80, ROUTE_BACKEND, &a);
        /* The one that listens does not take it; and the one that is started by it listens, and does not either. */
        route_tried_add(&tried, a.id);
        r = connect_at(0, &tried);
        ck_assert_int_eq(r.verdict, ROUTE_STARTS);
        ck_assert_ptr_eq(r.starts, &web2);
        listen_on(&b, &web2, AF_INET, "0.0.0.0", 80);
        route_tried_add(&tried, b.id);
        ck_assert_int_eq(connect_at(0, &tried).verdict, ROUTE_NO_BACKEND);
        /* One that is being stopped is as one that is stopped. */
        web2.stopping = true;
        ck_assert_int_eq(connect_at(0, &tried).verdict, ROUTE_STARTS);
        assert_route("198.18.0.10", 80, ROUTE_BACKEND, &a);
        web2.stopping = false;
        directory_remove_backend(&directory, &a);
        directory_remove_backend(&directory, &b);
        web2.n_starts = 0;
}
END_TEST

/* Each port has turns of its own: who uses two of them in turn reaches all instances by each. */
START_TEST(test_turns_of_ports) {
        static Backend a80, a81, b80, b81;

        listen_on(&a80, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&a81, &web1, AF_INET, "0.0.0.0", 81);
        listen_on(&b80, &web2, AF_INET, "0.0.0.0", 80);
        listen_on(&b81, &web2, AF_INET, "0.0.0.0", 81);
        for (int i = 0; i < 6; i++) {
                assert_route("198.18.0.10", 80, ROUTE_BACKEND, i % 2 ? &b80 : &a80);
                assert_route("198.18.0.10", 81, ROUTE_BACKEND, i % 2 ? &b81 : &a81);
        }
}
END_TEST

/* Weights are those of apps, however many listeners each has. */
START_TEST(test_weights) {
        static Backend a1, a2, b;
        unsigned n_a1 = 0, n_a2 = 0, n_b = 0;

        web1.weight = 300;
        listen_on(&a1, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&b, &web2, AF_INET, "0.0.0.0", 80);
        listen_on(&a2, &web1, AF_INET, "198.18.0.10", 80);
        for (int i = 0; i < 80; i++) {
                Route r = connect_from(&client, "198.18.0.10", 80);

                n_a1 += r.backend == &a1;
                n_a2 += r.backend == &a2;
                n_b += r.backend == &b;
        }
        ck_assert_uint_eq(n_a1, 30);
        ck_assert_uint_eq(n_a2, 30);
        ck_assert_uint_eq(n_b, 20);
}
END_TEST

/* The identity's strategy decides: what apps have open, and what they were chosen for since that was counted. */
START_TEST(test_least_connections) {
        static Backend a, b;

        web1.identity->strategy = STRATEGY_LEAST_CONNECTIONS;
        listen_on(&a, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&b, &web2, AF_INET, "0.0.0.0", 80);
        web1.tally.connections = 3;
        for (int i = 0; i < 3; i++)
                assert_route("198.18.0.10", 80, ROUTE_BACKEND, &b);
        ck_assert_uint_eq(web2.tally.chosen, 3);
        assert_route("198.18.0.10", 80, ROUTE_BACKEND, &a);
        ck_assert_uint_eq(web1.tally.chosen, 1);
        /* A new count: all of web1's have ended. */
        web1.tally.connections = web1.tally.chosen = web2.tally.chosen = 0;
        web2.tally.connections = 3;
        for (int i = 0; i < 3; i++)
                assert_route("198.18.0.10", 80, ROUTE_BACKEND, &a);
}
END_TEST

/* By source hash a client has one instance by either family and with each connect, whatever another client has. */
START_TEST(test_source_hash) {
        static Backend a, b;
        const Backend *mine, *its;

        web1.identity->strategy = STRATEGY_SOURCE_HASH;
        listen_on(&a, &web1, AF_INET6, "::", 80);
        listen_on(&b, &web2, AF_INET6, "::", 80);
        mine = connect_from(&client, "198.18.0.10", 80).backend;
        its = connect_from(&db, "198.18.0.10", 80).backend;
        for (int i = 0; i < 10; i++) {
                ck_assert_ptr_eq(connect_from(&client, "198.18.0.10", 80).backend, mine);
                ck_assert_ptr_eq(connect_from(&client, "fd00::10", 80).backend, mine);
                ck_assert_ptr_eq(connect_from(&db, "198.18.0.10", 80).backend, its);
        }
}
END_TEST

/* Who drains gets no new connections, not from its fellows either, but its own; when all do, none is there. */
START_TEST(test_draining) {
        static Backend a, b;

        listen_on(&a, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&b, &web2, AF_INET, "0.0.0.0", 80);
        web1.draining = true;
        for (int i = 0; i < 4; i++) {
                assert_route("198.18.0.10", 80, ROUTE_BACKEND, &b);
                ck_assert_ptr_eq(connect_from(&web1, "127.0.0.1", 80).backend, &a);
        }
        web2.draining = true;
        assert_route("198.18.0.10", 80, ROUTE_NO_BACKEND, NULL);
        directory_remove_backend(&directory, &b);
        ck_assert_int_eq(connect_from(&web2, "127.0.0.1", 80).verdict, ROUTE_NO_BACKEND);
        ck_assert_ptr_eq(connect_from(&web1, "198.18.0.10", 80).backend, &a);
        web1.draining = false;
        assert_route("198.18.0.10", 80, ROUTE_BACKEND, &a);
        /* Whom tags forbid is told so all the same, unless there is one he may reach. */
        set_tag(&web1, "zone=other");
        assert_route("198.18.0.10", 80, ROUTE_REFUSED, NULL);
        listen_on(&b, &web2, AF_INET, "0.0.0.0", 80);
        assert_route("198.18.0.10", 80, ROUTE_NO_BACKEND, NULL);
}
END_TEST

/* What a connect has tried it does not try again, other listeners of the same app first; at the end there is none. */
START_TEST(test_tried) {
        static Backend a1, a2, b;
        RouteTried tried = {};
        Route r;

        listen_on(&a1, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&a2, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&b, &web2, AF_INET, "0.0.0.0", 80);
        for (int i = 0; i < 3; i++) {
                r = connect_at(0, &tried);
                ck_assert_int_eq(r.verdict, ROUTE_BACKEND);
                for (unsigned t = 0; t < tried.n; t++)
                        ck_assert_uint_ne(tried.ids[t], r.backend->id);
                route_tried_add(&tried, r.backend->id);
        }
        ck_assert_int_eq(connect_at(0, &tried).verdict, ROUTE_NO_BACKEND);
        ck_assert_int_eq(connect_at(0, NULL).verdict, ROUTE_BACKEND);
        /* So it stays if there is one more that tags forbid. */
        set_tag(&web2, "zone=other");
        ck_assert_int_eq(connect_at(0, &tried).verdict, ROUTE_NO_BACKEND);
}
END_TEST

/* A connect does not try for ever. */
START_TEST(test_tried_enough) {
        static Backend many[ELEMENTSOF(((RouteTried *) NULL)->ids) + 1];
        RouteTried tried = {};

        for (size_t i = 0; i < ELEMENTSOF(many); i++)
                listen_on(&many[i], i % 2 ? &web1 : &web2, AF_INET, "0.0.0.0", 80);
        for (size_t i = 0; i < ELEMENTSOF(tried.ids); i++) {
                Route r = connect_at(0, &tried);

                ck_assert_int_eq(r.verdict, ROUTE_BACKEND);
                route_tried_add(&tried, r.backend->id);
        }
        ck_assert_int_eq(connect_at(0, &tried).verdict, ROUTE_NO_BACKEND);
        route_tried_add(&tried, 1);
        ck_assert_uint_eq(tried.n, ELEMENTSOF(tried.ids));
}
END_TEST

/* Who rests is left alone, app or listener, until the rest is over; if all rest, the one whose rest ends first. */
START_TEST(test_rests) {
        static Backend a1, a2, b;

        listen_on(&a1, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&a2, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&b, &web2, AF_INET, "0.0.0.0", 80);
        rest_fail(&a1.rest, 0);
        for (int i = 0; i < 4; i++)
                ck_assert_ptr_eq(connect_at(1, NULL).backend, i % 2 ? &b : &a2);
        rest_fail(&a2.rest, 2);
        for (int i = 0; i < 4; i++)
                ck_assert_ptr_eq(connect_at(3, NULL).backend, &b);
        rest_fail(&b.rest, 1);
        for (int i = 0; i < 4; i++)
                ck_assert_ptr_eq(connect_at(3, NULL).backend, &a1);
        ck_assert_ptr_eq(connect_at(USEC_PER_SEC, NULL).backend, &a1);
        ck_assert_ptr_eq(connect_at(USEC_PER_SEC + 1, NULL).backend, &b);
}
END_TEST

/* To ask changes nothing, and the answer is what the next connect gets, whatever the strategy. */
START_TEST(test_explain) {
        static Backend a, b;
        Endpoint to = unit_endpoint("198.18.0.10", 80);

        listen_on(&a, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&b, &web2, AF_INET, "0.0.0.0", 80);
        for (Strategy s = 0; s < _STRATEGY_MAX; s++) {
                web1.identity->strategy = s;
                for (int i = 0; i < 20; i++) {
                        Route r = route_explain(&directory, &client, &to, 0);

                        ck_assert_int_eq(r.verdict, ROUTE_BACKEND);
                        ck_assert_ptr_eq(route_explain(&directory, &client, &to, 0).backend, r.backend);
                        ck_assert_ptr_eq(connect_at(0, NULL).backend, r.backend);
                }
        }
}
END_TEST

/* Ports and addresses are those of one app: the same port elsewhere and another port here are not meant. */
START_TEST(test_port) {
        static Backend a, b;

        listen_on(&a, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&b, &db, AF_INET, "0.0.0.0", 80);
        assert_route("198.18.0.10", 80, ROUTE_BACKEND, &a);
        assert_route("198.18.0.20", 80, ROUTE_BACKEND, &b);
        assert_route("198.18.0.10", 81, ROUTE_NO_BACKEND, NULL);
        assert_route("198.18.0.10", 0, ROUTE_NO_BACKEND, NULL);
}
END_TEST

/* Loopback is the client's own identity in all its instances, and never anybody else's. */
START_TEST(test_loopback) {
        static Backend a, b, other;
        Route r;

        listen_on(&a, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&b, &web2, AF_INET, "127.0.0.1", 81);
        listen_on(&other, &db, AF_INET, "127.0.0.1", 5432);

        r = connect_from(&web2, "127.0.0.1", 80);
        ck_assert_int_eq(r.verdict, ROUTE_BACKEND);
        ck_assert_ptr_eq(r.backend, &a);
        unit_assert_address(&r.to, "127.0.0.1");
        unit_assert_address(&r.source, "127.0.0.1");
        ck_assert_ptr_eq(connect_from(&web1, "127.0.0.1", 81).backend, &b);
        /* The rest of 127.0.0.0/8 reaches what is bound to all addresses. */
        r = connect_from(&web2, "127.0.0.2", 80);
        ck_assert_ptr_eq(r.backend, &a);
        unit_assert_address(&r.to, "127.0.0.2");
        unit_assert_address(&r.source, "127.0.0.1");
        ck_assert_int_eq(connect_from(&web1, "127.0.0.2", 81).verdict, ROUTE_NO_BACKEND);

        ck_assert_int_eq(connect_from(&web1, "127.0.0.1", 5432).verdict, ROUTE_NO_BACKEND);
        assert_route("127.0.0.1", 80, ROUTE_NO_BACKEND, NULL);
        assert_route("::1", 80, ROUTE_NO_BACKEND, NULL);
        /* What is bound to loopback is not reached by the virtual address. */
        assert_route("198.18.0.20", 5432, ROUTE_NO_BACKEND, NULL);
        ck_assert_int_eq(connect_from(&db, "127.0.0.1", 5432).verdict, ROUTE_BACKEND);
}
END_TEST

/* By loopback an app reaches itself as long as it listens, and its fellows in turn when it does not. */
START_TEST(test_loopback_self) {
        static Backend a, b1, b2;

        listen_on(&a, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&b1, &web2, AF_INET, "0.0.0.0", 80);
        listen_on(&b2, &web2, AF_INET, "0.0.0.0", 80);
        for (int i = 0; i < 4; i++) {
                ck_assert_ptr_eq(connect_from(&web1, "127.0.0.1", 80).backend, &a);
                ck_assert_ptr_eq(connect_from(&web1, "0.0.0.0", 80).backend, &a);
                ck_assert_ptr_eq(connect_from(&web2, "127.0.0.1", 80).backend, i % 2 ? &b2 : &b1);
        }
        directory_remove_backend(&directory, &a);
        ck_assert_ptr_eq(connect_from(&web1, "127.0.0.1", 80).backend, &b1);
        ck_assert_ptr_eq(connect_from(&web1, "127.0.0.1", 80).backend, &b2);
}
END_TEST

/* By its virtual address an app is one of the instances, and takes turns with them. */
START_TEST(test_own_address) {
        static Backend a, b;

        listen_on(&a, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&b, &web2, AF_INET, "0.0.0.0", 80);
        for (int i = 0; i < 4; i++)
                ck_assert_ptr_eq(connect_from(&web1, "198.18.0.10", 80).backend, i % 2 ? &b : &a);
}
END_TEST

/* An app means itself by loopback, by no address and by its own ones. */
START_TEST(test_is_own) {
        static const char *const own[] = { "127.0.0.1", "127.1.2.3", "::1", "0.0.0.0", "::", "198.18.0.30", "fd00::30" };
        static const char *const foreign[] = { "198.18.0.10", "fd00::10", "192.0.2.1", "::2", "128.0.0.1" };

        for (size_t i = 0; i < ELEMENTSOF(own); i++) {
                Address a = unit_address(own[i]);

                ck_assert_msg(route_is_own(&client, &a), "%s", own[i]);
        }
        for (size_t i = 0; i < ELEMENTSOF(foreign); i++) {
                Address a = unit_address(foreign[i]);

                ck_assert_msg(!route_is_own(&client, &a), "%s", foreign[i]);
        }
}
END_TEST

/* Within one identity no tag is needed: it is one app. */
START_TEST(test_loopback_tags) {
        static Backend a;

        listen_on(&a, &web1, AF_INET, "0.0.0.0", 80);
        set_tag(&web2, "zone=other");
        ck_assert_int_eq(connect_from(&web2, "127.0.0.1", 80).verdict, ROUTE_BACKEND);
        ck_assert_int_eq(connect_from(&web2, "198.18.0.10", 80).verdict, ROUTE_BACKEND);
}
END_TEST

/* 0.0.0.0 and :: are loopback for connect(2), and are told so. */
START_TEST(test_unspecified) {
        static Backend a, b;
        Route r;

        listen_on(&a, &client, AF_INET, "0.0.0.0", 80);
        listen_on(&b, &client, AF_INET6, "::1", 81);

        r = connect_from(&client, "0.0.0.0", 80);
        ck_assert_int_eq(r.verdict, ROUTE_BACKEND);
        ck_assert_ptr_eq(r.backend, &a);
        unit_assert_address(&r.to, "127.0.0.1");
        unit_assert_address(&r.source, "127.0.0.1");

        r = connect_from(&client, "::", 81);
        ck_assert_int_eq(r.verdict, ROUTE_BACKEND);
        ck_assert_ptr_eq(r.backend, &b);
        unit_assert_address(&r.to, "::1");
        unit_assert_address(&r.source, "::1");

        assert_route("::", 80, ROUTE_NO_BACKEND, NULL);
        ck_assert_int_eq(connect_from(&web1, "0.0.0.0", 80).verdict, ROUTE_NO_BACKEND);
}
END_TEST

/* What is bound to one address is reached by that one only, what is bound to all by each. */
START_TEST(test_binds) {
        static const struct {
                int family;
                const char *bound;
                bool v6only;
                const char *to;
                bool matches;
        } table[] = {
                { AF_INET, "198.18.0.10", false, "198.18.0.10", true },
                { AF_INET, "198.18.0.10", false, "198.18.0.11", false },
                { AF_INET, "198.18.0.10", false, "127.0.0.1", false },
                { AF_INET, "0.0.0.0", false, "198.18.0.10", true },
                { AF_INET, "0.0.0.0", false, "127.0.0.1", true },
                { AF_INET, "0.0.0.0", false, "fd00::10", false },
                { AF_INET, "0.0.0.0", false, "::1", false },
                /* Dual-stack */
                { AF_INET6, "::", false, "fd00::10", true },
                { AF_INET6, "::", false, "::1", true },
                { AF_INET6, "::", false, "198.18.0.10", true },
                { AF_INET6, "::", false, "127.0.0.1", true },
                /* IPV6_V6ONLY */
                { AF_INET6, "::", true, "fd00::10", true },
                { AF_INET6, "::", true, "::1", true },
                { AF_INET6, "::", true, "198.18.0.10", false },
                { AF_INET6, "::", true, "127.0.0.1", false },
                { AF_INET6, "fd00::10", false, "fd00::10", true },
                { AF_INET6, "fd00::10", false, "fd00::11", false },
                { AF_INET6, "fd00::10", false, "198.18.0.10", false },
                /* ::ffff:198.18.0.10 and ::ffff:0.0.0.0 on an AF_INET6 socket */
                { AF_INET6, "198.18.0.10", false, "198.18.0.10", true },
                { AF_INET6, "198.18.0.10", false, "fd00::10", false },
                { AF_INET6, "0.0.0.0", false, "198.18.0.10", true },
                { AF_INET6, "0.0.0.0", false, "127.0.0.1", true },
                { AF_INET6, "0.0.0.0", false, "fd00::10", false },
                { AF_INET6, "0.0.0.0", false, "::1", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Backend b = {
                        .family = table[i].family,
                        .bound = unit_endpoint(table[i].bound, 80),
                        .v6only = table[i].v6only,
                };
                Endpoint to = unit_endpoint(table[i].to, 80);

                ck_assert_msg(backend_matches(&b, &to) == table[i].matches, "%zu: %s %s", i, table[i].bound,
                              table[i].to);
                to.port = 81;
                ck_assert_msg(!backend_matches(&b, &to), "%zu", i);
        }
}
END_TEST

/* The verdicts tell apart: refused by tags, nothing listens, nobody there, not ours at all. */
START_TEST(test_verdicts) {
        static Backend a;
        Route r;

        listen_on(&a, &web1, AF_INET6, "::", 80);
        set_tag(&client, "zone=other");

        r = connect_from(&client, "198.18.0.10", 80);
        ck_assert_int_eq(r.verdict, ROUTE_REFUSED);
        ck_assert_ptr_eq(r.refused_by, &web1);
        ck_assert_ptr_null(r.backend);
        assert_route("fd00::10", 80, ROUTE_REFUSED, NULL);
        /* Who listens elsewhere refuses nothing. */
        r = connect_from(&client, "198.18.0.10", 81);
        ck_assert_int_eq(r.verdict, ROUTE_NO_BACKEND);
        ck_assert_ptr_null(r.refused_by);

        assert_route("198.18.0.11", 80, ROUTE_NO_HOST, NULL);
        assert_route("198.19.255.255", 80, ROUTE_NO_HOST, NULL);
        assert_route("fd00::11", 80, ROUTE_NO_HOST, NULL);
        assert_route("198.20.0.0", 80, ROUTE_NO_ROUTE, NULL);
        assert_route("192.0.2.1", 80, ROUTE_NO_ROUTE, NULL);
        assert_route("2001:db8::1", 80, ROUTE_NO_ROUTE, NULL);
        assert_route("255.255.255.255", 80, ROUTE_NO_ROUTE, NULL);

        set_tag(&client, "zone=default");
        assert_route("198.18.0.10", 80, ROUTE_BACKEND, &a);
}
END_TEST

/* Each app of an identity has tags of its own: only those that share one get the connection, in turn or not. */
START_TEST(test_tags_of_instances) {
        static Backend a, b;

        listen_on(&a, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&b, &web2, AF_INET, "0.0.0.0", 80);
        set_tag(&web1, "zone=other");
        for (int i = 0; i < 3; i++)
                assert_route("198.18.0.10", 80, ROUTE_BACKEND, &b);
        ck_assert_int_eq(tags_add(&client.tags, "zone=other"), 0);
        assert_route("198.18.0.10", 80, ROUTE_BACKEND, &a);
        assert_route("198.18.0.10", 80, ROUTE_BACKEND, &b);
        set_tag(&client, "zone=third");
        assert_route("198.18.0.10", 80, ROUTE_REFUSED, NULL);
}
END_TEST

/* A client without any tag reaches nobody but itself. */
START_TEST(test_no_tags) {
        static Backend a, own;

        listen_on(&a, &web1, AF_INET, "0.0.0.0", 80);
        listen_on(&own, &client, AF_INET, "0.0.0.0", 80);
        tags_done(&client.tags);
        assert_route("198.18.0.10", 80, ROUTE_REFUSED, NULL);
        assert_route("198.18.0.30", 80, ROUTE_BACKEND, &own);
}
END_TEST

/* Port 53 is the name service wherever it goes: it stays in the app's own namespace. */
START_TEST(test_name_service) {
        static const char *const servers[] = {
                "127.0.0.53", "192.0.2.1", "198.18.0.10", "198.18.0.99", "::1", "2001:db8::1", "0.0.0.0",
        };
        static Backend a;

        listen_on(&a, &web1, AF_INET, "0.0.0.0", 53);
        for (size_t i = 0; i < ELEMENTSOF(servers); i++)
                assert_route(servers[i], 53, ROUTE_NATIVE, NULL);
        assert_route("192.0.2.1", 54, ROUTE_NO_ROUTE, NULL);
}
END_TEST

/* The client speaks from its address of the same family; to itself, from the address it speaks to. */
START_TEST(test_source) {
        static const struct {
                const char *to, *source;
        } table[] = {
                { "198.18.0.10", "198.18.0.30" }, { "fd00::10", "fd00::30" },       { "198.18.0.99", "198.18.0.30" },
                { "192.0.2.1", "198.18.0.30" },   { "2001:db8::1", "fd00::30" },    { "198.18.0.30", "198.18.0.30" },
                { "fd00::30", "fd00::30" },       { "127.0.0.1", "127.0.0.1" },     { "::1", "::1" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Route r = connect_from(&client, table[i].to, 80);

                unit_assert_address(&r.to, table[i].to);
                unit_assert_address(&r.source, table[i].source);
        }
}
END_TEST

/* Of several own addresses it is the first one, but to a further own one that one. */
START_TEST(test_source_of_many) {
        Party many = { .id = "many_5" };
        Address addresses[] = { unit_address("10.0.0.1"), unit_address("10.0.0.2"), unit_address("fd00::1") };
        IdentityClaim claim = { .addresses = addresses, .n_addresses = 3, .id = many.id };
        _cleanup_free_ char *message = NULL;
        Route r;

        ck_assert_int_eq(directory_join(&directory, &many, &claim, &message), 0);
        r = connect_from(&many, "198.18.0.10", 80);
        unit_assert_address(&r.source, "10.0.0.1");
        r = connect_from(&many, "10.0.0.2", 80);
        unit_assert_address(&r.source, "10.0.0.2");
        directory_leave(&directory, &many);
}
END_TEST

/* A ping is for whoever has the address, listening or not, if one of his instances shares a tag. */
START_TEST(test_echo) {
        static const struct {
                const char *to;
                RouteVerdict verdict;
        } table[] = {
                { "198.18.0.10", ROUTE_BACKEND },  { "fd00::10", ROUTE_BACKEND },    { "198.18.0.20", ROUTE_REFUSED },
                { "fd00::20", ROUTE_REFUSED },     { "198.18.0.30", ROUTE_NATIVE },  { "fd00::30", ROUTE_NATIVE },
                { "127.0.0.1", ROUTE_NATIVE },     { "127.9.9.9", ROUTE_NATIVE },    { "::1", ROUTE_NATIVE },
                { "198.18.0.99", ROUTE_NO_HOST },  { "fd00::99", ROUTE_NO_HOST },    { "169.254.1.1", ROUTE_NO_HOST },
                { "192.0.2.1", ROUTE_NO_ROUTE },   { "2001:db8::1", ROUTE_NO_ROUTE },
        };

        set_tag(&db, "zone=other");
        set_tag(&web1, "zone=other");
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Address to = unit_address(table[i].to);

                ck_assert_int_eq(route_echo(&directory, &client, &to), table[i].verdict);
        }
}
END_TEST

/* It needs no tag to reach a fellow instance, and nobody's when the last one is gone. */
START_TEST(test_echo_instances) {
        Address to = unit_address("198.18.0.10");

        set_tag(&web1, "zone=other");
        ck_assert_int_eq(route_echo(&directory, &web1, &to), ROUTE_NATIVE);
        leave(&web2);
        ck_assert_int_eq(route_echo(&directory, &client, &to), ROUTE_REFUSED);
        leave(&web1);
        ck_assert_int_eq(route_echo(&directory, &client, &to), ROUTE_NO_HOST);
        join(&web1, "web", "198.18.0.10", "fd00::10");
        ck_assert_int_eq(route_echo(&directory, &client, &to), ROUTE_BACKEND);
        join(&web2, "web", "198.18.0.10", "fd00::10");
}
END_TEST

/* What an app may reach outside is what its Egress= says, and nothing that is virtual, loopback or a pool's. */
START_TEST(test_egress) {
        EgressItem items[] = {
                { .network = { unit_address("0.0.0.0"), 0 }, .first = 1, .last = 100 },
                { .network = { unit_address("::"), 0 }, .first = 1, .last = 100 },
        };
        const Egress egress = { .items = items, .n = ELEMENTSOF(items) };
        Route r;

        set_tag(&client, "zone=other");
        client.egress = &egress;
        r = connect_from(&client, "192.0.2.1", 80);
        ck_assert_int_eq(r.verdict, ROUTE_OUTSIDE);
        ck_assert_ptr_eq(r.egress.item, &items[0]);
        ck_assert_ptr_null(r.external);
        unit_assert_address(&r.target.address, "192.0.2.1");
        ck_assert_uint_eq(r.target.port, 80);
        unit_assert_address(&r.source, "198.18.0.30");
        r = connect_from(&client, "2001:db8::1", 80);
        ck_assert_int_eq(r.verdict, ROUTE_OUTSIDE);
        unit_assert_address(&r.source, "fd00::30");
        assert_route("192.0.2.1", 101, ROUTE_NO_EGRESS, NULL);
        assert_route("2001:db8::1", 101, ROUTE_NO_EGRESS, NULL);
        assert_route("192.0.2.1", 53, ROUTE_NATIVE, NULL);
        assert_route("224.0.0.1", 80, ROUTE_NO_ROUTE, NULL);
        assert_route("169.254.169.254", 80, ROUTE_NO_EGRESS, NULL);
        /* Of apps, and of nobody yet. */
        assert_route("198.18.0.99", 80, ROUTE_NO_HOST, NULL);
        assert_route("fd00::99", 80, ROUTE_NO_HOST, NULL);
        assert_route("198.18.0.10", 80, ROUTE_NO_BACKEND, NULL);
        assert_route("127.0.0.1", 80, ROUTE_NO_BACKEND, NULL);
        assert_route("0.0.0.0", 80, ROUTE_NO_BACKEND, NULL);
        assert_route("::1", 80, ROUTE_NO_BACKEND, NULL);
        client.egress = NULL;
        assert_route("192.0.2.1", 80, ROUTE_NO_ROUTE, NULL);
}
END_TEST

/* Each verdict is the errno that TCP gives for the like. */
START_TEST(test_errno) {
        ck_assert_int_eq(route_verdict_to_errno(ROUTE_BACKEND), 0);
        ck_assert_int_eq(route_verdict_to_errno(ROUTE_NATIVE), 0);
        ck_assert_int_eq(route_verdict_to_errno(ROUTE_REFUSED), EACCES);
        ck_assert_int_eq(route_verdict_to_errno(ROUTE_NO_BACKEND), ECONNREFUSED);
        ck_assert_int_eq(route_verdict_to_errno(ROUTE_NO_HOST), EHOSTUNREACH);
        ck_assert_int_eq(route_verdict_to_errno(ROUTE_NO_ROUTE), ENETUNREACH);
        ck_assert_int_eq(route_verdict_to_errno(ROUTE_OUTSIDE), 0);
        ck_assert_int_eq(route_verdict_to_errno(ROUTE_NO_EGRESS), EACCES);
}
END_TEST

int main(void) {
        return UNIT_RUN("route", setup, teardown, test_turns, test_turns_of_apps, test_turn_of_new, test_starts,
                        test_turns_of_ports, test_weights, test_least_connections, test_source_hash, test_draining,
                        test_tried, test_tried_enough, test_rests, test_explain, test_port,
                        test_loopback, test_loopback_self, test_own_address, test_is_own, test_loopback_tags,
                        test_unspecified, test_binds, test_verdicts, test_tags_of_instances, test_no_tags,
                        test_name_service, test_source, test_source_of_many, test_echo,
                        test_echo_instances, test_egress, test_errno);
}
