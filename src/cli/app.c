/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "cli/app.h"
#include "cli/bus.h"
#include "basic/text.h"

static void listeners_clear(App *app) {
        for (size_t i = 0; i < app->n_listeners; i++) {
                free(app->listeners[i].protocol);
                free(app->listeners[i].address);
        }
        free(app->listeners);
        app->listeners = NULL;
        app->n_listeners = 0;
}

void app_done(App *app) {
        free(app->id);
        free(app->name);
        strv_free(app->names);
        strv_free(app->addresses);
        strv_free(app->tags);
        free(app->unit);
        free(app->strategy);
        free(app->shortcut);
        free(app->transport);
        strv_free(app->command);
        strv_free(app->expose);
        strv_free(app->expose_from);
        strv_free(app->egress);
        listeners_clear(app);
        *app = (App){};
}

void app_list_done(AppList *list) {
        for (size_t i = 0; i < list->n_apps; i++)
                app_done(&list->apps[i]);
        free(list->apps);
        *list = (AppList){};
}

static int read_string(sd_bus_message *m, App *app, void *field) {
        char **ret = field, *copy;
        const char *s;
        int r;

        r = sd_bus_message_read(m, "s", &s);
        if (r < 0)
                return r;
        copy = strdup(s);
        if (!copy)
                return -ENOMEM;
        free(*ret);
        *ret = copy;
        return 0;
}

static int read_strv(sd_bus_message *m, App *app, void *field) {
        char ***ret = field, **v = NULL;
        int r;

        r = sd_bus_message_read_strv(m, &v);
        if (r < 0)
                return r;
        strv_free(*ret);
        *ret = v;
        return 0;
}

static int read_u32(sd_bus_message *m, App *app, void *field) {
        return sd_bus_message_read_basic(m, 'u', field);
}

static int read_u64(sd_bus_message *m, App *app, void *field) {
        return sd_bus_message_read_basic(m, 't', field);
}

static int read_bool(sd_bus_message *m, App *app, void *field) {
        int v, r = sd_bus_message_read_basic(m, 'b', &v);

        if (r >= 0)
                *(bool *) field = v;
        return r;
}

static int add_listener(App *app, const char *protocol, const char *address, uint16_t port) {
        _cleanup_free_ char *p = strdup(protocol), *a = strdup(address);
        Listener *grown;

        grown = reallocarray(app->listeners, app->n_listeners + 1, sizeof(Listener));
        if (!grown)
                return -ENOMEM;
        app->listeners = grown;
        if (!p || !a)
                return -ENOMEM;
        grown[app->n_listeners++] = (Listener){ TAKE_PTR(p), TAKE_PTR(a), port };
        return 0;
}

static int read_listeners(sd_bus_message *m, App *app, void *field) {
        const char *protocol, *address;
        uint16_t port;
        int r;

        listeners_clear(app);
        r = sd_bus_message_enter_container(m, 'a', "(ssq)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(ssq)", &protocol, &address, &port)) > 0) {
                r = add_listener(app, protocol, address, port);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

static const struct {
        const char *name;
        const char *signature;
        int (*read)(sd_bus_message *m, App *app, void *field);
        size_t offset;
} properties[] = {
        { "Id", "s", read_string, offsetof(App, id) },
        { "Name", "s", read_string, offsetof(App, name) },
        { "Names", "as", read_strv, offsetof(App, names) },
        { "Addresses", "as", read_strv, offsetof(App, addresses) },
        { "Tags", "as", read_strv, offsetof(App, tags) },
        { "UID", "u", read_u32, offsetof(App, uid) },
        { "Unit", "s", read_string, offsetof(App, unit) },
        { "Leader", "u", read_u32, offsetof(App, leader) },
        { "Command", "as", read_strv, offsetof(App, command) },
        { "Expose", "as", read_strv, offsetof(App, expose) },
        { "ExposeFrom", "as", read_strv, offsetof(App, expose_from) },
        { "Egress", "as", read_strv, offsetof(App, egress) },
        { "Strategy", "s", read_string, offsetof(App, strategy) },
        { "Weight", "u", read_u32, offsetof(App, weight) },
        { "Draining", "b", read_bool, offsetof(App, draining) },
        { "Shortcut", "s", read_string, offsetof(App, shortcut) },
        { "Transport", "s", read_string, offsetof(App, transport) },
        { "NConnectionsIn", "t", read_u64, offsetof(App, n_in) },
        { "NConnectionsOut", "t", read_u64, offsetof(App, n_out) },
        { "NRefused", "t", read_u64, offsetof(App, n_refused) },
        { "Timestamp", "t", read_u64, offsetof(App, timestamp) },
        { "Listeners", "a(ssq)", read_listeners, 0 },
};

static int read_property(App *app, sd_bus_message *m, const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(properties); i++) {
                int r;

                if (strcmp(properties[i].name, name) != 0)
                        continue;
                r = sd_bus_message_enter_container(m, 'v', properties[i].signature);
                if (r < 0)
                        return r == -ENXIO ? -EBADMSG : r;
                r = properties[i].read(m, app, (uint8_t *) app + properties[i].offset);
                if (r < 0)
                        return r;
                return sd_bus_message_exit_container(m);
        }
        return sd_bus_message_skip(m, "v");
}

int app_read(App *app, sd_bus_message *m) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *name;

                r = sd_bus_message_read(m, "s", &name);
                if (r >= 0)
                        r = read_property(app, m, name);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        /* Without these nothing can be shown; the rest has defaults. */
        if (!app->id || !app->unit)
                return -EBADMSG;
        if (!app->name)
                app->name = strdup("");
        if (!app->name)
                return -ENOMEM;
        return *app->name && !app->names ? strv_append(&app->names, app->name) : 0;
}

int app_get(App *app, sd_bus *bus, const char *path, uint64_t timeout_usec, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, BUS_NAME, path, "org.freedesktop.DBus.Properties",
                                           "GetAll");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", BUS_INTERFACE_APP);
        if (r < 0)
                return r;
        r = sd_bus_call(bus, m, timeout_usec, error, &reply);
        if (r < 0)
                return r;
        return app_read(app, reply);
}

/* One object: path and interfaces, oa{sa{sv}}. */
static int read_object(AppList *list, sd_bus_message *m) {
        const char *interface;
        int r;

        r = sd_bus_message_skip(m, "o");
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
                r = sd_bus_message_read(m, "s", &interface);
                if (r < 0)
                        return r;
                if (strcmp(interface, BUS_INTERFACE_APP) == 0) {
                        App *grown = reallocarray(list->apps, list->n_apps + 1, sizeof(App));

                        if (!grown)
                                return -ENOMEM;
                        list->apps = grown;
                        grown[list->n_apps++] = (App){};
                        r = app_read(&grown[list->n_apps - 1], m);
                } else {
                        r = sd_bus_message_skip(m, "a{sv}");
                }
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

static int compare_apps(const void *a, const void *b) {
        return strverscmp(((const App *) a)->id, ((const App *) b)->id);
}

int app_list_get(AppList *list, sd_bus *bus, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_call_method(bus, BUS_NAME, BUS_PATH, "org.freedesktop.DBus.ObjectManager",
                               "GetManagedObjects", error, &reply, NULL);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}")) > 0) {
                r = read_object(list, reply);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        if (list->n_apps > 0)
                qsort(list->apps, list->n_apps, sizeof(App), compare_apps);
        return 0;
}

bool is_unit_name(const char *word) {
        const char *suffix = strrchr(word, '.') ?: "";

        return strcmp(suffix, ".service") == 0 || strcmp(suffix, ".scope") == 0;
}

bool app_matches(const App *app, const char *word) {
        /* A name that looks like a unit does not stand for it: anybody could take it. */
        if (is_unit_name(word))
                return strcmp(app->unit, word) == 0;
        /* No id is a name (names know no underscore), so the two cannot be confused. */
        if (strcmp(app->id, word) == 0 || (*app->name && strcasecmp(app->name, word) == 0))
                return true;
        for (char **name = app->names; name && *name; name++)
                if (strcasecmp(*name, word) == 0)
                        return true;
        return false;
}

char *listener_to_string(const Listener *l) {
        bool brackets = strchr(l->address, ':');
        char *s;

        if (asprintf(&s, "%s%s%s:%u", brackets ? "[" : "", l->address, brackets ? "]" : "", l->port) < 0)
                return NULL;
        return s;
}

static json_object *listeners_to_json(const App *app) {
        _cleanup_json_ json_object *array = json_object_new_array();

        for (size_t i = 0; array && i < app->n_listeners; i++) {
                json_object *l = json_object_new_object();

                if (json_append(array, l) < 0 ||
                    json_set(l, "protocol", json_string(app->listeners[i].protocol)) < 0 ||
                    json_set(l, "address", json_string(app->listeners[i].address)) < 0 ||
                    json_set(l, "port", json_object_new_int(app->listeners[i].port)) < 0)
                        return NULL;
        }
        return TAKE_PTR(array);
}

json_object *app_to_json(const App *app) {
        _cleanup_json_ json_object *o = json_object_new_object();

        if (!o || json_set(o, "id", json_string(app->id)) < 0 ||
            json_set(o, "name", json_string(app->name)) < 0 ||
            json_set(o, "names", json_strv(app->names)) < 0 ||
            json_set(o, "addresses", json_strv(app->addresses)) < 0 ||
            json_set(o, "tags", json_strv(app->tags)) < 0 ||
            json_set(o, "listens", listeners_to_json(app)) < 0 ||
            json_set(o, "strategy", json_string(app->strategy ?: "round-robin")) < 0 ||
            json_set(o, "weight", json_object_new_uint64(app->weight)) < 0 ||
            json_set(o, "draining", json_object_new_boolean(app->draining)) < 0 ||
            json_set(o, "expose", json_strv(app->expose)) < 0 ||
            json_set(o, "expose_from", json_strv(app->expose_from)) < 0 ||
            json_set(o, "egress", json_strv(app->egress)) < 0 ||
            json_set(o, "uid", json_object_new_uint64(app->uid)) < 0 ||
            json_set(o, "unit", json_string(app->unit)) < 0 ||
            json_set(o, "shortcut", json_string(app->shortcut ?: "auto")) < 0 ||
            json_set(o, "transport", json_string(app->transport ?: "unix")) < 0 ||
            json_set(o, "leader", json_object_new_uint64(app->leader)) < 0 ||
            json_set(o, "command", json_strv(app->command)) < 0 ||
            json_set(o, "timestamp", json_object_new_uint64(app->timestamp)) < 0)
                return NULL;
        return TAKE_PTR(o);
}
