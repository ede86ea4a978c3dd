/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "basic/log.h"
#include "cli/bus.h"
#include "cli/error-status.h"
#include "basic/text.h"

#define OTHER_VERSION "Daemon and ax are of different versions: \"systemctl restart appswitchd\"; apps live through it."

/*
 * What each error of the API (io.appswitch1(5)), and those that the bus has, come to. A hint is one sentence, and says what to
 * do next; what is wrong, and what is allowed instead, is in the message.
 */
static const struct {
        const char *name;
        int status; /* 0: the usual one */
        const char *hint;
} errors[] = {
        { "io.appswitch1.AddressInUse", 0, "\"ax list names\" shows who has which address." },
        { "io.appswitch1.Busy", 0, "Try again in a moment." },
        { "io.appswitch1.Changed", 0, "Look at it with \"ax status\", and try again." },
        { "io.appswitch1.ChdirFailed", STATUS_CHDIR, "Begin in another directory: \"cd /\"." },
        { "io.appswitch1.ExecFailed", STATUS_EXEC, "Is it installed, and executable for the user? \"type -a COMMAND\" shows what there is." },
        { "io.appswitch1.GroupFailed", STATUS_GROUP, "\"getent group\" shows the groups." },
        { "io.appswitch1.InvalidAddress", 0, "See --ip= in ax(1); \"ax list names\" shows the addresses that are taken." },
        { "io.appswitch1.InvalidArgument", 0, "See \"ax COMMAND --help\", and ax(1)." },
        { "io.appswitch1.InvalidName", 0, "See --name= in ax(1); \"ax list names\" shows the names that there are." },
        { "io.appswitch1.InvalidPolicy", 0, "Nothing was changed; \"ax policy check\" tells all that is wrong." },
        { "io.appswitch1.InvalidTag", 0, "A tag is KEY=VALUE, as zone=shop; \"ax list\" shows those of all apps." },
        { "io.appswitch1.InvalidVirtualService", 0, "See appswitch.services(5), and \"ax create --help\"." },
        { "io.appswitch1.LimitReached", 0, "Limits are set in appswitchd.conf(5); \"ax list\" shows what is there to be stopped." },
        { "io.appswitch1.NameInUse", 0, "\"ax list names\" shows whose it is; give another name, or run as that user." },
        { "io.appswitch1.Nested", 0, "Start it from outside of apps; what an app starts itself is a part of it." },
        { "io.appswitch1.NetworkFailed", STATUS_NETWORK, "\"ax doctor\" tells whether the kernel has what it takes." },
        { "io.appswitch1.NoSuchApp", 0, "\"ax list\" shows the apps that run." },
        { "io.appswitch1.NoSuchService", 0, "\"ax list services\" shows what apps listen on." },
        { "io.appswitch1.NoSuchVirtualService", 0, "\"ax list virtual-services\" shows those that there are." },
        { "io.appswitch1.PortInUse", 0, "\"ax list exposed\" shows the ports that apps have, \"ss -tlnp\" those of the host itself." },
        { "io.appswitch1.ReloadFailed", 0, "Nothing was changed; \"journalctl --unit=appswitchd\" tells all that is wrong." },
        { "io.appswitch1.SeccompFailed", STATUS_SECCOMP, "\"ax doctor\" tells whether the kernel has what it takes." },
        { "io.appswitch1.Stopping", 0, "\"systemctl start appswitchd\" starts it again." },
        { "io.appswitch1.UnitFailed", 0, "\"journalctl --unit=appswitchd --unit=appswitch-exec\" may tell more, and so may \"ax doctor\"." },
        { "io.appswitch1.UserFailed", STATUS_USER, "\"getent passwd\" shows the users." },
        { "io.appswitch1.VirtualServiceExists", 0, "\"ax edit\" changes it, \"ax remove\" removes it." },
        { "io.appswitch1.WriteFailed", 0, "Is there room below /etc/appswitch? With --runtime nothing is written there." },
        { SD_BUS_ERROR_ACCESS_DENIED, 0, "Do it as root, or, where an action is named, have polkit permit that: /usr/share/doc/appswitch/examples has rules." },
        { SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, 0, "A password is wanted: do it at a terminal, without --no-ask-password." },
        { SD_BUS_ERROR_INVALID_ARGS, 0, OTHER_VERSION },
        { SD_BUS_ERROR_LIMITS_EXCEEDED, 0, "Try again with fewer calls at a time." },
        { SD_BUS_ERROR_NO_MEMORY, 0, "\"free -m\" shows the memory of the host; \"systemctl status appswitchd\" that of the daemon." },
        { SD_BUS_ERROR_TIMEOUT, 0, "\"systemctl status appswitchd\" shows what it is at." },
        { SD_BUS_ERROR_UNKNOWN_INTERFACE, 0, OTHER_VERSION },
        { SD_BUS_ERROR_UNKNOWN_METHOD, 0, OTHER_VERSION },
        { SD_BUS_ERROR_UNKNOWN_OBJECT, 0, "It has just ended; \"ax list\" shows what runs." },
        { SD_BUS_ERROR_UNKNOWN_PROPERTY, 0, OTHER_VERSION },
};

int error_exit_status(const char *name) {
        for (size_t i = 0; name && i < ELEMENTSOF(errors); i++)
                if (strcmp(errors[i].name, name) == 0 && errors[i].status != 0)
                        return errors[i].status;
        return EXIT_FAILURE;
}

const char *error_hint(const char *name) {
        for (size_t i = 0; name && i < ELEMENTSOF(errors); i++)
                if (strcmp(errors[i].name, name) == 0)
                        return errors[i].hint;
        return "\"journalctl --unit=appswitchd\" may tell more, and so may \"ax doctor\".";
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
                log_info("Hint: %s", error_hint(NULL));
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
        log_info("Hint: %s", error_hint(error->name));
        return error_exit_status(error->name);
}
