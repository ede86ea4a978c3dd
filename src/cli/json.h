/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Output as JSON, in the two forms of systemd's tools. */

#include <json-c/json.h>
#include <stdio.h>

#include "basic/macro.h"

typedef enum JsonMode {
        JSON_OFF,
        JSON_SHORT,  /* one line */
        JSON_PRETTY, /* indented */
        _JSON_MODE_MAX,
        _JSON_MODE_INVALID = -EINVAL,
} JsonMode;

/* "off", "short" or "pretty"; NULL for what is no mode. */
const char *json_mode_to_string(JsonMode mode);
/* _JSON_MODE_INVALID for anything else. */
JsonMode json_mode_from_string(const char *s);

static inline void json_unrefp(json_object **o) {
        if (*o)
                json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(json_unrefp)

/*
 * Sets a member, taking the value over whatever happens. NULL as value is the
 * failure of whoever made it. Returns 0 or -ENOMEM.
 */
int json_set(json_object *object, const char *key, json_object *value);

/* Appends to an array, taking the value over whatever happens. Returns 0 or -ENOMEM. */
int json_append(json_object *array, json_object *value);

/* A string; bytes that are not UTF-8 are written as \xNN. NULL: out of memory. */
json_object *json_string(const char *s);

/* An array of strings, empty for NULL. NULL: out of memory. */
json_object *json_strv(char *const *v);

/* The strings of an array, with commas (to be freed). NULL: out of memory. */
char *json_join(json_object *array);

/* Writes the value and a newline. `mode` is not JSON_OFF. Returns 0 or a negative errno. */
int json_print(FILE *f, JsonMode mode, json_object *value);
