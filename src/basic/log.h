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
int log_get_max_level(void);

/* "emerg" to "debug"; -EINVAL for another word. */
const char *log_level_to_string(int level);
int log_level_from_string(const char *s);

typedef enum LogTarget {
        LOG_TARGET_AUTO, /* as above */
        LOG_TARGET_JOURNAL,
        LOG_TARGET_CONSOLE, /* stderr */
        LOG_TARGET_NULL,
        _LOG_TARGET_MAX,
        _LOG_TARGET_INVALID = -EINVAL,
} LogTarget;

void log_set_target(LogTarget target);
LogTarget log_get_target(void);
const char *log_target_to_string(LogTarget target);
LogTarget log_target_from_string(const char *s);

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
