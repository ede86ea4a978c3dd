/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax wait: until somebody listens for a name. What units are ordered by (appswitch-name@.service). */

#include <string.h>
#include <strings.h>

#include "basic/clock.h"
#include "basic/log.h"
#include "basic/text.h"
#include "cli/bus-json.h"
#include "cli/bus.h"
#include "cli/cli.h"
#include "cli/error-status.h"
#include "cli/objects.h"
#include "cli/virtual-service.h"
#include "model/name.h"

#define TIMEOUT_MAX 86400.0
/* How much longer than the timeout the daemon may take for its answers, or a short one would be over before them. */
#define ANSWER_USEC USEC_PER_SEC

enum { OPTION_TIMEOUT = 1 };

const Option wait_options[] = {
        { OPTION_TIMEOUT, "timeout", 0, "SECONDS", "Give up after so long (otherwise: never)" },
        {},
};

/* What is waited for. */
typedef struct Wait {
        char *name;
        const char *port;        /* NULL: any */
        bool is_short;           /* the name is without the domain of the daemon now */
        json_object *services;   /* of all apps, as they are now */
        bool look;               /* something has changed */
} Wait;

static const char *const matches[] = {
        "type='signal',sender='" BUS_NAME "',path='" BUS_PATH "',member='ServiceNew'",
        "type='signal',sender='" BUS_NAME "',path='" BUS_PATH "',member='VirtualServiceNew'",
        "type='signal',sender='" BUS_NAME "',member='PropertiesChanged',arg0='io.appswitch1.Service'",
        "type='signal',sender='" BUS_NAME "',member='PropertiesChanged',arg0='io.appswitch1.VirtualService'",
};

static int on_change(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ((Wait *) userdata)->look = true;
        return 0;
}

/* To look would start a daemon that was stopped. */
static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *old, *new;

        if (sd_bus_message_read(m, "sss", &name, &old, &new) >= 0)
                ((Wait *) userdata)->look = *new != '\0';
        return 0;
}

static int read_service(sd_bus_message *m, void *userdata) {
        json_object *service;
        int r;

        r = bus_json_read(m, &service);
        return r < 0 ? r : json_append(userdata, service);
}

static bool has_word(json_object *service, const char *key, const char *word) {
        json_object *array = json_object_object_get(service, key);

        for (size_t i = 0; json_object_is_type(array, json_type_array) && i < json_object_array_length(array); i++)
                if (strcasecmp(json_object_get_string(json_object_array_get_idx(array, i)), word) == 0)
                        return true;
        return false;
}

/* Whether there is a service with this word in a property, at a port (NULL: any). */
static bool is_served(const Wait *w, const char *key, const char *word, const char *port) {
        for (size_t i = 0; i < json_object_array_length(w->services); i++) {
                json_object *service = json_object_array_get_idx(w->services, i);
                const char *at = json_object_get_string(json_object_object_get(service, "Port"));

                if (has_word(service, key, word) && (!port || (at && strcmp(at, port) == 0)))
                        return true;
        }
        return false;
}

static bool has_name(const VirtualService *v, const char *name) {
        for (char **n = v->names; n && *n; n++)
                if (strcasecmp(*n, name) == 0)
                        return true;
        return false;
}

/* Nobody here sees whether one outside listens: it is taken to. */
static bool has_outside_backend(const VirtualService *v) {
        for (char **b = v->backends; b && *b; b++)
                if (strncmp(*b, "app:", strlen("app:")) != 0 && strncmp(*b, "tag:", strlen("tag:")) != 0)
                        return true;
        return false;
}

/* A port of it is "PORT" or "PORT:BACKENDPORT". */
static bool is_served_virtually(const Wait *w, const VirtualService *v) {
        for (char **p = v->ports; p && *p; p++) {
                const char *colon = strchrnul(*p, ':');

                if (w->port && (strlen(w->port) != (size_t) (colon - *p) || strncmp(w->port, *p, (size_t) (colon - *p)) != 0))
                        continue;
                if (has_outside_backend(v))
                        return true;
                for (char **member = v->members; member && *member; member++)
                        if (is_served(w, "Backends", *member, *colon ? colon + 1 : *p))
                                return true;
        }
        return false;
}

/* The next call ends by then; if that is never, when the bus gives up. */
static void bound_call(sd_bus *bus, uint64_t until) {
        const uint64_t now = now_usec(CLOCK_MONOTONIC);

        if (until != UINT64_MAX)
                (void) sd_bus_set_method_call_timeout(bus, until > now ? until - now : 1);
}

/* "web.ax.internal" is "web", as for who looks it up. Returns 0 or a negative errno with `error` set. */
static int shorten(Wait *w, sd_bus *bus, sd_bus_error *error) {
        _cleanup_free_ char *domain = NULL;
        size_t n = strlen(w->name), l;
        int r;

        if (w->is_short || !strchr(w->name, '.'))
                return 0;
        r = sd_bus_get_property_string(bus, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "Domain", error, &domain);
        if (r < 0)
                return r;
        l = strlen(domain);
        if (n > l + 1 && w->name[n - l - 1] == '.' && strcasecmp(w->name + n - l, domain) == 0)
                w->name[n - l - 1] = '\0';
        w->is_short = true;
        return 0;
}

/* Until `until` at most. Returns 1 if somebody listens, 0, or a negative errno with `error` set: -ETIMEDOUT, or another. */
static int look(Wait *w, sd_bus *bus, uint64_t until, sd_bus_error *error) {
        _cleanup_virtual_service_list_ VirtualServiceList list = {};
        _cleanup_json_ json_object *services = json_object_new_array();
        int r;

        if (!services)
                return -ENOMEM;
        w->services = services; /* valid in here only */
        bound_call(bus, until);
        r = shorten(w, bus, error);
        bound_call(bus, until);
        if (r >= 0)
                r = objects_read(bus, "io.appswitch1.Service", read_service, services, error);
        if (r < 0)
                return r;
        if (is_served(w, "Names", w->name, w->port))
                return 1;
        bound_call(bus, until);
        r = virtual_service_list_get(&list, bus, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < list.n; i++)
                if (has_name(&list.services[i], w->name) && is_served_virtually(w, &list.services[i]))
                        return 1;
        return 0;
}

/* Goes on when the daemon has gone away: it may come back. */
static int wait_for(Wait *w, sd_bus *bus, uint64_t deadline) {
        bool first = true;

        for (;;) {
                uint64_t now;
                int r;

                while ((r = sd_bus_process(bus, NULL)) > 0)
                        ;
                if (r < 0)
                        return log_error_errno(r, "Failed to talk to the system bus: %m");
                if (w->look || first) {
                        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

                        w->look = false;
                        now = now_usec(CLOCK_MONOTONIC);
                        r = look(w, bus, deadline == UINT64_MAX ? deadline : MAX2(deadline, now + ANSWER_USEC), &error);
                        if (r > 0)
                                return EXIT_SUCCESS;
                        if (r == -ETIMEDOUT && now_usec(CLOCK_MONOTONIC) >= deadline) {
                                log_error("The AppSwitch daemon did not answer in time whether somebody listens for %s%s%s; see \"systemctl status appswitchd\".",
                                          w->name, w->port ? ":" : "", w->port ?: "");
                                return EXIT_FAILURE;
                        }
                        if (r < 0 && first)
                                return error_report("Failed to look for services", &error, r);
                        first = false;
                        w->look |= r == -ETIMEDOUT; /* nobody says again what has changed before */
                        continue; /* what came meanwhile */
                }
                now = now_usec(CLOCK_MONOTONIC);
                if (now >= deadline) {
                        log_error("Nobody listens for %s%s%s in time; see \"ax list services\".", w->name, w->port ? ":" : "", w->port ?: "");
                        return EXIT_FAILURE;
                }
                r = sd_bus_wait(bus, deadline == UINT64_MAX ? UINT64_MAX : deadline - now);
                if (r < 0 && r != -EINTR)
                        return log_error_errno(r, "Failed to wait for the system bus: %m");
        }
}

static int watch(Wait *w, sd_bus *bus) {
        int r;

        r = sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged",
                                on_owner, w);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(matches); i++)
                r = sd_bus_add_match(bus, NULL, matches[i], on_change, w);
        return r < 0 ? log_error_errno(r, "Failed to watch the daemon: %m") : 0;
}

static int parse_timeout(const char *value, uint64_t *ret) {
        char *end = NULL;
        double seconds = *value >= '0' && *value <= '9' ? strtod(value, &end) : 0;

        if (!end || *end || seconds > TIMEOUT_MAX) {
                _cleanup_free_ char *escaped = text_escape(value);

                return log_error_errno(-EINVAL, "Invalid timeout %s; allowed are seconds from 0 to %.0f.", escaped ?: "?", TIMEOUT_MAX);
        }
        *ret = now_usec(CLOCK_MONOTONIC) + (uint64_t) (seconds * (double) USEC_PER_SEC);
        return 0;
}

/* Writes over the colon in `word`. */
static int parse_service(char *word, Wait *w) {
        _cleanup_free_ char *escaped = text_escape(word);
        char *colon = strrchr(word, ':'), *end = NULL;
        const char *reason;

        if (colon) {
                unsigned long port = colon[1] >= '1' && colon[1] <= '9' ? strtoul(colon + 1, &end, 10) : 0;

                if (port == 0 || port > UINT16_MAX || *end)
                        return log_error_errno(-EINVAL, "\"%s\" has an invalid port; allowed is NAME or NAME:PORT, with a port from 1 to 65535.",
                                               escaped ?: "?");
                w->port = colon + 1;
                *colon = '\0';
        }
        /* As DNS ends a name that is whole. */
        if (*word && word[strlen(word) - 1] == '.' && strchr(word, '.') != word + strlen(word) - 1)
                word[strlen(word) - 1] = '\0';
        reason = name_invalid_reason(word);
        if (reason)
                return log_error_errno(-EINVAL, "Invalid name in \"%s\": %s", escaped ?: "?", reason);
        w->name = word;
        return 0;
}

int verb_wait(const Verb *verb, Settings *settings, char **argv) {
        _cleanup_option_parser_ OptionParser p;
        _cleanup_bus_ sd_bus *bus = NULL;
        uint64_t deadline = UINT64_MAX;
        const char *value;
        Wait w = {};
        int id, r;

        cli_parser_init(&p, verb, argv);
        while ((id = cli_parser_next(&p, verb, settings, &value)) > 0) {
                r = parse_timeout(value, &deadline); /* there is --timeout= only */
                if (r < 0)
                        return r;
        }
        if (id < 0 || settings->done)
                return id;
        if (strv_length(p.words) != 1)
                return log_error_errno(-EINVAL, "Which name is to be waited for? See \"ax wait --help\": ax wait NAME[:PORT].");
        r = parse_service(p.words[0], &w);
        if (r >= 0)
                r = bus_open(&bus);
        if (r >= 0)
                r = watch(&w, bus);
        return r < 0 ? r : wait_for(&w, bus, deadline);
}
