/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The connections between apps, as the daemon finds them in the kernel (ListConnections). */

#include <systemd/sd-bus.h>

#include "cli/json.h"

typedef struct Connection {
        char *client, *server; /* ids of apps; "": not known, or none of this host */
        char *client_address, *address;
        uint16_t client_port, port;
        char *transport, *state;
        uint64_t bytes_out, bytes_in;
        bool counted, own;
} Connection;

typedef struct ConnectionList {
        Connection *connections; /* sorted by server, port, client */
        size_t n_connections;
        bool truncated;
} ConnectionList;

void connection_list_done(ConnectionList *list);
#define _cleanup_connection_list_ _cleanup_(connection_list_done)

/* Asks the daemon. `list` is zeroed. Returns 0 or a negative errno with `error` set. */
int connection_list_get(ConnectionList *list, sd_bus *bus, sd_bus_error *error);

/* Keys: client, client_address, client_port, server, address, port, transport, state, own, bytes_out, bytes_in (null: not known). */
json_object *connection_to_json(const Connection *c);

/* "address:port", with brackets around an IPv6 address; NULL: out of memory. */
char *address_to_string(const char *address, uint16_t port);

/* Tells on standard error if there are more than are listed. */
void connection_list_warn(const ConnectionList *list);
