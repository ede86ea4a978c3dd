/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Proves that GetManagedObjects() is refused before its answer is one that a bus turns the daemon out for, whatever of
 * an app it is that is long: asked by a peer, over a bus of the two of them.
 */

#include <string.h>
#include <systemd/sd-bus.h>

#include "bus/bound.h"
#include "core/app.h"
#include "core/errors.h"
#include "unit.h"

enum { MESSAGE_MAX = 32 * 1024 * 1024 };

static Manager manager;
static sd_bus *client;

static void setup(void) {
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        ck_assert_int_ge(sd_bus_new(&manager.bus), 0);
        ck_assert_int_ge(sd_bus_set_fd(manager.bus, fds[0], fds[0]), 0);
        ck_assert_int_ge(sd_bus_set_server(manager.bus, true, (sd_id128_t){}), 0);
        ck_assert_int_ge(sd_bus_set_anonymous(manager.bus, true), 0);
        ck_assert_int_ge(sd_bus_start(manager.bus), 0);
        ck_assert_int_ge(bound_add(&manager), 0);
        ck_assert_int_ge(sd_bus_new(&client), 0);
        ck_assert_int_ge(sd_bus_set_fd(client, fds[1], fds[1]), 0);
        ck_assert_int_ge(sd_bus_start(client), 0);
}

static void teardown(void) {
        sd_bus_close_unref(client);
        sd_bus_close_unref(manager.bus);
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        *(int *) userdata = sd_bus_message_is_method_error(m, ERROR_LIMIT_REACHED) > 0;
        return 1;
}

/* What is not refused comes to nobody here, and is another error. */
static bool is_refused(void) {
        int refused = -1;

        ck_assert_int_ge(sd_bus_call_method_async(client, NULL, NULL, "/io/appswitch1", "org.freedesktop.DBus.ObjectManager",
                                                  "GetManagedObjects", on_answer, &refused, NULL), 0);
        while (refused < 0) {
                ck_assert_int_ge(sd_bus_process(manager.bus, NULL), 0);
                ck_assert_int_ge(sd_bus_process(client, NULL), 0);
        }
        return refused;
}

/* As many apps like this one as make it `size` octets of text, of which each has `each`. */
static void make_apps(const App *like, size_t each, size_t size) {
        for (size_t n = 0; n < size; n += each) {
                App *app = malloc(sizeof(*app));

                ck_assert_ptr_nonnull(app);
                *app = *like;
                ck_assert_int_gt(asprintf(&app->id, "a_%u", ++manager.n_apps), 0);
                HASH_ADD_KEYPTR(hh, manager.apps, app->id, strlen(app->id), app);
        }
}

START_TEST(egress) {
        EgressItem items[EGRESS_ITEMS_MAX];
        char name[250] = "";

        (void) memset(name, 'a', sizeof(name) - 1);
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                items[i] = (EgressItem){ .name = name, .first = 10000, .last = 20000 };
        make_apps(&(App){ .egress = { .items = items, .n = ELEMENTSOF(items) } }, sizeof(name) * ELEMENTSOF(items), MESSAGE_MAX);
        ck_assert(is_refused());
}
END_TEST

START_TEST(expose) {
        Network networks[NETWORKS_MAX];
        Expose exposes[EXPOSES_MAX];
        char text[EXPOSE_STRING_MAX];
        size_t size;

        for (size_t i = 0; i < ELEMENTSOF(networks); i++)
                networks[i] = (Network){ .address = unit_address("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"), .prefix = 127 };
        for (size_t i = 0; i < ELEMENTSOF(exposes); i++)
                exposes[i] = (Expose){ .port = 20000, .host_port = 30000, .n = 4, .address = networks[0].address };
        size = ELEMENTSOF(exposes) * (strlen(expose_format(&exposes[0], text)) + 5) +
               ELEMENTSOF(networks) * (strlen(network_format(&networks[0], text)) + 5);
        make_apps(&(App){ .exposes = exposes, .n_exposes = ELEMENTSOF(exposes),
                          .expose_from = { .networks = networks, .n = ELEMENTSOF(networks) } }, size, MESSAGE_MAX);
        ck_assert(is_refused());
}
END_TEST

/* What is short is answered. */
START_TEST(few) {
        ck_assert(!is_refused());
        make_apps(&(App){}, 1, 4096);
        ck_assert(!is_refused());
}
END_TEST

int main(void) {
        return UNIT_RUN("bound", setup, teardown, egress, expose, few);
}
