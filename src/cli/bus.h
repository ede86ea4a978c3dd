/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The way to the daemon: names of the API, opening the bus, making a call. */

#include <systemd/sd-bus.h>

#include "basic/macro.h"

#define BUS_NAME "io.appswitch1"
#define BUS_PATH "/io/appswitch1"
#define BUS_INTERFACE_MANAGER "io.appswitch1.Manager"
#define BUS_INTERFACE_APP "io.appswitch1.App"

#define _cleanup_bus_ _cleanup_(sd_bus_flush_close_unrefp)
#define _cleanup_message_ _cleanup_(sd_bus_message_unrefp)
#define _cleanup_error_ _cleanup_(sd_bus_error_free)

/*
 * Says whose system bus bus_open() opens: that of another host, as ssh(1) reaches it (host), or of a container (machine);
 * one of them or both NULL, which is this host's own. Words are borrowed.
 */
void bus_set_target(const char *host, const char *machine);

/* Whether that is another one than this host's own, so that users, processes and the like of here say nothing. */
bool bus_is_remote(void);

/* How it is given as an option of systemctl(1), with a space before it: " --host=HOST"; "" for this host. */
const char *bus_target_option(void);

/* Opens the system bus. Returns 0, or a negative errno that was logged. */
int bus_open(sd_bus **ret);

/*
 * Makes a call of a method of the manager, for arguments to be appended.
 * `ask`: polkit may ask the user. Returns 0, or a negative errno.
 */
int bus_new_call(sd_bus *bus, const char *method, bool ask, sd_bus_message **ret);

/* Appends a setting, {sv}, that is an array of strings (NULL: an empty one). Returns 0, or a negative errno. */
int bus_append_strv(sd_bus_message *m, const char *key, char **v);
