/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "basic/macro.h"
#include "core/app.h"
#include "core/main-pid.h"

#define UNIT_PATH "/org/freedesktop/systemd1/unit"
#define SERVICE_INTERFACE "org.freedesktop.systemd1.Service"

static App *find_by_path(Manager *m, const char *path) {
        _cleanup_free_ char *unit = NULL;
        App *app = NULL;

        if (sd_bus_path_decode(path, UNIT_PATH, &unit) > 0)
                app = manager_find_unit(m, unit);
        return app && app->service ? app : NULL;
}

/* Of an array of properties the one, or a negative errno; 0: it is not there. */
static int read_main_pid(sd_bus_message *message, uint32_t *ret) {
        const char *name;
        int r;

        r = sd_bus_message_enter_container(message, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = sd_bus_message_read(message, "s", &name);
                if (r < 0)
                        return r;
                if (strcmp(name, "MainPID") == 0)
                        return sd_bus_message_read(message, "v", "u", ret);
                r = sd_bus_message_skip(message, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
        }
        return r;
}

static int on_properties_changed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        App *app = find_by_path(userdata, sd_bus_message_get_path(message));
        uint32_t pid;

        if (app && sd_bus_message_skip(message, "s") >= 0 && read_main_pid(message, &pid) > 0)
                app_set_leader(app, (pid_t) pid);
        return 0;
}

/* The service manager sends nobody's signals unless somebody has subscribed, which is done for scopes (launch/scope.c). */
int main_pids_watch(Manager *m) {
        return sd_bus_add_match_async(m->bus, &m->main_pids,
                                      "type='signal',sender='org.freedesktop.systemd1',path_namespace='" UNIT_PATH "',"
                                      "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
                                      "arg0='" SERVICE_INTERFACE "'",
                                      on_properties_changed, NULL, m);
}
