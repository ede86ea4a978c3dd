/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>

#include "basic/text.h"
#include "cli/checkup.h"

enum { LEVEL_WIDTH = 8 };

static const struct {
        const char *name, *color;
} levels[_CHECK_LEVEL_MAX] = {
        [CHECK_OK] = { "ok", "\x1b[0;32m" },
        [CHECK_SKIPPED] = { "skipped", "\x1b[0;38;5;245m" },
        [CHECK_WARNING] = { "warning", "\x1b[0;1;33m" },
        [CHECK_ERROR] = { "error", "\x1b[0;1;31m" },
};

const char *check_level_to_string(CheckLevel level) {
        return level >= 0 && level < _CHECK_LEVEL_MAX ? levels[level].name : NULL;
}

void checkup_done(Checkup *c) {
        for (size_t i = 0; i < c->n_findings; i++)
                free(c->findings[i].text);
        free(c->findings);
        *c = (Checkup){};
}

void checkup_add(Checkup *c, CheckLevel level, const char *check, const char *advice, const char *format, ...) {
        Finding *grown = reallocarray(c->findings, c->n_findings + 1, sizeof(Finding)), *f;
        char *text = NULL;
        va_list ap;
        int n;

        if (grown)
                c->findings = grown;
        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (!grown || n < 0) {
                if (n >= 0)
                        free(text);
                c->incomplete = true;
                return;
        }
        f = &c->findings[c->n_findings++];
        *f = (Finding){ .level = level, .check = check, .advice = level == CHECK_OK ? NULL : advice, .text = text };
        c->counts[level]++;
}

void checkup_print(const Checkup *c, bool legend, bool colors) {
        for (size_t i = 0; i < c->n_findings; i++) {
                const Finding *f = &c->findings[i];
                _cleanup_free_ char *text = text_escape(f->text);

                printf("%s%-*s%s %s: %s.\n", colors ? levels[f->level].color : "", LEVEL_WIDTH, levels[f->level].name,
                       colors ? "\x1b[0m" : "", f->check, text ?: "?");
                if (f->advice)
                        printf("%*s %s\n", LEVEL_WIDTH, "", f->advice);
        }
        if (legend)
                printf("\n%zu looked at: %u ok, %u skipped, %u warning%s, %u error%s.\n", c->n_findings, c->counts[CHECK_OK],
                       c->counts[CHECK_SKIPPED], c->counts[CHECK_WARNING], c->counts[CHECK_WARNING] == 1 ? "" : "s",
                       c->counts[CHECK_ERROR], c->counts[CHECK_ERROR] == 1 ? "" : "s");
}

static json_object *finding_to_json(const Finding *f) {
        _cleanup_json_ json_object *object = json_object_new_object();

        if (!object || json_set(object, "check", json_string(f->check)) < 0 ||
            json_set(object, "level", json_string(levels[f->level].name)) < 0 ||
            json_set(object, "found", json_string(f->text)) < 0)
                return NULL;
        if (f->advice && json_set(object, "advice", json_string(f->advice)) < 0)
                return NULL;
        return TAKE_PTR(object);
}

json_object *checkup_to_json(const Checkup *c) {
        _cleanup_json_ json_object *array = json_object_new_array();

        for (size_t i = 0; array && i < c->n_findings; i++)
                if (json_append(array, finding_to_json(&c->findings[i])) < 0)
                        return NULL;
        return TAKE_PTR(array);
}
