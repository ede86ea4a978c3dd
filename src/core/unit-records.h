/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The settings of transient units that are apps (UNIT_SETTINGS_DIRECTORY),
 * which `ax systemd-run` leaves there before it has the unit made: each is
 * removed with its unit, and what has no unit, as that could not be made or
 * went while no daemon was there, at the start and every few minutes.
 */

#include "core/manager.h"

/* Begins to remove them. Returns 0 or a negative errno. */
int unit_records_new(Manager *m, UnitRecords **ret);
UnitRecords *unit_records_free(UnitRecords *records);
