/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "basic/macro.h"
#include "cli/signal-name.h"

static int parse_number(const char *s, int max) {
        int n = 0;

        if (!*s)
                return -EINVAL;
        for (; *s; s++) {
                if (!isdigit((unsigned char) *s))
                        return -EINVAL;
                n = n * 10 + (*s - '0');
                if (n > max)
                        return -EINVAL;
        }
        return n;
}

/* What follows "RTMIN" or "RTMAX": nothing, or the way to a signal in between. */
static int parse_realtime(const char *offset, char sign, int base) {
        int n = 0;

        if (*offset) {
                if (*offset != sign)
                        return -EINVAL;
                n = parse_number(offset + 1, SIGRTMAX - SIGRTMIN);
                if (n < 0)
                        return n;
        }
        return sign == '+' ? base + n : base - n;
}

int signal_from_string(const char *s) {
        int n;

        n = parse_number(s, SIGRTMAX);
        if (n >= 0)
                return n > 0 ? n : -EINVAL;
        if (strncasecmp(s, "SIG", 3) == 0)
                s += 3;
        if (strncasecmp(s, "RTMIN", 5) == 0)
                return parse_realtime(s + 5, '+', SIGRTMIN);
        if (strncasecmp(s, "RTMAX", 5) == 0)
                return parse_realtime(s + 5, '-', SIGRTMAX);
        for (int sig = 1; sig < SIGRTMIN; sig++) {
                const char *name = sigabbrev_np(sig);

                if (name && strcasecmp(name, s) == 0)
                        return sig;
        }
        return -EINVAL;
}
