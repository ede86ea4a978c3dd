/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "basic/macro.h"
#include "bus/app-bus.h"
#include "bus/bound.h"
#include "bus/log-control.h"
#include "bus/connections-bus.h"
#include "bus/exposed-bus.h"
#include "bus/manager-bus.h"
#include "bus/policy-bus.h"
#include "bus/reload.h"
#include "bus/names-bus.h"
#include "bus/run-app.h"
#include "bus/virtual-service-bus.h"
#include "bus/tagging.h"
#include "bus/service-bus.h"
#include "bus/stall.h"
#include "core/errors.h"
#include "model/name.h"

#define MANAGER_PATH "/io/appswitch1"
#define MANAGER_INTERFACE "io.appswitch1.Manager"

static int append_app(sd_bus_message *reply, const App *app) {
        _cleanup_free_ char *path = app_bus_path(app);

        if (!path)
                return -ENOMEM;
        return sd_bus_message_append(reply, "(sssuo)", app->id, app_name(app), app->unit, (uint32_t) app->leader, path);
}

static int method_list_apps(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Manager *manager = userdata;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sssuo)");
        for (App *app = manager->apps; r >= 0 && app; app = app->hh.next)
                if (app->state == APP_RUNNING)
                        r = append_app(reply, app);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int compare_ports(const void *a, const void *b) {
        const Backend *x = *(const Backend *const *) a, *y = *(const Backend *const *) b;

        return (int) x->bound.port - (int) y->bound.port;
}

/* The backends that serve an address, by port. The array is to be freed; NULL: out of memory. */
static const Backend **sorted_backends(const Identity *identity, const Address *address, size_t *ret_n) {
        const Backend **sorted;
        size_t n = 0;

        for (const ServicePort *port = identity->ports; port; port = port->hh.next)
                for (const Backend *b = port->backends; b; b = b->next)
                        n++;
        sorted = calloc(n + 1, sizeof(*sorted));
        if (!sorted)
                return NULL;
        n = 0;
        for (const ServicePort *port = identity->ports; port; port = port->hh.next)
                for (const Backend *b = port->backends; b; b = b->next)
                        if (backend_matches(b, &(Endpoint){ *address, b->bound.port }))
                                sorted[n++] = b;
        qsort(sorted, n, sizeof(*sorted), compare_ports);
        *ret_n = n;
        return sorted;
}

/* Appends (protocol, address, port, apps) for the first `n` backends, which have one port. */
static int append_service(sd_bus_message *reply, const Address *address, const Backend *const *backends, size_t n) {
        char text[ADDRESS_STRING_MAX];
        int r;

        r = sd_bus_message_open_container(reply, 'r', "ssqas");
        if (r >= 0)
                r = sd_bus_message_append(reply, "ssq", "tcp", address_format(address, text), backends[0]->bound.port);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(reply, "s", backends[i]->party->id);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* One for each port of one address of an identity. */
static int append_services(sd_bus_message *reply, const Identity *identity, const Address *address) {
        _cleanup_free_ const Backend **backends = NULL;
        size_t n = 0, end;
        int r = 0;

        backends = sorted_backends(identity, address, &n);
        if (!backends)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < n; i = end) {
                for (end = i + 1; end < n && backends[end]->bound.port == backends[i]->bound.port; end++)
                        ;
                r = append_service(reply, address, backends + i, end - i);
        }
        return r;
}

static int method_list_services(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Manager *manager = userdata;
        int r;

        if (bound_exceeds_services(manager, error))
                return -EMSGSIZE;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssqas)");
        for (AddressEntry *e = manager->directory.by_address; r >= 0 && e; e = e->hh.next)
                r = append_services(reply, e->identity, &e->address);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int reply_path(sd_bus_message *m, const App *app) {
        _cleanup_free_ char *path = app_bus_path(app);

        return path ? sd_bus_reply_method_return(m, "o", path) : -ENOMEM;
}

static int method_get_app(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *id;
        App *app;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        app = manager_find_app(userdata, id);
        if (!app || app->state != APP_RUNNING)
                return sd_bus_error_setf(error, ERROR_NO_SUCH_APP, "There is no app '%s'", id);
        return reply_path(m, app);
}

static int method_get_app_by_pid(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        uint32_t pid;
        App *app;
        int r;

        r = sd_bus_message_read(m, "u", &pid);
        if (r < 0)
                return r;
        app = pid > 0 && pid <= INT32_MAX ? manager_find_pid(userdata, (pid_t) pid) : NULL;
        if (!app || app->state != APP_RUNNING)
                return sd_bus_error_setf(error, ERROR_NO_SUCH_APP, "Process %u does not belong to an app", pid);
        return reply_path(m, app);
}

static int reply_apps_of(sd_bus_message *m, Manager *manager, const Identity *identity) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "o");
        for (App *app = manager->apps; r >= 0 && identity && app; app = app->hh.next) {
                _cleanup_free_ char *path = NULL;

                if (app->state != APP_RUNNING || app->party.identity != identity)
                        continue;
                path = app_bus_path(app);
                r = path ? sd_bus_message_append(reply, "o", path) : -ENOMEM;
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_get_apps_by_address(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Manager *manager = userdata;
        const char *text;
        Address a;
        int r;

        r = sd_bus_message_read(m, "s", &text);
        if (r < 0)
                return r;
        if (address_parse(text, &a) < 0)
                return sd_bus_error_setf(error, ERROR_INVALID_ADDRESS,
                                         "Invalid address '%s': it is neither an IPv4 nor an IPv6 address", text);
        return reply_apps_of(m, manager, directory_find_address(&manager->directory, &a));
}

static int method_get_apps_by_name(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_free_ char *name = NULL;
        Manager *manager = userdata;
        const char *text, *reason;
        int r;

        r = sd_bus_message_read(m, "s", &text);
        if (r < 0)
                return r;
        reason = name_invalid_reason(text);
        if (reason)
                return sd_bus_error_setf(error, ERROR_INVALID_NAME, "Invalid name '%s': it %s", text, reason);
        name = strdup(text);
        if (!name)
                return -ENOMEM;
        name_normalize(name);
        return reply_apps_of(m, manager, directory_find_name(&manager->directory, name));
}

static int method_stop_app(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *id;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        return r < 0 ? r : app_bus_stop(userdata, m, id);
}

static int method_kill_app(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *id, *whom;
        int r, s;

        r = sd_bus_message_read(m, "ssi", &id, &whom, &s);
        return r < 0 ? r : app_bus_kill(userdata, m, id, whom, s, error);
}

static int method_drain_app(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *id;
        int r, draining;

        r = sd_bus_message_read(m, "sb", &id, &draining);
        return r < 0 ? r : app_bus_drain(userdata, m, id, draining);
}

static int method_set_app_tags(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *id;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        return r < 0 ? r : tagging_set(userdata, m, id, error);
}

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", VERSION);
}

static int get_domain(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", ((Manager *) userdata)->config.domain);
}

static int get_n_apps(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "u", ((Manager *) userdata)->n_apps);
}

static int get_counter(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Manager *m = userdata;
        uint64_t value = strcmp(property, "NConnections") == 0 ? m->sw.n_connections
                        : strcmp(property, "NRefused") == 0    ? m->sw.n_refused
                                                               : m->longest_turn;

        return sd_bus_message_append(reply, "t", value);
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Domain", "s", get_domain, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("NApps", "u", get_n_apps, 0, 0),
        SD_BUS_PROPERTY("NConnections", "t", get_counter, 0, 0),
        SD_BUS_PROPERTY("NRefused", "t", get_counter, 0, 0),
        SD_BUS_PROPERTY("LongestTurnUSec", "t", get_counter, 0, 0),
        SD_BUS_METHOD_WITH_ARGS("RunApp", SD_BUS_ARGS("as", argv, "as", environment, "a{sv}", options),
                                SD_BUS_RESULT("s", id, "o", path, "s", unit), method_run_app,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListApps", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sssuo)", apps), method_list_apps,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListServices", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssqas)", services),
                                method_list_services, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetApp", SD_BUS_ARGS("s", id), SD_BUS_RESULT("o", path), method_get_app,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetAppByPID", SD_BUS_ARGS("u", pid), SD_BUS_RESULT("o", path),
                                method_get_app_by_pid, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetAppsByAddress", SD_BUS_ARGS("s", address), SD_BUS_RESULT("ao", paths),
                                method_get_apps_by_address, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetAppsByName", SD_BUS_ARGS("s", name), SD_BUS_RESULT("ao", paths),
                                method_get_apps_by_name, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("StopApp", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT, method_stop_app,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("KillApp", SD_BUS_ARGS("s", id, "s", whom, "i", signal), SD_BUS_NO_RESULT,
                                method_kill_app, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("DrainApp", SD_BUS_ARGS("s", id, "b", draining), SD_BUS_NO_RESULT, method_drain_app,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CreateVirtualService", SD_BUS_ARGS("s", id, "a{sv}", settings, "b", runtime),
                                SD_BUS_RESULT("o", path), method_create_virtual_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("EditVirtualService", SD_BUS_ARGS("s", id, "a{sv}", changes), SD_BUS_NO_RESULT,
                                method_edit_virtual_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RemoveVirtualService", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT,
                                method_remove_virtual_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListVirtualServices", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sbuo)", services),
                                method_list_virtual_services, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetVirtualService", SD_BUS_ARGS("s", id), SD_BUS_RESULT("o", path),
                                method_get_virtual_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ReloadPolicy", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_reload_policy,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CheckPolicy", SD_BUS_ARGS("a(say)", files),
                                SD_BUS_RESULT("a(bsus)", problems, "a(bssqsusu)", changes, "t", n_changes, "b", complete),
                                method_check_policy, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListRules", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sussssbbst)", rules), method_list_rules,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_ARGS("s", client, "s", service, "q", port),
                                SD_BUS_RESULT("b", allowed, "s", verdict, "s", reason, "s", tag, "s", rule_file, "u",
                                              rule_line, "s", backend, "s", target, "b", resolves, "s", name_reason),
                                method_explain, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Reload", NULL, NULL, method_reload, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("VirtualServiceNew", SD_BUS_ARGS("s", id, "o", path), 0),
        SD_BUS_SIGNAL_WITH_ARGS("VirtualServiceRemoved", SD_BUS_ARGS("s", id, "o", path), 0),
        SD_BUS_METHOD_WITH_ARGS("SetAppTags", SD_BUS_ARGS("s", id, "as", tags, "b", cut), SD_BUS_NO_RESULT,
                                method_set_app_tags, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListNames", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sasasu)", names), method_list_names,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetService", SD_BUS_ARGS("s", protocol, "s", address, "q", port),
                                SD_BUS_RESULT("o", path), method_get_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListConnections", SD_BUS_NO_ARGS,
                                SD_BUS_RESULT("a(ssqssqssttbb)", connections, "b", truncated), method_list_connections,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListExposed", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", ports), method_list_exposed,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CutConnections", SD_BUS_ARGS("s", app), SD_BUS_RESULT("u", cut, "u", missed),
                                method_cut_connections, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("ServiceNew", SD_BUS_ARGS("s", protocol, "s", address, "q", port, "o", path), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ServiceRemoved", SD_BUS_ARGS("s", protocol, "s", address, "q", port, "o", path), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ConnectionRefused",
                                SD_BUS_ARGS("s", client, "s", server, "s", address, "q", port, "s", reason), 0),
        SD_BUS_SIGNAL_WITH_ARGS("AppNew", SD_BUS_ARGS("s", id, "o", path), 0),
        SD_BUS_SIGNAL_WITH_ARGS("AppRemoved", SD_BUS_ARGS("s", id, "o", path), 0),
        SD_BUS_VTABLE_END,
};

int manager_bus_add(Manager *m) {
        int r;

        r = sd_bus_add_object_vtable(m->bus, NULL, MANAGER_PATH, MANAGER_INTERFACE, manager_vtable, m);
        if (r < 0)
                return r;
        r = bound_add(m);
        if (r >= 0)
                r = sd_bus_add_object_manager(m->bus, NULL, MANAGER_PATH);
        if (r < 0)
                return r;
        r = app_bus_add(m);
        if (r >= 0)
                r = service_bus_add(m);
        if (r >= 0)
                r = stall_watch(m);
        if (r < 0)
                return r;
        r = log_control_add(m->bus);
        if (r < 0)
                return r;
        m->hooks = (ManagerHooks){
                .app_new = app_bus_new,
                .app_removed = app_bus_removed,
                .app_listeners_changed = app_bus_listeners_changed,
                .app_leader_changed = app_bus_leader_changed,
                .app_tags_changed = app_bus_tags_changed,
                .services_changed = service_bus_changed,
                .connection_refused = service_bus_refused,
        };
        return virtual_service_bus_add(m);
}
