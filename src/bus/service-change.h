/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls that make, change or remove a virtual service: parse, identify, authorize, act, reply. */

#include "core/manager.h"

/* Each takes the arguments of the method of the manager but for the id, from where the message stands. */
int service_change_create(Manager *manager, sd_bus_message *m, const char *id, sd_bus_error *error);
int service_change_edit(Manager *manager, sd_bus_message *m, const char *id, sd_bus_error *error);
int service_change_remove(Manager *manager, sd_bus_message *m, const char *id);
