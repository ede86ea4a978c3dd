/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "basic/log.h"
#include "cli/bus.h"
#include "cli/error-status.h"
#include "basic/text.h"

static const struct {
        const char *name;
        int status;
} error_statuses[] = {
        { "io.appswitch1.ChdirFailed", STATUS_CHDIR },
        { "io.appswitch1.ExecFailed", STATUS_EXEC },
        { "io.appswitch1.GroupFailed", STATUS_GROUP },
        { "io.appswitch1.NetworkFailed", STATUS_NETWORK },
        { "io.appswitch1.SeccompFailed", STATUS_SECCOMP },
        { "io.appswitch1.UserFailed", STATUS_USER },
};

int error_exit_status(const char *name) {
        for (size_t i = 0; name && i < ELEMENTSOF(error_statuses); i++)
                if (strcmp(error_statuses[i].name, name) == 0)
                        return error_statuses[i].status;
        return EXIT_FAILURE;
}

/* The bus answers these itself when nobody has the name and nobody could be started to take it. */
static bool is_unreachable(const char *name) {
        static const char *const names[] = {
                SD_BUS_ERROR_SERVICE_UNKNOWN,
                SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                SD_BUS_ERROR_FILE_EXISTS, /* the alias of a unit that is masked */
        };
        static const char *const prefixes[] = {
                "org.freedesktop.DBus.Error.Spawn.",
                "org.freedesktop.systemd1.", /* the service manager could not activate it */
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcmp(name, names[i]) == 0)
                        return true;
        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
                        return true;
        return false;
}

int error_report(const char *what, const sd_bus_error *error, int r) {
        _cleanup_free_ char *message = NULL;

        if ((!error || !error->name) && r != -ETIMEDOUT) {
                log_error_errno(r, "%s: %m", what);
                return EXIT_FAILURE;
        }
        if (!error || !error->name || strcmp(error->name, SD_BUS_ERROR_NO_REPLY) == 0) {
                log_error("%s: The AppSwitch daemon went away or did not answer; see \"systemctl%s status appswitchd\".",
                          what, bus_target_option());
                return EXIT_FAILURE;
        }
        if (is_unreachable(error->name)) {
                log_error("%s: The AppSwitch daemon is not running; start it with \"systemctl%s start appswitchd\".",
                          what, bus_target_option());
                return EXIT_FAILURE;
        }
        message = text_escape(error->message && *error->message ? error->message : error->name);
        log_error("%s: %s", what, message ?: error->name);
        return error_exit_status(error->name);
}
