/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "basic/log.h"
#include "basic/text.h"
#include "cli/bus.h"

/* As given on the command line: one for the whole process. */
static struct {
        const char *host, *machine;
        char option[280]; /* longer ones are not shown */
} target;

void bus_set_target(const char *host, const char *machine) {
        _cleanup_free_ char *escaped = host || machine ? text_escape(host ?: machine) : NULL;

        target.host = host;
        target.machine = machine;
        target.option[0] = '\0';
        if (escaped)
                (void) snprintf(target.option, sizeof(target.option), " --%s=%s", host ? "host" : "machine", escaped);
}

bool bus_is_remote(void) {
        return target.host || target.machine;
}

const char *bus_target_option(void) {
        return target.option;
}

static int failed_to_connect(int r) {
        if (target.host) {
                log_error_errno(r, "Failed to connect to the system bus with%s: %m", target.option);
                log_info("Hint: \"ssh HOST systemd-stdio-bridge\" has to work, without a question, and to wait for input.");
        } else if (target.machine) {
                log_error_errno(r, "Failed to connect to the system bus with%s: %m", target.option);
                log_info("Hint: \"machinectl list\" shows the containers that run; only root can enter them.");
        } else {
                log_error_errno(r, "Failed to connect to the system bus: %m");
                log_info("Hint: \"ax doctor\" tells what is missing on this host.");
        }
        return r;
}

int bus_open(sd_bus **ret) {
        _cleanup_bus_ sd_bus *bus = NULL;
        const char *name;
        int r;

        if (target.host)
                r = sd_bus_open_system_remote(&bus, target.host);
        else if (target.machine)
                r = sd_bus_open_system_machine(&bus, target.machine);
        else
                r = sd_bus_open_system_with_description(&bus, "ax");
        /* What leads to another one fails only when somebody waits for it. */
        if (r >= 0 && bus_is_remote())
                r = sd_bus_get_unique_name(bus, &name);
        if (r < 0)
                return failed_to_connect(r);
        *ret = TAKE_PTR(bus);
        return 0;
}

int bus_new_call(sd_bus *bus, const char *method, bool ask, sd_bus_message **ret) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, method);
        if (r < 0)
                return r;
        r = sd_bus_message_set_allow_interactive_authorization(m, ask);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

int bus_append_strv(sd_bus_message *m, const char *key, char **v) {
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, v);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}
