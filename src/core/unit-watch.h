/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Units that are to be apps, and that no generator has seen yet: the service
 * manager reads a unit file when it is asked for the unit, but runs generators
 * only when all are read again. So whoever writes a file with a section and
 * starts the unit would start it without its fence. When a unit is loaded (the
 * signal UnitNew) that has a section and no drop-in, what it has started is
 * killed, it is stopped, and all unit files are read again, so that it is an app
 * when it is started the next time. Files are not watched: a reload whenever one is
 * written is one that nobody has asked for, and it breaks off what waits for a
 * unit on the private socket of PID 1 (systemd-run --wait).
 *
 * Files are looked at in a thread (basic/errand.h).
 */

#include "core/manager.h"

/* Watches from now on. Returns 0 or a negative errno. */
int unit_watch_new(Manager *m, UnitWatch **ret);
UnitWatch *unit_watch_free(UnitWatch *watch);
DEFINE_CLEANUP(UnitWatch *, unit_watch_free)
