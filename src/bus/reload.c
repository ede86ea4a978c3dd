/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "bus/caller.h"
#include "bus/reload.h"
#include "core/errors.h"

static void on_authorized(sd_bus_message *m, const Caller *caller, void *userdata) {
        _cleanup_free_ char *message = NULL;
        int r;

        r = manager_reload(userdata, &message);
        if (r >= 0)
                (void) sd_bus_reply_method_return(m, "");
        else if (message)
                (void) sd_bus_reply_method_errorf(m, ERROR_RELOAD_FAILED, "%s", message);
        else
                (void) sd_bus_reply_method_errnof(m, -r, "Failed to reload: %s", strerror(-r));
}

static void on_identified(sd_bus_message *m, const Caller *caller, void *userdata) {
        int r;

        r = caller_authorize(m, caller, "io.appswitch1.reload", 0, (const char *const[]){ NULL }, on_authorized, userdata, NULL);
        if (r < 0)
                (void) sd_bus_reply_method_errnof(m, -r, "Failed to ask polkit: %s", strerror(-r));
}

int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int r;

        r = caller_identify(m, on_identified, userdata, NULL);
        return r < 0 ? r : 1;
}
