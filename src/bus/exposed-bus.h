/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* ListExposed of the manager. It is answered when the kernel has been asked for its counters. */

#include "core/manager.h"

int method_list_exposed(sd_bus_message *m, void *userdata, sd_bus_error *error);
