/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax list connections: who is connected to whom, as the kernel has it. */

#include <inttypes.h>

#include "basic/log.h"
#include "cli/bus.h"
#include "cli/connection.h"
#include "cli/error-status.h"
#include "cli/list.h"

static const char *const headers[] = {
        "CLIENT", "FROM", "SERVER", "TO", "TRANSPORT", "STATE", "OUT", "IN"
};

static int add_row(Table *t, const Connection *c) {
        _cleanup_free_ char *from = address_to_string(c->client_address, c->client_port),
                            *to = address_to_string(c->address, c->port);
        char out[32] = "", in[32] = "", state[64];

        if (!from || !to)
                return -ENOMEM;
        if (c->counted) {
                (void) snprintf(out, sizeof(out), "%" PRIu64, c->bytes_out);
                (void) snprintf(in, sizeof(in), "%" PRIu64, c->bytes_in);
        }
        (void) snprintf(state, sizeof(state), "%s%s", c->state, c->own ? ",own" : "");
        return table_add(t, (const char *const[ELEMENTSOF(headers)]){ c->client, from, c->server, to, c->transport, state,
                                                                      out, in });
}

int list_connections(sd_bus *bus, const Settings *settings) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_connection_list_ ConnectionList list = {};
        _cleanup_json_ json_object *array = NULL;
        _cleanup_table_ Table *t = NULL;
        int r;

        r = connection_list_get(&list, bus, &error);
        if (r < 0)
                return error_report("Failed to list connections", &error, r);
        connection_list_warn(&list);
        array = json_object_new_array();
        t = table_new(headers, ELEMENTSOF(headers));
        if (!array || !t)
                return log_oom();
        for (size_t i = 0; i < list.n_connections; i++) {
                r = settings->json == JSON_OFF ? add_row(t, &list.connections[i])
                                               : json_append(array, connection_to_json(&list.connections[i]));
                if (r < 0)
                        return log_oom();
        }
        if (settings->json == JSON_OFF)
                list_print_table(settings, t, list.n_connections, "connection");
        else if ((r = json_print(stdout, settings->json, array)) < 0)
                return log_error_errno(r, "Failed to write output: %m");
        return 0;
}
