/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Answers that tell of all there is. A bus turns out who sends more than 32 MiB;
 * so what would be too long is refused, and has to be asked for piece by piece.
 */

#include "core/manager.h"

/* Has GetManagedObjects() refused if its answer were too long. Returns 0 or a negative errno. */
int bound_add(Manager *m);

/* Whether a list of all services would be too long; `error` says so then. */
bool bound_exceeds_services(Manager *m, sd_bus_error *error);
