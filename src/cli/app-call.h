/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One call of the manager on each of the apps that the user named: what stop, kill and drain share. */

#include "cli/cli.h"

typedef struct AppCall {
        const char *method; /* of the manager; its first argument is the id of the app */
        const char *failed; /* "Failed to …", for messages */
        const char *whom;   /* KillApp only, else NULL */
        int signal;
        const bool *flag; /* DrainApp only, else NULL */
} AppCall;

/*
 * Calls for all apps that the words mean, going on after a failure. Failures
 * are logged. Returns 0, the exit status of the first failure, or a negative
 * errno that was logged.
 */
int app_call_each(const AppCall *call, const Settings *settings, char *const *words);
