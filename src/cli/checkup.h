/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What `ax doctor` found: one finding for each thing that was looked at, good
 * or bad, and for those that are not good what to do about it.
 */

#include "cli/json.h"

typedef enum CheckLevel {
        CHECK_OK,
        CHECK_SKIPPED, /* cannot be looked at from here, or does not apply */
        CHECK_WARNING, /* something is missing, and apps run all the same */
        CHECK_ERROR,   /* apps do not run, or not as they should */
        _CHECK_LEVEL_MAX,
        _CHECK_LEVEL_INVALID = -EINVAL,
} CheckLevel;

typedef struct Finding {
        CheckLevel level;
        const char *check;  /* what was looked at; borrowed */
        const char *advice; /* a sentence, or NULL; borrowed */
        char *text;         /* what was found */
} Finding;

typedef struct Checkup {
        Finding *findings;
        size_t n_findings;
        unsigned counts[_CHECK_LEVEL_MAX];
        bool incomplete; /* out of memory */
} Checkup;

void checkup_done(Checkup *c);
#define _cleanup_checkup_ _cleanup_(checkup_done)

/* NULL for what is no level. */
const char *check_level_to_string(CheckLevel level);

/* Adds a finding. `check` and `advice` have to outlive it. Out of memory is noted in `incomplete`. */
void checkup_add(Checkup *c, CheckLevel level, const char *check, const char *advice, const char *format, ...)
                _printf_(5, 6);

/* One paragraph for each; `legend`: and a line with their numbers. */
void checkup_print(const Checkup *c, bool legend, bool colors);

/* An array of objects. NULL: out of memory. */
json_object *checkup_to_json(const Checkup *c);
