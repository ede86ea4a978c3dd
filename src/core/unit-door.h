/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The door for service units: where appswitch-unit asks for an app before its
 * unit starts, and where each process of the unit becomes one of the app
 * (launch/unit-protocol.h). Who asks is known by his cgroup, and what the app
 * is to be like is read from what root has written (unit/drop-in.h).
 *
 * The socket is in the descriptor store, so that who comes while the daemon is
 * being restarted waits.
 */

#include "core/manager.h"

#define UNIT_DOOR_FD_NAME "unit"

typedef struct UnitDoor UnitDoor;

/* Opens, with the socket of an earlier daemon (-EBADF: none), which is taken in any case. Returns 0 or a negative errno. */
int unit_door_new(Manager *m, int fd, UnitDoor **ret);
UnitDoor *unit_door_free(UnitDoor *door);
