/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the user learns of a failed call: what is wrong, a hint what to do
 * next, and an exit status. The statuses are those of systemd.exec(5), so that `ax run` fails as
 * systemd-run would.
 */

#include <systemd/sd-bus.h>

enum {
        STATUS_CHDIR = 200,
        STATUS_EXEC = 203,
        STATUS_GROUP = 216,
        STATUS_USER = 217,
        STATUS_NETWORK = 225,
        STATUS_SECCOMP = 228,
};

/* The exit status for the name of a D-Bus error; 1 for NULL and for all that have none of their own. */
int error_exit_status(const char *name);

/* What to do about the error of this name, a sentence; for NULL and unknown ones where to look. */
const char *error_hint(const char *name);

/*
 * Logs "WHAT: MESSAGE" for a failed call, and a hint, and returns the exit status. `error`
 * is what the call answered, `r` its negative errno, used when there is no
 * answer. If the daemon is not there, the message says how to start it.
 */
int error_report(const char *what, const sd_bus_error *error, int r);
