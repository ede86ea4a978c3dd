/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "cli/bus.h"
#include "cli/processes.h"

void process_list_done(ProcessList *list) {
        for (size_t i = 0; i < list->n_processes; i++)
                free(list->processes[i].command);
        free(list->processes);
        *list = (ProcessList){};
}

int unit_get_cgroup(sd_bus *bus, const char *unit, char **ret, sd_bus_error *error) {
        _cleanup_free_ char *path = NULL, *cgroup = NULL;
        const char *dot = strrchr(unit, '.');
        int r;

        r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path);
        if (r < 0)
                return r;
        r = sd_bus_get_property_string(bus, "org.freedesktop.systemd1", path,
                                       dot && strcmp(dot, ".service") == 0
                                                       ? "org.freedesktop.systemd1.Service"
                                                       : "org.freedesktop.systemd1.Scope",
                                       "ControlGroup", error, &cgroup);
        if (r < 0)
                return r;
        if (!*cgroup)
                return -ENOENT;
        *ret = TAKE_PTR(cgroup);
        return 0;
}

static int add_process(ProcessList *list, pid_t pid, const char *text) {
        _cleanup_free_ char *command = strdup(text);
        Process *grown;

        grown = command ? reallocarray(list->processes, list->n_processes + 1, sizeof(Process)) : NULL;
        if (!grown)
                return -ENOMEM;
        list->processes = grown;
        grown[list->n_processes++] = (Process){ pid, TAKE_PTR(command) };
        return 0;
}

static int compare_processes(const void *a, const void *b) {
        pid_t x = ((const Process *) a)->pid, y = ((const Process *) b)->pid;

        return (x > y) - (x < y);
}

int process_list_get(ProcessList *list, sd_bus *bus, const char *unit, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *cgroup, *command;
        uint32_t pid;
        int r;

        r = sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                               "GetUnitProcesses", error, &reply, "s", unit);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sus)");
        while (r >= 0 && list->n_processes < PROCESSES_MAX &&
               (r = sd_bus_message_read(reply, "(sus)", &cgroup, &pid, &command)) > 0)
                r = add_process(list, (pid_t) pid, command);
        if (list->n_processes > 0)
                qsort(list->processes, list->n_processes, sizeof(Process), compare_processes);
        return r < 0 ? r : 0;
}
