/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bus face of an app: io.appswitch1.App at /io/appswitch1/app/ID. */

#include "core/app.h"

/* Adds the objects. Returns 0 or a negative errno. */
int app_bus_add(Manager *m);

/* The path of an app's object, to be freed, or NULL if memory is out. */
char *app_bus_path(const App *app);

/* StopApp, KillApp and DrainApp of the manager, Stop, Kill and Drain of the app: `id` is kept. */
int app_bus_stop(Manager *m, sd_bus_message *message, const char *id);
int app_bus_kill(Manager *m, sd_bus_message *message, const char *id, const char *whom, int signal,
                 sd_bus_error *error);
int app_bus_drain(Manager *m, sd_bus_message *message, const char *id, bool draining);

/* Signals; for ManagerHooks. */
void app_bus_new(App *app);
void app_bus_removed(App *app);
void app_bus_listeners_changed(App *app);
void app_bus_leader_changed(App *app);
void app_bus_tags_changed(App *app);
