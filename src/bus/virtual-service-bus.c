/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "basic/text.h"
#include "bus/names-bus.h"
#include "bus/service-change.h"
#include "bus/virtual-service-bus.h"
#include "core/errors.h"
#include "core/services.h"

#define MANAGER_PATH "/io/appswitch1"
#define MANAGER_INTERFACE "io.appswitch1.Manager"
#define SERVICE_PREFIX "/io/appswitch1/virtual_service"
#define SERVICE_INTERFACE "io.appswitch1.VirtualService"

/* Bytes of what is quoted. */
enum { SHOWN_MAX = 64 };

/* For how long changes of members are gathered. */
#define CHANGED_USEC (20 * USEC_PER_MSEC)

char *virtual_service_bus_path(const VirtualService *service) {
        char *path;

        return sd_bus_path_encode(SERVICE_PREFIX, service->id, &path) < 0 ? NULL : path;
}

static int get_string(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
        const VirtualService *service = userdata;
        const char *s = strcmp(property, "Id") == 0         ? service->id
                        : strcmp(property, "Strategy") == 0 ? strategy_to_string(service->settings.strategy)
                                                            : service->path;

        return sd_bus_message_append(reply, "s", s);
}

static int get_bool(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *userdata, sd_bus_error *error) {
        const VirtualService *service = userdata;

        return sd_bus_message_append(reply, "b",
                                     strcmp(property, "Persistent") == 0 ? service->persistent : service->settings.prefer_local);
}

static int get_uid(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                   void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "u", (uint32_t) ((VirtualService *) userdata)->uid);
}

static int get_names(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                     void *userdata, sd_bus_error *error) {
        return sd_bus_message_append_strv(reply, ((VirtualService *) userdata)->settings.names);
}

static int get_tags(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *userdata, sd_bus_error *error) {
        return sd_bus_message_append_strv(reply, ((VirtualService *) userdata)->settings.tags.tags);
}

static int get_addresses(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                         void *userdata, sd_bus_error *error) {
        return names_bus_append_addresses(reply, ((VirtualService *) userdata)->party.identity);
}

static int get_ports(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                     void *userdata, sd_bus_error *error) {
        const ServiceSettings *s = &((VirtualService *) userdata)->settings;
        char text[PORT_MAPPING_STRING_MAX];
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < s->n_ports; i++)
                r = sd_bus_message_append(reply, "s", port_mapping_format(&s->ports[i], text));
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_backends(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                        void *userdata, sd_bus_error *error) {
        const ServiceSettings *s = &((VirtualService *) userdata)->settings;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < s->n_selectors; i++)
                r = sd_bus_message_append(reply, "s", s->selectors[i].text);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_members(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                       void *userdata, sd_bus_error *error) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (const Membership *m = ((VirtualService *) userdata)->members; r >= 0 && m; m = m->next)
                r = sd_bus_message_append(reply, "s", m->party->id);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* A service does not know its manager; the vtable does. */
static Manager *manager_of_call(sd_bus_message *m) {
        return sd_bus_slot_get_userdata(sd_bus_get_current_slot(sd_bus_message_get_bus(m)));
}

static int method_edit(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return service_change_edit(manager_of_call(m), m, ((VirtualService *) userdata)->id, error);
}

static int method_remove(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return service_change_remove(manager_of_call(m), m, ((VirtualService *) userdata)->id);
}

static const sd_bus_vtable service_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Names", "as", get_names, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Addresses", "as", get_addresses, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Ports", "as", get_ports, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Backends", "as", get_backends, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Members", "as", get_members, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Strategy", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("PreferLocal", "b", get_bool, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Tags", "as", get_tags, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Persistent", "b", get_bool, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("UID", "u", get_uid, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Path", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_METHOD_WITH_ARGS("Edit", SD_BUS_ARGS("a{sv}", changes), SD_BUS_NO_RESULT, method_edit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Remove", NULL, NULL, method_remove, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int service_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **found, sd_bus_error *error) {
        Manager *m = userdata;
        VirtualService *service;
        char *id;

        if (sd_bus_path_decode(path, SERVICE_PREFIX, &id) <= 0)
                return 0;
        service = directory_find_service(&m->directory, id);
        free(id);
        if (!service)
                return 0;
        *found = service;
        return 1;
}

static int service_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error) {
        Manager *m = userdata;
        char **paths = calloc(HASH_COUNT(m->directory.services) + 1, sizeof(char *));
        size_t n = 0;

        if (!paths)
                return -ENOMEM;
        for (VirtualService *service = m->directory.services; service; service = service->hh.next)
                if ((paths[n] = virtual_service_bus_path(service)))
                        n++;
        *ret = paths;
        return 1;
}

/*
 * Signals.
 */

static void emit(Manager *m, VirtualService *service, const char *signal, bool is_new) {
        _cleanup_free_ char *path = virtual_service_bus_path(service);

        if (!path)
                return;
        if (is_new)
                (void) sd_bus_emit_object_added(m->bus, path);
        (void) sd_bus_emit_signal(m->bus, MANAGER_PATH, MANAGER_INTERFACE, signal, "so", service->id, path);
        if (!is_new)
                (void) sd_bus_emit_object_removed(m->bus, path);
}

static void on_new(Manager *m, VirtualService *service) {
        emit(m, service, "VirtualServiceNew", true);
}

static void on_removed(Manager *m, VirtualService *service) {
        emit(m, service, "VirtualServiceRemoved", false);
}

static void on_service_changed(Manager *m, VirtualService *service) {
        _cleanup_free_ char *path = virtual_service_bus_path(service);

        if (path)
                (void) sd_bus_emit_properties_changed(m->bus, path, SERVICE_INTERFACE, "Names", "Addresses", "Ports", "Backends",
                                                      "Members", "Strategy", "PreferLocal", "Tags", "UID", NULL);
}

/*
 * The ids of services whose members have changed. An app that comes can be a
 * member of many, and many can come at once: each service tells a little later,
 * once for all changes until then.
 */
static char **changed;

static int on_changed(sd_event_source *s, uint64_t usec, void *userdata) {
        _cleanup_strv_ char **ids = TAKE_PTR(changed);
        Manager *m = userdata;

        for (char **id = ids; id && *id; id++) {
                VirtualService *service = directory_find_service(&m->directory, *id);
                _cleanup_free_ char *path = service ? virtual_service_bus_path(service) : NULL;

                if (!service)
                        continue;
                service->members_told_later = false;
                if (path)
                        (void) sd_bus_emit_properties_changed(m->bus, path, SERVICE_INTERFACE, "Members", NULL);
        }
        return 0;
}

static void on_members_changed(Manager *m, VirtualService *service) {
        bool first = !changed;

        if (service->members_told_later || strv_append(&changed, service->id) < 0)
                return;
        service->members_told_later = true;
        if (first && sd_event_add_time_relative(m->event, NULL, CLOCK_MONOTONIC, CHANGED_USEC, 0, on_changed, m) < 0) {
                changed = strv_free(changed);
                service->members_told_later = false;
        }
}

int virtual_service_bus_add(Manager *m) {
        int r;

        r = sd_bus_add_fallback_vtable(m->bus, NULL, SERVICE_PREFIX, SERVICE_INTERFACE, service_vtable, service_find, m);
        if (r >= 0)
                r = sd_bus_add_node_enumerator(m->bus, NULL, SERVICE_PREFIX, service_enumerate, m);
        if (r < 0)
                return r;
        m->hooks.virtual_service_new = on_new;
        m->hooks.virtual_service_changed = on_service_changed;
        m->hooks.virtual_service_removed = on_removed;
        m->hooks.virtual_service_members_changed = on_members_changed;
        return 0;
}

/*
 * Methods of the manager.
 */

int method_create_virtual_service(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *id;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        return r < 0 ? r : service_change_create(userdata, m, id, error);
}

int method_edit_virtual_service(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *id;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        return r < 0 ? r : service_change_edit(userdata, m, id, error);
}

int method_remove_virtual_service(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *id;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        return r < 0 ? r : service_change_remove(userdata, m, id);
}

int method_list_virtual_services(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Manager *manager = userdata;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sbuo)");
        for (VirtualService *service = manager->directory.services; r >= 0 && service; service = service->hh.next) {
                _cleanup_free_ char *path = virtual_service_bus_path(service);

                r = path ? sd_bus_message_append(reply, "(sbuo)", service->id, service->persistent, (uint32_t) service->uid, path)
                         : -ENOMEM;
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int method_get_virtual_service(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_free_ char *path = NULL, *shown = NULL;
        VirtualService *service;
        Manager *manager = userdata;
        const char *id;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        service = directory_find_service(&manager->directory, id);
        if (!service) {
                shown = text_escape_head(id, SHOWN_MAX);
                return sd_bus_error_setf(error, ERROR_NO_SUCH_VIRTUAL_SERVICE, "There is no virtual service '%s'", shown ?: "?");
        }
        path = virtual_service_bus_path(service);
        return path ? sd_bus_reply_method_return(m, "o", path) : -ENOMEM;
}
