/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax list services: what apps listen on, with who is behind it. */

#include <inttypes.h>
#include <string.h>

#include "basic/log.h"
#include "basic/text.h"
#include "cli/bus-json.h"
#include "cli/bus.h"
#include "cli/error-status.h"
#include "cli/list.h"
#include "cli/objects.h"

static const char *const headers[] = {
        "PROTOCOL", "ADDRESS", "PORT", "NAMES", "BACKENDS", "STRATEGY", "CONNECTIONS", "REFUSED"
};

/* Properties, and what they are called in JSON. */
static const struct {
        const char *property, *key;
} keys[ELEMENTSOF(headers)] = {
        { "Protocol", "protocol" },   { "Address", "address" },          { "Port", "port" },
        { "Names", "names" },         { "Backends", "backends" },        { "Strategy", "strategy" },
        { "NConnections", "connections" }, { "NRefused", "refused" },
};

static int read_service(sd_bus_message *m, void *userdata) {
        _cleanup_json_ json_object *properties = NULL, *service = json_object_new_object();
        json_object *array = userdata;
        int r;

        if (!service)
                return -ENOMEM;
        r = bus_json_read(m, &properties);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                json_object *value;

                if (!json_object_object_get_ex(properties, keys[i].property, &value))
                        return -EBADMSG;
                if (json_set(service, keys[i].key, json_object_get(value)) < 0)
                        return -ENOMEM;
        }
        return json_append(array, TAKE_PTR(service));
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
static int format_cell(json_object *service, const char *key, char **ret) {
        _cleanup_strv_ char **words = NULL;
        json_object *value = NULL;

        (void) json_object_object_get_ex(service, key, &value);
        if (!json_object_is_type(value, json_type_array))
                *ret = strdup(get_text(service, key));
        else {
                for (size_t i = 0; i < json_object_array_length(value); i++)
                        if (strv_append(&words, json_object_get_string(json_object_array_get_idx(value, i))) < 0)
                                return -ENOMEM;
                *ret = strv_join(words, ",");
        }
        return *ret ? 0 : -ENOMEM;
}

static int add_row(Table *t, json_object *service) {
        char *cells[ELEMENTSOF(headers)] = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(cells); i++)
                r = format_cell(service, keys[i].key, &cells[i]);
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
        json_object_array_sort(array, compare);
        if (settings->json != JSON_OFF) {
                r = json_print(stdout, settings->json, array);
                return r < 0 ? log_error_errno(r, "Failed to write output: %m") : 0;
        }
        for (size_t i = 0; i < json_object_array_length(array); i++)
                if (add_row(t, json_object_array_get_idx(array, i)) < 0)
                        return log_oom();
        list_print_table(settings, t, json_object_array_length(array), "service");
        return 0;
}
