/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>
#include <strings.h>

#include "basic/text.h"
#include "unit/drop-in.h"
#include "unit/exec-line.h"
#include "unit/run-options.h"
#include "unit/user-drop-in.h"

#define INSTEAD "it can have ExecStart=ax run … instead of the section"

/*
 * What the user's manager does itself, or to `ax run`, which hands it on: signals, exit status, streams, directory,
 * environment, limits, umask, nice level. Whatever else there is, or will be, is for processes of the unit.
 */
static const char *const settings[] = {
        "Type", "RemainAfterExit", "ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop",
        "ExecStopPost", "Restart", "RestartSec", "RestartPreventExitStatus", "RestartForceExitStatus", "SuccessExitStatus",
        "TimeoutSec", "TimeoutStartSec", "TimeoutStopSec", "TimeoutStartFailureMode", "TimeoutStopFailureMode",
        "RuntimeMaxSec", "RuntimeRandomizedExtraSec", "KillMode", "KillSignal", "RestartKillSignal", "SendSIGHUP",
        "SendSIGKILL", "FinalKillSignal", "Environment", "EnvironmentFile", "PassEnvironment", "UnsetEnvironment",
        "WorkingDirectory", "StandardInput", "StandardInputText", "StandardInputData", "StandardOutput", "StandardError",
        "SyslogIdentifier", "SyslogFacility", "SyslogLevel", "SyslogLevelPrefix", "LogLevelMax", "LogExtraFields",
        "LogRateLimitIntervalSec", "LogRateLimitBurst", "UMask", "Nice", "RuntimeDirectory", "RuntimeDirectoryMode",
        "RuntimeDirectoryPreserve", "StateDirectory", "StateDirectoryMode", "CacheDirectory", "CacheDirectoryMode",
        "LogsDirectory", "LogsDirectoryMode", "ConfigurationDirectory", "ConfigurationDirectoryMode",
};

static const char *const types[] = { "simple", "exec", "oneshot", "idle" };

static bool is_among(const char *word, const char *const *words, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(words[i], word) == 0)
                        return true;
        return false;
}

/* An empty value, or a boolean that is not wanted, asks for nothing. */
static bool is_off(const char *value) {
        static const char *const words[] = { "", "0", "no", "n", "false", "f", "off" };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strcasecmp(words[i], value) == 0)
                        return true;
        return false;
}

static int check_command(const UnitAssignment *a, char **ret_message) {
        char prefix = exec_line_find_prefix(a->value, "@+!");

        return !prefix ? 0
                       : say(-EINVAL, ret_message, "%s= with the prefix '%c' is not for an app of a user's service manager", a->key, prefix);
}

static int check_service(const UnitAssignment *a, char **ret_message) {
        if (strncmp(a->key, "Exec", strlen("Exec")) == 0 && is_among(a->key, settings, ELEMENTSOF(settings)))
                return check_command(a, ret_message);
        if (strcmp(a->key, "Type") == 0 && *a->value && !is_among(a->value, types, ELEMENTSOF(types)))
                return say(-EINVAL, ret_message,
                           "Type=%s is not for an app of a user's service manager, but simple, exec, oneshot and idle are; " INSTEAD,
                           a->value);
        if (strncmp(a->key, "Standard", strlen("Standard")) == 0 &&
            (strcmp(a->value, "socket") == 0 || strncmp(a->value, "fd:", strlen("fd:")) == 0 || strcmp(a->value, "fd") == 0))
                return say(-EINVAL, ret_message, "%s=%s is not for an app of a user's service manager: no sockets can be handed to it", a->key, a->value);
        if (!is_among(a->key, settings, ELEMENTSOF(settings)) && strncmp(a->key, "Limit", strlen("Limit")) != 0 && !is_off(a->value))
                return say(-EINVAL, ret_message,
                           "%s= would not hold for an app of a user's service manager, as its processes are in a scope of the system's; " INSTEAD,
                           a->key);
        return 0;
}

static int check(const UnitCatalog *catalog, const UnitFile *unit, char **ret_message) {
        _cleanup_free_ char *socket = NULL;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < unit->n; i++) {
                const UnitAssignment *a = &unit->assignments[i];

                if (strcmp(a->section, "Service") == 0)
                        r = check_service(a, ret_message);
                else if (strcmp(a->section, UNIT_SECTION) == 0 && !is_off(a->value) &&
                         is_among(unit_settings_option(a->key) ?: "", (const char *[]){ "listen", "start-on-connect", "stop-when-idle-sec" }, 3))
                        r = say(-EINVAL, ret_message, "%s= is not for units of a user's service manager", a->key);
        }
        if (r >= 0 && unit_file_get(unit, "Unit", "JoinsNamespaceOf"))
                r = say(-EINVAL, ret_message, "JoinsNamespaceOf= is not for an app of a user's service manager");
        if (r >= 0)
                r = unit_catalog_find_socket(catalog, unit->name, &socket);
        if (r > 0)
                r = say(-EINVAL, ret_message, "It is started by %s, and no sockets can be handed to an app of a user's service manager", socket);
        return r;
}

int user_drop_in_write(const UnitCatalog *catalog, const UnitFile *unit, FILE *f, char **ret_message) {
        _cleanup_strv_ char **words = NULL;
        _cleanup_free_ char *options = NULL;
        int r;

        r = drop_in_check(unit, NULL, ret_message);
        if (r >= 0)
                r = check(catalog, unit, ret_message);
        if (r >= 0)
                r = run_options_format(unit, true, &words);
        if (r < 0)
                return r;
        /* The section was checked: nothing in it needs quotes, and specifiers are known to the service manager, too. */
        options = strv_join(words, " ");
        if (!options)
                return -ENOMEM;
        (void) fputs("# Made by appswitch-generator of [" UNIT_SECTION "]: see appswitch.unit(5).\n[Service]\n", f);
        /* What a process writes the journal has under its scope, and would have as that of `ax`. */
        if (!unit_file_get(unit, "Service", "SyslogIdentifier"))
                (void) fputs("SyslogIdentifier=%N\n", f);
        return drop_in_write_commands(unit, AX_PATH, options, f);
}
