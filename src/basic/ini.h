/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Files of sections and assignments in the manner of systemd.syntax(7):
 *
 *   # a comment, as is what begins with ';'
 *   [Section]
 *   Key=value
 *
 * What the sections, keys and values mean, and whether a bad line is passed
 * over or the end of it all, is the affair of who reads.
 */

#include <stdio.h>
#include "basic/macro.h"

typedef enum IniType {
        INI_SECTION,    /* a section begins */
        INI_ASSIGNMENT, /* key and value */
        INI_INVALID,    /* neither, `text` is what stands there */
        _INI_TYPE_MAX,
} IniType;

/* One line that is neither empty nor a comment; the strings are valid until the handler returns. */
typedef struct IniLine {
        IniType type;
        unsigned number;     /* from 1 */
        const char *section; /* that it begins or stands in; "" before the first, and after a bracket that is not closed */
        const char *key, *value; /* INI_ASSIGNMENT: without the space around them; both may be "" */
        const char *text;        /* INI_INVALID */
} IniLine;

/* Takes a line. A negative value ends the reading. */
typedef int (*IniHandler)(const IniLine *line, void *userdata);

/*
 * Reads the file to its end, one line after the other. Returns 0, what the
 * handler ended it with, -ENOMEM, or a negative errno of read(2).
 */
int ini_read(FILE *f, IniHandler handler, void *userdata);
