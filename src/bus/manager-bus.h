/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bus face of the manager: io.appswitch1.Manager at /io/appswitch1, with ObjectManager. */

#include "core/manager.h"

#define BUS_NAME "io.appswitch1"

/* Adds all objects and the hooks that emit signals. Returns 0 or a negative errno. */
int manager_bus_add(Manager *m);
