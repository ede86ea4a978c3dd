/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bus face of what apps listen on: io.appswitch1.Service at /io/appswitch1/service/tcp_ADDRESS_PORT. */

#include "core/manager.h"

/* What an object of a service is called at the most: the prefix, "tcp_", an address, '_', a port. */
enum { SERVICE_PATH_MAX = 128 };

/* Adds the objects. Returns 0 or a negative errno. */
int service_bus_add(Manager *m);

/* Writes the path of the object of a service and returns `buf`. */
const char *service_bus_path(const Endpoint *at, char buf[static SERVICE_PATH_MAX]);

/* Reads it back. Returns 0, or -EINVAL if it is none. */
int service_bus_parse_path(const char *path, Endpoint *ret);

/* GetService of the manager. */
int method_get_service(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* Signals; for ManagerHooks. */
void service_bus_changed(Manager *m);
void service_bus_refused(Manager *m, const Refusal *refusal);
