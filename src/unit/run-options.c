/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "basic/text.h"
#include "unit/run-options.h"
#include "unit/settings.h"

/* An empty value takes back what was given before. */
static void remove_option(char **words, const char *option) {
        const size_t l = strlen(option);
        char **to = words;

        for (char **from = words; from && *from; from++)
                if (strncmp(*from, "--", 2) == 0 && strncmp(*from + 2, option, l) == 0 && (*from)[2 + l] == '=')
                        free(*from);
                else
                        *to++ = *from;
        if (to)
                *to = NULL;
}

static int append_words(char ***words, const char *option, const char *value) {
        _cleanup_free_ char *copy = strdup(value);
        char *rest = copy, *word;

        if (!copy)
                return -ENOMEM;
        while ((word = strsep(&rest, " \t,"))) {
                _cleanup_free_ char *text = NULL;

                if (*word && (asprintf(&text, "--%s=%s", option, word) < 0 || strv_append(words, text) < 0))
                        return -ENOMEM;
        }
        return 0;
}

int run_options_format(const UnitFile *unit, bool service, char ***ret) {
        const char *mode = unit_file_get(unit, "Service", "KillMode") ?: "control-group";
        _cleanup_strv_ char **words = NULL;
        int r;

        r = strv_append(&words, "run");
        if (r >= 0)
                r = strv_append(&words, "--quiet");
        if (r >= 0 && service && strcmp(mode, "process") != 0 && strcmp(mode, "none") != 0)
                r = strv_append(&words, "--stop-rest");
        for (size_t i = 0; r >= 0 && i < unit->n; i++) {
                const UnitAssignment *a = &unit->assignments[i];
                const char *option = unit_settings_option(a->key) ?: a->key;

                if (strcmp(a->section, UNIT_SECTION) != 0)
                        continue;
                if (!*a->value)
                        remove_option(words, option);
                r = append_words(&words, option, a->value);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(words);
        return 0;
}
