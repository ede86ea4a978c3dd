/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax list services: what apps listen on, with who is behind it. */

#include <string.h>

#include "basic/log.h"
#include "cli/bus.h"
#include "cli/error-status.h"
#include "cli/list.h"
#include "cli/objects.h"

static const char *const headers[] = {
        "PROTOCOL", "ADDRESS", "PORT", "NAMES", "BACKENDS", "STRATEGY", "CONNECTIONS", "REFUSED"
};

/* Each is a column. */
static const ListKey keys[ELEMENTSOF(headers)] = {
        { "Protocol", "protocol" },   { "Address", "address" },          { "Port", "port" },
        { "Names", "names" },         { "Backends", "backends" },        { "Strategy", "strategy" },
        { "NConnections", "connections" }, { "NRefused", "refused" },
};

static int read_service(sd_bus_message *m, void *userdata) {
        int r = list_read_properties(m, keys, ELEMENTSOF(keys), userdata);

        return r < 0 ? r : 0;
}

static const char *get_text(json_object *service, const char *key) {
        json_object *value = NULL;

        (void) json_object_object_get_ex(service, key, &value);
        return value ? json_object_get_string(value) : "";
}

static int compare(const void *a, const void *b) {
        json_object *x = *(json_object *const *) a, *y = *(json_object *const *) b;
        int c = strverscmp(get_text(x, "address"), get_text(y, "address"));

        return c ?: strverscmp(get_text(x, "port"), get_text(y, "port"));
}

/* A cell: an array is a list with commas. */
static char *format_cell(json_object *service, const char *key) {
        json_object *value = NULL;

        (void) json_object_object_get_ex(service, key, &value);
        return json_object_is_type(value, json_type_array) ? json_join(value) : strdup(get_text(service, key));
}

static int add_row(Table *t, json_object *service) {
        char *cells[ELEMENTSOF(headers)] = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(cells); i++) {
                cells[i] = format_cell(service, keys[i].key);
                r = cells[i] ? 0 : -ENOMEM;
        }
        if (r >= 0)
                r = table_add(t, (const char *const *) cells);
        for (size_t i = 0; i < ELEMENTSOF(cells); i++)
                free(cells[i]);
        return r;
}

int list_services(sd_bus *bus, const Settings *settings) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_json_ json_object *array = json_object_new_array();
        _cleanup_table_ Table *t = table_new(headers, ELEMENTSOF(headers));
        int r;

        if (!array || !t)
                return log_oom();
        r = objects_read(bus, "io.appswitch1.Service", read_service, array, &error);
        if (r < 0)
                return error_report("Failed to list services", &error, r);
        return list_print_objects(settings, array, compare, t, add_row, "service");
}
