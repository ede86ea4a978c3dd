/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax list names: each name with its addresses, who has it, and whose it is. */

#include <pwd.h>
#include <string.h>

#include "basic/log.h"
#include "basic/text.h"
#include "cli/bus.h"
#include "cli/error-status.h"
#include "cli/list.h"

static const char *const headers[] = { "NAME", "ADDRESSES", "APPS", "OWNER" };

typedef struct Name {
        char *name;
        char **addresses, **apps;
        uint32_t owner;
} Name;

typedef struct NameList {
        Name *names;
        size_t n_names;
} NameList;

static void name_list_done(NameList *list) {
        for (size_t i = 0; i < list->n_names; i++) {
                free(list->names[i].name);
                strv_free(list->names[i].addresses);
                strv_free(list->names[i].apps);
        }
        free(list->names);
}

static int read_name(NameList *list, sd_bus_message *m) {
        const char *name;
        Name *grown;
        int r;

        r = sd_bus_message_enter_container(m, 'r', "sasasu");
        if (r <= 0)
                return r;
        grown = reallocarray(list->names, list->n_names + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        list->names = grown;
        grown = &grown[list->n_names++];
        *grown = (Name){};
        r = sd_bus_message_read(m, "s", &name);
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &grown->addresses);
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &grown->apps);
        if (r >= 0)
                r = sd_bus_message_read(m, "u", &grown->owner);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        grown->name = strdup(name);
        return grown->name ? 1 : -ENOMEM;
}

static int compare(const void *a, const void *b) {
        return strverscmp(((const Name *) a)->name, ((const Name *) b)->name);
}

static int get_names(NameList *list, sd_bus *bus, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_call_method(bus, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "ListNames", error, &reply, NULL);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sasasu)");
        if (r < 0)
                return r;
        while ((r = read_name(list, reply)) > 0)
                ;
        if (list->n_names > 0)
                qsort(list->names, list->n_names, sizeof(*list->names), compare);
        return r;
}

static int add_row(Table *t, const Name *n) {
        _cleanup_free_ char *addresses = strv_join(n->addresses, ","), *apps = strv_join(n->apps, ",");
        const struct passwd *pw = bus_is_remote() ? NULL : getpwuid(n->owner);
        char owner[64];

        if (!addresses || !apps)
                return -ENOMEM;
        if (pw)
                (void) snprintf(owner, sizeof(owner), "%s", pw->pw_name);
        else
                (void) snprintf(owner, sizeof(owner), "%u", n->owner);
        return table_add(t, (const char *const[ELEMENTSOF(headers)]){ n->name, addresses, apps, owner });
}

static json_object *name_to_json(const Name *n) {
        _cleanup_json_ json_object *o = json_object_new_object();

        if (!o || json_set(o, "name", json_string(n->name)) < 0 || json_set(o, "addresses", json_strv(n->addresses)) < 0 ||
            json_set(o, "apps", json_strv(n->apps)) < 0 || json_set(o, "owner", json_object_new_int64(n->owner)) < 0)
                return NULL;
        return TAKE_PTR(o);
}

int list_names(sd_bus *bus, const Settings *settings) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(name_list_done) NameList list = {};
        _cleanup_json_ json_object *array = json_object_new_array();
        _cleanup_table_ Table *t = table_new(headers, ELEMENTSOF(headers));
        int r;

        if (!array || !t)
                return log_oom();
        r = get_names(&list, bus, &error);
        if (r < 0)
                return error_report("Failed to list names", &error, r);
        for (size_t i = 0; i < list.n_names; i++) {
                r = settings->json == JSON_OFF ? add_row(t, &list.names[i]) : json_append(array, name_to_json(&list.names[i]));
                if (r < 0)
                        return log_oom();
        }
        if (settings->json == JSON_OFF)
                list_print_table(settings, t, list.n_names, "name");
        else if ((r = json_print(stdout, settings->json, array)) < 0)
                return log_error_errno(r, "Failed to write output: %m");
        return 0;
}
