/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "cli/json.h"
#include "basic/text.h"

static const char *const json_modes[_JSON_MODE_MAX] = {
        [JSON_OFF] = "off",
        [JSON_SHORT] = "short",
        [JSON_PRETTY] = "pretty",
};

const char *json_mode_to_string(JsonMode mode) {
        return mode >= 0 && mode < _JSON_MODE_MAX ? json_modes[mode] : NULL;
}

JsonMode json_mode_from_string(const char *s) {
        for (JsonMode m = 0; m < _JSON_MODE_MAX; m++)
                if (strcmp(json_modes[m], s) == 0)
                        return m;
        return _JSON_MODE_INVALID;
}

int json_set(json_object *object, const char *key, json_object *value) {
        if (!value)
                return -ENOMEM;
        if (json_object_object_add(object, key, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

int json_append(json_object *array, json_object *value) {
        if (!value)
                return -ENOMEM;
        if (json_object_array_add(array, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

json_object *json_string(const char *s) {
        _cleanup_free_ char *escaped = NULL;

        if (!utf8_is_valid(s)) {
                escaped = text_escape(s);
                if (!escaped)
                        return NULL;
        }
        return json_object_new_string(escaped ?: s);
}

json_object *json_strv(char *const *v) {
        _cleanup_json_ json_object *array = json_object_new_array();

        if (!array)
                return NULL;
        for (; v && *v; v++)
                if (json_append(array, json_string(*v)) < 0)
                        return NULL;
        return TAKE_PTR(array);
}

char *json_join(json_object *array) {
        _cleanup_strv_ char **words = NULL;

        for (size_t i = 0; i < json_object_array_length(array); i++)
                if (strv_append(&words, json_object_get_string(json_object_array_get_idx(array, i))) < 0)
                        return NULL;
        return strv_join(words, ",");
}

int json_print(FILE *f, JsonMode mode, json_object *value) {
        int flags = JSON_C_TO_STRING_NOSLASHESCAPE;
        const char *text;

        flags |= mode == JSON_PRETTY ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED
                                     : JSON_C_TO_STRING_PLAIN;
        text = json_object_to_json_string_ext(value, flags);
        if (!text)
                return -ENOMEM;
        if (fprintf(f, "%s\n", text) < 0)
                return -errno;
        return 0;
}
