/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax monitor: what happens, as it happens. One line for each signal of the daemon. */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "basic/clock.h"
#include "basic/log.h"
#include "basic/text.h"
#include "cli/bus-json.h"
#include "cli/bus.h"
#include "cli/cli.h"

enum { ARGUMENTS_MAX = 8 };

/* What the arguments of a signal are called; those of others are numbered. */
static const struct {
        const char *signal;
        const char *arguments[ARGUMENTS_MAX];
} signals[] = {
        { "AppNew", { "id", "path" } },
        { "AppRemoved", { "id", "path" } },
        { "ServiceNew", { "protocol", "address", "port", "path" } },
        { "ServiceRemoved", { "protocol", "address", "port", "path" } },
        { "VirtualServiceNew", { "id", "path" } },
        { "VirtualServiceRemoved", { "id", "path" } },
        { "ConnectionRefused", { "client", "server", "address", "port", "reason" } },
        { "PropertiesChanged", { "interface", "properties", "invalidated" } },
};

/* They say again what our own signals say. */
static const char object_manager[] = "org.freedesktop.DBus.ObjectManager";

typedef struct Monitor {
        const Settings *settings;
        sd_event *event;
} Monitor;

static const char *argument_name(const char *signal, unsigned i, char buf[static 16]) {
        for (size_t k = 0; k < ELEMENTSOF(signals); k++)
                if (strcmp(signals[k].signal, signal) == 0 && i < ARGUMENTS_MAX && signals[k].arguments[i])
                        return signals[k].arguments[i];
        (void) snprintf(buf, 16, "argument%u", i + 1);
        return buf;
}

static int event_to_json(sd_bus_message *m, const char *event, json_object **ret) {
        _cleanup_json_ json_object *o = json_object_new_object();
        json_object *value;
        char buf[16];
        int r;

        if (!o || json_set(o, "timestamp", json_object_new_uint64(now_usec(CLOCK_REALTIME))) < 0 ||
            json_set(o, "event", json_string(event)) < 0)
                return -ENOMEM;
        if (m && strcmp(event, "PropertiesChanged") == 0 && json_set(o, "path", json_string(sd_bus_message_get_path(m))) < 0)
                return -ENOMEM;
        for (unsigned i = 0; m && (r = bus_json_read(m, &value)) != 0; i++) {
                if (r < 0)
                        return r;
                if (json_set(o, argument_name(event, i, buf), value) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(o);
        return 0;
}

/* "04:05:06.789 ServiceNew protocol=tcp address=198.18.0.10 …" */
static void print_line(json_object *o) {
        const uint64_t usec = json_object_get_uint64(json_object_object_get(o, "timestamp"));
        const time_t seconds = (time_t) (usec / USEC_PER_SEC);
        char date[16] = "";
        struct tm tm;

        if (localtime_r(&seconds, &tm))
                (void) strftime(date, sizeof(date), "%T", &tm);
        printf("%s.%03u %s", date, (unsigned) (usec % USEC_PER_SEC / USEC_PER_MSEC),
               json_object_get_string(json_object_object_get(o, "event")));
        json_object_object_foreach(o, key, value) {
                _cleanup_free_ char *escaped = NULL;
                const char *text;

                if (strcmp(key, "timestamp") == 0 || strcmp(key, "event") == 0 ||
                    (json_object_is_type(value, json_type_array) && json_object_array_length(value) == 0))
                        continue;
                text = json_object_is_type(value, json_type_string)
                                ? json_object_get_string(value)
                                : json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
                escaped = text_escape(text ?: "");
                printf(" %s=%s", key, escaped ?: "?");
        }
        putchar('\n');
}

/* Whoever reads is to see it at once; who has gone away ends us. */
static int print_event(Monitor *monitor, sd_bus_message *m, const char *event) {
        _cleanup_json_ json_object *o = NULL;
        int r;

        r = event_to_json(m, event, &o);
        if (r == -ENOMEM)
                return log_oom();
        if (r < 0)
                return 0; /* of a later version, which says it in another way */
        if (monitor->settings->json == JSON_OFF)
                print_line(o);
        else
                (void) json_print(stdout, monitor->settings->json, o);
        if (fflush(stdout) == EOF)
                return sd_event_exit(monitor->event, errno == EPIPE ? 0 : -errno);
        return 0;
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *interface = sd_bus_message_get_interface(m), *member = sd_bus_message_get_member(m);

        if (!interface || !member || strcmp(interface, object_manager) == 0)
                return 0;
        (void) print_event(userdata, m, member);
        return 0;
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *old, *new;

        if (sd_bus_message_read(m, "sss", &name, &old, &new) >= 0)
                (void) print_event(userdata, NULL, *new ? "DaemonStarted" : "DaemonStopped");
        return 0;
}

static int on_bus_gone(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Monitor *monitor = userdata;

        return sd_event_exit(monitor->event, log_error_errno(-ECONNRESET, "The system bus is gone."));
}

static int monitor_run(Monitor *monitor, sd_bus *bus) {
        sigset_t set;
        int r;

        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        r = sd_event_add_signal(monitor->event, NULL, SIGINT, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(monitor->event, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = sd_bus_attach_event(bus, monitor->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus.Local", NULL, "org.freedesktop.DBus.Local",
                                        "Disconnected", on_bus_gone, monitor);
        if (r >= 0)
                r = sd_bus_add_match(bus, NULL, "type='signal',sender='" BUS_NAME "',path_namespace='" BUS_PATH "'",
                                     on_signal, monitor);
        if (r >= 0)
                r = sd_bus_add_match(bus, NULL,
                                     "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                                     "member='NameOwnerChanged',arg0='" BUS_NAME "'",
                                     on_owner, monitor);
        if (r < 0)
                return log_error_errno(r, "Failed to watch the daemon: %m");
        if (monitor->settings->legend)
                fprintf(stderr, "Watching; end with Ctrl-C.\n");
        r = sd_event_loop(monitor->event);
        (void) sd_bus_detach_event(bus);
        return r;
}

int verb_monitor(const Verb *verb, Settings *settings, char **argv) {
        _cleanup_option_parser_ OptionParser p;
        _cleanup_bus_ sd_bus *bus = NULL;
        Monitor monitor = { .settings = settings };
        int r;

        r = cli_parse_plain(&p, verb, settings, argv);
        if (r <= 0)
                return r;
        if (p.words)
                return log_error_errno(-EINVAL, "\"ax monitor\" takes no arguments.");
        r = bus_open(&bus);
        if (r < 0)
                return r;
        r = sd_event_new(&monitor.event);
        if (r < 0)
                return log_error_errno(r, "Failed to make an event loop: %m");
        r = monitor_run(&monitor, bus);
        (void) sd_event_unref(monitor.event);
        return r;
}
