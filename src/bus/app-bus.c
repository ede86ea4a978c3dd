/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "basic/text.h"
#include "bus/app-bus.h"
#include "bus/names-bus.h"
#include "bus/resolved-bus.h"
#include "bus/rights.h"
#include "bus/tagging.h"
#include "core/errors.h"
#include "trap/listener.h"

#define APP_PREFIX "/io/appswitch1/app"
#define APP_INTERFACE "io.appswitch1.App"

/* For how long changes of listeners are gathered. */
#define CHANGED_USEC (20 * USEC_PER_MSEC)

char *app_bus_path(const App *app) {
        char *path;

        return sd_bus_path_encode(APP_PREFIX, app->id, &path) < 0 ? NULL : path;
}

typedef enum ControlVerb {
        CONTROL_STOP,
        CONTROL_KILL,
        CONTROL_DRAIN,
        _CONTROL_VERB_MAX,
} ControlVerb;

/* A control of an app that waits for its authorization. */
typedef struct Control {
        Manager *manager;
        char *id;
        ControlVerb verb;
        bool all;   /* CONTROL_KILL */
        bool drain; /* CONTROL_DRAIN */
        int signal;
} Control;

static void control_free(void *p) {
        Control *c = p;

        free(c->id);
        free(c);
}

static Control *control_copy(const Control *from) {
        Control *c = malloc(sizeof(*c));

        if (!c)
                return NULL;
        *c = *from;
        c->id = strdup(from->id);
        if (!c->id) {
                free(c);
                return NULL;
        }
        return c;
}

static const char *control_verb_to_string(ControlVerb verb) {
        static const char *const names[_CONTROL_VERB_MAX] = {
                [CONTROL_STOP] = "stop",
                [CONTROL_KILL] = "kill",
                [CONTROL_DRAIN] = "drain",
        };

        return names[verb];
}

static int reply_no_such_app(sd_bus_message *m, const char *id) {
        return sd_bus_reply_method_errorf(m, ERROR_NO_SUCH_APP, "There is no app '%s'", id);
}

static void on_ended(App *app, void *userdata) {
        sd_bus_message *m = userdata;

        (void) sd_bus_reply_method_return(m, "");
        sd_bus_message_unref(m);
}

static int drain(App *app, bool draining) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = app_set_draining(app, draining);
        if (r <= 0)
                return r;
        path = app_bus_path(app);
        if (path)
                (void) sd_bus_emit_properties_changed(app->manager->bus, path, APP_INTERFACE, "Draining", NULL);
        return 0;
}

static void control_act(sd_bus_message *m, const Caller *caller, void *userdata) {
        const Control *c = userdata;
        App *app = manager_find_app(c->manager, c->id);
        int r;

        if (!app) {
                (void) reply_no_such_app(m, c->id);
                return;
        }
        if (c->verb == CONTROL_STOP) {
                r = app_stop(app, on_ended, sd_bus_message_ref(m));
                if (r < 0)
                        sd_bus_message_unref(m);
        } else {
                r = c->verb == CONTROL_KILL ? app_kill(app, c->all, c->signal) : drain(app, c->drain);
                if (r >= 0)
                        (void) sd_bus_reply_method_return(m, "");
        }
        if (r < 0)
                (void) sd_bus_reply_method_errnof(m, -r, "Failed to control app %s: %s", app->id, strerror(-r));
}

/* Who started an app may end it; everybody else must be authorized. */
static void control_identified(sd_bus_message *m, const Caller *caller, void *userdata) {
        Control *c = userdata, *copy;
        App *app = manager_find_app(c->manager, c->id);
        int r;

        if (!app || app->state != APP_RUNNING) {
                (void) reply_no_such_app(m, c->id);
                return;
        }
        copy = control_copy(c);
        if (!copy) {
                (void) sd_bus_reply_method_errnof(m, ENOMEM, "Out of memory");
                return;
        }
        r = rights_manage(app, m, caller, control_verb_to_string(c->verb), NULL, control_act, copy, control_free);
        if (r < 0)
                (void) sd_bus_reply_method_errnof(m, -r, "Failed to ask polkit: %s", strerror(-r));
}

static int control_begin(sd_bus_message *m, const Control *control) {
        Control *c = control_copy(control);
        int r;

        if (!c)
                return -ENOMEM;
        r = caller_identify(m, control_identified, c, control_free);
        return r < 0 ? r : 1;
}

int app_bus_stop(Manager *m, sd_bus_message *message, const char *id) {
        return control_begin(message, &(Control){ .manager = m, .id = (char *) id, .verb = CONTROL_STOP });
}

int app_bus_drain(Manager *m, sd_bus_message *message, const char *id, bool draining) {
        return control_begin(message, &(Control){ .manager = m, .id = (char *) id, .verb = CONTROL_DRAIN, .drain = draining });
}

int app_bus_kill(Manager *m, sd_bus_message *message, const char *id, const char *whom, int signal,
                 sd_bus_error *error) {
        if (strcmp(whom, "leader") != 0 && strcmp(whom, "all") != 0)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT,
                                         "Invalid recipient '%s': it must be 'leader' or 'all'", whom);
        if (signal <= 0 || signal >= NSIG)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT,
                                         "Invalid signal %i: it must be 1 to %i", signal, NSIG - 1);
        return control_begin(message,
                             &(Control){
                                             .manager = m,
                                             .id = (char *) id,
                                             .verb = CONTROL_KILL,
                                             .all = strcmp(whom, "all") == 0,
                                             .signal = signal,
                             });
}

static int method_stop(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        App *app = userdata;

        return app_bus_stop(app->manager, m, app->id);
}

static int method_list_resolved(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return resolved_bus_list(userdata, m);
}

static int method_kill(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        App *app = userdata;
        const char *whom;
        int r, s;

        r = sd_bus_message_read(m, "si", &whom, &s);
        return r < 0 ? r : app_bus_kill(app->manager, m, app->id, whom, s, error);
}

static int method_drain(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        App *app = userdata;
        int r, draining;

        r = sd_bus_message_read(m, "b", &draining);
        return r < 0 ? r : app_bus_drain(app->manager, m, app->id, draining);
}

static int method_set_tags(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        App *app = userdata;

        return tagging_set(app->manager, m, app->id, error);
}

static int get_string(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const App *app = userdata;
        const char *s = strcmp(property, "Id") == 0 ? app->id : strcmp(property, "Name") == 0 ? app_name(app) : app->unit;

        return sd_bus_message_append(reply, "s", s);
}

static int get_names(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Identity *identity = ((App *) userdata)->party.identity;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < identity->n_names; i++)
                r = sd_bus_message_append(reply, "s", identity->names[i].name);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_strategy(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", strategy_to_string(((App *) userdata)->party.identity->strategy));
}

static int get_draining(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "b", (int) ((App *) userdata)->party.draining);
}

static int get_addresses(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return names_bus_append_addresses(reply, ((App *) userdata)->party.identity);
}

static int get_tags(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append_strv(reply, ((App *) userdata)->party.tags.tags);
}

static int get_outside(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const App *app = userdata;
        _cleanup_strv_ char **v = strcmp(property, "Egress") == 0 ? egress_to_strv(&app->egress)
                                                                  : networks_to_strv(&app->expose_from);

        return v ? sd_bus_message_append_strv(reply, v) : -ENOMEM;
}

static int get_expose(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const App *app = userdata;
        char text[EXPOSE_STRING_MAX];
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < app->n_exposes; i++)
                r = sd_bus_message_append(reply, "s", expose_format(&app->exposes[i], text));
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_command(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append_strv(reply, ((App *) userdata)->argv);
}

static int get_number(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const App *app = userdata;

        const uint32_t number = strcmp(property, "UID") == 0    ? app->uid
                        : strcmp(property, "Weight") == 0 ? app->party.weight
                                                          : (uint32_t) app->leader;

        return sd_bus_message_append(reply, "u", number);
}

static int get_shortcut(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const App *app = userdata;

        if (strcmp(property, "Shortcut") == 0)
                return sd_bus_message_append(reply, "s", shortcut_to_string(app->shortcut));
        return sd_bus_message_append(reply, "s", app->trap && trap_uses_tcp(app->trap) ? "tcp" : "unix");
}

static int get_timestamp(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "t", ((App *) userdata)->timestamp);
}

static int get_counter(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                       void *userdata, sd_bus_error *error) {
        const App *app = userdata;

        return sd_bus_message_append(reply, "t",
                                     strcmp(property, "NConnectionsIn") == 0        ? app->n_in
                                                     : strcmp(property, "NRefused") == 0 ? app->n_refused
                                                                                     : app->n_out);
}

static int get_listeners(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const App *app = userdata;
        char text[ADDRESS_STRING_MAX];
        int r;

        if (app->trap)
                trap_flush_listeners(app->trap);
        r = sd_bus_message_open_container(reply, 'a', "(ssq)");
        for (const Listener *l = app->trap ? app->trap->listeners : NULL; r >= 0 && l; l = l->next) {
                const Endpoint *bound = &l->backend.bound;

                r = sd_bus_message_append(reply, "(ssq)", "tcp",
                                          address_is_unspecified(&bound->address)
                                                          ? "*"
                                                          : address_format(&bound->address, text),
                                          bound->port);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static const sd_bus_vtable app_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Name", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Names", "as", get_names, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Addresses", "as", get_addresses, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Tags", "as", get_tags, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("UID", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Unit", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Leader", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Command", "as", get_command, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Timestamp", "t", get_timestamp, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Strategy", "s", get_strategy, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Weight", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Draining", "b", get_draining, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Shortcut", "s", get_shortcut, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Transport", "s", get_shortcut, 0, 0),
        SD_BUS_PROPERTY("Listeners", "a(ssq)", get_listeners, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Expose", "as", get_expose, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ExposeFrom", "as", get_outside, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Egress", "as", get_outside, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("NConnectionsIn", "t", get_counter, 0, 0),
        SD_BUS_PROPERTY("NConnectionsOut", "t", get_counter, 0, 0),
        SD_BUS_PROPERTY("NRefused", "t", get_counter, 0, 0),
        SD_BUS_METHOD("Stop", NULL, NULL, method_stop, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Kill", SD_BUS_ARGS("s", whom, "i", signal), SD_BUS_NO_RESULT, method_kill,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Drain", SD_BUS_ARGS("b", draining), SD_BUS_NO_RESULT, method_drain,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListResolved", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sst)", addresses), method_list_resolved,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetTags", SD_BUS_ARGS("as", tags, "b", cut), SD_BUS_NO_RESULT, method_set_tags,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int app_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **found,
                    sd_bus_error *error) {
        Manager *m = userdata;
        char *id;
        App *app;

        if (sd_bus_path_decode(path, APP_PREFIX, &id) <= 0)
                return 0;
        app = manager_find_app(m, id);
        free(id);
        if (!app || app->state != APP_RUNNING)
                return 0;
        *found = app;
        return 1;
}

static int app_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error) {
        Manager *m = userdata;
        char **paths = calloc(m->n_apps + 1, sizeof(char *));
        size_t n = 0;

        if (!paths)
                return -ENOMEM;
        for (App *app = m->apps; app; app = app->hh.next)
                if (app->state == APP_RUNNING && (paths[n] = app_bus_path(app)))
                        n++;
        *ret = paths;
        return 1;
}

int app_bus_add(Manager *m) {
        int r;

        r = sd_bus_add_fallback_vtable(m->bus, NULL, APP_PREFIX, APP_INTERFACE, app_vtable, app_find, m);
        if (r < 0)
                return r;
        return sd_bus_add_node_enumerator(m->bus, NULL, APP_PREFIX, app_enumerate, m);
}

static void emit(App *app, const char *signal) {
        char *path = app_bus_path(app);

        if (!path)
                return;
        if (strcmp(signal, "AppNew") == 0)
                (void) sd_bus_emit_object_added(app->manager->bus, path);
        (void) sd_bus_emit_signal(app->manager->bus, "/io/appswitch1", "io.appswitch1.Manager", signal, "so", app->id,
                                  path);
        if (strcmp(signal, "AppRemoved") == 0)
                (void) sd_bus_emit_object_removed(app->manager->bus, path);
        free(path);
}

void app_bus_new(App *app) {
        emit(app, "AppNew");
}

void app_bus_tags_changed(App *app) {
        _cleanup_free_ char *path = app_bus_path(app);

        if (path)
                (void) sd_bus_emit_properties_changed(app->manager->bus, path, APP_INTERFACE, "Tags", NULL);
}

void app_bus_leader_changed(App *app) {
        _cleanup_free_ char *path = app_bus_path(app);

        if (path)
                (void) sd_bus_emit_properties_changed(app->manager->bus, path, APP_INTERFACE, "Leader", NULL);
}

void app_bus_removed(App *app) {
        emit(app, "AppRemoved");
}

/*
 * The ids of apps whose listeners have changed. The signal carries all of
 * them, so that of an app that makes a thousand each one would cost more than
 * the one before: it is sent a little later, once for all changes until then.
 */
static char **changed;

static int on_changed(sd_event_source *s, uint64_t usec, void *userdata) {
        _cleanup_strv_ char **ids = TAKE_PTR(changed);
        Manager *m = userdata;

        for (char **id = ids; id && *id; id++) {
                App *app = manager_find_app(m, *id);
                _cleanup_free_ char *path = app && app->state == APP_RUNNING ? app_bus_path(app) : NULL;

                if (path)
                        (void) sd_bus_emit_properties_changed(m->bus, path, APP_INTERFACE, "Listeners", NULL);
        }
        return 0;
}

void app_bus_listeners_changed(App *app) {
        Manager *m = app->manager;
        bool first = !changed;

        if (strv_contains(changed, app->id) || strv_append(&changed, app->id) < 0)
                return;
        if (first && sd_event_add_time_relative(m->event, NULL, CLOCK_MONOTONIC, CHANGED_USEC, 0, on_changed, m) < 0)
                changed = strv_free(changed);
}
