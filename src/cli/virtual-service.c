/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stddef.h>
#include <string.h>

#include "basic/text.h"
#include "cli/bus.h"
#include "cli/virtual-service.h"

#define BUS_INTERFACE_VIRTUAL_SERVICE "io.appswitch1.VirtualService"

static const struct {
        const char *name;
        char type; /* 's', 'b', 'u', or 'a' for "as" */
        size_t offset;
} properties[] = {
        { "Id", 's', offsetof(VirtualService, id) },
        { "Names", 'a', offsetof(VirtualService, names) },
        { "Addresses", 'a', offsetof(VirtualService, addresses) },
        { "Ports", 'a', offsetof(VirtualService, ports) },
        { "Backends", 'a', offsetof(VirtualService, backends) },
        { "Members", 'a', offsetof(VirtualService, members) },
        { "Strategy", 's', offsetof(VirtualService, strategy) },
        { "PreferLocal", 'b', offsetof(VirtualService, prefer_local) },
        { "Tags", 'a', offsetof(VirtualService, tags) },
        { "Persistent", 'b', offsetof(VirtualService, persistent) },
        { "UID", 'u', offsetof(VirtualService, uid) },
        { "Path", 's', offsetof(VirtualService, path) },
};

void virtual_service_list_done(VirtualServiceList *list) {
        for (size_t i = 0; i < list->n; i++)
                for (size_t k = 0; k < ELEMENTSOF(properties); k++) {
                        void *field = (uint8_t *) &list->services[i] + properties[k].offset;

                        if (properties[k].type == 's')
                                free(*(char **) field);
                        else if (properties[k].type == 'a')
                                strv_free(*(char ***) field);
                }
        free(list->services);
        *list = (VirtualServiceList){};
}

static int read_field(sd_bus_message *m, char type, void *field) {
        const char *s;
        char **v = NULL;
        int r, yes;

        switch (type) {
        case 's':
                r = sd_bus_message_read_basic(m, 's', &s);
                if (r < 0)
                        return r;
                free(*(char **) field);
                *(char **) field = strdup(s);
                return *(char **) field ? 0 : -ENOMEM;
        case 'a':
                r = sd_bus_message_read_strv(m, &v);
                if (r < 0)
                        return r;
                strv_free(*(char ***) field);
                *(char ***) field = v;
                return 0;
        case 'b':
                r = sd_bus_message_read_basic(m, 'b', &yes);
                if (r >= 0)
                        *(bool *) field = yes;
                return r;
        case 'u':
        default:
                return sd_bus_message_read_basic(m, 'u', field);
        }
}

static int read_property(VirtualService *service, sd_bus_message *m, const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(properties); i++) {
                const char type[] = { properties[i].type, '\0' };
                int r;

                if (strcmp(properties[i].name, name) != 0)
                        continue;
                r = sd_bus_message_enter_container(m, 'v', *type == 'a' ? "as" : type);
                if (r < 0)
                        return r == -ENXIO ? -EBADMSG : r;
                r = read_field(m, *type, (uint8_t *) service + properties[i].offset);
                return r < 0 ? r : sd_bus_message_exit_container(m);
        }
        return sd_bus_message_skip(m, "v");
}

static int read_service(VirtualService *service, sd_bus_message *m) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *name;

                r = sd_bus_message_read(m, "s", &name);
                if (r >= 0)
                        r = read_property(service, m, name);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        return service->id && service->strategy && service->path ? 0 : -EBADMSG;
}

static int read_interface(VirtualServiceList *list, sd_bus_message *m) {
        const char *interface;
        int r;

        r = sd_bus_message_read(m, "s", &interface);
        if (r < 0)
                return r;
        if (strcmp(interface, BUS_INTERFACE_VIRTUAL_SERVICE) == 0) {
                VirtualService *grown = reallocarray(list->services, list->n + 1, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                list->services = grown;
                grown[list->n++] = (VirtualService){};
                return read_service(&grown[list->n - 1], m);
        }
        return sd_bus_message_skip(m, "a{sv}");
}

/* One object: path and interfaces, oa{sa{sv}}. */
static int read_object(VirtualServiceList *list, sd_bus_message *m) {
        int r;

        r = sd_bus_message_skip(m, "o");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
                r = read_interface(list, m);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int compare(const void *a, const void *b) {
        return strverscmp(((const VirtualService *) a)->id, ((const VirtualService *) b)->id);
}

int virtual_service_list_get(VirtualServiceList *list, sd_bus *bus, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_call_method(bus, BUS_NAME, BUS_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", error, &reply,
                               NULL);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}")) > 0) {
                r = read_object(list, reply);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        if (r < 0)
                return r;
        if (list->n > 0)
                qsort(list->services, list->n, sizeof(*list->services), compare);
        return 0;
}

json_object *virtual_service_to_json(const VirtualService *s) {
        _cleanup_json_ json_object *o = json_object_new_object();

        if (!o || json_set(o, "id", json_string(s->id)) < 0 || json_set(o, "names", json_strv(s->names)) < 0 ||
            json_set(o, "addresses", json_strv(s->addresses)) < 0 || json_set(o, "ports", json_strv(s->ports)) < 0 ||
            json_set(o, "backends", json_strv(s->backends)) < 0 || json_set(o, "members", json_strv(s->members)) < 0 ||
            json_set(o, "strategy", json_string(s->strategy)) < 0 ||
            json_set(o, "prefer_local", json_object_new_boolean(s->prefer_local)) < 0 ||
            json_set(o, "tags", json_strv(s->tags)) < 0 ||
            json_set(o, "persistent", json_object_new_boolean(s->persistent)) < 0 ||
            json_set(o, "uid", json_object_new_int64(s->uid)) < 0 || json_set(o, "path", json_string(s->path)) < 0)
                return NULL;
        return TAKE_PTR(o);
}
