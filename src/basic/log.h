/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Logging of the daemons: to the journal as structured records when stderr is
 * connected to it, else to stderr as text. A function either logs or returns
 * its error, never both; what is survived ends with ", ignoring".
 */

#include <sys/uio.h>
#include <syslog.h>
#include "basic/macro.h"

/* Sets the highest priority that is logged (syslog(3) levels, default LOG_INFO). */
void log_set_max_level(int level);

/*
 * Logs one record. `error` is a negative errno that `%m` in the format
 * spells, or 0. Returns `error`, so that "return log_error_errno(r, …)" reads
 * well.
 */
int log_full(int level, int error, const char *format, ...) _printf_(3, 4);

/*
 * Logs one record with further fields ("KEY=value"), which a text log does
 * not show. The fields end with NULL.
 */
int log_fields(int level, int error, const char *const *fields, const char *format, ...) _printf_(4, 5);

#define log_debug(...) ((void) log_full(LOG_DEBUG, 0, __VA_ARGS__))
#define log_info(...) ((void) log_full(LOG_INFO, 0, __VA_ARGS__))
#define log_warning(...) ((void) log_full(LOG_WARNING, 0, __VA_ARGS__))
#define log_error(...) ((void) log_full(LOG_ERR, 0, __VA_ARGS__))
#define log_debug_errno(error, ...) log_full(LOG_DEBUG, error, __VA_ARGS__)
#define log_warning_errno(error, ...) log_full(LOG_WARNING, error, __VA_ARGS__)
#define log_error_errno(error, ...) log_full(LOG_ERR, error, __VA_ARGS__)
#define log_oom() log_full(LOG_ERR, -ENOMEM, "Out of memory.")
