/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "basic/log.h"
#include "cli/options.h"
#include "basic/text.h"

void option_parser_init(OptionParser *p, const char *context, char **argv, const Option *first,
                        const Option *second) {
        *p = (OptionParser){ .tables = { first, second }, .context = context, .argv = argv };
}

void option_parser_done(OptionParser *p) {
        p->words = strv_free(p->words);
}

static const Option *find_option(const OptionParser *p, const char *name, size_t length, char letter) {
        for (size_t i = 0; i < ELEMENTSOF(p->tables); i++)
                for (const Option *o = p->tables[i]; o && o->name; o++) {
                        if (letter && o->letter == letter)
                                return o;
                        if (name && strlen(o->name) == length && strncmp(o->name, name, length) == 0)
                                return o;
                }
        return NULL;
}

/* Says what would have been allowed instead. */
static int unknown_option(const OptionParser *p, const char *word) {
        _cleanup_free_ char *escaped = text_escape(word), *list = NULL;
        _cleanup_strv_ char **names = NULL;

        for (size_t i = 0; i < ELEMENTSOF(p->tables); i++)
                for (const Option *o = p->tables[i]; o && o->name; o++) {
                        _cleanup_free_ char *name = NULL;

                        if (!o->help)
                                continue;
                        if (asprintf(&name, "--%s%s", o->name, o->arg ? "=" : "") < 0)
                                return log_oom();
                        if (strv_append(&names, name) < 0)
                                return log_oom();
                }
        list = strv_join(names, ", ");
        if (!escaped || !list)
                return log_oom();
        return log_error_errno(-EINVAL, "Unknown option %s; \"%s\" takes %s.", escaped, p->context, list);
}

static int parse_long(OptionParser *p, const char *word, const char **ret_value) {
        const char *name = word + 2, *equals = strchrnul(name, '=');
        const Option *o = find_option(p, name, (size_t) (equals - name), 0);

        if (!o)
                return unknown_option(p, word);
        if (!o->arg) {
                if (*equals)
                        return log_error_errno(-EINVAL, "Option --%s takes no argument.", o->name);
                return o->id;
        }
        if (!*equals && !p->argv[p->next])
                return log_error_errno(-EINVAL, "Option --%s needs an argument: --%s=%s.", o->name, o->name,
                                       o->arg);
        *ret_value = *equals ? equals + 1 : p->argv[p->next++];
        return o->id;
}

static int parse_short(OptionParser *p, const char **ret_value) {
        char letter = *p->cluster++;
        const Option *o = find_option(p, NULL, 0, letter);

        if (!o)
                return unknown_option(p, (const char[]){ '-', letter, 0 });
        if (o->arg) {
                const char *value = *p->cluster ? p->cluster : p->argv[p->next];

                if (!value)
                        return log_error_errno(-EINVAL, "Option -%c needs an argument: -%c %s.", letter,
                                               letter, o->arg);
                if (!*p->cluster)
                        p->next++;
                p->cluster = NULL;
                *ret_value = value;
        }
        return o->id;
}

/* Keeps the words from here on as they are. */
static int take_rest(OptionParser *p) {
        for (; p->argv[p->next]; p->next++)
                if (strv_append(&p->words, p->argv[p->next]) < 0)
                        return log_oom();
        return 0;
}

int option_parser_next(OptionParser *p, const char **ret_value) {
        const char *word;

        *ret_value = NULL;
        for (;;) {
                if (p->cluster && *p->cluster)
                        return parse_short(p, ret_value);
                p->cluster = NULL;

                word = p->argv[p->next];
                if (!word)
                        return 0;
                if (strcmp(word, "--") == 0) {
                        p->next++;
                        return take_rest(p);
                }
                if (word[0] != '-' || !word[1]) {
                        if (p->stop_at_first)
                                return take_rest(p);
                        if (strv_append(&p->words, word) < 0)
                                return log_oom();
                        p->next++;
                        continue;
                }
                p->next++;
                if (word[1] == '-')
                        return parse_long(p, word, ret_value);
                p->cluster = word + 1;
        }
}

void options_print_help(const Option *table) {
        for (const Option *o = table; o && o->name; o++) {
                char left[64];
                const char *letter = o->letter ? (const char[]){ '-', o->letter, 0 } : "  ";

                if (!o->help)
                        continue;
                (void) snprintf(left, sizeof(left), "%s --%s%s%s", letter, o->name, o->arg ? "=" : "",
                                o->arg ?: "");
                if (strlen(left) > 25)
                        printf("  %s\n  %25s %s\n", left, "", o->help);
                else
                        printf("  %-25s %s\n", left, o->help);
        }
}
