/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tags: the `key=value` groups an app is in. Two apps may talk when they
 * share at least one tag.
 */

#include "basic/macro.h"

enum {
        TAG_KEY_MAX = 63,
        TAG_VALUE_MAX = 63,
        TAGS_MAX = 64, /* for each app */
};

/* A sorted set without duplicates, ended with NULL. */
typedef struct Tags {
        char **tags;
        size_t n;
} Tags;

void tags_done(Tags *tags);

/*
 * Adds one tag. Returns 0 (also if it was there); -EINVAL if it is not
 * KEY=VALUE with a key of [a-z0-9._-] and a value of [A-Za-z0-9._:/-], each of
 * 1 to 63 characters; -E2BIG if TAGS_MAX are there; -ENOMEM.
 */
int tags_add(Tags *tags, const char *tag);

/* The first tag that both have, or NULL. */
const char *tags_shared(const Tags *a, const Tags *b);

/* Whether `tag` is one of them. */
bool tags_contain(const Tags *tags, const char *tag);

bool tags_equal(const Tags *a, const Tags *b);
