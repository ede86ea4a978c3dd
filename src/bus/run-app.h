/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The method RunApp: parse, identify, authorize, start, reply. */

#include "core/manager.h"

/* Handles a RunApp call (io.appswitch1(5)); the reply comes later. */
int method_run_app(sd_bus_message *m, void *userdata, sd_bus_error *error);
