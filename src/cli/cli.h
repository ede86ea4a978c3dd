/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The frame of `ax`: the options that all verbs share, the table of verbs,
 * and what every verb needs. A verb is one function, one file, one row.
 */

#include "cli/json.h"
#include "cli/options.h"

/* What the global options, the environment and the terminal say. */
typedef struct Settings {
        JsonMode json;
        bool legend;
        bool pager;
        bool ask_password;
        bool full;
        const char *host, *machine; /* whose daemon is asked; NULL: that of this host */
        bool done; /* --help or --version was given and answered: nothing is left to do */
} Settings;

/* Ids of options of a verb are below this. */
enum { OPTION_GLOBAL = 1000 };

typedef struct Verb {
        const char *name;
        const char *args; /* for the usage line; NULL: none */
        const char *help;
        const Option *options; /* its own; NULL: none */
        bool stop_at_first;    /* its first word ends the options */
        /*
         * Does it. `argv` is what follows the verb, ended with NULL. Returns
         * the exit status, or a negative errno that was logged.
         */
        int (*run)(const struct Verb *verb, Settings *settings, char **argv);
        bool local; /* about this host only: it takes neither --host= nor --machine= */
} Verb;

/* The whole program but for the process's own end. Returns the exit status. */
int cli_main(int argc, char **argv);

/* Prepares a parser for the options of a verb and the global ones. */
void cli_parser_init(OptionParser *p, const Verb *verb, char **argv);

/*
 * As option_parser_next(), but applies global options itself and returns the
 * verb's own only. After 0 the verb has to look at `settings->done`.
 */
int cli_parser_next(OptionParser *p, const Verb *verb, Settings *settings, const char **ret_value);

/*
 * Parses for a verb without options of its own. Returns 1 when there is work
 * to do, 0 when all is done, or a negative errno, logged.
 */
int cli_parse_plain(OptionParser *p, const Verb *verb, Settings *settings, char **argv);

/* The verbs. */
extern const Option run_options[], kill_options[], create_options[], edit_options[], drain_options[], verify_options[];
extern const Option tag_options[];
extern const Option plot_options[];
extern const Option wait_options[];
int verb_run(const Verb *verb, Settings *settings, char **argv);
int verb_create(const Verb *verb, Settings *settings, char **argv);
int verb_edit(const Verb *verb, Settings *settings, char **argv);
int verb_remove(const Verb *verb, Settings *settings, char **argv);
int verb_list(const Verb *verb, Settings *settings, char **argv);
int verb_tree(const Verb *verb, Settings *settings, char **argv);
int verb_monitor(const Verb *verb, Settings *settings, char **argv);
int verb_plot(const Verb *verb, Settings *settings, char **argv);
int verb_status(const Verb *verb, Settings *settings, char **argv);
int verb_verify(const Verb *verb, Settings *settings, char **argv);
int verb_systemd_run(const Verb *verb, Settings *settings, char **argv);
int verb_stop(const Verb *verb, Settings *settings, char **argv);
int verb_kill(const Verb *verb, Settings *settings, char **argv);
int verb_drain(const Verb *verb, Settings *settings, char **argv);
int verb_explain(const Verb *verb, Settings *settings, char **argv);
int verb_policy(const Verb *verb, Settings *settings, char **argv);
int verb_doctor(const Verb *verb, Settings *settings, char **argv);
int verb_wait(const Verb *verb, Settings *settings, char **argv);
int verb_tag(const Verb *verb, Settings *settings, char **argv);
