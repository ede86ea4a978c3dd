/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* ListConnections and CutConnections of the manager: both are answered later, when the kernel has been asked. */

#include "core/manager.h"

int method_list_connections(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_cut_connections(sd_bus_message *m, void *userdata, sd_bus_error *error);
