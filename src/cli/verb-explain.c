/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax explain: which tag or rule decides about a connection, and where it would go. */

#include <string.h>

#include "basic/log.h"
#include "basic/text.h"
#include "cli/app.h"
#include "cli/bus.h"
#include "cli/cli.h"
#include "cli/error-status.h"

/* What the manager says. Strings are those of the reply. */
typedef struct Explained {
        int allowed, resolves;
        const char *verdict, *reason, *tag, *file, *backend, *target, *name_reason;
        uint32_t line;
} Explained;

/* "web:80", "198.18.0.1:80", "[fd00::1]:80": the colon before the port is the last one. */
static int parse_service(const char *word, char **ret_service, uint16_t *ret_port) {
        const char *colon = strrchr(word, ':');
        const char *digits = colon ? colon + 1 : "";
        unsigned long port;
        char *service, *end = NULL;
        size_t n;

        port = *digits >= '0' && *digits <= '9' ? strtoul(digits, &end, 10) : 0;
        if (!colon || colon == word || port == 0 || port > UINT16_MAX || *end) {
                _cleanup_free_ char *escaped = text_escape(word);

                return log_error_errno(-EINVAL,
                                       "\"%s\" is no service; allowed is NAME:PORT, ADDRESS:PORT or [ADDRESS]:PORT, with a port from 1 to 65535.",
                                       escaped ?: "?");
        }
        n = (size_t) (colon - word);
        service = word[0] == '[' && colon[-1] == ']' ? strndup(word + 1, n - 2) : strndup(word, n);
        if (!service)
                return log_oom();
        *ret_service = service;
        *ret_port = (uint16_t) port;
        return 0;
}

static int read_reply(sd_bus_message *reply, Explained *e) {
        return sd_bus_message_read(reply, "bssssussbs", &e->allowed, &e->verdict, &e->reason, &e->tag, &e->file, &e->line,
                                   &e->backend, &e->target, &e->resolves, &e->name_reason);
}

static void print_line(const char *label, const char *text) {
        _cleanup_free_ char *escaped = text_escape(text);

        if (*text)
                printf("%10s: %s\n", label, escaped ?: "?");
}

static void print_text(const Explained *e) {
        _cleanup_free_ char *place = NULL;

        if (*e->file && (e->line > 0 ? asprintf(&place, "%s:%u", e->file, e->line) : asprintf(&place, "%s", e->file)) < 0)
                place = NULL;
        print_line(e->allowed ? "Allowed" : "Refused", e->reason);
        print_line("Tag", e->tag);
        print_line("Rule", place ?: "");
        print_line("Backend", e->backend);
        print_line("Target", e->target);
        print_line("Name", e->name_reason);
}

static int print_json(const Settings *settings, const Explained *e) {
        _cleanup_json_ json_object *o = json_object_new_object();
        int r;

        if (!o || json_set(o, "allowed", json_object_new_boolean(e->allowed)) < 0 ||
            json_set(o, "verdict", json_string(e->verdict)) < 0 || json_set(o, "reason", json_string(e->reason)) < 0 ||
            json_set(o, "tag", json_string(e->tag)) < 0 || json_set(o, "ruleFile", json_string(e->file)) < 0 ||
            json_set(o, "ruleLine", json_object_new_int64(e->line)) < 0 ||
            json_set(o, "backend", json_string(e->backend)) < 0 || json_set(o, "target", json_string(e->target)) < 0 ||
            json_set(o, "resolves", json_object_new_boolean(e->resolves)) < 0 ||
            json_set(o, "nameReason", json_string(e->name_reason)) < 0)
                return log_oom();
        r = json_print(stdout, settings->json, o);
        return r < 0 ? log_error_errno(r, "Failed to write output: %m") : 0;
}

/*
 * The id of the app that a unit is; the word itself if it is no unit, or of no app: then the daemon has something to say of it.
 * Returns 0 or a negative errno with `error` set.
 */
static int find_unit(sd_bus *bus, const char *word, char **ret, sd_bus_error *error) {
        _cleanup_app_list_ AppList list = {};
        const char *id = word;
        int r = 0;

        if (is_unit_name(word))
                r = app_list_get(&list, bus, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < list.n_apps && id == word; i++)
                if (strcmp(list.apps[i].unit, word) == 0)
                        id = list.apps[i].id;
        *ret = strdup(id);
        return *ret ? 0 : -ENOMEM;
}

int verb_explain(const Verb *verb, Settings *settings, char **argv) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_option_parser_ OptionParser p;
        _cleanup_free_ char *service = NULL, *client_id = NULL, *service_id = NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        Explained e;
        uint16_t port = 0;
        int r;

        r = cli_parse_plain(&p, verb, settings, argv);
        if (r <= 0)
                return r;
        if (strv_length(p.words) != 2)
                return log_error_errno(-EINVAL, "Who connects to what? See \"ax explain --help\": ax explain CLIENT SERVICE:PORT.");
        r = parse_service(p.words[1], &service, &port);
        if (r < 0)
                return r;
        r = bus_open(&bus);
        if (r < 0)
                return r;
        r = find_unit(bus, p.words[0], &client_id, &error);
        if (r >= 0)
                r = find_unit(bus, service, &service_id, &error);
        if (r >= 0)
                r = bus_new_call(bus, "Explain", settings->ask_password, &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "ssq", client_id, service_id, port);
        if (r >= 0)
                r = sd_bus_call(bus, m, 0, &error, &reply);
        if (r >= 0)
                r = read_reply(reply, &e);
        if (r < 0)
                return error_report("Failed to explain", &error, r);
        if (settings->json == JSON_OFF)
                print_text(&e);
        else
                r = print_json(settings, &e);
        return r < 0 ? r : e.allowed ? EXIT_SUCCESS : EXIT_FAILURE;
}
