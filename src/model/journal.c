/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>

#include "model/journal.h"

enum {
        TEXT_MAX = 2048,
        FIELD_MAX = 300,
};

int app_log(int level, int error, const char *id, const char *message, const char *format, ...) {
        char text[TEXT_MAX], app[FIELD_MAX], message_id[FIELD_MAX];
        va_list ap;

        if (level > log_get_max_level())
                return error;
        (void) snprintf(app, sizeof(app), "APPSWITCH_APP=%s", id);
        (void) snprintf(message_id, sizeof(message_id), "MESSAGE_ID=%s", message ?: "");
        errno = error < 0 ? -error : 0; /* for %m */
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        return log_fields(level, error, (const char *const[]){ app, message ? message_id : NULL, NULL }, "%s", text);
}
