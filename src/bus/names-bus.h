/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* ListNames of the manager. */

#include "core/manager.h"

int method_list_names(sd_bus_message *m, void *userdata, sd_bus_error *error);
