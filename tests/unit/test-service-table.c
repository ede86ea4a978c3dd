/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that the table of services follows the listeners, and what is told of it, and when. */

#include <string.h>

#include "bus/service-bus.h"
#include "core/service-table.h"
#include "unit.h"

static ServiceTable table;
static unsigned n_told;

static void on_change(void *userdata) {
        ck_assert_ptr_eq(userdata, &table);
        n_told++;
}

static void setup(void) {
        table = (ServiceTable){ .on_change = on_change, .userdata = &table };
}

static void teardown(void) {
        service_table_done(&table);
}

static Identity identity = { .n_addresses = 2 };
static Party party = { .id = "web_1", .identity = &identity };

static Listener make_listener(const char *address, uint16_t port) {
        identity.addresses[0].address = unit_address("198.18.0.10");
        identity.addresses[1].address = unit_address("fd00::10");
        return (Listener){
                .backend = {
                        .party = &party,
                        .bound = unit_endpoint(address, port),
                        .family = unit_address(address).family,
                },
        };
}

static Service *find(const char *address, uint16_t port) {
        const Endpoint at = unit_endpoint(address, port);

        return service_table_find(&table, &at);
}

/* All that is to be told is settled. Returns how many changes there were. */
static unsigned settle(void) {
        unsigned n = 0;

        for (Service *s; (s = service_table_next_change(&table)); n++)
                service_table_settle(&table, s);
        return n;
}

/* A listener at all addresses is a service at each that it takes connections at; one at a time is told of. */
START_TEST(test_addresses) {
        Listener both = make_listener("::", 80), four = make_listener("0.0.0.0", 81), one = make_listener("fd00::10", 82);

        service_table_add(&table, &both);
        service_table_add(&table, &four);
        service_table_add(&table, &one);
        ck_assert_uint_eq(n_told, 1);
        ck_assert_ptr_nonnull(find("198.18.0.10", 80));
        ck_assert_ptr_nonnull(find("fd00::10", 80));
        ck_assert_ptr_nonnull(find("198.18.0.10", 81));
        ck_assert_ptr_null(find("fd00::10", 81));
        ck_assert_ptr_null(find("198.18.0.10", 82));
        ck_assert_ptr_nonnull(find("fd00::10", 82));
        ck_assert_uint_eq(settle(), 4);
        ck_assert(find("fd00::10", 82)->announced);
        service_table_remove(&table, &both);
        service_table_remove(&table, &four);
        service_table_remove(&table, &one);
        ck_assert_uint_eq(n_told, 2);
        ck_assert_uint_eq(settle(), 4);
        ck_assert_ptr_null(table.services);
}
END_TEST

/* What came and went before anybody was told is not told of; what went and came again is a change. */
START_TEST(test_changes) {
        Listener a = make_listener("198.18.0.10", 80), b = make_listener("0.0.0.0", 80);
        Service *s;

        service_table_add(&table, &a);
        service_table_remove(&table, &a);
        ck_assert_uint_eq(settle(), 0);

        service_table_add(&table, &a);
        ck_assert_uint_eq(settle(), 1);
        service_table_remove(&table, &a);
        service_table_add(&table, &b);
        s = service_table_next_change(&table);
        ck_assert(s->announced && s->n_members == 1);
        ck_assert_ptr_eq(s->members->listener, &b);
        service_table_add(&table, &a);
        ck_assert_uint_eq(s->n_members, 2);
        ck_assert_uint_eq(settle(), 1);
        service_table_remove(&table, &b);
        ck_assert_uint_eq(s->n_members, 1);
        service_table_remove(&table, &a);
        ck_assert_uint_eq(settle(), 1);
}
END_TEST

/* What goes to loopback counts where it would be reached from outside; what is nobody's does not count. */
START_TEST(test_count) {
        Listener l = make_listener("::", 80);
        const Endpoint four = unit_endpoint("198.18.0.10", 80), loopback = unit_endpoint("127.0.0.1", 80),
                       six = unit_endpoint("::1", 80), other = unit_endpoint("198.18.0.10", 81);

        service_table_add(&table, &l);
        service_table_count(&table, &identity, &four, false);
        service_table_count(&table, &identity, &loopback, false);
        service_table_count(&table, &identity, &six, true);
        service_table_count(&table, &identity, &other, false);
        ck_assert_uint_eq(find("198.18.0.10", 80)->n_connections, 2);
        ck_assert_uint_eq(find("198.18.0.10", 80)->n_refused, 0);
        ck_assert_uint_eq(find("fd00::10", 80)->n_connections, 0);
        ck_assert_uint_eq(find("fd00::10", 80)->n_refused, 1);
        service_table_remove(&table, &l);
}
END_TEST

/* Each service has one path, which is a path of D-Bus, and is found by it; nothing else is. */
START_TEST(test_paths) {
        static const struct {
                const char *address;
                uint16_t port;
                const char *path;
        } good[] = {
                { "198.18.0.10", 80, "/io/appswitch1/service/tcp_198_18_0_10_80" },
                { "0.0.0.0", 0, "/io/appswitch1/service/tcp_0_0_0_0_0" },
                { "fd00::10", 65535, "/io/appswitch1/service/tcp_fd00__10_65535" },
                { "::1", 1, "/io/appswitch1/service/tcp___1_1" },
                { "1:2:3:4:5:6:7:8", 9, "/io/appswitch1/service/tcp_1_2_3_4_5_6_7_8_9" },
                { "::1.2.3.4", 80, "/io/appswitch1/service/tcp_0_0_0_0_0_0_102_304_80" },
                { "1:2:3::", 4, "/io/appswitch1/service/tcp_1_2_3___4" },
        };
        static const char *const bad[] = {
                "",
                "/io/appswitch1/service",
                "/io/appswitch1/service/tcp_",
                "/io/appswitch1/service/tcp_198_18_0_10",
                "/io/appswitch1/service/tcp_198_18_0_10_65536",
                "/io/appswitch1/service/tcp_198_18_0_10_080",
                "/io/appswitch1/service/tcp_198_18_0_10_-1",
                "/io/appswitch1/service/tcp_198_18_0_256_80",
                "/io/appswitch1/service/tcp_fd00_0_0_0_0_0_0_10_80",
                "/io/appswitch1/service/tcp_FD00__10_80",
                "/io/appswitch1/service/udp_198_18_0_10_80",
                "/io/appswitch1/service/tcp_198.18.0.10_80",
                "/io/appswitch1/service/tcp_1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111_80",
        };
        char buf[SERVICE_PATH_MAX];
        Endpoint at;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                const Endpoint e = unit_endpoint(good[i].address, good[i].port);

                ck_assert_str_eq(service_bus_path(&e, buf), good[i].path);
                ck_assert(sd_bus_object_path_is_valid(buf));
                ck_assert_int_eq(service_bus_parse_path(buf, &at), 0);
                ck_assert_mem_eq(&at, &e, sizeof(at));
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(service_bus_parse_path(bad[i], &at) == -EINVAL, "%s", bad[i]);
}
END_TEST

int main(void) {
        return UNIT_RUN("service-table", setup, teardown, test_addresses, test_changes, test_count, test_paths);
}
