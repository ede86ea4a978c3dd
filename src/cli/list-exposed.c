/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax list exposed: ports of the host that lead to apps, who may reach them, and what came. */

#include <inttypes.h>
#include <string.h>

#include "basic/log.h"
#include "cli/bus.h"
#include "cli/connection.h"
#include "cli/error-status.h"
#include "cli/list.h"

static const char *const headers[] = {
        "HOST", "PORT", "APPS", "FROM", "STATE", "ACCEPTED", "REFUSED", "PACKETS", "BYTES"
};

static const ListKey keys[] = {
        { "Protocol", "protocol" }, { "Address", "address" },    { "HostPort", "host_port" }, { "Port", "port" },
        { "Apps", "apps" },         { "From", "from" },          { "Listens", "listens" },    { "NAccepted", "accepted" },
        { "NRefused", "refused" },  { "Guarded", "guarded" },    { "Packets", "packets" },    { "Bytes", "bytes" },
        { "PacketsRefused", "packets_refused" },
};

static int read_all(sd_bus *bus, json_object *array, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = bus_new_call(bus, "ListExposed", false, &m);
        if (r >= 0)
                r = sd_bus_call(bus, m, 0, error, &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "a{sv}");
        while (r >= 0 && (r = list_read_properties(reply, keys, ELEMENTSOF(keys), array)) > 0)
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

static int add_row(Table *t, json_object *exposed) {
        _cleanup_free_ char *apps = json_join(get(exposed, "apps")), *from = json_join(get(exposed, "from")), *host = NULL;
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
        return list_print_objects(settings, array, compare, t, add_row, "exposed port");
}
