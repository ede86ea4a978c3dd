/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Times as sd-event has them. */

#include <time.h>
#include "basic/macro.h"

/* The time of a clock (clock_gettime(2)) in µs. */
static inline uint64_t now_usec(clockid_t clock) {
        struct timespec ts;

        (void) clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / NSEC_PER_USEC;
}
