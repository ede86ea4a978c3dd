/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "dns/names.h"
#include "dns/patterns.h"
#include "model/name.h"

void patterns_done(Patterns *patterns) {
        for (size_t i = 0; i < patterns->n; i++)
                free(patterns->patterns[i]);
        free(patterns->patterns);
        *patterns = (Patterns){};
}

int patterns_add(Patterns *patterns, const char *pattern) {
        char **larger;

        if (strcmp(pattern, "*") == 0) {
                patterns->all = true;
                return 0;
        }
        if (!name_is_valid(strncmp(pattern, "*.", 2) == 0 ? pattern + 2 : pattern))
                return -EINVAL;
        if (patterns->n >= DNS_FEED_PATTERNS_MAX)
                return -ENOSPC;
        larger = reallocarray(patterns->patterns, patterns->n + 1, sizeof(*larger));
        if (!larger)
                return -ENOMEM;
        patterns->patterns = larger;
        larger[patterns->n] = strdup(pattern);
        if (!larger[patterns->n])
                return -ENOMEM;
        patterns->n++;
        return 0;
}

bool patterns_name(const Patterns *patterns, const char *name) {
        for (size_t i = 0; i < patterns->n; i++)
                if (name_pattern_matches(patterns->patterns[i], name))
                        return true;
        return false;
}

bool patterns_match(const Patterns *patterns, const char *name) {
        return patterns->all || patterns_name(patterns, name);
}
