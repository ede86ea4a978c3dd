/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax list virtual-services: one row for each. */

#include "basic/log.h"
#include "basic/text.h"
#include "cli/bus.h"
#include "cli/error-status.h"
#include "cli/list-virtual-services.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "cli/virtual-service.h"

static const char *const headers[] = {
        "ID", "NAMES", "ADDRESSES", "PORTS", "BACKENDS", "MEMBERS", "STRATEGY", "TAGS", "UID", "FILE",
};

static int add_row(Table *t, const VirtualService *s) {
        _cleanup_free_ char *names = strv_join(s->names, ","), *addresses = strv_join(s->addresses, ","),
                            *ports = strv_join(s->ports, ","), *backends = strv_join(s->backends, ","),
                            *members = strv_join(s->members, ","), *tags = strv_join(s->tags, ",");
        char uid[16];

        if (!names || !addresses || !ports || !backends || !members || !tags)
                return -ENOMEM;
        (void) snprintf(uid, sizeof(uid), "%u", s->uid);
        return table_add(t, (const char *const[ELEMENTSOF(headers)]){ s->id, names, addresses, ports, backends, members,
                                                                      s->strategy, tags, uid, s->path });
}

static int print_table(const Settings *settings, const VirtualServiceList *list) {
        _cleanup_pager_ pid_t pager = 0;
        _cleanup_table_ Table *t = table_new(headers, ELEMENTSOF(headers));
        size_t columns = settings->full ? 0 : terminal_columns();
        bool colors = terminal_colors();

        if (!t)
                return log_oom();
        for (size_t i = 0; i < list->n; i++)
                if (add_row(t, &list->services[i]) < 0)
                        return log_oom();
        if (settings->pager)
                pager = pager_open();
        if (list->n > 0)
                table_print(t, stdout, columns, settings->legend, colors);
        if (settings->legend)
                printf("%s%zu virtual service%s listed.\n", list->n > 0 ? "\n" : "", list->n, list->n == 1 ? "" : "s");
        return 0;
}

static int print_json(const Settings *settings, const VirtualServiceList *list) {
        _cleanup_json_ json_object *array = json_object_new_array();
        int r;

        if (!array)
                return log_oom();
        for (size_t i = 0; i < list->n; i++)
                if (json_append(array, virtual_service_to_json(&list->services[i])) < 0)
                        return log_oom();
        r = json_print(stdout, settings->json, array);
        return r < 0 ? log_error_errno(r, "Failed to write output: %m") : 0;
}

int list_virtual_services(sd_bus *bus, const Settings *settings) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_virtual_service_list_ VirtualServiceList list = {};
        int r;

        r = virtual_service_list_get(&list, bus, &error);
        if (r < 0)
                return error_report("Failed to list virtual services", &error, r);
        return settings->json == JSON_OFF ? print_table(settings, &list) : print_json(settings, &list);
}
