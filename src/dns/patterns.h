/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which names of the outside an app may look up: a list of patterns as of name_pattern_matches(). */

#include "dns/dns-feed.h"
#include "basic/macro.h"

typedef struct Patterns {
        char **patterns;
        size_t n;
        bool all; /* "*" is among them, which is not in the list */
} Patterns;

void patterns_done(Patterns *patterns);

/*
 * Adds one: "*", a name, or "*." and a name. Errors: -EINVAL (none of these),
 * -ENOSPC (DNS_FEED_PATTERNS_MAX), -ENOMEM.
 */
int patterns_add(Patterns *patterns, const char *pattern);

/* May a name be looked up? In lower case, without a dot at its end. */
bool patterns_match(const Patterns *patterns, const char *name);

/* Is there a pattern for the name besides "*"? Then appswitchd wants to hear what it resolved to. */
bool patterns_name(const Patterns *patterns, const char *name);
