/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "basic/log.h"
#include "cli/bus.h"
#include "cli/cli.h"
#include "basic/text.h"

enum {
        OPTION_HELP = OPTION_GLOBAL,
        OPTION_VERSION,
        OPTION_JSON,
        OPTION_JSON_AUTO,
        OPTION_NO_LEGEND,
        OPTION_NO_PAGER,
        OPTION_NO_ASK_PASSWORD,
        OPTION_FULL,
        OPTION_HOST,
        OPTION_MACHINE,
};

/* Where in the list of commands the explanation begins. */
enum { HELP_COLUMN = 36 };

static const Option global_options[] = {
        { OPTION_HELP, "help", 'h', NULL, "Show this help" },
        { OPTION_VERSION, "version", 0, NULL, "Show the version" },
        { OPTION_HOST, "host", 'H', "[USER@]HOST", "Ask the daemon of another host, by ssh" },
        { OPTION_MACHINE, "machine", 'M', "CONTAINER", "Ask the daemon of a local container" },
        { OPTION_JSON, "json", 0, "MODE", "Output as JSON: short, pretty or off (-j: what fits)" },
        { OPTION_JSON_AUTO, "json-auto", 'j', NULL, NULL },
        { OPTION_FULL, "full", 'l', NULL, "Do not shorten columns" },
        { OPTION_NO_LEGEND, "no-legend", 0, NULL, "Do not show the headers and the footer" },
        { OPTION_NO_PAGER, "no-pager", 0, NULL, "Do not pipe output into a pager" },
        { OPTION_NO_ASK_PASSWORD, "no-ask-password", 0, NULL, "Do not ask for passwords" },
        {},
};

static const Verb verbs[] = {
        { "run", "[--] COMMAND [ARGUMENT…]", "Run a program as an app", run_options, true, verb_run, .local = true },
        { "list", "[apps|services|names|virtual-services|connections|exposed]", "List apps, or what else there is", NULL, false, verb_list },
        { "tree", NULL, "Show who listens and who is connected", NULL, false, verb_tree },
        { "monitor", NULL, "Show what happens, as it happens", NULL, false, verb_monitor },
        { "plot", NULL, "Draw who talks to whom, for dot(1)", plot_options, false, verb_plot },
        { "status", "[APP…]", "Show apps with their processes", NULL, false, verb_status },
        { "stop", "APP…", "Stop apps", NULL, false, verb_stop },
        { "kill", "APP…", "Send a signal to apps", kill_options, false, verb_kill },
        { "create", "ID", "Make a virtual service", create_options, false, verb_create },
        { "edit", "ID", "Change a virtual service", edit_options, false, verb_edit },
        { "remove", "ID…", "Remove virtual services", NULL, false, verb_remove },
        { "explain", "CLIENT SERVICE:PORT", "Tell which tag or rule decides about a connection", NULL, false, verb_explain },
        { "policy", "[show|check [DIRECTORY]|reload]", "Show rules, try them, or read them again", NULL, false, verb_policy },
        { "drain", "APP…", "Give apps no new connections", drain_options, false, verb_drain },
        { "wait", "NAME[:PORT]", "Wait until an app listens for a name", wait_options, false, verb_wait },
        { "doctor", NULL, "Look whether this host has what apps need", NULL, false, verb_doctor, .local = true },
        { "verify", "UNIT…", "Look whether units can be the apps that their files say", verify_options, false, verb_verify, .local = true },
        { "systemd-run", "[OPTION…] COMMAND…", "Run a service as systemd-run(1) does; AppSwitch= makes it an app", NULL, true, verb_systemd_run },
        { "tag", "APP… [+|-]KEY=VALUE…", "Change the tags of apps", tag_options, true, verb_tag },
};

static void show_verb(const Verb *verb) {
        int n = printf("  %s%s%s", verb->name, verb->args ? " " : "", verb->args ?: "");

        /* As many columns as it has characters; "…" is the only one that is longer than a byte. */
        for (const char *p = verb->args; p && (p = strstr(p, "…")); p += strlen("…"))
                n -= (int) strlen("…") - 1;
        if (n > HELP_COLUMN - 2)
                n = printf("\n") - 1;
        printf("%*s%s\n", HELP_COLUMN - n, "", verb->help);
}

static void show_help(const Verb *verb) {
        if (verb) {
                printf("ax [OPTION…] %s [OPTION…]%s%s\n\n%s.\n", verb->name, verb->args ? " " : "",
                       verb->args ?: "", verb->help);
                if (verb->options) {
                        printf("\nOptions:\n");
                        options_print_help(verb->options);
                }
                printf("\nGlobal options:\n");
        } else {
                printf("ax [OPTION…] COMMAND …\n\nRun apps with a network identity of their own, and look at them.\n"
                       "\nCommands:\n");
                for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                        show_verb(&verbs[i]);
                printf("\nAPP is an id (web_1), a name (web) for all its instances, or a unit.\n\nOptions:\n");
        }
        options_print_help(global_options);
        printf("\nSee the ax(1) man page for details.\n");
}

/* Whose daemon is asked: also of what follows the command, of which it is known whether it can ask another one. */
static int apply_target(const Verb *verb, const Settings *s) {
        const char *word = s->host ?: s->machine;
        _cleanup_free_ char *escaped = word ? text_escape(word) : NULL;

        if (!word)
                return 0;
        if (!escaped)
                return log_oom();
        if (s->host && s->machine)
                return log_error_errno(-EINVAL, "--host= and --machine= cannot be combined; a container of another host is --host=HOST/CONTAINER.");
        if (!*word || *word == '-')
                return log_error_errno(-EINVAL, "Invalid %s \"%s\"; allowed is %s.", s->host ? "host" : "machine", escaped,
                                       s->host ? "[USER@]HOST[:PORT][/CONTAINER]" : "[USER@]CONTAINER, or [USER@].host for this host");
        if (verb && verb->local)
                return log_error_errno(-EOPNOTSUPP, "\"ax %s\" is about the host that it runs on; there, it is: %s%s ax %s …", verb->name,
                                       s->host ? "ssh -t " : "systemd-run --wait --pty --machine=", escaped, verb->name);
        bus_set_target(s->host, s->machine);
        return 0;
}

static int apply_global(const Verb *verb, Settings *s, int id, const char *value) {
        switch (id) {
        case OPTION_HELP:
                show_help(verb);
                s->done = true;
                return 0;
        case OPTION_VERSION:
                printf("appswitch %s\n", VERSION);
                s->done = true;
                return 0;
        case OPTION_JSON:
                s->json = json_mode_from_string(value);
                if (s->json < 0)
                        return log_error_errno(
                                        -EINVAL,
                                        "Unknown mode of --json=; allowed are short, pretty and off.");
                return 0;
        case OPTION_JSON_AUTO:
                s->json = isatty(STDOUT_FILENO) ? JSON_PRETTY : JSON_SHORT;
                return 0;
        case OPTION_HOST:
                s->host = value;
                return apply_target(verb, s);
        case OPTION_MACHINE:
                s->machine = value;
                return apply_target(verb, s);
        case OPTION_FULL:
                s->full = true;
                return 0;
        case OPTION_NO_LEGEND:
                s->legend = false;
                return 0;
        case OPTION_NO_PAGER:
                s->pager = false;
                return 0;
        case OPTION_NO_ASK_PASSWORD:
                s->ask_password = false;
                return 0;
        default:
                return -EINVAL;
        }
}

void cli_parser_init(OptionParser *p, const Verb *verb, char **argv) {
        option_parser_init(p, verb->name, argv, verb->options ?: global_options,
                           verb->options ? global_options : NULL);
        p->stop_at_first = verb->stop_at_first;
}

int cli_parser_next(OptionParser *p, const Verb *verb, Settings *settings, const char **ret_value) {
        int id;

        while ((id = option_parser_next(p, ret_value)) >= OPTION_GLOBAL) {
                int r = apply_global(verb, settings, id, *ret_value);

                if (r < 0 || settings->done)
                        return r;
        }
        return id;
}

int cli_parse_plain(OptionParser *p, const Verb *verb, Settings *settings, char **argv) {
        const char *value;
        int r;

        cli_parser_init(p, verb, argv);
        r = cli_parser_next(p, verb, settings, &value);
        if (r < 0)
                return r;
        return !settings->done;
}

static int unknown_verb(const char *word) {
        _cleanup_free_ char *escaped = word ? text_escape(word) : NULL, *list = NULL;
        _cleanup_strv_ char **names = NULL;

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (strv_append(&names, verbs[i].name) < 0)
                        return log_oom();
        list = strv_join(names, ", ");
        if (!list || (word && !escaped))
                return log_oom();
        if (!word)
                return log_error_errno(-EINVAL, "No command given; there are %s.", list);
        return log_error_errno(-EINVAL, "Unknown command \"%s\"; there are %s.", escaped, list);
}

static int dispatch(Settings *settings, char **argv) {
        _cleanup_option_parser_ OptionParser p;
        const char *value;
        int id;

        option_parser_init(&p, "ax", argv, global_options, NULL);
        p.stop_at_first = true;
        while ((id = option_parser_next(&p, &value)) > 0) {
                int r = apply_global(NULL, settings, id, value);

                if (r < 0 || settings->done)
                        return r;
        }
        if (id < 0)
                return id;
        for (size_t i = 0; p.words && i < ELEMENTSOF(verbs); i++) {
                int r;

                if (strcmp(verbs[i].name, p.words[0]) != 0)
                        continue;
                r = apply_target(&verbs[i], settings);
                return r < 0 ? r : verbs[i].run(&verbs[i], settings, p.words + 1);
        }
        return unknown_verb(p.words ? p.words[0] : NULL);
}

/* Called by the name of the one that it stands before. */
static bool is_systemd_run(const char *argv0) {
        const char *slash = argv0 ? strrchr(argv0, '/') : NULL;

        return argv0 && strcmp(slash ? slash + 1 : argv0, "systemd-run") == 0;
}

int cli_main(int argc, char **argv) {
        Settings settings = { .json = JSON_OFF, .legend = true, .pager = true, .ask_password = true };
        int r;

        r = is_systemd_run(argv[0]) ? verb_systemd_run(NULL, &settings, argv + 1) : dispatch(&settings, argv + 1);
        if (fflush(stdout) == EOF && r == 0 && errno != EPIPE) {
                log_error_errno(-errno, "Failed to write output: %m");
                r = EXIT_FAILURE;
        }
        return r < 0 ? EXIT_FAILURE : r;
}
