/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names of apps: DNS names of letters, digits and hyphens (RFC 1123, 2.1). */

#include "basic/macro.h"

enum {
        NAME_LABEL_MAX = 63,
        NAME_MAX_LENGTH = 190, /* room for the domain within the 253 of DNS */
};

/* The name of the host itself, which no app has: it is for a virtual service that leads to the host's own ports. */
#define NAME_HOST "host"

/*
 * Why this is no name, as the end of a sentence, or NULL if it is one. Upper
 * case is allowed, as DNS takes it for the same.
 */
const char *name_invalid_reason(const char *name);

/* Lower-cases a valid name in place. */
void name_normalize(char *name);

/*
 * Does the pattern match the name? "*" matches any, "*.example.test" what is
 * below example.test and not itself, others only themselves. Both in lower
 * case, without a dot at their ends.
 */
bool name_pattern_matches(const char *pattern, const char *name);
