/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Options of the command line, from tables: one row is one option, and the
 * help, the list of what is allowed and the parser all read it. Both
 * --name=VALUE and --name VALUE are understood, as are -jq and -sVALUE, and
 * "--" ends the options.
 */

#include "basic/macro.h"

/* A table ends with a row without a name. */
typedef struct Option {
        int id;           /* what option_parser_next() returns; positive */
        const char *name; /* without the dashes */
        char letter;      /* short form, or 0 */
        const char *arg;  /* what the help calls the argument; NULL: takes none */
        const char *help; /* NULL: another spelling of the row before, not shown */
} Option;

typedef struct OptionParser {
        const Option *tables[2]; /* searched in this order; the second may be NULL */
        const char *context;     /* "ax run", for messages */
        bool stop_at_first;      /* the first word that is no option ends the options */
        char **argv;             /* the words to parse; not changed, borrowed */
        size_t next;             /* index of the next word */
        const char *cluster;     /* rest of a word of short options */
        char **words;            /* copies of the words that are no options, in their order */
} OptionParser;

/* Prepares the parser; `argv` ends with NULL and has to outlive it. */
void option_parser_init(OptionParser *p, const char *context, char **argv, const Option *first,
                        const Option *second);
void option_parser_done(OptionParser *p);
#define _cleanup_option_parser_ _cleanup_(option_parser_done)

/*
 * The next option. Returns its id and, if it takes an argument, that in
 * `ret_value` (borrowed from argv); 0 when there is no further option, and
 * the other words are in `words` then; or -EINVAL or -ENOMEM, logged.
 */
int option_parser_next(OptionParser *p, const char **ret_value);

/* Prints the rows of a table for --help. */
void options_print_help(const Option *table);
