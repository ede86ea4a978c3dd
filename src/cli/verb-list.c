/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax list: one row for each app, or for each of another kind. */

#include <string.h>

#include "basic/log.h"
#include "cli/app.h"
#include "cli/bus-json.h"
#include "cli/bus.h"
#include "cli/cli.h"
#include "cli/error-status.h"
#include "cli/list.h"
#include "cli/list-virtual-services.h"
#include "cli/terminal.h"
#include "basic/text.h"

static const char *const headers[] = {
        "ID", "NAME", "ADDRESSES", "TAGS", "LISTENS", "UID", "UNIT", "LEADER"
};

static int add_row(Table *t, const App *app) {
        _cleanup_free_ char *names = strv_join(app->names, ","), *addresses = strv_join(app->addresses, ","), *tags = strv_join(app->tags, ","),
                            *listens = NULL;
        _cleanup_strv_ char **listeners = NULL;
        char uid[16], leader[16];

        for (size_t i = 0; i < app->n_listeners; i++) {
                _cleanup_free_ char *s = listener_to_string(&app->listeners[i]);

                if (!s || strv_append(&listeners, s) < 0)
                        return -ENOMEM;
        }
        listens = strv_join(listeners, ",");
        if (!names || !addresses || !tags || !listens)
                return -ENOMEM;
        (void) snprintf(uid, sizeof(uid), "%u", app->uid);
        (void) snprintf(leader, sizeof(leader), "%u", app->leader);
        return table_add(t, (const char *const[ELEMENTSOF(headers)]){ app->id, names, addresses, tags,
                                                                      listens, uid, app->unit, leader });
}

void list_print_table(const Settings *settings, const Table *t, size_t n, const char *noun) {
        _cleanup_pager_ pid_t pager = 0;
        size_t columns = settings->full ? 0 : terminal_columns();
        bool colors = terminal_colors();

        if (settings->pager)
                pager = pager_open();
        if (n > 0)
                table_print(t, stdout, columns, settings->legend, colors);
        if (settings->legend)
                printf("%s%zu %s%s listed.\n", n > 0 ? "\n" : "", n, noun, n == 1 ? "" : "s");
}

int list_read_properties(sd_bus_message *m, const ListKey *keys, size_t n_keys, json_object *array) {
        _cleanup_json_ json_object *properties = NULL, *object = json_object_new_object();
        int r;

        if (!object)
                return -ENOMEM;
        r = bus_json_read(m, &properties);
        if (r <= 0)
                return r;
        for (size_t i = 0; i < n_keys; i++) {
                json_object *value;

                if (!json_object_object_get_ex(properties, keys[i].property, &value))
                        return -EBADMSG;
                if (json_set(object, keys[i].key, json_object_get(value)) < 0)
                        return -ENOMEM;
        }
        return json_append(array, TAKE_PTR(object)) < 0 ? -ENOMEM : 1;
}

int list_print_objects(const Settings *settings, json_object *array, int (*compare)(const void *, const void *), Table *t,
                       int (*add)(Table *t, json_object *object), const char *noun) {
        const size_t n = json_object_array_length(array);
        int r;

        json_object_array_sort(array, compare);
        if (settings->json != JSON_OFF) {
                r = json_print(stdout, settings->json, array);
                return r < 0 ? log_error_errno(r, "Failed to write output: %m") : 0;
        }
        for (size_t i = 0; i < n; i++)
                if (add(t, json_object_array_get_idx(array, i)) < 0)
                        return log_oom();
        list_print_table(settings, t, n, noun);
        return 0;
}

static int print_table(const Settings *settings, const AppList *list) {
        _cleanup_table_ Table *t = table_new(headers, ELEMENTSOF(headers));

        if (!t)
                return log_oom();
        for (size_t i = 0; i < list->n_apps; i++)
                if (add_row(t, &list->apps[i]) < 0)
                        return log_oom();
        list_print_table(settings, t, list->n_apps, "app");
        return 0;
}

static int print_json(const Settings *settings, const AppList *list) {
        _cleanup_json_ json_object *array = json_object_new_array();
        int r;

        for (size_t i = 0; array && i < list->n_apps; i++)
                if (json_append(array, app_to_json(&list->apps[i])) < 0)
                        return log_oom();
        if (!array)
                return log_oom();
        r = json_print(stdout, settings->json, array);
        if (r < 0)
                return log_error_errno(r, "Failed to write output: %m");
        return 0;
}

static int list_apps(sd_bus *bus, const Settings *settings) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_app_list_ AppList list = {};
        int r;

        r = app_list_get(&list, bus, &error);
        if (r < 0)
                return error_report("Failed to list apps", &error, r);
        return settings->json == JSON_OFF ? print_table(settings, &list) : print_json(settings, &list);
}

static const struct {
        const char *name;
        int (*list)(sd_bus *bus, const Settings *settings);
} kinds[] = {
        { "apps", list_apps },
        { "services", list_services },
        { "names", list_names },
        { "virtual-services", list_virtual_services },
        { "connections", list_connections },
        { "exposed", list_exposed },
};

static int unknown_kind(const char *word) {
        _cleanup_free_ char *escaped = text_escape(word), *list = NULL;
        _cleanup_strv_ char **names = NULL;

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (strv_append(&names, kinds[i].name) < 0)
                        return log_oom();
        list = strv_join(names, ", ");
        if (!escaped || !list)
                return log_oom();
        return log_error_errno(-EINVAL, "\"ax list\" knows no \"%s\"; there are %s. See also \"ax status %s\".", escaped,
                               list, escaped);
}

int verb_list(const Verb *verb, Settings *settings, char **argv) {
        _cleanup_option_parser_ OptionParser p;
        _cleanup_bus_ sd_bus *bus = NULL;
        size_t kind = 0;
        int r;

        r = cli_parse_plain(&p, verb, settings, argv);
        if (r <= 0)
                return r;
        if (p.words) {
                if (p.words[1])
                        return log_error_errno(-EINVAL, "\"ax list\" lists one kind at a time.");
                while (kind < ELEMENTSOF(kinds) && strcmp(kinds[kind].name, p.words[0]) != 0)
                        kind++;
                if (kind == ELEMENTSOF(kinds))
                        return unknown_kind(p.words[0]);
        }
        r = bus_open(&bus);
        return r < 0 ? r : kinds[kind].list(bus, settings);
}
