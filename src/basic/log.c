/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/log.h"
#include "basic/log-send.h"

enum { FIELDS_MAX = 24 };

static int max_level = LOG_INFO;
static LogTarget target = LOG_TARGET_AUTO;

void log_set_max_level(int level) {
        max_level = level;
}

int log_get_max_level(void) {
        return max_level;
}

static const char *const levels[] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };

const char *log_level_to_string(int level) {
        return level >= 0 && level < (int) ELEMENTSOF(levels) ? levels[level] : NULL;
}

int log_level_from_string(const char *s) {
        for (size_t i = 0; i < ELEMENTSOF(levels); i++)
                if (strcmp(s, levels[i]) == 0)
                        return (int) i;
        return -EINVAL;
}

void log_set_target(LogTarget t) {
        target = t;
}

LogTarget log_get_target(void) {
        return target;
}

static const char *const targets[_LOG_TARGET_MAX] = {
        [LOG_TARGET_AUTO] = "auto",
        [LOG_TARGET_JOURNAL] = "journal",
        [LOG_TARGET_CONSOLE] = "console",
        [LOG_TARGET_NULL] = "null",
};

const char *log_target_to_string(LogTarget t) {
        return t >= 0 && t < _LOG_TARGET_MAX ? targets[t] : NULL;
}

LogTarget log_target_from_string(const char *s) {
        for (LogTarget t = 0; t < _LOG_TARGET_MAX; t++)
                if (strcmp(s, targets[t]) == 0)
                        return t;
        return _LOG_TARGET_INVALID;
}

/* sd_journal_stream_fd(3): $JOURNAL_STREAM names device and inode of the stream that stderr was given. */
static bool stderr_is_journal(void) {
        static int cached = -1;

        if (cached < 0) {
                const char *e = getenv("JOURNAL_STREAM");
                unsigned long long dev, ino;
                struct stat st;

                cached = e && sscanf(e, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) >= 0 &&
                                st.st_dev == dev && st.st_ino == ino;
        }
        return cached > 0;
}

static void log_valist(int level, int error, const char *const *fields, const char *format, va_list ap) {
        char message[2048] = "MESSAGE=", priority[16], errno_field[24];
        struct iovec iov[FIELDS_MAX];
        size_t prefix = strlen(message);
        int n = 0;

        if (target == LOG_TARGET_NULL)
                return;
        errno = error < 0 ? -error : 0;
        (void) vsnprintf(message + prefix, sizeof(message) - prefix, format, ap);

        if (target == LOG_TARGET_CONSOLE || (target == LOG_TARGET_AUTO && !stderr_is_journal())) {
                (void) fprintf(stderr, "%s\n", message + prefix);
                return;
        }
        (void) snprintf(priority, sizeof(priority), "PRIORITY=%i", level);
        iov[n++] = (struct iovec){ message, strlen(message) };
        iov[n++] = (struct iovec){ priority, strlen(priority) };
        if (error < 0) {
                (void) snprintf(errno_field, sizeof(errno_field), "ERRNO=%i", -error);
                iov[n++] = (struct iovec){ errno_field, strlen(errno_field) };
        }
        for (; fields && *fields && n < FIELDS_MAX; fields++)
                iov[n++] = (struct iovec){ (char *) *fields, strlen(*fields) };
        log_send(iov, n);
}

int log_full(int level, int error, const char *format, ...) {
        va_list ap;

        if (level <= max_level) {
                va_start(ap, format);
                log_valist(level, error, NULL, format, ap);
                va_end(ap);
        }
        return error;
}

int log_fields(int level, int error, const char *const *fields, const char *format, ...) {
        va_list ap;

        if (level <= max_level) {
                va_start(ap, format);
                log_valist(level, error, fields, format, ap);
                va_end(ap);
        }
        return error;
}
