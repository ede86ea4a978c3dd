/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "unit/exec-line.h"

#define PREFIXES "-@:+!"

static const char space[] = " \t\n\r";

/* How long the word is that begins here, quotes and all. */
static size_t word_length(const char *s) {
        const char *start = s;
        char quote = '\0';

        for (; *s && (quote || !strchr(space, *s)); s++) {
                if (*s == '\\' && s[1])
                        s++;
                else if (*s == quote)
                        quote = '\0';
                else if (!quote && (*s == '"' || *s == '\''))
                        quote = *s;
        }
        return (size_t) (s - start);
}

static bool is_separator(const char *word, size_t length) {
        return length == 1 && *word == ';';
}

/*
 * The path, which now is an argument like others: a '$' in it was none of a
 * variable before.
 */
static void put_path(FILE *f, const char *path, size_t length, bool variables) {
        for (size_t i = 0; i < length; i++) {
                if (variables && path[i] == '$')
                        (void) fputc('$', f);
                (void) fputc(path[i], f);
        }
}

/* One command, up to a separator or the end. Returns where it ends. */
static const char *wrap_command(FILE *f, const char *s, const char *wrapper, const char *options) {
        bool argv0 = false, full = false, variables = true;
        size_t length;

        for (; *s && strchr(PREFIXES, *s); s++) {
                argv0 |= *s == '@';
                full |= *s == '+';
                variables &= *s != ':';
                if (*s != '@')
                        (void) fputc(*s, f);
        }
        length = word_length(s);
        (void) fprintf(f, "%s%s%s%s -- ", wrapper, *options && !full ? " " : "", full ? "" : options, argv0 ? " --argv0" : "");
        put_path(f, s, length, variables);
        for (s += length;; s += length) {
                s += strspn(s, space);
                length = word_length(s);
                if (length == 0 || is_separator(s, length))
                        return s;
                (void) fprintf(f, " %.*s", (int) length, s);
        }
}

int exec_line_wrap(const char *line, const char *wrapper, const char *options, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        for (const char *s = line; *(s += strspn(s, space));) {
                s = wrap_command(f, s, wrapper, options);
                if (*s) {
                        (void) fputs(" ; ", f);
                        s++;
                }
        }
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

char exec_line_find_prefix(const char *line, const char *prefixes) {
        bool begins = true;

        for (const char *s = line; *(s += strspn(s, space));) {
                const size_t length = word_length(s);

                for (size_t i = 0; begins && i < length && strchr(PREFIXES, s[i]); i++)
                        if (strchr(prefixes, s[i]))
                                return s[i];
                begins = is_separator(s, length);
                s += length;
        }
        return '\0';
}

int exec_line_identifier(const char *line, char **ret) {
        const char *path = line + strspn(line, space);
        size_t length, at;

        path += strspn(path, PREFIXES);
        length = word_length(path);
        for (at = length; at > 0 && path[at - 1] != '/'; at--)
                if (strchr("\"'\\", path[at - 1])) {
                        *ret = NULL;
                        return 0;
                }
        *ret = at < length ? strndup(path + at, length - at) : NULL;
        return at < length && !*ret ? -ENOMEM : 0;
}

char *exec_line_quote(const char *word) {
        char *text = malloc(2 * strlen(word) + 3), *to = text;

        if (!text)
                return NULL;
        *to++ = '"';
        for (; *word; word++) {
                if (strchr("\"\\", *word))
                        *to++ = '\\';
                else if (strchr("%$", *word))
                        *to++ = *word;
                *to++ = *word;
        }
        *to++ = '"';
        *to = '\0';
        return text;
}
