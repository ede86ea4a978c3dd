/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax status: each app in full, with the processes of its unit. */

#include <inttypes.h>
#include <pwd.h>
#include <string.h>
#include <time.h>

#include "basic/log.h"
#include "cli/app.h"
#include "cli/bus.h"
#include "cli/cli.h"
#include "cli/error-status.h"
#include "cli/processes.h"
#include "cli/resolved.h"
#include "cli/terminal.h"
#include "basic/text.h"

enum { LABEL_WIDTH = 10 };

/* "5min 3s ago", with the two largest units. */
static void format_ago(char *buf, size_t size, uint64_t usec) {
        static const struct {
                const char *suffix;
                uint64_t seconds;
        } units[] = { { "d", 86400 }, { "h", 3600 }, { "min", 60 }, { "s", 1 } };
        uint64_t now = (uint64_t) time(NULL), then = usec / USEC_PER_SEC, left = now > then ? now - then : 0;
        int n = 0, shown = 0;

        for (size_t i = 0; i < ELEMENTSOF(units) && shown < 2; i++) {
                uint64_t count = left / units[i].seconds;

                if (count == 0 && (shown > 0 || units[i].seconds > 1))
                        continue;
                n += snprintf(buf + n, size - (size_t) n, "%llu%s ", (unsigned long long) count,
                              units[i].suffix);
                left -= count * units[i].seconds;
                shown++;
        }
        (void) snprintf(buf + n, size - (size_t) n, "ago");
}

static void print_lines(const char *label, char *const *values) {
        printf("%*s: ", LABEL_WIDTH, label);
        if (!values || !*values)
                puts("-");
        for (char *const *v = values; v && *v; v++) {
                _cleanup_free_ char *escaped = text_escape(*v);

                printf("%*s%s\n", v == values ? 0 : LABEL_WIDTH + 2, "", escaped ?: "?");
        }
}

static void print_line(const char *label, const char *value) {
        print_lines(label, (char *const[]){ (char *) (*value ? value : "-"), NULL });
}

static int print_listeners(const App *app) {
        _cleanup_strv_ char **lines = NULL;

        for (size_t i = 0; i < app->n_listeners; i++) {
                _cleanup_free_ char *s = listener_to_string(&app->listeners[i]), *line = NULL;

                if (!s)
                        return -ENOMEM;
                if (strcmp(app->listeners[i].protocol, "tcp") != 0 &&
                    asprintf(&line, "%s (%s)", s, app->listeners[i].protocol) < 0)
                        return -ENOMEM;
                if (strv_append(&lines, line ?: s) < 0)
                        return -ENOMEM;
        }
        print_lines("Listens", lines);
        return 0;
}

static void print_user(uint32_t uid) {
        struct passwd *pw = bus_is_remote() ? NULL : getpwuid(uid);
        char buf[128];

        if (pw)
                (void) snprintf(buf, sizeof(buf), "%s (%u)", pw->pw_name, uid);
        else
                (void) snprintf(buf, sizeof(buf), "%u", uid);
        print_line("User", buf);
}

static void print_since(uint64_t usec) {
        time_t seconds = (time_t) (usec / USEC_PER_SEC);
        char date[64], ago[64], line[160];
        struct tm tm;

        if (!localtime_r(&seconds, &tm) || strftime(date, sizeof(date), "%a %F %T %Z", &tm) == 0)
                return;
        format_ago(ago, sizeof(ago), usec);
        (void) snprintf(line, sizeof(line), "%s; %s", date, ago);
        print_line("Since", line);
}

static void print_processes(const char *cgroup, const ProcessList *list) {
        print_line("CGroup", cgroup);
        for (size_t i = 0; i < list->n_processes; i++) {
                _cleanup_free_ char *command = text_escape(list->processes[i].command);

                printf("%*s%s%i %s\n", LABEL_WIDTH + 2, "", i + 1 == list->n_processes ? "└─" : "├─",
                       (int) list->processes[i].pid, command ?: "?");
        }
        if (list->n_processes >= PROCESSES_MAX)
                printf("%*s  … and more\n", LABEL_WIDTH + 2, "");
}

static int print_app(const App *app, char *const *resolved, const char *cgroup, const ProcessList *processes, bool colors) {
        _cleanup_free_ char *command = strv_join(app->command, " "), *escaped = NULL, *shortcut = NULL;
        char leader[16], balance[64], counters[80];

        escaped = command ? text_escape(command) : NULL;
        if (!escaped)
                return log_oom();
        printf("%s●%s %s - %s\n", colors ? "\x1b[0;1;32m" : "", colors ? "\x1b[0m" : "", app->id, escaped);
        print_lines("Name", app->names);
        print_lines("Addresses", app->addresses);
        print_lines("Tags", app->tags);
        if (print_listeners(app) < 0)
                return log_oom();
        if (app->expose && *app->expose) {
                print_lines("Exposes", app->expose);
                print_lines("To", app->expose_from);
        }
        if (app->egress)
                print_lines("Egress", app->egress);
        if (resolved)
                print_lines("Resolved", resolved);
        (void) snprintf(balance, sizeof(balance), "%s, weight %u%s", app->strategy ?: "?", app->weight,
                        app->draining ? ", draining" : "");
        print_line("Balance", balance);
        if (app->shortcut && app->transport && asprintf(&shortcut, "%s (%s now)", app->shortcut, app->transport) < 0)
                return log_oom();
        if (shortcut)
                print_line("Shortcut", shortcut);
        (void) snprintf(counters, sizeof(counters), "%" PRIu64 " in, %" PRIu64 " out, %" PRIu64 " refused", app->n_in,
                        app->n_out, app->n_refused);
        print_line("Counters", counters);
        print_line("Command", command);
        print_user(app->uid);
        print_line("Unit", app->unit);
        print_since(app->timestamp);
        (void) snprintf(leader, sizeof(leader), "%u", app->leader);
        print_line("Leader", leader);
        if (cgroup)
                print_processes(cgroup, processes);
        return 0;
}

static json_object *status_to_json(const App *app, const char *cgroup, const ProcessList *processes) {
        _cleanup_json_ json_object *o = app_to_json(app), *array = json_object_new_array();

        if (!o || !array)
                return NULL;
        for (size_t i = 0; i < processes->n_processes; i++) {
                json_object *p = json_object_new_object();

                if (json_append(array, p) < 0 ||
                    json_set(p, "pid", json_object_new_int(processes->processes[i].pid)) < 0 ||
                    json_set(p, "command", json_string(processes->processes[i].command)) < 0)
                        return NULL;
        }
        if (json_set(o, "connections_in", json_object_new_uint64(app->n_in)) < 0 ||
            json_set(o, "connections_out", json_object_new_uint64(app->n_out)) < 0 ||
            json_set(o, "refused", json_object_new_uint64(app->n_refused)) < 0 ||
            json_set(o, "cgroup", json_string(cgroup ?: "")) < 0 ||
            json_set(o, "processes", TAKE_PTR(array)) < 0)
                return NULL;
        return TAKE_PTR(o);
}

/* Shows one app, or appends it to `array` if there is one. If its processes cannot be read, the rest is shown. */
static int show_app(sd_bus *bus, const App *app, bool first, bool colors, json_object *array) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_process_list_ ProcessList processes = {};
        _cleanup_free_ char *cgroup = NULL;
        _cleanup_strv_ char **resolved = NULL;
        int r;

        r = unit_get_cgroup(bus, app->unit, &cgroup, &error);
        if (r >= 0)
                r = process_list_get(&processes, bus, app->unit, &error);
        if (r == -ENOMEM)
                return log_oom();
        if (array)
                return json_append(array, status_to_json(app, cgroup, &processes)) < 0 ? log_oom() : 0;
        if (!first)
                putchar('\n');
        resolved = resolved_get(bus, app->id);
        return print_app(app, resolved, cgroup, &processes, colors);
}

/* Whether one of the words, or no word at all, means the app. */
static bool is_wanted(const App *app, char *const *words) {
        if (!words)
                return true;
        for (; *words; words++)
                if (app_matches(app, *words))
                        return true;
        return false;
}

static int check_words(const AppList *list, char *const *words) {
        int status = 0;

        for (; words && *words; words++) {
                _cleanup_free_ char *escaped = NULL;
                size_t i = 0;

                while (i < list->n_apps && !app_matches(&list->apps[i], *words))
                        i++;
                if (i < list->n_apps)
                        continue;
                escaped = text_escape(*words);
                log_error("Failed to show app: There is no app \"%s\"; see \"ax list\".", escaped ?: "?");
                status = EXIT_FAILURE;
        }
        return status;
}

static int show(sd_bus *bus, const Settings *settings, const AppList *list, char *const *words) {
        _cleanup_json_ json_object *array = NULL;
        _cleanup_pager_ pid_t pager = 0;
        bool colors = terminal_colors(), first = true;
        int r, status;

        /* Before the output: a pager would hide it. */
        status = check_words(list, words);
        if (settings->json != JSON_OFF) {
                array = json_object_new_array();
                if (!array)
                        return log_oom();
        } else if (settings->pager && list->n_apps > 0 && status == 0) {
                pager = pager_open();
        }
        for (size_t i = 0; i < list->n_apps; i++) {
                if (!is_wanted(&list->apps[i], words))
                        continue;
                r = show_app(bus, &list->apps[i], first, colors, array);
                if (r < 0)
                        return r;
                first = false;
        }
        if (first && !words && !array && settings->legend)
                puts("No apps.");
        if (array && json_print(stdout, settings->json, array) < 0)
                return log_error_errno(-errno, "Failed to write output: %m");
        return status;
}

int verb_status(const Verb *verb, Settings *settings, char **argv) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_option_parser_ OptionParser p;
        _cleanup_app_list_ AppList list = {};
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        r = cli_parse_plain(&p, verb, settings, argv);
        if (r <= 0)
                return r;
        r = bus_open(&bus);
        if (r < 0)
                return r;
        r = app_list_get(&list, bus, &error);
        if (r < 0)
                return error_report("Failed to show apps", &error, r);
        return show(bus, settings, &list, p.words);
}
