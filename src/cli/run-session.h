/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * `ax run` while its app lives: one loop over the bus, the control socket
 * (launch/control.h), signals and the terminal. The session makes the call,
 * passes signals on, stops and goes on as the app does, and ends as it ended.
 *
 * The bus matters only until the call is answered; after that the control
 * socket alone says what happens, and the bus stays connected because its
 * end tells the daemon to stop the app.
 */

#include <systemd/sd-bus.h>

#include "cli/run-request.h"

typedef struct RunEnd {
        int status; /* to exit with */
        int signal; /* to die of instead; 0: none */
        bool typed; /* that signal was typed at the terminal, so it is for all of our job */
} RunEnd;

/*
 * Runs the app with a PTY or with the caller's own stdio. `cwd_fd` stays the
 * caller's. Returns 0 and how it ended (a failure of the app to start is an
 * end that was logged), or a negative errno that was logged. The signals that
 * are passed on stay blocked.
 */
int run_session(sd_bus *bus, const RunRequest *request, const Settings *settings, int cwd_fd, bool pty,
                RunEnd *ret_end);

/* Says on stderr as what an app runs: its unit and, where they are known, name and addresses. */
void run_print_info(const char *unit, const char *name, char *const *addresses);
