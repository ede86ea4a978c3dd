/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves who is behind a virtual service at each moment, where its connections go, and whose names it has. */

#include <string.h>
#include <utlist.h>

#include "basic/text.h"
#include "model/members.h"
#include "model/route.h"
#include "unit.h"

static Directory directory;
static Party web1 = { .id = "web_1" }, web2 = { .id = "web_2" }, api = { .id = "api_3" }, client = { .id = "client_4" };
static Backend backends[8];
static size_t n_backends;
static unsigned n_changes;

static void join(Party *party, const char *name, const char *tag) {
        IdentityClaim claim = { .names = &name, .n_names = 1, .strategy = _STRATEGY_INVALID, .owner = 1000, .id = party->id };
        _cleanup_free_ char *message = NULL;

        ck_assert_int_eq(tags_add(&party->tags, tag), 0);
        ck_assert_int_eq(directory_join(&directory, party, &claim, &message), 0);
}

static void leave(Party *party) {
        for (size_t i = 0; i < n_backends; i++)
                if (backends[i].party == party) {
                        directory_remove_backend(&directory, &backends[i]);
                        backends[i].party = NULL;
                }
        directory_leave(&directory, party);
        tags_done(&party->tags);
}

static Backend *listen_on(Party *party, const char *address, uint16_t port) {
        Backend *b = &backends[n_backends++];

        *b = (Backend){ .party = party, .id = n_backends, .family = AF_INET, .bound = unit_endpoint(address, port) };
        ck_assert_int_eq(directory_add_backend(&directory, b), 0);
        return b;
}

static void stop(Backend *b) {
        directory_remove_backend(&directory, b);
        b->party = NULL;
}

static void on_change(VirtualService *service, void *userdata) {
        n_changes++;
}

static void setup(void) {
        Pool four, six;

        ck_assert_int_eq(pool_parse("198.18.0.0/15", &four), 0);
        ck_assert_int_eq(pool_parse("fd00::/64", &six), 0);
        directory_init(&directory, &four, &six);
        directory.members_changed = on_change;
        join(&web1, "web", "zone=a");
        join(&web2, "web", "zone=a");
        join(&api, "api", "zone=a");
        join(&client, "client", "zone=a");
        n_changes = 0;
}

static void teardown(void) {
        leave(&web1);
        leave(&web2);
        leave(&api);
        leave(&client);
        while (directory.services)
                virtual_service_remove(&directory, directory.services);
        ck_assert_ptr_null(directory.selected);
        ck_assert_ptr_null(directory.externals);
        directory_done(&directory);
}

/* Settings out of "Key=value" words. */
static void parse(ServiceSettings *s, const char *id, const char *words) {
        _cleanup_free_ char *copy = strdup(words), *message = NULL;
        char *rest = copy, *word, *value;

        *s = (ServiceSettings){};
        while ((word = strsep(&rest, " "))) {
                value = strchr(word, '=');
                *value++ = '\0';
                ck_assert_int_eq(service_settings_set(s, service_key_from_string(word), value, &message), 0);
        }
        ck_assert_int_eq(service_settings_complete(s, id, "zone=a", &message), 0);
}

static int try_add(const char *id, uid_t uid, const char *words, VirtualService **ret, char **ret_message) {
        ServiceSettings s;
        int r;

        parse(&s, id, words);
        r = virtual_service_add(&directory, &(ServiceClaim){ .id = id, .uid = uid }, &s, ret, ret_message);
        service_settings_done(&s);
        return r;
}

static VirtualService *add(const char *id, const char *words) {
        _cleanup_free_ char *message = NULL;
        VirtualService *service = NULL;

        ck_assert_msg(try_add(id, 0, words, &service, &message) == 0, "%s", message);
        ck_assert_ptr_eq(directory_find_service(&directory, id), service);
        return service;
}

static int change(VirtualService *service, const char *words, char **ret_message) {
        ServiceSettings s;
        int r;

        parse(&s, service->id, words);
        r = virtual_service_change(&directory, service, &s, ret_message);
        service_settings_done(&s);
        return r;
}

static Route ask(const VirtualService *service, uint16_t port, uint64_t now, const RouteTried *tried) {
        Endpoint to = { *identity_address(service->party.identity, AF_INET), port };

        return route_connect(&directory, &client, &to, now, tried);
}

static void assert_route(const VirtualService *service, uint16_t port, RouteVerdict verdict, const Backend *backend) {
        Route r = ask(service, port, 1, NULL);

        ck_assert_int_eq(r.verdict, verdict);
        ck_assert_ptr_eq(r.backend, backend);
}

/* To this address, whoever has it. */
static void assert_target(const VirtualService *service, uint16_t port, uint64_t now, const char *address) {
        Route r = ask(service, port, now, NULL);

        unit_assert_address(&r.target.address, address);
}

/* By the ids of the parties, in their order. */
static void assert_members(const VirtualService *service, const char *ids) {
        _cleanup_strv_ char **v = NULL;
        _cleanup_free_ char *text = NULL;

        for (const Membership *m = service->members; m; m = m->next)
                ck_assert_int_eq(strv_append(&v, m->party->id), 0);
        ck_assert_uint_eq(service->n_members, strv_length(v));
        text = strv_join(v, " ");
        ck_assert_str_eq(text, ids);
}

START_TEST(test_members_by_name) {
        VirtualService *service = add("shop", "Port=80 Backend=app:web");

        assert_members(service, "web_1 web_2");
        leave(&web1);
        assert_members(service, "web_2");
        join(&web1, "web", "zone=a");
        assert_members(service, "web_2 web_1");
        ck_assert_uint_eq(n_changes, 2);
}
END_TEST

/* A party is a member once, by however many selectors. */
START_TEST(test_members_by_tag) {
        VirtualService *service = add("shop", "Port=80 Backend=tag:tier=web Backend=app:web Backend=tag:zone=a"),
                       *other = add("other", "Port=80 Backend=tag:tier=web");

        ck_assert_uint_eq(service->n_members, 4);
        assert_members(other, "");
        ck_assert_int_eq(tags_add(&api.tags, "tier=web"), 0);
        ck_assert_int_eq(members_update_party(&directory, &api), 0);
        ck_assert_uint_eq(service->n_members, 4);
        assert_members(other, "api_3");
        tags_done(&api.tags);
        ck_assert_int_eq(members_update_party(&directory, &api), 0);
        ck_assert_uint_eq(service->n_members, 3);
        assert_members(other, "");
        ck_assert_uint_eq(n_changes, 3);
}
END_TEST

/* Apps that are there, or come, before and after their listeners. */
START_TEST(test_listeners) {
        Backend *a = listen_on(&web1, "0.0.0.0", 8080), *b, *more;
        VirtualService *service = add("shop", "Port=80:8080 Port=81:8080 Backend=app:web");

        assert_route(service, 80, ROUTE_BACKEND, a);
        assert_route(service, 81, ROUTE_BACKEND, a);
        b = listen_on(&web2, "0.0.0.0", 8080);
        assert_route(service, 80, ROUTE_BACKEND, b);
        assert_route(service, 80, ROUTE_BACKEND, a);
        assert_route(service, 80, ROUTE_BACKEND, b);
        stop(b);
        assert_route(service, 80, ROUTE_BACKEND, a);
        assert_route(service, 80, ROUTE_BACKEND, a);
        more = listen_on(&web1, "0.0.0.0", 8080);
        stop(a);
        assert_route(service, 80, ROUTE_BACKEND, more);
        stop(more);
        assert_route(service, 80, ROUTE_NO_BACKEND, NULL);
}
END_TEST

/* Two listeners of one app take turns, which are those of the app. */
START_TEST(test_listeners_of_one) {
        Backend *a = listen_on(&web1, "0.0.0.0", 80), *b = listen_on(&web1, "0.0.0.0", 80), *c = listen_on(&api, "0.0.0.0", 80);
        VirtualService *service = add("shop", "Port=80 Backend=app:web Backend=app:api");
        unsigned n[3] = {};

        for (unsigned i = 0; i < 12; i++) {
                Route r = ask(service, 80, 1, NULL);

                n[r.backend == a ? 0 : r.backend == b ? 1 : 2]++;
        }
        ck_assert_uint_eq(n[0], 3);
        ck_assert_uint_eq(n[1], 3);
        ck_assert_uint_eq(n[2], 6);
        ck_assert_ptr_nonnull(c);
}
END_TEST

/* What is dialed is the app's own address; what was meant stays the service's. */
START_TEST(test_target) {
        Backend *a = listen_on(&web1, "0.0.0.0", 8080);
        VirtualService *service = add("shop", "Address=198.18.7.7 Port=80:8080 Backend=app:web");
        Route r = ask(service, 80, 1, NULL);

        ck_assert_ptr_eq(r.backend, a);
        unit_assert_address(&r.to, "198.18.7.7");
        ck_assert_uint_eq(r.target.port, 8080);
        ck_assert(address_equal(&r.target.address, identity_address(web1.identity, AF_INET)));
        ck_assert(address_equal(&r.source, identity_address(client.identity, AF_INET)));
}
END_TEST

/* An app that is its own backend speaks from the address it speaks to. */
START_TEST(test_to_itself) {
        Backend *a = listen_on(&client, "0.0.0.0", 80);
        VirtualService *service = add("shop", "Port=80 Backend=app:client");
        Route r = ask(service, 80, 1, NULL);

        ck_assert_ptr_eq(r.backend, a);
        ck_assert(address_equal(&r.source, &r.target.address));
}
END_TEST

START_TEST(test_other_ports) {
        VirtualService *service;

        (void) listen_on(&web1, "0.0.0.0", 8080);
        (void) listen_on(&web1, "0.0.0.0", 81);
        service = add("shop", "Port=80:8080 Backend=app:web");
        assert_route(service, 8080, ROUTE_NO_BACKEND, NULL);
        assert_route(service, 81, ROUTE_NO_BACKEND, NULL);
        ck_assert_int_eq(ask(service, 53, 1, NULL).verdict, ROUTE_NATIVE);
}
END_TEST

/* The client shares a tag with the service, the service with the app; the client need not with the app. */
START_TEST(test_tags) {
        Backend *a = listen_on(&web1, "0.0.0.0", 80);
        VirtualService *closed = add("closed", "Port=80 Backend=app:web Tag=zone=b"), *door;
        Route r = ask(closed, 80, 1, NULL);

        ck_assert_int_eq(r.verdict, ROUTE_REFUSED);
        ck_assert_ptr_eq(r.refused_by, &closed->party);
        ck_assert_ptr_null(r.refused);
        tags_done(&client.tags);
        ck_assert_int_eq(tags_add(&client.tags, "zone=b"), 0);
        r = ask(closed, 80, 1, NULL);
        ck_assert_int_eq(r.verdict, ROUTE_REFUSED);
        ck_assert_ptr_eq(r.refused_by, &web1);
        ck_assert_ptr_eq(r.refused, &closed->party);
        door = add("door", "Port=80 Backend=app:web Tag=zone=a Tag=zone=b");
        assert_route(door, 80, ROUTE_BACKEND, a);
        /* Nobody listens: that is told before what nobody may do. */
        assert_route(closed, 81, ROUTE_NO_BACKEND, NULL);
}
END_TEST

START_TEST(test_echo) {
        VirtualService *service = add("shop", "Port=80 Backend=app:nobody"), *outside = add("out", "Port=80 Backend=10.0.0.1:80");

        ck_assert_int_eq(route_echo(&directory, &client, identity_address(service->party.identity, AF_INET)), ROUTE_NO_HOST);
        ck_assert_int_eq(route_echo(&directory, &client, identity_address(outside->party.identity, AF_INET)), ROUTE_BACKEND);
        tags_done(&client.tags);
        ck_assert_int_eq(tags_add(&client.tags, "zone=b"), 0);
        ck_assert_int_eq(route_echo(&directory, &client, identity_address(outside->party.identity, AF_INET)), ROUTE_REFUSED);
        service = add("web-b", "Port=80 Backend=app:web Tag=zone=b");
        ck_assert_int_eq(route_echo(&directory, &client, identity_address(service->party.identity, AF_INET)), ROUTE_REFUSED);
        service = add("web-ab", "Port=80 Backend=app:web Tag=zone=b Tag=zone=a");
        ck_assert_int_eq(route_echo(&directory, &client, identity_address(service->party.identity, AF_INET)), ROUTE_BACKEND);
}
END_TEST

START_TEST(test_draining) {
        Backend *a = listen_on(&web1, "0.0.0.0", 80), *b = listen_on(&web2, "0.0.0.0", 80);
        VirtualService *service = add("shop", "Port=80 Backend=app:web");

        web1.draining = true;
        for (int i = 0; i < 3; i++)
                assert_route(service, 80, ROUTE_BACKEND, b);
        web2.draining = true;
        assert_route(service, 80, ROUTE_NO_BACKEND, NULL);
        web1.draining = web2.draining = false;
        assert_route(service, 80, ROUTE_BACKEND, a);
}
END_TEST

/* What was tried is not given again. */
START_TEST(test_tried) {
        Backend *a = listen_on(&web1, "0.0.0.0", 80), *b = listen_on(&web2, "0.0.0.0", 80);
        VirtualService *service = add("shop", "Port=80 Backend=app:web");
        RouteTried tried = { .n = 1, .ids = { a->id } };

        for (int i = 0; i < 3; i++)
                ck_assert_ptr_eq(ask(service, 80, 1, &tried).backend, b);
        tried.ids[tried.n++] = b->id;
        ck_assert_int_eq(ask(service, 80, 1, &tried).verdict, ROUTE_NO_BACKEND);
        /* Enough is enough: what did not fit is not tried without end. */
        tried = (RouteTried){ .n = ELEMENTSOF(tried.ids) };
        ck_assert_int_eq(ask(service, 80, 1, &tried).verdict, ROUTE_NO_BACKEND);
}
END_TEST

START_TEST(test_externals) {
        VirtualService *service = add("db", "Port=5432 Backend=10.0.0.1:6432 Backend=10.0.0.2:5432 Backend=[fd77::1]:5432");
        uint64_t first;
        External *external;
        Endpoint to = { *identity_address(service->party.identity, AF_INET6), 5432 };
        unsigned n[3] = {};
        _cleanup_free_ char *message = NULL;
        Route r;

        r = ask(service, 5432, 1, NULL);
        ck_assert_int_eq(r.verdict, ROUTE_EXTERNAL);
        unit_assert_address(&r.target.address, "10.0.0.1");
        ck_assert_uint_eq(r.target.port, 6432);
        first = r.external->id;
        r = ask(service, 5432, 1, NULL);
        unit_assert_address(&r.target.address, "10.0.0.2");
        ck_assert_uint_ne(r.external->id, first);
        /* Whatever the family of what the client connects to. */
        assert_target(service, 5432, 1, "fd77::1");
        for (int i = 0; i < 6; i++) {
                r = route_connect(&directory, &client, &to, 1, NULL);
                n[r.target.address.family == AF_INET6 ? 2 : r.target.address.bytes[3] - 1]++;
        }
        ck_assert_uint_ge(n[0], 1);
        ck_assert_uint_ge(n[1], 1);
        ck_assert_uint_ge(n[2], 1);

        /* One that failed rests, and stays so over a change of what else there is. */
        external = directory_find_external(&directory, first);
        ck_assert_ptr_nonnull(external);
        rest_fail(&external->rest, 1);
        for (int i = 0; i < 4; i++)
                assert_target(service, 5432, 2, i % 2 ? "fd77::1" : "10.0.0.2");
        ck_assert_int_eq(change(service, "Port=5432 Backend=10.0.0.1:6432 Backend=10.0.0.2:5432", &message), 0);
        ck_assert_ptr_null(directory_find_external(&directory, first));
        for (int i = 0; i < 3; i++)
                assert_target(service, 5432, 2, "10.0.0.2");
}
END_TEST

/* With the preference, what is on this node gets all as long as it is there. */
START_TEST(test_prefer_local) {
        Backend *a = listen_on(&web1, "0.0.0.0", 80);
        VirtualService *service = add("shop", "Port=80 Backend=app:web Backend=10.0.0.1:80 PreferLocal=yes");

        for (int i = 0; i < 4; i++)
                assert_route(service, 80, ROUTE_BACKEND, a);
        stop(a);
        ck_assert_int_eq(ask(service, 80, 1, NULL).verdict, ROUTE_EXTERNAL);
        service = add("host", "Port=81 Backend=10.0.0.1:80 Backend=host:80 PreferLocal=yes");
        for (int i = 0; i < 4; i++)
                assert_target(service, 81, 1, "127.0.0.1");
}
END_TEST

START_TEST(test_strategy) {
        VirtualService *service;
        const Backend *first;

        (void) listen_on(&web1, "0.0.0.0", 80);
        (void) listen_on(&web2, "0.0.0.0", 80);
        (void) listen_on(&api, "0.0.0.0", 80);
        service = add("shop", "Port=80 Backend=app:web Backend=app:api Strategy=source-hash");
        first = ask(service, 80, 1, NULL).backend;
        for (int i = 0; i < 5; i++)
                assert_route(service, 80, ROUTE_BACKEND, first);
        /* Turns of different services, and of the apps' own addresses, are none of each other's. */
        service = add("shop2", "Port=80 Backend=app:web Backend=app:api Strategy=least-connections");
        web1.tally.connections = api.tally.connections = 9;
        web1.tally.chosen = web2.tally.chosen = api.tally.chosen = 0;
        for (int i = 0; i < 5; i++)
                ck_assert_ptr_eq(ask(service, 80, 1, NULL).backend->party, &web2);
}
END_TEST

/* Names and addresses have one owner: the message says who. */
START_TEST(test_owners) {
        _cleanup_free_ char *of_app = NULL, *of_service = NULL, *address = NULL, *pool = NULL, *join_it = NULL;
        VirtualService *service, *none = NULL;
        const char *name = "shop", *web = "web";
        Party party = { .id = "shop_9" };
        IdentityClaim claim = { .names = &name, .n_names = 1, .strategy = _STRATEGY_INVALID, .id = "shop_9" };
        char text[128], a[ADDRESS_STRING_MAX];

        service = add("shop", "Port=80 Backend=app:web");
        ck_assert_int_eq(try_add("web", 0, "Port=80 Backend=app:api", &none, &of_app), -EEXIST);
        ck_assert_str_eq(of_app, "Name web belongs to an app of user 1000");
        ck_assert_int_eq(try_add("other", 1001, "Name=other Name=shop Port=80 Backend=app:web", &none, &of_service), -EEXIST);
        ck_assert_str_eq(of_service, "Name shop belongs to the virtual service 'shop' of user 0");
        (void) snprintf(text, sizeof(text), "Address=%s Port=80 Backend=app:web",
                        address_format(identity_address(web1.identity, AF_INET), a));
        ck_assert_int_eq(try_add("third", 0, text, &none, &address), -EADDRINUSE);
        ck_assert_ptr_nonnull(strstr(address, "belongs to an app of user 1000"));
        ck_assert_int_eq(directory_join(&directory, &party, &claim, &join_it), -EEXIST);
        ck_assert_str_eq(join_it, "Name shop belongs to the virtual service 'shop' of user 0");
        ck_assert_int_eq(try_add("fourth", 0, "Port=80 Backend=198.18.0.9:80", &none, &pool), -EINVAL);
        ck_assert_ptr_nonnull(strstr(pool, "'198.18.0.9:80': the address is a virtual one"));
        ck_assert_ptr_null(none);
        ck_assert_ptr_eq(directory.services, service);
        ck_assert_ptr_eq(service->hh.next, NULL);
        ck_assert_ptr_eq(directory_find_name(&directory, web), web1.identity);
        ck_assert_uint_eq(directory_count_services(&directory, 0), 1);
}
END_TEST

/* A change is whole or none, and the address from the pool stays with the name. */
START_TEST(test_change) {
        Backend *a = listen_on(&web1, "0.0.0.0", 80), *c = listen_on(&api, "0.0.0.0", 90);
        VirtualService *service = add("shop", "Port=80 Backend=app:web");
        _cleanup_free_ char *failed = NULL, *done = NULL, *renamed = NULL;
        const Address four = *identity_address(service->party.identity, AF_INET);

        assert_route(service, 80, ROUTE_BACKEND, a);
        ck_assert_int_eq(change(service, "Name=shop Name=web Port=80:90 Backend=app:other", &failed), -EEXIST);
        assert_members(service, "web_1 web_2");
        ck_assert(address_equal(identity_address(service->party.identity, AF_INET), &four));
        ck_assert_ptr_eq(directory_find_name(&directory, "shop"), service->party.identity);
        assert_route(service, 80, ROUTE_BACKEND, a);

        ck_assert_int_eq(change(service, "Name=shop Name=store Address=198.18.3.3 Port=70:90 Backend=app:api Tag=zone=a", &done), 0);
        assert_members(service, "api_3");
        unit_assert_address(identity_address(service->party.identity, AF_INET), "198.18.3.3");
        ck_assert_ptr_eq(directory_find_name(&directory, "store"), service->party.identity);
        ck_assert_ptr_null(directory_find_address(&directory, &four));
        assert_route(service, 70, ROUTE_BACKEND, c);
        assert_route(service, 80, ROUTE_NO_BACKEND, NULL);

        ck_assert_int_eq(change(service, "Name=store Port=70:90 Backend=app:api", &renamed), 0);
        ck_assert_ptr_null(directory_find_name(&directory, "shop"));
}
END_TEST

/* Who has more names than he may have by now keeps them, also when a change is refused for that. */
START_TEST(test_change_beyond_limit) {
        _cleanup_free_ char *added = NULL, *failed = NULL, *fewer = NULL;
        VirtualService *service;
        const Address *four;
        Address before;

        ck_assert_int_eq(try_add("shop", 1001, "Name=shop Name=store Name=sale Port=80 Backend=app:web", &service, &added), 0);
        before = *identity_address(service->party.identity, AF_INET);
        directory.names_per_user_max = 1;
        ck_assert_int_eq(change(service, "Name=shop Name=store Port=80 Backend=app:api", &failed), -EDQUOT);
        ck_assert_ptr_nonnull(strstr(failed, "User 1001 would have 2 names"));
        ck_assert_ptr_eq(directory_find_name(&directory, "sale"), service->party.identity);
        four = identity_address(service->party.identity, AF_INET);
        ck_assert(address_equal(four, &before));
        assert_members(service, "web_1 web_2");
        ck_assert_int_eq(change(service, "Name=shop Port=80 Backend=app:api", &fewer), 0);
        assert_members(service, "api_3");
}
END_TEST

/* What it had before a restart it gets again, unless somebody has it. */
START_TEST(test_known_addresses) {
        _cleanup_free_ char *message = NULL;
        Address known[] = { unit_address("198.18.9.9"), *identity_address(web1.identity, AF_INET6) };
        VirtualService *service;
        ServiceSettings s;

        parse(&s, "shop", "Port=80 Backend=app:web");
        ck_assert_int_eq(virtual_service_add(&directory, &(ServiceClaim){ .id = "shop", .known = known, .n_known = 2 }, &s, &service, &message), 0);
        unit_assert_address(identity_address(service->party.identity, AF_INET), "198.18.9.9");
        ck_assert(!address_equal(identity_address(service->party.identity, AF_INET6), &known[1]));
}
END_TEST

int main(void) {
        return UNIT_RUN("virtual-service", setup, teardown, test_members_by_name, test_members_by_tag, test_listeners,
                        test_listeners_of_one, test_target, test_to_itself, test_other_ports, test_tags, test_echo, test_draining,
                        test_tried, test_externals, test_prefer_local, test_strategy, test_owners, test_change,
                        test_change_beyond_limit, test_known_addresses);
}
