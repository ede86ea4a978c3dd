/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "core.h"

typedef struct Run {
        Addresses addresses;
        const char *path;   /* of the server's agent; else it is started here */
        int server_netns;   /* or -1 */
        const char *filter; /* a glob of names, or NULL */
        int jobs;
        int limit_ms; /* for one case */
} Run;

/* Runs the cases and writes one record of each: its name and its lines, with tabs between. */
int run_cases(const Run *r, FILE *out);
