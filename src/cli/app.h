/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The apps of this host as the daemon describes them: io.appswitch1.App, copied out of one answer. */

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "cli/json.h"

typedef struct Listener {
        char *protocol;
        char *address; /* "*": all addresses of the app */
        uint16_t port;
} Listener;

typedef struct App {
        char *id;
        char *name;   /* "": none */
        char **names; /* all of them, that one first */
        char **addresses;
        char **tags;
        uint32_t uid;
        char *unit;
        char *strategy;
        uint32_t weight;
        bool draining;
        char *shortcut, *transport; /* "auto", "unix", "tcp"; what is in force */
        uint32_t leader;
        uint64_t n_in, n_out, n_refused; /* connections to it, of it; those of it that were refused */
        char **command;
        uint64_t timestamp; /* CLOCK_REALTIME, microseconds */
        Listener *listeners;
        size_t n_listeners;
        char **expose, **expose_from, **egress;
} App;

typedef struct AppList {
        App *apps; /* sorted by id */
        size_t n_apps;
} AppList;

void app_done(App *app);
#define _cleanup_app_ _cleanup_(app_done)
void app_list_done(AppList *list);
#define _cleanup_app_list_ _cleanup_(app_list_done)

/*
 * Reads the properties of io.appswitch1.App, an a{sv} at the place where the
 * message stands; unknown ones are passed over. `app` is zeroed or was read
 * before. Returns 0, or a negative errno: -EBADMSG if they are not what the
 * interface says.
 */
int app_read(App *app, sd_bus_message *m);

/*
 * Asks the daemon for one app, by object path. Returns 0 or a negative errno
 * with `error` set.
 */
int app_get(App *app, sd_bus *bus, const char *path, uint64_t timeout_usec, sd_bus_error *error);

/*
 * Asks the daemon for all apps, in one call. `list` is zeroed. Returns 0 or a
 * negative errno with `error` set.
 */
int app_list_get(AppList *list, sd_bus *bus, sd_bus_error *error);

/* Whether the user may mean this app by `word`: its id, its unit, or one of its names in any case of letters. */
bool app_matches(const App *app, const char *word);

/* Whether a word is of the form of a unit that can be an app: "….service" or "….scope". */
bool is_unit_name(const char *word);

/* "198.18.0.10:80", "[fdaa::1]:80" or "*:80"; NULL: out of memory. */
char *listener_to_string(const Listener *listener);

/*
 * The app as a JSON object, keys in lower case: id, name, names, addresses, tags,
 * listens, strategy, weight, draining, expose, expose_from, egress, uid, unit, leader, command, timestamp. NULL: out of memory.
 */
json_object *app_to_json(const App *app);
