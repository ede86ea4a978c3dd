/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Text of the command line: vectors of strings that end with NULL, and making
 * foreign text safe to show. What an app is called, what it runs and what an
 * error quotes was chosen by others; it may not reach a terminal raw.
 */

#include "basic/macro.h"

/* Frees a vector and its strings; NULL is fine. Always returns NULL. */
char **strv_free(char **v);
DEFINE_CLEANUP(char **, strv_free)
#define _cleanup_strv_ _cleanup_(strv_freep)

/* Number of strings in a vector; 0 for NULL. */
size_t strv_length(char *const *v);

/* Appends a copy of `s` to a vector that may be NULL. Returns 0 or -ENOMEM (the vector stays as it was). */
int strv_append(char ***v, const char *s);

/* Whether the vector holds the string. */
bool strv_contains(char *const *v, const char *s);

/* The strings with `separator` between them, "" for an empty or NULL vector; NULL: out of memory. */
char *strv_join(char *const *v, const char *separator);

/*
 * The items of a list with commas, without spaces and tabs around them.
 * Returns 0; -EINVAL if one is empty; -E2BIG if there are more than 256; -ENOMEM.
 */
int strv_split(const char *list, char ***ret);

/* Whether `s` is UTF-8 without surrogates and overlong forms, as D-Bus wants its strings. */
bool utf8_is_valid(const char *s);

/* How many bytes of `s`, which is UTF-8, are up to `max` and whole characters. */
size_t utf8_prefix(const char *s, size_t max);

/* A copy of `s` with control characters and bytes that are not UTF-8 written as \xNN; NULL: out of memory. */
char *text_escape(const char *s);

/* The same of the first `max` bytes: fit to be quoted, however long it is and wherever that cuts it. */
char *text_escape_head(const char *s, size_t max);

/* Writes a number without a terminator. Returns where it ends, at most 20 characters on. snprintf(3) takes ten times as long. */
char *text_put_number(char *at, uint64_t number);

/* Writes a sentence, to be freed, that says why. Returns `error`, or -ENOMEM with NULL in `ret_message`. */
int _printf_(3, 4) say(int error, char **ret_message, const char *format, ...);
