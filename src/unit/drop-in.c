/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>
#include <unistd.h>

#include "basic/conf-files.h"
#include "basic/text.h"
#include "unit/drop-in.h"
#include "unit/exec-line.h"
#include "unit/sandbox.h"

#define DROP_IN "appswitch.conf"
#define TRANSIENT_DIRECTORY "/run/systemd/transient"
#define GENERATOR_DIRECTORY "/run/systemd/generator"
#define MASKS_DIRECTORY "/run/systemd/generator.early"

enum { DROP_INS_MAX = 64 };

static const char *const commands[] = {
        "ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost",
};

int unit_file_parse_settings(const UnitFile *unit, UnitSettings *ret, char **ret_message) {
        UnitSettings settings;
        int r = 0;

        unit_settings_init(&settings);
        for (size_t i = 0; r >= 0 && i < unit->n; i++) {
                const UnitAssignment *a = &unit->assignments[i];
                _cleanup_free_ char *value = NULL;

                if (strcmp(a->section, UNIT_SECTION) != 0)
                        continue;
                r = unit_expand_specifiers(a->value, unit->name, &value, ret_message);
                if (r >= 0)
                        r = unit_settings_set(&settings, a->key, value, ret_message);
        }
        if (r < 0) {
                unit_settings_done(&settings);
                return r;
        }
        *ret = settings;
        return 0;
}

int drop_in_check(const UnitFile *unit, bool *ret_starts, char **ret_message) {
        const char *at = strchr(unit->name, '@');
        _cleanup_free_ char *instance = NULL;
        UnitFile checked = *unit;
        UnitSettings settings;
        int r;

        if (!unit->found)
                return say(-EINVAL, ret_message, "There is no unit file of this name, or another generator makes it");
        /* What an instance will be called is not known yet. */
        if (at && at[1] == '.') {
                if (asprintf(&instance, "%.*sinstance%s", (int) (at + 1 - unit->name), unit->name, at + 1) < 0)
                        return -ENOMEM;
                checked.name = instance;
        }
        r = unit_file_parse_settings(&checked, &settings, ret_message);
        if (r < 0)
                return r;
        if (ret_starts)
                *ret_starts = settings.start_on_connect;
        if (settings.start_on_connect && settings.n_listens == 0)
                r = say(-EINVAL, ret_message, "StartOnConnect= wants Listen=, the ports that it is started by");
        else if (settings.stop_when_idle > 0 && !settings.start_on_connect)
                r = say(-EINVAL, ret_message, "StopWhenIdleSec= wants StartOnConnect=yes, or nothing would start it again");
        unit_settings_done(&settings);
        return r;
}

static int write_command(const UnitFile *unit, const char *key, const char *path, const char *options, FILE *f) {
        size_t first = unit->n;

        /* Whatever is before an empty one is taken back by it. */
        for (size_t i = 0; i < unit->n; i++)
                if (strcmp(unit->assignments[i].section, "Service") == 0 && strcmp(unit->assignments[i].key, key) == 0 &&
                    (first == unit->n || !*unit->assignments[i].value))
                        first = i;
        if (first == unit->n)
                return 0;
        (void) fprintf(f, "%s=\n", key);
        for (size_t i = first; i < unit->n; i++) {
                const UnitAssignment *a = &unit->assignments[i];
                _cleanup_free_ char *wrapped = NULL;
                int r;

                if (strcmp(a->section, "Service") != 0 || strcmp(a->key, key) != 0 || !*a->value)
                        continue;
                r = exec_line_wrap(a->value, path, options, &wrapped);
                if (r < 0)
                        return r;
                (void) fprintf(f, "%s=%s\n", key, wrapped);
        }
        return 0;
}

int drop_in_write_commands(const UnitFile *unit, const char *path, const char *options, FILE *f) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(commands); i++)
                r = write_command(unit, commands[i], path, options, f);
        return r;
}

static void write_sections(const UnitFile *unit, const UnitJoin *join, FILE *f) {
        const char *user = unit_file_get(unit, "Service", "User");

        if (unit_file_get_bool(unit, "Service", "DynamicUser"))
                user = NULL;

        (void) fputs("\n[" UNIT_SECTION "]\n", f);
        for (size_t i = 0; i < unit->n; i++)
                if (strcmp(unit->assignments[i].section, UNIT_SECTION) == 0)
                        (void) fprintf(f, "%s=%s\n", unit->assignments[i].key, unit->assignments[i].value);
        (void) fputs("\n[" UNIT_OWN_SECTION "]\n", f);
        if (user)
                (void) fprintf(f, "User=%s\n", user);
        if (join && join->owner)
                (void) fprintf(f, "Joins=%s\n", join->owner);
        if (join && join->shared)
                (void) fputs("Shared=yes\n", f);
}

/* The unit that has the app made, and for which one. */
static void write_preparer(const UnitJoin *join, bool starts, FILE *f) {
        const char *preparer = starts || join->starts ? "start" : join->owner || join->shared ? "join" : "unit";
        const char *of = join->owner ?: "%n";
        const int l = join->owner ? (int) (strlen(of) - strlen(".service")) : 2;

        for (size_t i = 0; i < 2; i++)
                (void) fprintf(f, "%s=appswitch-%s@%.*s.service\n", i == 0 ? "Requires" : "After", preparer, l,
                               join->owner ?: "%N");
        (void) fprintf(f, "\n[Service]\nNetworkNamespacePath=" UNIT_NETNS_DIRECTORY "/%s\n", of);
}

/* What is written comes from the service's program, not from the one before it. */
static int write_identifier(const UnitFile *unit, FILE *f) {
        _cleanup_free_ char *identifier = NULL;
        const char *line = NULL;
        int r;

        for (size_t i = 0; i < unit->n; i++) {
                const UnitAssignment *a = &unit->assignments[i];

                if (strcmp(a->section, "Service") == 0 && strcmp(a->key, "ExecStart") == 0)
                        line = !*a->value ? NULL : line ?: a->value;
        }
        if (!line || unit_file_get(unit, "Service", "SyslogIdentifier"))
                return 0;
        r = exec_line_identifier(line, &identifier);
        if (identifier)
                (void) fprintf(f, "SyslogIdentifier=%s\n", identifier);
        return r;
}

int drop_in_write(const UnitFile *unit, const UnitJoin *join, FILE *f, char **ret_message) {
        _cleanup_strv_ char **options = NULL, **properties = NULL;
        _cleanup_free_ char *joined = NULL;
        UnitSandbox sandbox;
        bool starts = false;
        int r;

        r = drop_in_check(unit, &starts, ret_message);
        if (r >= 0)
                r = unit_sandbox_find(unit, &sandbox, ret_message);
        if (r >= 0)
                r = unit_sandbox_format(&sandbox, &options, &properties);
        if (r < 0)
                return r;
        joined = strv_join(options, " ");
        if (!joined)
                return -ENOMEM;
        (void) fputs("# Made by appswitch-generator of [" UNIT_SECTION "]: see appswitch.unit(5).\n"
                     "[Unit]\n", f);
        write_preparer(join, starts, f);
        for (char **p = properties; p && *p; p++)
                (void) fprintf(f, "%s\n", *p);
        r = write_identifier(unit, f);
        if (r >= 0)
                r = drop_in_write_commands(unit, sandbox.exec_path, joined, f);
        if (r >= 0)
                write_sections(unit, join, f);
        return r;
}

int drop_in_write_refusal(const char *message, FILE *f) {
        _cleanup_free_ char *escaped = text_escape(message), *quoted = escaped ? exec_line_quote(escaped) : NULL;

        if (!quoted)
                return -ENOMEM;
        /* One that fails before the start fails it, whatever the type. Nothing else of the unit may run then. */
        (void) fprintf(f, "# Made by appswitch-generator: see appswitch.unit(5).\n"
                          "[Service]\nRestart=no\nExecCondition=\nExecStopPost=\n"
                          "RootDirectory=\nRootImage=\nTemporaryFileSystem=\n"
                          "ExecStartPre=\nExecStartPre=+" UNIT_EXEC_PATH " --refuse %s\n", quoted);
        return 0;
}

char *drop_in_name(const UnitFile *unit) {
        char *name;

        if (!unit->last_file || strcmp(unit->last_file, DROP_IN_NAME) < 0)
                return strdup(DROP_IN_NAME);
        return asprintf(&name, "%s~" DROP_IN, unit->last_file) < 0 ? NULL : name;
}

/* Of the files in UNIT.d that which the generator made. */
static int find_drop_in(const char *unit, char **ret) {
        _cleanup_(conf_files_done) ConfFiles files = {};
        _cleanup_free_ char *directory = NULL;
        const char *failed;
        int r;

        if (asprintf(&directory, GENERATOR_DIRECTORY "/%s.d", unit) < 0)
                return -ENOMEM;
        r = conf_files_list("", (const char *const *) &directory, 1, DROP_INS_MAX, &files, &failed);
        if (r < 0)
                return r;
        for (size_t i = files.n; i > 0; i--)
                if (strstr(strrchr(files.paths[i - 1], '/'), DROP_IN)) {
                        *ret = strdup(files.paths[i - 1]);
                        return *ret ? 0 : -ENOMEM;
                }
        return -ENOENT;
}

bool drop_in_is_there(const char *unit) {
        _cleanup_free_ char *path = NULL, *found = NULL, *template = NULL;

        if (asprintf(&path, MASKS_DIRECTORY "/%s", unit) < 0 || unit_name_template(unit, &template) < 0)
                return false;
        return access(path, F_OK) >= 0 || find_drop_in(unit, &found) >= 0 || (template && find_drop_in(template, &found) >= 0);
}

/* What a transient unit says. Returns 0, -ENOENT if it is none or no app, -ENOMEM, or a negative errno of reading. */
static int load_transient(const char *name, UnitFile *unit) {
        _cleanup_(unit_file_done) UnitFile file = {};
        _cleanup_free_ char *path = NULL;
        const char *user;
        bool found = false;
        int r;

        if (asprintf(&path, TRANSIENT_DIRECTORY "/%s", name) < 0)
                return -ENOMEM;
        r = unit_file_add(&file, path);
        for (size_t i = 0; r >= 0 && i < file.n; i++) {
                const char *setting = file.assignments[i].value;
                _cleanup_free_ char *key = NULL;

                if (strcmp(file.assignments[i].section, "Service") != 0 ||
                    strcmp(file.assignments[i].key, UNIT_SETTING_PROPERTY) != 0 ||
                    strncmp(setting, UNIT_SETTING_FIELD, strlen(UNIT_SETTING_FIELD)) != 0)
                        continue;
                setting += strlen(UNIT_SETTING_FIELD);
                key = strndup(setting, strcspn(setting, "="));
                if (!key)
                        return -ENOMEM;
                found = true;
                setting += strlen(key);
                r = unit_file_assign(unit, UNIT_SECTION, key, *setting ? setting + 1 : setting);
        }
        if (r < 0 || !found)
                return r < 0 ? r : -ENOENT;
        user = unit_file_get(&file, "Service", "User");
        return user && !unit_file_get_bool(&file, "Service", "DynamicUser") ? unit_file_assign(unit, UNIT_OWN_SECTION, "User", user) : 0;
}

int drop_in_load(const char *name, UnitFile *ret) {
        _cleanup_(unit_file_done) UnitFile unit = { .name = strdup(name) };
        _cleanup_free_ char *path = NULL, *template = NULL;
        int r;

        if (!unit.name)
                return -ENOMEM;
        r = load_transient(name, &unit);
        if (r == -ENOENT) {
                r = find_drop_in(name, &path);
                if (r == -ENOENT && unit_name_template(name, &template) >= 0 && template)
                        r = find_drop_in(template, &path);
                if (r >= 0)
                        r = unit_file_add(&unit, path);
        }
        if (r < 0)
                return r;
        unit.found = true;
        *ret = unit;
        unit = (UnitFile){};
        return 0;
}
