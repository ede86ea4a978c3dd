/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves who gets a connection from outside: those that expose the port to the client, by the identity's strategy, and nobody else. */

#include <string.h>

#include "model/route-incoming.h"
#include "unit.h"

enum { PORT = 80, N_PARTIES = 3 };

static Directory directory;
static Party parties[N_PARTIES];
static Backend backends[N_PARTIES + 1];
static bool exposes[N_PARTIES]; /* at all */
static const char *only[N_PARTIES]; /* to this client alone, or NULL: all */

static bool may(const Party *party, const Address *client, void *userdata) {
        const size_t i = (size_t) (party - parties);
        const Address allowed = unit_address(only[i] ?: "::");

        ck_assert_ptr_eq(userdata, &directory);
        return exposes[i] && (!client || !only[i] || address_equal(&allowed, client));
}

static RouteIncoming question(void) {
        return (RouteIncoming){
                .directory = &directory, .identity = parties[0].identity, .port = PORT, .may = may, .userdata = &directory,
        };
}

static Route incoming(const char *client, const RouteTried *tried) {
        const RouteIncoming q = question();
        const Address a = unit_address(client);

        return route_incoming(&q, &a, 0, tried);
}

static bool possible(int family, uint64_t except) {
        const RouteIncoming q = question();

        return route_incoming_is_possible(&q, family, except);
}

static void begin(Strategy strategy) {
        static const char *const ids[] = { "web_1", "web_2", "web_3" };
        const Address addresses[] = { unit_address("198.18.0.10"), unit_address("198.18.0.11"), unit_address("fd00::10") };
        const char *name = "web";
        Pool four, six;

        ck_assert_int_eq(pool_parse("198.18.0.0/15", &four), 0);
        ck_assert_int_eq(pool_parse("fd00::/64", &six), 0);
        directory_init(&directory, &four, &six);
        for (size_t i = 0; i < N_PARTIES; i++) {
                _cleanup_free_ char *message = NULL;

                exposes[i] = true;
                only[i] = NULL;
                parties[i] = (Party){ .id = ids[i] };
                ck_assert_int_eq(directory_join(&directory, &parties[i], &(IdentityClaim){
                        .names = &name, .n_names = 1, .addresses = addresses, .n_addresses = 3, .strategy = strategy, .id = ids[i],
                }, &message), 0);
        }
}

static void listen_on(size_t i, size_t party, int family, const char *address) {
        backends[i] = (Backend){ .party = &parties[party], .id = i + 1, .family = family, .bound = unit_endpoint(address, PORT) };
        ck_assert_int_eq(directory_add_backend(&directory, &backends[i]), 0);
}

static void end(void) {
        for (size_t i = 0; i < ELEMENTSOF(backends); i++)
                if (backends[i].party)
                        directory_remove_backend(&directory, &backends[i]);
        for (size_t i = 0; i < N_PARTIES; i++)
                directory_leave(&directory, &parties[i]);
        directory_done(&directory);
}

/* In turn, among those that expose it; drained ones and others have none. */
START_TEST(test_turns) {
        unsigned n[N_PARTIES] = {};

        begin(STRATEGY_ROUND_ROBIN);
        ck_assert_int_eq(incoming("192.0.2.1", NULL).verdict, ROUTE_NO_BACKEND);
        ck_assert(!possible(AF_INET, 0));
        for (size_t i = 0; i < N_PARTIES; i++)
                listen_on(i, i, AF_INET6, "::");
        exposes[1] = false;
        for (unsigned i = 0; i < 10; i++)
                n[incoming(i % 2 ? "192.0.2.1" : "2001:db8::1", NULL).backend->party - parties]++;
        ck_assert_uint_eq(n[0], 5);
        ck_assert_uint_eq(n[2], 5);
        parties[0].draining = true;
        for (unsigned i = 0; i < 4; i++)
                ck_assert_ptr_eq(incoming("192.0.2.1", NULL).backend->party, &parties[2]);
        exposes[2] = false;
        ck_assert_int_eq(incoming("192.0.2.1", NULL).verdict, ROUTE_REFUSED);
        ck_assert(!possible(AF_INET, 0));
        end();
}
END_TEST

/* Who may not reach one may reach another; who may reach none is refused. */
START_TEST(test_from) {
        begin(STRATEGY_ROUND_ROBIN);
        listen_on(0, 0, AF_INET6, "::");
        listen_on(1, 1, AF_INET6, "::");
        only[0] = "192.0.2.1";
        only[1] = "192.0.2.2";
        for (unsigned i = 0; i < 4; i++) {
                ck_assert_ptr_eq(incoming("192.0.2.1", NULL).backend->party, &parties[0]);
                ck_assert_ptr_eq(incoming("192.0.2.2", NULL).backend->party, &parties[1]);
        }
        ck_assert_int_eq(incoming("192.0.2.3", NULL).verdict, ROUTE_REFUSED);
        ck_assert(possible(AF_INET, 0));
        end();
}
END_TEST

/* A client stays with one, as long as that is there. */
START_TEST(test_source_hash) {
        Backend *first;
        unsigned others = 0;
        char client[32];

        begin(STRATEGY_SOURCE_HASH);
        for (size_t i = 0; i < N_PARTIES; i++)
                listen_on(i, i, AF_INET6, "::");
        first = incoming("192.0.2.1", NULL).backend;
        for (unsigned i = 0; i < 20; i++) {
                ck_assert_ptr_eq(incoming("192.0.2.1", NULL).backend, first);
                (void) snprintf(client, sizeof(client), "192.0.2.%u", i + 2);
                others += incoming(client, NULL).backend != first;
        }
        ck_assert_uint_gt(others, 5);
        end();
}
END_TEST

/* The listener is reached at an address that it is bound to, by the client's family; loopback is not for others. */
START_TEST(test_address) {
        RouteTried tried = {};
        Route r;

        begin(STRATEGY_ROUND_ROBIN);
        listen_on(0, 0, AF_INET, "127.0.0.1");
        ck_assert_int_eq(incoming("192.0.2.1", NULL).verdict, ROUTE_NO_BACKEND);
        ck_assert(!possible(AF_INET, 0));
        listen_on(1, 0, AF_INET, "198.18.0.11");
        r = incoming("192.0.2.1", NULL);
        ck_assert_ptr_eq(r.backend, &backends[1]);
        unit_assert_address(&r.target.address, "198.18.0.11");
        ck_assert_uint_eq(r.target.port, PORT);
        ck_assert_int_eq(incoming("2001:db8::1", NULL).verdict, ROUTE_NO_BACKEND);
        ck_assert(possible(AF_INET, 0) && !possible(AF_INET6, 0) && !possible(AF_INET, backends[1].id));
        listen_on(2, 1, AF_INET6, "fd00::10");
        r = incoming("2001:db8::1", NULL);
        ck_assert_ptr_eq(r.backend, &backends[2]);
        unit_assert_address(&r.target.address, "fd00::10");
        /* One that was tried is not tried again. */
        listen_on(3, 2, AF_INET, "0.0.0.0");
        route_tried_add(&tried, backends[1].id);
        r = incoming("192.0.2.1", &tried);
        ck_assert_ptr_eq(r.backend, &backends[3]);
        unit_assert_address(&r.target.address, "198.18.0.10");
        route_tried_add(&tried, backends[3].id);
        ck_assert_int_eq(incoming("192.0.2.1", &tried).verdict, ROUTE_NO_BACKEND);
        end();
}
END_TEST

int main(void) {
        return UNIT_RUN("route-incoming", NULL, NULL, test_turns, test_from, test_source_hash, test_address);
}
