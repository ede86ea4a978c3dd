/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How much of something there may be in a time: so much at once, and so much a second in the long run. */

#include <stdbool.h>
#include <stdint.h>

#include "basic/macro.h"

/* Zeroed it is full. */
typedef struct Budget {
        uint64_t left; /* one is a second's worth of µs */
        uint64_t at;   /* in µs */
} Budget;

/* Takes one, if there is one. `now` is in µs, of a clock that began long before. */
static inline bool budget_take(Budget *b, uint64_t now, unsigned per_sec, unsigned burst) {
        const uint64_t max = burst * USEC_PER_SEC, elapsed = MIN2(now - b->at, max / per_sec);

        b->left = MIN2(max, b->left + elapsed * per_sec);
        b->at = now;
        if (b->left < USEC_PER_SEC)
                return false;
        b->left -= USEC_PER_SEC;
        return true;
}
