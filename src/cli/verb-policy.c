/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax policy: the rules in force, a dry run of others, and reading them again. */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/conf-files.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/text.h"
#include "cli/bus.h"
#include "cli/cli.h"
#include "cli/error-status.h"
#include "cli/polkit-agent.h"
#include "cli/table.h"
#include "cli/terminal.h"

enum {
        FILES_MAX = 256,
        FILE_SIZE_MAX = 1024 * 1024 + 1, /* one byte more than is allowed, for the daemon to say so */
};

/* Calls a method that polkit may ask for. */
static int call(const Settings *settings, sd_bus_message *m, const char *failed, sd_bus_message **ret) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_agent_ pid_t agent = 0;
        int r;

        if (settings->ask_password)
                agent = polkit_agent_open();
        /* No limit of time: the user may have to look for a password. */
        r = sd_bus_call(sd_bus_message_get_bus(m), m, UINT64_MAX, &error, ret);
        return r < 0 ? error_report(failed, &error, r) : 0;
}

static char *place(const char *file, uint32_t line) {
        char *s;

        if ((line > 0 ? asprintf(&s, "%s:%u", file, line) : asprintf(&s, "%s", file)) < 0)
                return NULL;
        return s;
}

static int reload(sd_bus *bus, const Settings *settings) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        r = bus_new_call(bus, "ReloadPolicy", settings->ask_password, &m);
        return r < 0 ? error_report("Failed to reload the policy", NULL, r) : call(settings, m, "Failed to reload the policy", NULL);
}

/* A rule in force. */
typedef struct ShownRule {
        const char *file, *from, *to, *ports, *action, *description;
        uint32_t line;
        int log, broken;
        uint64_t n;
} ShownRule;

static int read_rule(sd_bus_message *m, ShownRule *r) {
        return sd_bus_message_read(m, "(sussssbbst)", &r->file, &r->line, &r->from, &r->to, &r->ports, &r->action, &r->log,
                                   &r->broken, &r->description, &r->n);
}

static int add_row(Table *t, const ShownRule *rule) {
        _cleanup_free_ char *where = place(rule->file, rule->line);
        char n[24];

        (void) snprintf(n, sizeof(n), "%" PRIu64, rule->n);
        if (!where)
                return -ENOMEM;
        return table_add(t, (const char *const[]){ where, rule->broken ? "deny (error)" : rule->action, rule->from, rule->to,
                                                   *rule->ports ? rule->ports : "any", rule->log ? "yes" : "no", n,
                                                   rule->description });
}

static int show_table(const Settings *settings, sd_bus_message *reply) {
        static const char *const headers[] = { "RULE", "ACTION", "FROM", "TO", "PORTS", "LOG", "DECIDED", "DESCRIPTION" };
        _cleanup_pager_ pid_t pager = 0;
        _cleanup_table_ Table *t = table_new(headers, ELEMENTSOF(headers));
        size_t columns = settings->full ? 0 : terminal_columns(), n = 0;
        bool colors = terminal_colors();
        ShownRule rule;
        int r;

        if (!t)
                return log_oom();
        for (; (r = read_rule(reply, &rule)) > 0; n++)
                if (add_row(t, &rule) < 0)
                        return log_oom();
        if (r < 0)
                return log_error_errno(r, "Failed to read the rules: %m");
        if (settings->pager)
                pager = pager_open();
        if (n > 0)
                table_print(t, stdout, columns, settings->legend, colors);
        if (settings->legend)
                printf("%s%zu rule%s in force.\n", n > 0 ? "\n" : "", n, n == 1 ? "" : "s");
        return 0;
}

static json_object *rule_to_json(const ShownRule *rule) {
        json_object *o = json_object_new_object();

        if (!o || json_set(o, "file", json_string(rule->file)) < 0 || json_set(o, "line", json_object_new_int64(rule->line)) < 0 ||
            json_set(o, "action", json_string(rule->action)) < 0 || json_set(o, "from", json_string(rule->from)) < 0 ||
            json_set(o, "to", json_string(rule->to)) < 0 || json_set(o, "ports", json_string(rule->ports)) < 0 ||
            json_set(o, "log", json_object_new_boolean(rule->log)) < 0 ||
            json_set(o, "broken", json_object_new_boolean(rule->broken)) < 0 ||
            json_set(o, "decided", json_object_new_int64((int64_t) rule->n)) < 0 ||
            json_set(o, "description", json_string(rule->description)) < 0) {
                json_object_put(o);
                return NULL;
        }
        return o;
}

static int show_json(const Settings *settings, sd_bus_message *reply) {
        _cleanup_json_ json_object *array = json_object_new_array();
        ShownRule rule;
        int r;

        if (!array)
                return log_oom();
        while ((r = read_rule(reply, &rule)) > 0)
                if (json_append(array, rule_to_json(&rule)) < 0)
                        return log_oom();
        if (r >= 0)
                r = json_print(stdout, settings->json, array);
        return r < 0 ? log_error_errno(r, "Failed to show the rules: %m") : 0;
}

static int show(sd_bus *bus, const Settings *settings) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = bus_new_call(bus, "ListRules", false, &m);
        if (r >= 0)
                r = sd_bus_call(bus, m, 0, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sussssbbst)");
        if (r < 0)
                return error_report("Failed to list the rules", &error, r);
        return settings->json == JSON_OFF ? show_table(settings, reply) : show_json(settings, reply);
}

/* One file, read with the rights of the caller. */
static int append_file(sd_bus_message *m, const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        _cleanup_free_ char *buf = NULL, *name = text_escape(path);
        struct stat st;
        size_t n = 0;
        int r;

        buf = malloc(FILE_SIZE_MAX);
        if (!buf || !name)
                return log_oom();
        if (fd < 0 || fstat(fd, &st) < 0)
                return log_error_errno(-errno, "Failed to open %s: %m", name);
        /* What is masked is a link to /dev/null. */
        if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
                return log_error_errno(-EINVAL, "%s is no file.", name);
        while (n < FILE_SIZE_MAX) {
                ssize_t l = read(fd, buf + n, FILE_SIZE_MAX - n);

                if (l < 0)
                        return log_error_errno(-errno, "Failed to read %s: %m", name);
                if (l == 0)
                        break;
                n += (size_t) l;
        }
        r = sd_bus_message_open_container(m, 'r', "say");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', buf, n);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? log_error_errno(r, "Failed to make the call: %m") : 0;
}

/* All files of a directory in their order; a file of no rules if there is none, as no file at all means another thing. */
static int append_directory(sd_bus_message *m, const char *directory) {
        _cleanup_(conf_files_done) ConfFiles files = {};
        _cleanup_free_ char *absolute = realpath(directory, NULL), *name = text_escape(directory);
        const char *directories[] = { absolute };
        int r;

        if (!name)
                return log_oom();
        if (!absolute)
                return log_error_errno(-errno, "Failed to find the directory %s: %m", name);
        r = conf_files_list("", directories, 1, FILES_MAX, &files, NULL);
        if (r < 0)
                return log_error_errno(r, "Failed to read the directory %s: %m", name);
        if (r > 0)
                return log_error_errno(-E2BIG, "%s has too many files; allowed: %i.", name, FILES_MAX);
        for (size_t i = 0; i < files.n; i++) {
                r = append_file(m, files.paths[i]);
                if (r < 0)
                        return r;
        }
        if (files.n > 0)
                return 0;
        r = sd_bus_message_append(m, "(say)", directory, 0);
        return r < 0 ? log_error_errno(r, "Failed to make the call: %m") : 0;
}

/* What would be otherwise. Returns the exit status, or a negative errno, logged. */
static int print_check(const Settings *settings, sd_bus_message *reply) {
        _cleanup_json_ json_object *o = json_object_new_object(), *problems = json_object_new_array(),
                                   *changes = json_object_new_array();
        const bool json = settings->json != JSON_OFF;
        const char *file, *text, *client, *service, *was_file, *is_file;
        uint32_t line, was_line, is_line;
        int r, is_error, allowed, complete;
        size_t n_errors = 0, n_warnings = 0;
        uint64_t n_changes;
        uint16_t port;

        if (!o || !problems || !changes)
                return log_oom();
        r = sd_bus_message_enter_container(reply, 'a', "(bsus)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(bsus)", &is_error, &file, &line, &text)) > 0) {
                _cleanup_free_ char *where = place(file, line);
                json_object *p;

                n_errors += is_error;
                n_warnings += !is_error;
                if (!where)
                        return log_oom();
                if (!json) {
                        printf("%s: %s: %s.\n", where, is_error ? "error" : "warning", text);
                        continue;
                }
                p = json_object_new_object();
                if (!p || json_append(problems, p) < 0 || json_set(p, "error", json_object_new_boolean(is_error)) < 0 ||
                    json_set(p, "file", json_string(file)) < 0 || json_set(p, "line", json_object_new_int64(line)) < 0 ||
                    json_set(p, "text", json_string(text)) < 0)
                        return log_oom();
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(bssqsusu)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(bssqsusu)", &allowed, &client, &service, &port, &was_file, &was_line,
                                                  &is_file, &is_line)) > 0) {
                _cleanup_free_ char *where = place(allowed && !*is_file ? was_file : is_file, allowed && !*is_file ? was_line : is_line);
                json_object *p;

                if (!where)
                        return log_oom();
                if (!json) {
                        printf("%s %s to %s:%u (%s%s)\n", allowed ? "would open:" : "would cut: ", client, service, port,
                               allowed && !*is_file ? "no more by " : "by ", where);
                        continue;
                }
                p = json_object_new_object();
                if (!p || json_append(changes, p) < 0 || json_set(p, "allowed", json_object_new_boolean(allowed)) < 0 ||
                    json_set(p, "client", json_string(client)) < 0 || json_set(p, "service", json_string(service)) < 0 ||
                    json_set(p, "port", json_object_new_int(port)) < 0 || json_set(p, "rule", json_string(where)) < 0)
                        return log_oom();
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "tb", &n_changes, &complete);
        if (r < 0)
                return log_error_errno(r, "Failed to read the answer: %m");
        if (json) {
                if (json_set(o, "problems", TAKE_PTR(problems)) < 0 || json_set(o, "changes", TAKE_PTR(changes)) < 0 ||
                    json_set(o, "nChanges", json_object_new_int64((int64_t) n_changes)) < 0 ||
                    json_set(o, "complete", json_object_new_boolean(complete)) < 0)
                        return log_oom();
                r = json_print(stdout, settings->json, o);
                if (r < 0)
                        return log_error_errno(r, "Failed to write output: %m");
        } else if (settings->legend)
                printf("%zu error%s, %zu warning%s; %" PRIu64 " connection%s would be decided otherwise%s.\n", n_errors,
                       n_errors == 1 ? "" : "s", n_warnings, n_warnings == 1 ? "" : "s", n_changes, n_changes == 1 ? "" : "s",
                       complete ? "" : " of those that were looked at, which are not all");
        return n_errors > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int check(sd_bus *bus, const Settings *settings, const char *directory) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = bus_new_call(bus, "CheckPolicy", settings->ask_password, &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(say)");
        if (r < 0)
                return error_report("Failed to check the policy", NULL, r);
        if (directory) {
                r = append_directory(m, directory);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return error_report("Failed to check the policy", NULL, r);
        r = call(settings, m, "Failed to check the policy", &reply);
        return r != 0 ? r : print_check(settings, reply);
}

int verb_policy(const Verb *verb, Settings *settings, char **argv) {
        _cleanup_option_parser_ OptionParser p;
        _cleanup_bus_ sd_bus *bus = NULL;
        const char *what;
        size_t n;
        int r;

        r = cli_parse_plain(&p, verb, settings, argv);
        if (r <= 0)
                return r;
        n = strv_length(p.words);
        what = n > 0 ? p.words[0] : "show";
        if (strcmp(what, "show") != 0 && strcmp(what, "check") != 0 && strcmp(what, "reload") != 0) {
                _cleanup_free_ char *escaped = text_escape(what);

                return log_error_errno(-EINVAL, "Unknown command \"ax policy %s\"; there are show, check and reload.",
                                       escaped ?: "?");
        }
        if (n > (strcmp(what, "check") == 0 ? 2U : 1U))
                return log_error_errno(-EINVAL, "Too many arguments; see \"ax policy --help\".");
        r = bus_open(&bus);
        if (r < 0)
                return r;
        if (strcmp(what, "check") == 0)
                return check(bus, settings, n == 2 ? p.words[1] : NULL);
        return strcmp(what, "reload") == 0 ? reload(bus, settings) : show(bus, settings);
}
