/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Command lines of service units (systemd.service(5), "Command lines"). */

#include "basic/macro.h"

/*
 * Puts a program before each command of a line: `wrapper` is its absolute
 * path, `options` is what it gets ("" for none), and "--argv0" if the command's
 * second word is what it is called ('@'). A command with '+' has no sandbox, so
 * the program gets no options there. Prefixes, quotes, variables and specifiers
 * go on to mean what they meant. Returns 0 and the line (to be freed), or -ENOMEM.
 */
int exec_line_wrap(const char *line, const char *wrapper, const char *options, char **ret);

/* Of all commands of a line the first prefix that is one of `prefixes`, or '\0'. */
char exec_line_find_prefix(const char *line, const char *prefixes);

/*
 * What the first command of a line is called in the journal (SyslogIdentifier=) unless that is set: the last part of its
 * path, with its specifiers. Returns 0 and the name (to be freed), or NULL for a path with quotes, or -ENOMEM.
 */
int exec_line_identifier(const char *line, char **ret);

/* A word that means just itself in such a line (to be freed), or NULL: out of memory. */
char *exec_line_quote(const char *word);
