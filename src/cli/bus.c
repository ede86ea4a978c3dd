/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/log.h"
#include "cli/bus.h"

int bus_open(sd_bus **ret) {
        int r;

        r = sd_bus_open_system_with_description(ret, "ax");
        if (r < 0)
                return log_error_errno(r, "Failed to connect to the system bus: %m");
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
