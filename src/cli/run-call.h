/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The call RunApp: the request, and what the caller hands to its app. */

#include <systemd/sd-bus.h>

#include "cli/run-request.h"

/* What goes along with the call. The descriptors stay the caller's; the message has copies. */
typedef struct RunContext {
        char *const *environment; /* as environ(7) */
        int stdio[3];
        int cwd_fd;     /* O_PATH */
        int control_fd; /* the monitor's end, see launch/control.h; -EBADF: detached */
        bool terminal;  /* stdio is a terminal of the app's own */
} RunContext;

/*
 * Opens the working directory. Returns a descriptor; -ENOENT if it was
 * removed; or another negative errno of getcwd(2) or open(2).
 */
int run_open_cwd(void);

/*
 * Makes the message of the call. Variables of the environment that D-Bus
 * cannot carry are left out with a warning. Returns 0, or a negative errno:
 * -E2BIG or -ENOMEM if it is too large.
 */
int run_call_new(sd_bus *bus, const RunRequest *request, const RunContext *context, bool ask,
                 sd_bus_message **ret);
