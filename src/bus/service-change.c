/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "basic/text.h"
#include "bus/rights.h"
#include "bus/service-change.h"
#include "bus/virtual-service-bus.h"
#include "core/errors.h"
#include "core/services.h"

enum {
        VALUES_MAX = 256, /* of one key, duplicates and all */
        VALUE_MAX = 512,  /* bytes of one */
        SHOWN_MAX = 64,   /* bytes of what is quoted */
};

typedef enum ChangeVerb {
        CHANGE_CREATE,
        CHANGE_EDIT,
        CHANGE_REMOVE,
        _CHANGE_VERB_MAX,
} ChangeVerb;

static const char *change_verb_to_string(ChangeVerb verb) {
        static const char *const names[_CHANGE_VERB_MAX] = {
                [CHANGE_CREATE] = "create",
                [CHANGE_EDIT] = "edit",
                [CHANGE_REMOVE] = "remove",
        };

        return names[verb];
}

/* A call on its way. */
typedef struct Change {
        Manager *manager;
        ChangeVerb verb;
        char *id;
        bool runtime; /* CHANGE_CREATE */
        ServiceSettings given;
        bool is_given[_SERVICE_KEY_MAX];
        char *before; /* what the service was when the authorization was asked for */
} Change;

static Change *change_free(Change *c) {
        if (!c)
                return NULL;
        service_settings_done(&c->given);
        free(c->id);
        free(c->before);
        free(c);
        return NULL;
}
DEFINE_CLEANUP(Change *, change_free)

static void change_destroy(void *p) {
        Change **holder = p;

        change_free(*holder);
        free(holder);
}

static Change **change_hold(Change *c) {
        Change **holder = malloc(sizeof(*holder));

        if (holder)
                *holder = c;
        return holder;
}

/*
 * Settings of the call.
 */

static const char *const names[_SERVICE_KEY_MAX] = {
        [SERVICE_NAME] = "Names",
        [SERVICE_ADDRESS] = "Addresses",
        [SERVICE_PORT] = "Ports",
        [SERVICE_BACKEND] = "Backends",
        [SERVICE_STRATEGY] = "Strategy",
        [SERVICE_PREFER_LOCAL] = "PreferLocal",
        [SERVICE_TAG] = "Tags",
};

/* The error for a value that a key does not take. */
static const char *error_of_key(ServiceKey key) {
        switch (key) {
        case SERVICE_NAME:
                return ERROR_INVALID_NAME;
        case SERVICE_ADDRESS:
                return ERROR_INVALID_ADDRESS;
        case SERVICE_TAG:
                return ERROR_INVALID_TAG;
        case SERVICE_PORT:
        case SERVICE_BACKEND:
        case SERVICE_STRATEGY:
        case SERVICE_PREFER_LOCAL:
        case _SERVICE_KEY_MAX:
        case _SERVICE_KEY_INVALID:
        default:
                return ERROR_INVALID_VIRTUAL_SERVICE;
        }
}

static int set_value(Change *c, ServiceKey key, const char *value, sd_bus_error *error) {
        _cleanup_free_ char *message = NULL;
        int r;

        if (strlen(value) > VALUE_MAX)
                return sd_bus_error_setf(error, error_of_key(key), "A value of %s is longer than %i characters", names[key], VALUE_MAX);
        r = service_settings_set(&c->given, key, value, &message);
        return r < 0 && message ? sd_bus_error_set(error, error_of_key(key), message) : r;
}

static int read_values(Change *c, sd_bus_message *m, ServiceKey key, sd_bus_error *error) {
        const char *value;
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read_basic(m, 's', &value)) > 0) {
                if (++n > VALUES_MAX)
                        return sd_bus_error_setf(error, error_of_key(key), "More than %i values of %s were given", VALUES_MAX, names[key]);
                r = set_value(c, key, value, error);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_setting(Change *c, sd_bus_message *m, ServiceKey key, sd_bus_error *error) {
        const char *value;
        int r, yes;

        if (key == SERVICE_PREFER_LOCAL) {
                r = sd_bus_message_read(m, "v", "b", &yes);
                return r < 0 ? r : set_value(c, key, yes ? "yes" : "no", error);
        }
        if (key == SERVICE_STRATEGY) {
                r = sd_bus_message_read(m, "v", "s", &value);
                return r < 0 ? r : set_value(c, key, value, error);
        }
        return read_values(c, m, key, error);
}

static int parse_setting(Change *c, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_free_ char *shown = NULL;
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        for (ServiceKey key = 0; key < _SERVICE_KEY_MAX; key++) {
                if (strcmp(names[key], name) != 0)
                        continue;
                if (c->is_given[key])
                        return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "Setting '%s' was given twice", name);
                c->is_given[key] = true;
                r = read_setting(c, m, key, error);
                if ((r == -ENXIO || r == -EBADMSG) && !sd_bus_error_is_set(error))
                        return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "Setting '%s' has a value of another type", name);
                return r;
        }
        shown = text_escape_head(name, SHOWN_MAX);
        return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT,
                                 "Unknown setting '%s'; known are Names, Addresses, Ports, Backends, Strategy, PreferLocal and Tags",
                                 shown ?: "?");
}

static int parse_settings(Change *c, sd_bus_message *m, sd_bus_error *error) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = parse_setting(c, m, error);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/*
 * What is to be.
 */

/* Puts the values of a key in the place of those that are there. */
static int replace_values(ServiceSettings *s, const ServiceSettings *given, ServiceKey key) {
        _cleanup_free_ char *message = NULL;
        char text[MAX2((int) ADDRESS_STRING_MAX, (int) PORT_MAPPING_STRING_MAX)];
        int r = 0;

        service_settings_clear(s, key);
        switch (key) {
        case SERVICE_NAME:
                for (char **name = given->names; r >= 0 && name && *name; name++)
                        r = service_settings_set(s, key, *name, &message);
                break;
        case SERVICE_ADDRESS:
                for (size_t i = 0; r >= 0 && i < given->n_addresses; i++)
                        r = service_settings_set(s, key, address_format(&given->addresses[i], text), &message);
                break;
        case SERVICE_PORT:
                for (size_t i = 0; r >= 0 && i < given->n_ports; i++)
                        r = service_settings_set(s, key, port_mapping_format(&given->ports[i], text), &message);
                break;
        case SERVICE_BACKEND:
                for (size_t i = 0; r >= 0 && i < given->n_selectors; i++)
                        r = service_settings_set(s, key, given->selectors[i].text, &message);
                break;
        case SERVICE_STRATEGY:
                s->strategy = given->strategy;
                break;
        case SERVICE_PREFER_LOCAL:
                s->prefer_local = given->prefer_local;
                break;
        case SERVICE_TAG:
                for (size_t i = 0; r >= 0 && i < given->tags.n; i++)
                        r = service_settings_set(s, key, given->tags.tags[i], &message);
                break;
        case _SERVICE_KEY_MAX:
        case _SERVICE_KEY_INVALID:
        default:
                break;
        }
        return r;
}

/* The settings that the service would have, complete. `service` is NULL for a new one. */
static int make_settings(const Change *c, const VirtualService *service, ServiceSettings *ret, char **ret_message) {
        ServiceSettings s = {};
        int r = 0;

        *ret_message = NULL;
        if (service)
                r = service_settings_copy(&service->settings, &s);
        for (ServiceKey key = 0; r >= 0 && key < _SERVICE_KEY_MAX; key++)
                if (c->is_given[key])
                        r = replace_values(&s, &c->given, key);
        if (r >= 0)
                r = service_settings_complete(&s, c->id, c->manager->config.default_tag, ret_message);
        if (r < 0) {
                service_settings_done(&s);
                return r;
        }
        *ret = s;
        return 0;
}

static bool has_port(const ServiceSettings *s, const PortMapping *mapping) {
        const PortMapping *there = service_settings_find_port(s, mapping->port);

        return there && there->backend_port == mapping->backend_port;
}

static bool has_address(const ServiceSettings *s, const Address *address) {
        for (size_t i = 0; i < s->n_addresses; i++)
                if (address_equal(&s->addresses[i], address))
                        return true;
        return false;
}

static bool has_selector(const ServiceSettings *s, const char *text) {
        for (size_t i = 0; i < s->n_selectors; i++)
                if (strcmp(s->selectors[i].text, text) == 0)
                        return true;
        return false;
}

/*
 * Whether there is something in it that the old one had not. A backend outside
 * is that also if it would serve another port now.
 */
static bool claims_more(const ServiceSettings *old, const ServiceSettings *s) {
        for (char **name = s->names; *name; name++)
                if (!strv_contains(old->names, *name))
                        return true;
        for (size_t i = 0; i < s->n_addresses; i++)
                if (!has_address(old, &s->addresses[i]))
                        return true;
        for (size_t i = 0; i < s->n_ports; i++)
                if (!has_port(old, &s->ports[i]))
                        return true;
        for (size_t i = 0; i < s->n_selectors; i++)
                if (!has_selector(old, s->selectors[i].text))
                        return true;
        for (size_t i = 0; i < s->tags.n; i++)
                if (!tags_contain(&old->tags, s->tags.tags[i]))
                        return true;
        return old->n_ports != s->n_ports && service_settings_reach_outside(s);
}

/*
 * Acting.
 */

static void on_done(VirtualService *service, const char *error, const char *message, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = userdata;
        _cleanup_free_ char *path = NULL;

        if (error)
                (void) sd_bus_reply_method_errorf(m, error, "%s", message);
        else if (service && sd_bus_message_is_method_call(m, "io.appswitch1.Manager", "CreateVirtualService") > 0) {
                path = virtual_service_bus_path(service);
                if (path)
                        (void) sd_bus_reply_method_return(m, "o", path);
                else
                        (void) sd_bus_reply_method_errnof(m, ENOMEM, "Out of memory");
        } else
                (void) sd_bus_reply_method_return(m, "");
}

static void reply_no_such(sd_bus_message *m, const char *id) {
        _cleanup_free_ char *shown = text_escape_head(id, SHOWN_MAX);

        (void) sd_bus_reply_method_errorf(m, ERROR_NO_SUCH_VIRTUAL_SERVICE, "There is no virtual service '%s'", shown ?: "?");
}

static void reply_invalid(sd_bus_message *m, int r, const char *message) {
        if (message)
                (void) sd_bus_reply_method_errorf(m, ERROR_INVALID_VIRTUAL_SERVICE, "%s", message);
        else
                (void) sd_bus_reply_method_errnof(m, -r, "Failed to make the virtual service: %s", strerror(-r));
}

static void on_authorized(sd_bus_message *m, const Caller *caller, void *userdata) {
        Change *c = *(Change **) userdata;
        VirtualService *service = directory_find_service(&c->manager->directory, c->id);
        _cleanup_free_ char *message = NULL, *now = NULL;
        ServiceSettings s = {};
        int r;

        if (c->verb != CHANGE_CREATE && !service) {
                reply_no_such(m, c->id);
                return;
        }
        if (c->verb == CHANGE_EDIT) {
                /* What was authorized was a change of what it was then. */
                now = service_file_print(&service->settings, service->uid);
                if (!now || strcmp(now, c->before) != 0) {
                        (void) sd_bus_reply_method_errorf(m, ERROR_BUSY, "Virtual service '%s' was changed meanwhile; try again", c->id);
                        return;
                }
        }
        if (c->verb != CHANGE_REMOVE) {
                r = make_settings(c, c->verb == CHANGE_EDIT ? service : NULL, &s, &message);
                if (r < 0) {
                        reply_invalid(m, r, message);
                        return;
                }
        }
        switch (c->verb) {
        case CHANGE_CREATE:
                services_create(c->manager, c->id, &s, caller->uid, !c->runtime, on_done, sd_bus_message_ref(m));
                break;
        case CHANGE_EDIT:
                services_edit(c->manager, service, &s, on_done, sd_bus_message_ref(m));
                break;
        case CHANGE_REMOVE:
        case _CHANGE_VERB_MAX:
        default:
                services_remove(c->manager, service, on_done, sd_bus_message_ref(m));
                break;
        }
        service_settings_done(&s);
}

/* Takes the change in any case. */
static void authorize(sd_bus_message *m, const Caller *caller, Change *change, const ServiceSettings *s, bool persistent, uid_t owner) {
        const ServiceClaims claims = {
                .verb = change_verb_to_string(change->verb),
                .id = change->id,
                .owner = owner,
                .persistent = persistent,
                .takes = change->verb != CHANGE_REMOVE,
                .settings = s,
        };
        Change **holder = change_hold(change);
        int r;

        if (!holder) {
                change_free(change);
                (void) sd_bus_reply_method_errnof(m, ENOMEM, "Out of memory");
                return;
        }
        r = rights_service(change->manager, m, caller, &claims, sizeof(*change), on_authorized, holder, change_destroy);
        if (r < 0)
                (void) sd_bus_reply_method_errnof(m, -r, "Failed to ask polkit: %s", strerror(-r));
}

/* What could not be had anyway is refused before anybody is asked for a password. */
static void on_identified(sd_bus_message *m, const Caller *caller, void *userdata) {
        Change **holder = userdata, *c = *holder;
        VirtualService *service = directory_find_service(&c->manager->directory, c->id);
        _cleanup_free_ char *message = NULL;
        const char *error;
        ServiceSettings s = {};
        bool own;
        int r;

        if (c->verb != CHANGE_CREATE && !service) {
                reply_no_such(m, c->id);
                return;
        }
        if (c->verb == CHANGE_CREATE) {
                if (service) {
                        (void) sd_bus_reply_method_errorf(m, ERROR_VIRTUAL_SERVICE_EXISTS, "There is a virtual service '%s' already", c->id);
                        return;
                }
                if (!services_have_room(c->manager, caller->uid, &error, &message)) {
                        (void) sd_bus_reply_method_errorf(m, error, "%s", message ?: "Out of memory");
                        return;
                }
        }
        if (c->verb == CHANGE_REMOVE)
                r = service_settings_copy(&service->settings, &s);
        else
                r = make_settings(c, c->verb == CHANGE_EDIT ? service : NULL, &s, &message);
        if (r >= 0 && c->verb == CHANGE_EDIT) {
                c->before = service_file_print(&service->settings, service->uid);
                r = c->before ? 0 : -ENOMEM;
        }
        if (r < 0) {
                service_settings_done(&s);
                reply_invalid(m, r, message);
                return;
        }
        /* What lasts is the administrator's, whoever made it. */
        own = service && !service->persistent && service->uid == caller->uid;
        if (own && (c->verb == CHANGE_REMOVE || !claims_more(&service->settings, &s)))
                on_authorized(m, caller, holder);
        else {
                *holder = NULL;
                authorize(m, caller, c, &s, service ? service->persistent : !c->runtime, service ? service->uid : caller->uid);
        }
        service_settings_done(&s);
}

static int change_begin(Change *change, sd_bus_message *m) {
        _cleanup_(change_freep) Change *c = change;
        Change **holder = change_hold(c);
        int r;

        if (!holder)
                return -ENOMEM;
        c = NULL;
        r = caller_identify(m, on_identified, holder, change_destroy);
        return r < 0 ? r : 1;
}

static Change *change_new(Manager *manager, const char *id, ChangeVerb verb) {
        Change *c = calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        c->manager = manager;
        c->verb = verb;
        c->id = strdup(id);
        return c->id ? c : change_free(c);
}

int service_change_create(Manager *manager, sd_bus_message *m, const char *id, sd_bus_error *error) {
        const char *reason = service_id_invalid_reason(id);
        _cleanup_(change_freep) Change *c = NULL;
        _cleanup_free_ char *shown = NULL;
        int r, runtime;

        if (reason) {
                shown = text_escape_head(id, SHOWN_MAX);
                return sd_bus_error_setf(error, ERROR_INVALID_VIRTUAL_SERVICE, "Invalid id '%s': it %s", shown ?: "?", reason);
        }
        c = change_new(manager, id, CHANGE_CREATE);
        if (!c)
                return -ENOMEM;
        r = parse_settings(c, m, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "b", &runtime);
        if (r < 0)
                return r;
        c->runtime = runtime;
        return change_begin(TAKE_PTR(c), m);
}

int service_change_edit(Manager *manager, sd_bus_message *m, const char *id, sd_bus_error *error) {
        _cleanup_(change_freep) Change *c = change_new(manager, id, CHANGE_EDIT);
        int r;

        if (!c)
                return -ENOMEM;
        r = parse_settings(c, m, error);
        return r < 0 ? r : change_begin(TAKE_PTR(c), m);
}

int service_change_remove(Manager *manager, sd_bus_message *m, const char *id) {
        Change *c = change_new(manager, id, CHANGE_REMOVE);

        return c ? change_begin(c, m) : -ENOMEM;
}
