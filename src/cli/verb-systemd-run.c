/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ax systemd-run: systemd-run(1) that knows one property more, AppSwitch=. All
 * else is handed on as it is, and what comes out is what the real one says.
 * With AppSwitch= the service is made as a unit file with that section would
 * be (unit/drop-in.h). What has no unit of the system's service manager, with
 * --user or --scope, is `ax run` within what is made.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "basic/text.h"
#include "cli/cli.h"
#include "launch/unit-protocol.h"
#include "unit/drop-in.h"
#include "unit/run-options.h"
#include "unit/sandbox.h"

#define SYSTEMD_RUN "/usr/bin/systemd-run"
#define PROPERTY "AppSwitch="
#define SUFFIX ".service"

/* Those that take a value, or mean something to us. Of others that may come it is known only that they are options. */
static const struct {
        const char *name;
        char letter;
        bool has_value;
} options[] = {
        { "user", 0, false },          { "system", 0, false },          { "scope", 0, false },
        { "shell", 'S', false },       { "host", 'H', true },           { "machine", 'M', true },
        { "unit", 'u', true },         { "property", 'p', true },       { "description", 0, true },
        { "slice", 0, true },          { "service-type", 0, true },     { "uid", 0, true },
        { "gid", 0, true },            { "nice", 0, true },             { "working-directory", 0, true },
        { "setenv", 'E', true },       { "on-active", 0, true },        { "on-boot", 0, true },
        { "on-startup", 0, true },     { "on-unit-active", 0, true },   { "on-unit-inactive", 0, true },
        { "on-calendar", 0, true },    { "timer-property", 0, true },   { "path-property", 0, true },
        { "socket-property", 0, true }, { "background", 0, true },      { "job-mode", 0, true },
};

typedef struct Run {
        char **handed;   /* options for the real one */
        char **settings; /* "key=value" of AppSwitch= */
        char **command;  /* borrowed */
        UnitFile unit;   /* as far as the options tell */
        bool user, scope, remote, shell, named;
} Run;

static void run_done(Run *run) {
        strv_free(run->handed);
        strv_free(run->settings);
        unit_file_done(&run->unit);
}

/* The words of a value, with quotes as in unit files, each taken by `settings`. Returns 0 or a negative errno, logged. */
static int split_settings(Run *run, const char *value) {
        _cleanup_free_ char *word = malloc(strlen(value) + 1);

        if (!word)
                return log_oom();
        for (const char *s = value; *(s += strspn(s, " \t\n"));) {
                char *to = word, quote = '\0';

                for (; *s && (quote || !strchr(" \t\n", *s)); s++) {
                        if (*s == quote)
                                quote = '\0';
                        else if (!quote && (*s == '"' || *s == '\''))
                                quote = *s;
                        else if (*s == '\\' && s[1])
                                *to++ = *++s;
                        else
                                *to++ = *s;
                }
                *to = '\0';
                if (quote || !strchr(word, '='))
                        return log_error_errno(-EINVAL, "Invalid AppSwitch=%s: it must be words of KEY=VALUE.", value);
                if (strv_append(&run->settings, word) < 0)
                        return log_oom();
        }
        return 0;
}

static int assign(Run *run, const char *section, const char *assignment) {
        _cleanup_free_ char *key = strdup(assignment);
        char *eq = key ? strchr(key, '=') : NULL;

        if (!eq)
                return key ? 0 : -ENOMEM;
        *eq = '\0';
        return unit_file_assign(&run->unit, section, key, eq + 1);
}

/* The service that comes of what --unit= says, which may name its timer. */
static int set_unit(Run *run, const char *name) {
        static const char *const suffixes[] = { SUFFIX, ".timer", ".path", ".socket" };
        size_t l = strlen(name);

        if (*name && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\@") != l)
                return log_error_errno(-EINVAL, "Invalid unit name '%s': it must have characters of A-Z a-z 0-9 : - _ . \\ @.", name);
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++)
                if (l > strlen(suffixes[i]) && strcmp(name + l - strlen(suffixes[i]), suffixes[i]) == 0) {
                        l -= strlen(suffixes[i]);
                        break;
                }
        run->named = true;
        free(run->unit.name);
        return asprintf(&run->unit.name, "%.*s" SUFFIX, (int) l, name) < 0 ? log_oom() : 0;
}

/* One option, known or not; `value` NULL: it has none. */
static int take_option(Run *run, const char *name, const char *value) {
        _cleanup_free_ char *text = NULL, *assignment = NULL;
        int r = 0;

        if (strcmp(name, "property") == 0 && value && strncmp(value, PROPERTY, strlen(PROPERTY)) == 0)
                return split_settings(run, value + strlen(PROPERTY));
        if (strcmp(name, "shell") == 0) {
                run->shell = true;
                return 0;
        }
        if (strcmp(name, "property") == 0 && value)
                r = assign(run, "Service", value);
        else if (strcmp(name, "uid") == 0 && value)
                r = asprintf(&assignment, "User=%s", value) < 0 ? -ENOMEM : assign(run, "Service", assignment);
        else if (strcmp(name, "unit") == 0 && value)
                r = set_unit(run, value);
        run->user |= strcmp(name, "user") == 0;
        run->user &= strcmp(name, "system") != 0;
        run->scope |= strcmp(name, "scope") == 0;
        run->remote |= strcmp(name, "host") == 0 || strcmp(name, "machine") == 0;
        if (r < 0)
                return r;
        if (asprintf(&text, "%s%s%s%s", name[1] ? "--" : "-", name, value ? "=" : "", value ?: "") < 0 ||
            strv_append(&run->handed, text) < 0)
                return log_oom();
        return 0;
}

/* "property=X": the option by its name or a beginning of it that fits one alone. Returns how many more words it took, or a negative errno. */
static int take_long(Run *run, const char *text, const char *next) {
        _cleanup_free_ char *name = strndup(text, strcspn(text, "="));
        const char *value = strchr(text, '=');
        size_t found = ELEMENTSOF(options), n = 0;
        int r;

        if (!name)
                return log_oom();
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                if (strncmp(options[i].name, name, strlen(name)) == 0) {
                        found = i;
                        n++;
                        if (strcmp(options[i].name, name) == 0) {
                                n = 1;
                                break;
                        }
                }
        if (n != 1)
                return take_option(run, name, value ? value + 1 : NULL);
        if (value || !options[found].has_value)
                return take_option(run, options[found].name, value ? value + 1 : NULL);
        if (!next)
                return log_error_errno(-EINVAL, "Option --%s wants a value.", options[found].name);
        r = take_option(run, options[found].name, next);
        return r < 0 ? r : 1;
}

/* "tpX=Y": letters, of which the last may take the rest or the next word. Returns as take_long(). */
static int take_short(Run *run, const char *letters, const char *next) {
        for (; *letters; letters++) {
                const char letter[2] = { *letters };
                size_t i;
                int r;

                for (i = 0; i < ELEMENTSOF(options) && options[i].letter != *letters; i++)
                        ;
                if (i == ELEMENTSOF(options) || !options[i].has_value) {
                        r = take_option(run, i == ELEMENTSOF(options) ? letter : options[i].name, NULL);
                        if (r < 0)
                                return r;
                        continue;
                }
                if (letters[1])
                        return take_option(run, options[i].name, letters + 1);
                if (!next)
                        return log_error_errno(-EINVAL, "Option -%c wants a value.", *letters);
                r = take_option(run, options[i].name, next);
                return r < 0 ? r : 1;
        }
        return 0;
}

static int parse(Run *run, char **argv) {
        for (; *argv; argv++) {
                int r;

                if (strcmp(*argv, "--") == 0) {
                        argv++;
                        break;
                }
                if (**argv != '-' || !(*argv)[1])
                        break;
                r = (*argv)[1] == '-' ? take_long(run, *argv + 2, argv[1]) : take_short(run, *argv + 1, argv[1]);
                if (r < 0)
                        return r;
                argv += r;
        }
        run->command = argv;
        return 0;
}

/* A service of the system's is named here, as its settings have to be there before it. */
static int name_unit(Run *run) {
        _cleanup_free_ char *option = NULL;
        uint64_t number;

        if (run->named)
                return 0;
        if (run->user || run->scope) {
                run->unit.name = strdup("run" SUFFIX); /* for specifiers */
                return run->unit.name ? 0 : log_oom();
        }
        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
                return log_error_errno(-EIO, "Failed to make a name for the unit: %m");
        if (asprintf(&run->unit.name, "run-x%016" PRIx64 SUFFIX, number) < 0 ||
            asprintf(&option, "--unit=%s", run->unit.name) < 0 || strv_append(&run->handed, option) < 0)
                return log_oom();
        return 0;
}

/* As properties of the unit, where the daemon finds them. The first one is there in any case: without any it is no app. */
static int append_settings(Run *run) {
        _cleanup_free_ char *message = NULL;
        int r;

        r = strv_append(&run->handed, "--property=" UNIT_SETTING_PROPERTY "=" UNIT_SETTING_FIELD "Name=");
        for (size_t i = 0; r >= 0 && i < run->unit.n; i++) {
                const UnitAssignment *a = &run->unit.assignments[i];
                _cleanup_free_ char *value = NULL, *option = NULL;

                if (strcmp(a->section, UNIT_SECTION) != 0)
                        continue;
                r = unit_expand_specifiers(a->value, run->unit.name, &value, &message);
                if (r >= 0)
                        r = asprintf(&option, "--property=" UNIT_SETTING_PROPERTY "=" UNIT_SETTING_FIELD "%s=%s", a->key, value) < 0
                                ? -ENOMEM
                                : strv_append(&run->handed, option);
        }
        return r;
}

/* As the real one finds it: the service manager looks in other places than the caller's PATH. */
static char *find_command(const char *command) {
        const char *path = getenv("PATH");

        for (const char *p = strchr(command, '/') ? NULL : path; p && *p; p += *p == ':') {
                _cleanup_free_ char *full = NULL;
                int l = (int) strcspn(p, ":");

                if (asprintf(&full, "%.*s/%s", l, p, command) < 0)
                        return NULL;
                if (l > 0 && access(full, X_OK) >= 0)
                        return TAKE_PTR(full);
                p += l;
        }
        return strdup(command);
}

/* Which is an argument now, where '$' is one of a variable. */
static char *double_dollars(const char *s) {
        char *text = malloc(2 * strlen(s) + 1), *to = text;

        for (; text && *s; s++) {
                *to++ = *s;
                if (*s == '$')
                        *to++ = *s;
        }
        if (text)
                *to = '\0';
        return text;
}

static int append_all(char ***v, char *const *more) {
        int r = 0;

        for (; r >= 0 && more && *more; more++)
                r = strv_append(v, *more);
        return r;
}

/* "~A B C" without those of `words`. NULL: out of memory. */
static char *remove_words(const char *text, const char *words) {
        _cleanup_free_ char *copy = strdup(text), *left = calloc(strlen(text) + 2, 1);
        char *rest = copy, *word;

        if (!copy || !left)
                return NULL;
        while ((word = strsep(&rest, " \t"))) {
                const bool first = !*left;

                if (!first && strcasestr(words, word))
                        continue;
                if (first && strcasestr(words, word + 1))
                        *word = '~', word[1] = '\0';
                (void) strcat(strcat(left, first || strcmp(left, "~") == 0 ? "" : " "), word);
        }
        return TAKE_PTR(left);
}

/*
 * Adds what is needed to what was given of the same property: in a transient unit, lists of capabilities that are given
 * again take the place of those before (version 252).
 */
static int add_property(Run *run, const char *property) {
        const size_t key = strcspn(property, "=") + 1;
        char **given = NULL, *text;

        for (char **s = run->handed; s && *s; s++)
                if (strncmp(*s, "--property=", strlen("--property=")) == 0 &&
                    strncmp(*s + strlen("--property="), property, key) == 0)
                        given = s;
        if (!given || !strstr(property, "Capabilit")) {
                _cleanup_free_ char *option = NULL;

                return asprintf(&option, "--property=%s", property) < 0 ? -ENOMEM : strv_append(&run->handed, option);
        }
        if ((*given)[strlen("--property=") + key] == '~') {
                _cleanup_free_ char *left = remove_words(*given + strlen("--property=") + key, property + key);

                if (!left || asprintf(&text, "--property=%.*s%s", (int) key, property, left) < 0)
                        return -ENOMEM;
        } else if (asprintf(&text, "%s %s", *given, property + key) < 0)
                return -ENOMEM;
        free(*given);
        *given = text;
        return 0;
}

/* What is written comes from the command, not from the program before it. */
static int append_identifier(Run *run, const char *path) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *option = NULL;

        if (unit_file_get(&run->unit, "Service", "SyslogIdentifier"))
                return 0;
        return asprintf(&option, "--property=SyslogIdentifier=%s", slash ? slash + 1 : path) < 0 ? -ENOMEM :
                                                                                               strv_append(&run->handed, option);
}

/* A service of the system's: in the namespace of its app, with a small program before the command. */
static int make_service(Run *run, char ***argv) {
        _cleanup_strv_ char **unit_options = NULL, **properties = NULL;
        _cleanup_free_ char *message = NULL, *path = NULL, *netns = NULL, *requires = NULL, *after = NULL, *word = NULL;
        UnitSandbox sandbox;
        int r;

        if (unit_file_get(&run->unit, "Service", "JoinsNamespaceOf"))
                return log_error_errno(-EINVAL, "JoinsNamespaceOf= of a unit that is an app wants a unit file.");
        r = unit_sandbox_find(&run->unit, &sandbox, &message);
        if (r < 0)
                return log_error_errno(r, "%s.", message ?: "Out of memory");
        path = find_command(*run->command);
        word = path ? double_dollars(path) : NULL;
        if (!word || unit_sandbox_format(&sandbox, &unit_options, &properties) < 0 ||
            asprintf(&netns, "--property=NetworkNamespacePath=" UNIT_NETNS_DIRECTORY "/%s", run->unit.name) < 0 ||
            asprintf(&requires, "--property=Requires=" UNIT_PREPARER "%s", run->unit.name) < 0 ||
            asprintf(&after, "--property=After=" UNIT_PREPARER "%s", run->unit.name) < 0)
                return log_oom();
        r = append_all(&run->handed, (char *[]){ netns, requires, after, NULL });
        if (r >= 0)
                r = append_identifier(run, path);
        if (r >= 0)
                r = append_settings(run);
        for (char **p = properties; r >= 0 && p && *p; p++)
                r = add_property(run, *p);
        if (r >= 0)
                r = append_all(argv, run->handed);
        if (r >= 0)
                r = append_all(argv, (char *[]){ (char *) "--", (char *) sandbox.exec_path, NULL });
        if (r >= 0)
                r = append_all(argv, unit_options);
        if (r >= 0)
                r = append_all(argv, (char *[]){ (char *) "--", word, NULL });
        if (r >= 0)
                r = append_all(argv, run->command + 1);
        return r < 0 ? log_oom() : 0;
}

/* What is made runs `ax run`, with what the settings are as its options. */
static int make_nested(const Run *run, char ***argv) {
        _cleanup_strv_ char **words = NULL;
        int r;

        r = run_options_format(&run->unit, !run->scope, &words);
        if (r >= 0)
                r = append_all(argv, run->handed);
        if (r >= 0)
                r = append_all(argv, (char *[]){ (char *) "--", (char *) AX_PATH, NULL });
        if (r >= 0)
                r = append_all(argv, words);
        if (r >= 0)
                r = strv_append(argv, "--");
        if (r >= 0)
                r = append_all(argv, run->command);
        return r < 0 ? log_oom() : 0;
}

/* Looks at the settings, so that what is wrong is said by whom it was said to. */
static int check_settings(Run *run) {
        _cleanup_free_ char *message = NULL;
        UnitSettings settings;
        int r = 0;

        for (char **s = run->settings; r >= 0 && *s; s++)
                r = assign(run, UNIT_SECTION, *s);
        if (r >= 0)
                r = unit_file_parse_settings(&run->unit, &settings, &message);
        if (r < 0)
                return log_error_errno(r, "%s.", message ?: "Out of memory");
        /* Nothing is left of a transient unit that is stopped. */
        if (settings.start_on_connect || settings.stop_when_idle > 0)
                r = log_error_errno(-EINVAL, "%s= wants a unit file; see appswitch.unit(5).",
                                    settings.start_on_connect ? "StartOnConnect" : "StopWhenIdleSec");
        unit_settings_done(&settings);
        return r < 0 ? r : 0;
}

/* As the real one does for --shell. */
static int set_shell(Run *run) {
        static char *shell[2];

        shell[0] = getenv("SHELL") ?: (char *) "/bin/sh";
        run->command = shell;
        return append_all(&run->handed, (char *[]){ (char *) "--pty", (char *) "--same-dir", (char *) "--wait", (char *) "--collect",
                                                    (char *) "--service-type=exec", NULL });
}

static int make(Run *run, char ***argv) {
        int r;

        if (run->remote)
                return log_error_errno(-EOPNOTSUPP, "AppSwitch= is for this host: it cannot be combined with --host= and --machine=. There, it is: ssh HOST ax systemd-run …");
        if (run->shell && set_shell(run) < 0)
                return log_oom();
        if (!*run->command)
                return log_error_errno(-EINVAL, "AppSwitch= wants a command.");
        r = name_unit(run);
        if (r >= 0)
                r = check_settings(run);
        if (r < 0)
                return r;
        if (strv_append(argv, "systemd-run") < 0)
                return log_oom();
        return run->user || run->scope ? make_nested(run, argv) : make_service(run, argv);
}

/* Hands on what was given before the command: `ax -H HOST systemd-run …`. */
static int add_target(const Settings *settings, char **argv, char ***ret) {
        _cleanup_strv_ char **v = NULL;
        const char *word = settings->host ?: settings->machine;
        _cleanup_free_ char *option = NULL;

        if (word && (asprintf(&option, "--%s=%s", settings->host ? "host" : "machine", word) < 0 || strv_append(&v, option) < 0))
                return log_oom();
        if (append_all(&v, argv) < 0)
                return log_oom();
        *ret = TAKE_PTR(v);
        return 0;
}

int verb_systemd_run(const Verb *verb, Settings *settings, char **words) {
        _cleanup_strv_ char **handed = NULL, **argv = NULL;
        _cleanup_(run_done) Run run = {};
        int r;

        r = add_target(settings, words, &argv);
        if (r >= 0)
                r = argv ? parse(&run, argv) : 0;
        if (r < 0)
                return r;
        if (run.settings) {
                r = make(&run, &handed);
                if (r < 0)
                        return r;
        } else if (strv_append(&handed, "systemd-run") < 0 || append_all(&handed, argv) < 0)
                return log_oom();
        (void) execv(SYSTEMD_RUN, handed);
        return log_error_errno(-errno, "Failed to execute " SYSTEMD_RUN ": %m");
}
