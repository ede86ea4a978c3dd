/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax list exposed: ports of the host that lead to apps, who may reach them, and what came. */

#include <inttypes.h>
#include <string.h>

#include "basic/log.h"
#include "basic/text.h"
#include "cli/bus-json.h"
#include "cli/bus.h"
#include "cli/connection.h"
#include "cli/error-status.h"
#include "cli/list.h"

static const char *const headers[] = {
        "HOST", "PORT", "APPS", "FROM", "STATE", "ACCEPTED", "REFUSED", "PACKETS", "BYTES"
};

/* What the daemon says, and what it is called in JSON. */
static const struct {
        const char *property, *key;
} keys[] = {
        { "Protocol", "protocol" }, { "Address", "address" },    { "HostPort", "host_port" }, { "Port", "port" },
        { "Apps", "apps" },         { "From", "from" },          { "Listens", "listens" },    { "NAccepted", "accepted" },
        { "NRefused", "refused" },  { "Guarded", "guarded" },    { "Packets", "packets" },    { "Bytes", "bytes" },
        { "PacketsRefused", "packets_refused" },
};

static int read_exposed(sd_bus_message *m, json_object *array) {
        _cleanup_json_ json_object *properties = NULL, *exposed = json_object_new_object();
        int r;

        if (!exposed)
                return -ENOMEM;
        r = bus_json_read(m, &properties);
        if (r <= 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                json_object *value;

                if (!json_object_object_get_ex(properties, keys[i].property, &value))
                        return -EBADMSG;
                if (json_set(exposed, keys[i].key, json_object_get(value)) < 0)
                        return -ENOMEM;
        }
        return json_append(array, TAKE_PTR(exposed)) < 0 ? -ENOMEM : 1;
}

static int read_all(sd_bus *bus, json_object *array, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = bus_new_call(bus, "ListExposed", false, &m);
        if (r >= 0)
                r = sd_bus_call(bus, m, 0, error, &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "a{sv}");
        while (r >= 0 && (r = read_exposed(reply, array)) > 0)
                ;
        return r;
}

static json_object *get(json_object *exposed, const char *key) {
        json_object *value = NULL;

        (void) json_object_object_get_ex(exposed, key, &value);
        return value;
}

static uint64_t get_number(json_object *exposed, const char *key) {
        return json_object_get_uint64(get(exposed, key));
}

static int compare(const void *a, const void *b) {
        json_object *x = *(json_object *const *) a, *y = *(json_object *const *) b;
        int c = (int) get_number(x, "host_port") - (int) get_number(y, "host_port");

        return c ?: strverscmp(json_object_get_string(get(x, "address")), json_object_get_string(get(y, "address")));
}

static char *join(json_object *exposed, const char *key) {
        _cleanup_strv_ char **words = NULL;
        json_object *value = get(exposed, key);

        for (size_t i = 0; i < json_object_array_length(value); i++)
                if (strv_append(&words, json_object_get_string(json_object_array_get_idx(value, i))) < 0)
                        return NULL;
        return strv_join(words, ",");
}

static int add_row(Table *t, json_object *exposed) {
        _cleanup_free_ char *apps = join(exposed, "apps"), *from = join(exposed, "from"), *host = NULL;
        const bool guarded = json_object_get_boolean(get(exposed, "guarded"));
        char port[8], accepted[24], refused[24], packets[24] = "", bytes[24] = "";

        host = address_to_string(json_object_get_string(get(exposed, "address")), (uint16_t) get_number(exposed, "host_port"));
        if (!apps || !from || !host)
                return -ENOMEM;
        (void) snprintf(port, sizeof(port), "%u", (unsigned) get_number(exposed, "port"));
        (void) snprintf(accepted, sizeof(accepted), "%" PRIu64, get_number(exposed, "accepted"));
        (void) snprintf(refused, sizeof(refused), "%" PRIu64,
                        get_number(exposed, "refused") + get_number(exposed, "packets_refused"));
        if (guarded) {
                (void) snprintf(packets, sizeof(packets), "%" PRIu64, get_number(exposed, "packets"));
                (void) snprintf(bytes, sizeof(bytes), "%" PRIu64, get_number(exposed, "bytes"));
        }
        return table_add(t, (const char *const[ELEMENTSOF(headers)]){
                host, port, apps, from, json_object_get_boolean(get(exposed, "listens")) ? "listening" : "closed", accepted, refused,
                packets, bytes });
}

int list_exposed(sd_bus *bus, const Settings *settings) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_json_ json_object *array = json_object_new_array();
        _cleanup_table_ Table *t = table_new(headers, ELEMENTSOF(headers));
        int r;

        if (!array || !t)
                return log_oom();
        r = read_all(bus, array, &error);
        if (r < 0)
                return error_report("Failed to list exposed ports", &error, r);
        json_object_array_sort(array, compare);
        if (settings->json != JSON_OFF) {
                r = json_print(stdout, settings->json, array);
                return r < 0 ? log_error_errno(r, "Failed to write output: %m") : 0;
        }
        for (size_t i = 0; i < json_object_array_length(array); i++)
                if (add_row(t, json_object_array_get_idx(array, i)) < 0)
                        return log_oom();
        list_print_table(settings, t, json_object_array_length(array), "exposed port");
        return 0;
}
