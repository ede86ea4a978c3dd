/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "model/tags.h"

static const char key_chars[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
static const char value_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/-";

void tags_done(Tags *tags) {
        for (size_t i = 0; i < tags->n; i++)
                free(tags->tags[i]);
        free(tags->tags);
        *tags = (Tags){};
}

static bool tag_is_valid(const char *tag) {
        const char *eq = strchr(tag, '=');
        size_t key, value;

        if (!eq)
                return false;
        key = (size_t) (eq - tag);
        value = strlen(eq + 1);
        return key >= 1 && key <= TAG_KEY_MAX && strspn(tag, key_chars) == key && value >= 1 &&
                        value <= TAG_VALUE_MAX && strspn(eq + 1, value_chars) == value;
}

int tags_add(Tags *tags, const char *tag) {
        char **grown, *copy;
        size_t at = 0;

        if (!tag_is_valid(tag))
                return -EINVAL;
        for (; at < tags->n; at++) {
                int c = strcmp(tags->tags[at], tag);

                if (c == 0)
                        return 0;
                if (c > 0)
                        break;
        }
        if (tags->n >= TAGS_MAX)
                return -E2BIG;
        grown = reallocarray(tags->tags, tags->n + 2, sizeof(char *));
        if (!grown)
                return -ENOMEM;
        tags->tags = grown;
        copy = strdup(tag);
        if (!copy)
                return -ENOMEM;
        memmove(grown + at + 1, grown + at, (tags->n - at) * sizeof(char *));
        grown[at] = copy;
        grown[++tags->n] = NULL;
        return 0;
}

const char *tags_shared(const Tags *a, const Tags *b) {
        for (size_t i = 0, j = 0; i < a->n && j < b->n;) {
                int c = strcmp(a->tags[i], b->tags[j]);

                if (c == 0)
                        return a->tags[i];
                if (c < 0)
                        i++;
                else
                        j++;
        }
        return NULL;
}

bool tags_contain(const Tags *tags, const char *tag) {
        for (size_t i = 0; i < tags->n; i++)
                if (strcmp(tags->tags[i], tag) == 0)
                        return true;
        return false;
}

bool tags_equal(const Tags *a, const Tags *b) {
        if (a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++)
                if (strcmp(a->tags[i], b->tags[i]) != 0)
                        return false;
        return true;
}
