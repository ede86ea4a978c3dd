/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The processes of a unit, as the service manager tells them: also that of another host. */

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "basic/macro.h"

enum { PROCESSES_MAX = 1024 }; /* more are not shown */

typedef struct Process {
        pid_t pid;
        char *command; /* with quotes where they are needed, not escaped; "(NAME)" for one without arguments */
} Process;

typedef struct ProcessList {
        Process *processes; /* sorted by PID */
        size_t n_processes;
} ProcessList;

void process_list_done(ProcessList *list);
#define _cleanup_process_list_ _cleanup_(process_list_done)

/*
 * Asks systemd for the control group of a scope or service ("/system.slice/
 * …"). Returns 0; -ENOENT if it has none, being stopped; or another negative
 * errno with `error` set.
 */
int unit_get_cgroup(sd_bus *bus, const char *unit, char **ret, sd_bus_error *error);

/*
 * Asks systemd for the processes of a unit, in its control group and all below
 * it. `list` is zeroed. Returns 0, or a negative errno with `error` set.
 */
int process_list_get(ProcessList *list, sd_bus *bus, const char *unit, sd_bus_error *error);
