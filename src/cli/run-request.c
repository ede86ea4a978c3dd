/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "basic/log.h"
#include "cli/run-request.h"
#include "basic/text.h"

enum {
        OPTION_NAME = 1,
        OPTION_IP,
        OPTION_TAG,
        OPTION_USER,
        OPTION_GROUP,
        OPTION_UNIT,
        OPTION_SLICE,
        OPTION_DESCRIPTION,
        OPTION_COLLECT,
        OPTION_QUIET,
        OPTION_NO_BLOCK,
        OPTION_SHORTCUT,
        OPTION_WEIGHT,
        OPTION_STRATEGY,
        OPTION_EXPOSE,
        OPTION_EXPOSE_FROM,
        OPTION_EGRESS,
        OPTION_STOP_REST,
        OPTION_PTY,
        OPTION_PIPE,
};

const Option run_options[] = {
        { OPTION_NAME, "name", 'n', "NAME", "Name of the app, for DNS; may be repeated" },
        { OPTION_IP, "ip", 0, "ADDRESS", "Address of the app, IPv4 or IPv6; may be repeated" },
        { OPTION_TAG, "tag", 't', "KEY=VALUE", "Tag of the app; may be repeated" },
        { OPTION_USER, "uid", 0, "USER", "Run as this user" },
        { OPTION_USER, "user", 0, "USER", NULL },
        { OPTION_GROUP, "gid", 0, "GROUP", "Run as this group" },
        { OPTION_GROUP, "group", 0, "GROUP", NULL },
        { OPTION_UNIT, "unit", 'u', "UNIT", "Name of the scope unit" },
        { OPTION_SLICE, "slice", 0, "SLICE", "Run in this slice" },
        { OPTION_DESCRIPTION, "description", 0, "TEXT", "Description of the unit" },
        { OPTION_SHORTCUT, "shortcut", 0, "auto|unix|tcp", "What joins it with other apps of this host" },
        { OPTION_WEIGHT, "weight", 0, "N", "Its share among apps of one identity: 1 to 1000, 100 if not given" },
        { OPTION_STRATEGY, "strategy", 0, "STRATEGY", "How they share connections: round-robin, random, least-connections, source-hash" },
        { OPTION_EXPOSE, "expose", 0, "PORT:[ADDRESS:]HOSTPORT", "Let the outside reach a port of it at one of the host; may be repeated" },
        { OPTION_EXPOSE_FROM, "expose-from", 0, "NETWORK,…", "Who of the outside may: networks, any, localhost; may be repeated" },
        { OPTION_EGRESS, "egress", 0, "no|yes|LIST", "What of the outside it may reach: networks and names, with ports; may be repeated" },
        { OPTION_COLLECT, "collect", 'G', NULL, "Unload the unit after it ran, even when failed" },
        { OPTION_QUIET, "quiet", 'q', NULL, "Suppress information messages" },
        { OPTION_NO_BLOCK, "no-block", 0, NULL, "Return when the program has been executed" },
        { OPTION_STOP_REST, "stop-rest", 0, NULL, "Stop what is left of the app when the program has ended" },
        { OPTION_PTY, "pty", 0, NULL, "Run on a pseudo terminal of its own" },
        { OPTION_PIPE, "pipe", 'P', NULL, "Pass stdin, stdout and stderr as they are" },
        {},
};

void run_request_done(RunRequest *request) {
        free(request->unit);
        free(request->slice);
        strv_free(request->names);
        strv_free(request->addresses);
        strv_free(request->tags);
        strv_free(request->expose);
        strv_free(request->expose_from);
        strv_free(request->egress);
        strv_free(request->argv);
        *request = (RunRequest){};
}

/* As systemd-run does: "web" means "web.scope". */
static int set_unit(char **field, const char *value, const char *suffix) {
        size_t n = strlen(value), m = strlen(suffix);
        bool has = n > m && strcmp(value + n - m, suffix) == 0;
        char *unit;

        if (asprintf(&unit, "%s%s", value, has || n == 0 ? "" : suffix) < 0)
                return log_oom();
        free(*field);
        *field = unit;
        return 0;
}

/* Whether it is one that is allowed the daemon says. */
static int set_weight(unsigned *weight, const char *value) {
        char *end;
        unsigned long v = strtoul(value, &end, 10);

        if (*value < '1' || *value > '9' || *end || v > UINT32_MAX) {
                _cleanup_free_ char *escaped = text_escape(value);

                return log_error_errno(-EINVAL, "Invalid weight \"%s\": it must be a number from 1 to 1000.",
                                       escaped ?: "?");
        }
        *weight = (unsigned) v;
        return 0;
}

static int apply(RunRequest *request, int id, const char *value) {
        switch (id) {
        case OPTION_NAME:
                return strv_append(&request->names, value) < 0 ? log_oom() : 0;
        case OPTION_IP:
                return strv_append(&request->addresses, value) < 0 ? log_oom() : 0;
        case OPTION_TAG:
                return strv_append(&request->tags, value) < 0 ? log_oom() : 0;
        case OPTION_EXPOSE:
                return strv_append(&request->expose, value) < 0 ? log_oom() : 0;
        case OPTION_EXPOSE_FROM:
                return strv_append(&request->expose_from, value) < 0 ? log_oom() : 0;
        case OPTION_EGRESS:
                return strv_append(&request->egress, value) < 0 ? log_oom() : 0;
        case OPTION_USER:
                request->user = value;
                return 0;
        case OPTION_GROUP:
                request->group = value;
                return 0;
        case OPTION_UNIT:
                return set_unit(&request->unit, value, ".scope");
        case OPTION_SLICE:
                return set_unit(&request->slice, value, ".slice");
        case OPTION_DESCRIPTION:
                request->description = value;
                return 0;
        case OPTION_SHORTCUT:
                request->shortcut = value;
                return 0;
        case OPTION_WEIGHT:
                return set_weight(&request->weight, value);
        case OPTION_STRATEGY:
                request->strategy = value;
                return 0;
        case OPTION_COLLECT:
                request->collect = true;
                return 0;
        case OPTION_QUIET:
                request->quiet = true;
                return 0;
        case OPTION_NO_BLOCK:
                request->no_block = true;
                return 0;
        case OPTION_STOP_REST:
                request->stop_rest = true;
                return 0;
        case OPTION_PTY:
                request->terminal = RUN_TERMINAL_PTY;
                return 0;
        case OPTION_PIPE:
                request->terminal = RUN_TERMINAL_PIPE;
                return 0;
        default:
                return -EINVAL;
        }
}

/* What D-Bus cannot carry is found here, where the user can still be told which word it was. */
static int check_text(const RunRequest *request) {
        const char *const values[] = { request->user,     request->group,       request->unit,    request->slice,
                                       request->strategy, request->description, request->shortcut };
        char *const *const vectors[] = { request->names,  request->addresses,   request->tags,
                                         request->expose, request->expose_from, request->egress };

        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                if (values[i] && !utf8_is_valid(values[i]))
                        return log_error_errno(-EINVAL,
                                               "Failed to run app: The value of an option is not UTF-8.");
        for (size_t i = 0; i < ELEMENTSOF(vectors); i++)
                for (char *const *v = vectors[i]; v && *v; v++) {
                        if (!utf8_is_valid(*v))
                                return log_error_errno(-EINVAL,
                                                       "Failed to run app: The value of an option is not UTF-8.");
                }
        return 0;
}

int run_request_parse(RunRequest *request, const Verb *verb, Settings *settings, char **argv) {
        _cleanup_option_parser_ OptionParser p;
        const char *value;
        int id;

        cli_parser_init(&p, verb, argv);
        while ((id = cli_parser_next(&p, verb, settings, &value)) > 0) {
                int r = apply(request, id, value);

                if (r < 0)
                        return r;
        }
        if (id < 0 || settings->done)
                return id;
        request->argv = TAKE_PTR(p.words);
        if (!request->argv)
                return log_error_errno(-EINVAL, "Command line to execute required: ax run [--] COMMAND [ARGUMENT…].");
        if (request->no_block && request->terminal == RUN_TERMINAL_PTY)
                return log_error_errno(-EINVAL, "Options --pty and --no-block cannot be used together.");
        if (request->no_block && request->stop_rest)
                return log_error_errno(-EINVAL, "Options --stop-rest and --no-block cannot be used together.");
        return check_text(request);
}
