/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "basic/fd.h"
#include "basic/ini.h"

static const char space[] = " \t\r\n";

static char *strip(char *s) {
        size_t n;

        s += strspn(s, space);
        n = strlen(s);
        while (n > 0 && strchr(space, s[n - 1]))
                s[--n] = '\0';
        return s;
}

/* "[Section]" becomes the name; what has no closing bracket at its end is none. */
static char *parse_section(char *s) {
        size_t n = strlen(s);

        if (s[n - 1] != ']')
                return NULL;
        s[n - 1] = '\0';
        return s + 1;
}

static int take_line(char *text, unsigned number, char **section, IniHandler handler, void *userdata) {
        IniLine line = { .type = INI_INVALID, .number = number, .section = *section ?: "" };
        char *s = strip(text), *eq, *name;

        line.text = s;
        if (!*s || *s == '#' || *s == ';')
                return 0;
        if (*s == '[') {
                name = parse_section(s);
                free(*section);
                *section = name ? strdup(name) : NULL;
                if (!name) {
                        line.section = "";
                        return handler(&line, userdata);
                }
                name = *section;
                if (!name)
                        return -ENOMEM;
                line.type = INI_SECTION;
                line.section = name;
                return handler(&line, userdata);
        }
        eq = strchr(s, '=');
        if (!eq)
                return handler(&line, userdata);
        *eq = '\0';
        line.type = INI_ASSIGNMENT;
        line.key = strip(s);
        line.value = strip(eq + 1);
        return handler(&line, userdata);
}

int ini_read(FILE *f, IniHandler handler, void *userdata) {
        _cleanup_free_ char *text = NULL, *section = NULL;
        unsigned number = 0;
        size_t size = 0;

        errno = 0;
        while (getline(&text, &size, f) >= 0) {
                int r = take_line(text, ++number, &section, handler, userdata);

                if (r < 0)
                        return r;
                errno = 0;
        }
        if (ferror(f) || !feof(f))
                return errno > 0 ? -errno : -EIO;
        return 0;
}
