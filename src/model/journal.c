/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>

#include "model/journal.h"

enum {
        TEXT_MAX = 2048,
        FIELD_MAX = 300,
};

static int _printf_(5, 0) log_about(int level, int error, const char *field, const char *message, const char *format, va_list ap) {
        char text[TEXT_MAX], message_id[FIELD_MAX];

        if (level > log_get_max_level())
                return error;
        (void) snprintf(message_id, sizeof(message_id), "MESSAGE_ID=%s", message ?: "");
        errno = error < 0 ? -error : 0; /* for %m */
        (void) vsnprintf(text, sizeof(text), format, ap);
        return log_fields(level, error, (const char *const[]){ field, message ? message_id : NULL, NULL }, "%s", text);
}

int app_log(int level, int error, const char *id, const char *message, const char *format, ...) {
        char field[FIELD_MAX];
        va_list ap;
        int r;

        (void) snprintf(field, sizeof(field), "APPSWITCH_APP=%s", id);
        va_start(ap, format);
        r = log_about(level, error, field, message, format, ap);
        va_end(ap);
        return r;
}

int unit_log(int level, int error, const char *unit, const char *message, const char *format, ...) {
        char field[FIELD_MAX];
        va_list ap;
        int r;

        (void) snprintf(field, sizeof(field), "APPSWITCH_UNIT=%s", unit);
        va_start(ap, format);
        r = log_about(level, error, field, message, format, ap);
        va_end(ap);
        return r;
}
