/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "basic/log.h"
#include "cli/bus.h"
#include "cli/connection.h"

/* The kernel is asked, and others may have asked before. */
#define TIMEOUT_USEC (60 * USEC_PER_SEC)

void connection_list_done(ConnectionList *list) {
        for (size_t i = 0; i < list->n_connections; i++) {
                Connection *c = &list->connections[i];

                free(c->client);
                free(c->server);
                free(c->client_address);
                free(c->address);
                free(c->transport);
                free(c->state);
        }
        free(list->connections);
        *list = (ConnectionList){};
}

static int list_grow(ConnectionList *list, size_t *allocated) {
        Connection *grown;

        if (list->n_connections < *allocated)
                return 0;
        grown = reallocarray(list->connections, MAX2(2 * *allocated, (size_t) 64), sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        list->connections = grown;
        *allocated = MAX2(2 * *allocated, (size_t) 64);
        return 0;
}

static int read_connection(ConnectionList *list, sd_bus_message *m, size_t *allocated) {
        const char *client, *client_address, *server, *address, *transport, *state;
        uint16_t client_port, port;
        uint64_t out, in;
        int counted, own, r;
        Connection *c;

        r = sd_bus_message_read(m, "(ssqssqssttbb)", &client, &client_address, &client_port, &server, &address, &port,
                                &transport, &state, &out, &in, &counted, &own);
        if (r <= 0)
                return r;
        if (list_grow(list, allocated) < 0)
                return -ENOMEM;
        c = &list->connections[list->n_connections++];
        *c = (Connection){
                .client = strdup(client),
                .client_address = strdup(client_address),
                .client_port = client_port,
                .server = strdup(server),
                .address = strdup(address),
                .port = port,
                .transport = strdup(transport),
                .state = strdup(state),
                .bytes_out = out,
                .bytes_in = in,
                .counted = counted,
                .own = own,
        };
        return c->client && c->client_address && c->server && c->address && c->transport && c->state ? 1 : -ENOMEM;
}

static int compare(const void *a, const void *b) {
        const Connection *x = a, *y = b;
        int c = strverscmp(x->server, y->server);

        c = c ?: strverscmp(x->address, y->address);
        c = c ?: (int) x->port - (int) y->port;
        c = c ?: strverscmp(x->client, y->client);
        c = c ?: strverscmp(x->client_address, y->client_address);
        return c ?: (int) x->client_port - (int) y->client_port;
}

int connection_list_get(ConnectionList *list, sd_bus *bus, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        size_t allocated = 0;
        int r, truncated;

        r = bus_new_call(bus, "ListConnections", false, &m);
        if (r >= 0)
                r = sd_bus_call(bus, m, TIMEOUT_USEC, error, &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(ssqssqssttbb)");
        if (r < 0)
                return r;
        while ((r = read_connection(list, reply, &allocated)) > 0)
                ;
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "b", &truncated);
        if (r < 0)
                return r;
        list->truncated = truncated;
        if (list->n_connections > 0)
                qsort(list->connections, list->n_connections, sizeof(*list->connections), compare);
        return 0;
}

json_object *connection_to_json(const Connection *c) {
        _cleanup_json_ json_object *o = json_object_new_object();

        if (!o || json_set(o, "client", json_string(c->client)) < 0 ||
            json_set(o, "client_address", json_string(c->client_address)) < 0 ||
            json_set(o, "client_port", json_object_new_int(c->client_port)) < 0 ||
            json_set(o, "server", json_string(c->server)) < 0 || json_set(o, "address", json_string(c->address)) < 0 ||
            json_set(o, "port", json_object_new_int(c->port)) < 0 ||
            json_set(o, "transport", json_string(c->transport)) < 0 || json_set(o, "state", json_string(c->state)) < 0 ||
            json_set(o, "own", json_object_new_boolean(c->own)) < 0)
                return NULL;
        /* A value that is null is NULL to json-c. */
        if (!c->counted) {
                if (json_object_object_add(o, "bytes_out", NULL) < 0 || json_object_object_add(o, "bytes_in", NULL) < 0)
                        return NULL;
        } else if (json_set(o, "bytes_out", json_object_new_uint64(c->bytes_out)) < 0 ||
                   json_set(o, "bytes_in", json_object_new_uint64(c->bytes_in)) < 0)
                return NULL;
        return TAKE_PTR(o);
}

char *address_to_string(const char *address, uint16_t port) {
        const bool brackets = strchr(address, ':');
        char *s;

        if (asprintf(&s, "%s%s%s:%u", brackets ? "[" : "", address, brackets ? "]" : "", port) < 0)
                return NULL;
        return s;
}

void connection_list_warn(const ConnectionList *list) {
        if (list->truncated)
                log_warning("There are more connections than these.");
}
