/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "basic/text.h"
#include "bus/exposed-bus.h"
#include "core/errors.h"
#include "core/guarding.h"

enum {
        /* A bus takes a message of 32 MiB, and turns out who sends a longer one. */
        REPLY_SIZE_MAX = 16 * 1024 * 1024,
        ENTRY_SIZE = 512, /* of all but lists */
        WORD_SIZE = 8,    /* of a string in a list, besides the text */
};

/* A ListExposed that is not answered yet. */
typedef struct Listing {
        Manager *manager;
        sd_bus_message *message, *reply;
        const GuardCount *counts;
        size_t n_counts, size;
        bool guarded;
        int error;
} Listing;

static int append_property(Listing *l, const char *key, const char *type, ...) {
        va_list ap;
        int r;

        r = sd_bus_message_open_container(l->reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(l->reply, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(l->reply, 'v', type);
        va_start(ap, type);
        if (r >= 0)
                r = sd_bus_message_appendv(l->reply, type, ap);
        va_end(ap);
        if (r >= 0)
                r = sd_bus_message_close_container(l->reply);
        return r < 0 ? r : sd_bus_message_close_container(l->reply);
}

static int append_words(Listing *l, const char *key, char *const *words) {
        int r;

        for (char *const *w = words; w && *w; w++)
                l->size += strlen(*w) + WORD_SIZE;
        r = sd_bus_message_open_container(l->reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(l->reply, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(l->reply, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(l->reply, (char **) words);
        if (r >= 0)
                r = sd_bus_message_close_container(l->reply);
        return r < 0 ? r : sd_bus_message_close_container(l->reply);
}

/* The ids of those that the port leads to, which stay theirs: only the list is to be freed. Returns NULL when out of memory. */
static char **list_apps(const ExposedPort *port) {
        size_t n = 0;
        char **ids;

        for (const Party *party = port->identity->parties; party; party = party->next)
                n++;
        ids = calloc(n + 1, sizeof(*ids));
        if (!ids)
                return NULL;
        n = 0;
        for (Party *party = port->identity->parties; party; party = party->next) {
                App *app = CONTAINER_OF(party, App, party);

                if (app->state == APP_RUNNING && app->exposed && exposures_has(app, port))
                        ids[n++] = app->id;
        }
        return ids;
}

static int list_from(const Listing *l, const ExposedPort *port, char ***ret) {
        Networks networks = {};
        int r;

        r = guarding_networks(l->manager, port, &networks);
        if (r >= 0 || r == -E2BIG) {
                *ret = networks_to_strv(&networks);
                r = *ret ? 0 : -ENOMEM;
        }
        networks_done(&networks);
        return r;
}

static int append_port(Listing *l, const ExposedPort *port) {
        const GuardCount *count = guarding_find_count(l->counts, l->n_counts, port);
        _cleanup_free_ char **apps = list_apps(port);
        _cleanup_strv_ char **from = NULL;
        char text[ADDRESS_STRING_MAX];
        int r;

        if (!apps)
                return -ENOMEM;
        r = list_from(l, port, &from);
        if (r >= 0)
                r = sd_bus_message_open_container(l->reply, 'a', "{sv}");
        if (r >= 0)
                r = append_property(l, "Protocol", "s", "tcp");
        if (r >= 0)
                r = append_property(l, "Address", "s", address_format(&port->at.address, text));
        if (r >= 0)
                r = append_property(l, "HostPort", "q", port->at.port);
        if (r >= 0)
                r = append_property(l, "Port", "q", port->port);
        if (r >= 0)
                r = append_words(l, "Apps", apps);
        if (r >= 0)
                r = append_words(l, "From", from);
        if (r >= 0)
                r = append_property(l, "Listens", "b", (int) port->listens);
        if (r >= 0)
                r = append_property(l, "NAccepted", "t", port->n_accepted);
        if (r >= 0)
                r = append_property(l, "NRefused", "t", port->n_refused);
        if (r >= 0)
                r = append_property(l, "Guarded", "b", (int) (l->guarded && count));
        if (r >= 0)
                r = append_property(l, "Packets", "t", count ? count->packets : (uint64_t) 0);
        if (r >= 0)
                r = append_property(l, "Bytes", "t", count ? count->bytes : (uint64_t) 0);
        if (r >= 0)
                r = append_property(l, "PacketsRefused", "t", count ? count->refused : (uint64_t) 0);
        return r < 0 ? r : sd_bus_message_close_container(l->reply);
}

static void on_port(const ExposedPort *port, void *userdata) {
        Listing *l = userdata;

        if (l->error < 0)
                return;
        l->size += ENTRY_SIZE;
        l->error = l->size > REPLY_SIZE_MAX ? -E2BIG : append_port(l, port);
}

static int reply(Listing *l) {
        int r;

        r = sd_bus_message_new_method_return(l->message, &l->reply);
        if (r >= 0)
                r = sd_bus_message_open_container(l->reply, 'a', "a{sv}");
        if (r < 0)
                return r;
        exposures_foreach(l->manager->exposures, on_port, l);
        if (l->error < 0)
                return l->error;
        r = sd_bus_message_close_container(l->reply);
        return r < 0 ? r : sd_bus_send(NULL, l->reply, NULL);
}

/* Without counters the rest is told. */
static void on_counted(const GuardCount *counts, size_t n, int error, void *userdata) {
        Listing *l = userdata;
        int r = -ECANCELED;

        l->counts = counts;
        l->n_counts = n;
        l->guarded = error >= 0 && guarding_is_up(l->manager->guarding);
        if (error != -ECANCELED)
                r = reply(l);
        if (r == -E2BIG)
                (void) sd_bus_reply_method_errorf(l->message, ERROR_LIMIT_REACHED,
                                                  "There is too much for one answer; each app says what it exposes");
        else if (r < 0)
                (void) sd_bus_reply_method_errnof(l->message, -r, "Failed to list exposed ports: %s", strerror(-r));
        sd_bus_message_unref(l->reply);
        sd_bus_message_unref(l->message);
        free(l);
}

int method_list_exposed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Manager *manager = userdata;
        Listing *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        *l = (Listing){ .manager = manager, .message = sd_bus_message_ref(m) };
        r = guarding_count(manager->guarding, on_counted, l);
        if (r >= 0)
                return 1;
        sd_bus_message_unref(l->message);
        free(l);
        return r == -EAGAIN ? sd_bus_error_setf(error, ERROR_LIMIT_REACHED, "Too many calls wait for a list of exposed ports already")
                            : r;
}
