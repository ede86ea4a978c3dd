/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "cli/bus-json.h"

enum { DEPTH_MAX = 64 };

static int read_value(sd_bus_message *m, unsigned depth, json_object **ret);

/* {key: value, …}: the message stands in the array. */
static int read_dictionary(sd_bus_message *m, const char *entry, unsigned depth, json_object **ret) {
        _cleanup_json_ json_object *object = json_object_new_object();
        int r;

        if (!object)
                return -ENOMEM;
        while ((r = sd_bus_message_enter_container(m, 'e', entry)) > 0) {
                json_object *value = NULL;
                const char *key;

                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0)
                        r = read_value(m, depth, &value);
                if (r >= 0)
                        r = json_set(object, key, value);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(object);
        return 1;
}

static int read_list(sd_bus_message *m, unsigned depth, json_object **ret) {
        _cleanup_json_ json_object *array = json_object_new_array();
        json_object *value;
        int r;

        if (!array)
                return -ENOMEM;
        while ((r = read_value(m, depth, &value)) > 0)
                if (json_append(array, value) < 0)
                        return -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(array);
        return 1;
}

static int read_container(sd_bus_message *m, char type, const char *contents, unsigned depth, json_object **ret) {
        _cleanup_json_ json_object *value = NULL;
        _cleanup_free_ char *entry = NULL;
        int r;

        if (depth >= DEPTH_MAX)
                return -EOPNOTSUPP;
        r = sd_bus_message_enter_container(m, type, contents);
        if (r < 0)
                return r;
        if (type == 'a' && strncmp(contents, "{s", 2) == 0) {
                entry = strndup(contents + 1, strlen(contents) - 2);
                r = entry ? read_dictionary(m, entry, depth + 1, &value) : -ENOMEM;
        } else if (type == 'a' || type == 'r')
                r = read_list(m, depth + 1, &value);
        else
                r = read_value(m, depth + 1, &value);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(value);
        return 1;
}

static json_object *basic_to_json(char type, const void *p) {
        union {
                uint8_t y;
                int b;
                int16_t n;
                uint16_t q;
                int32_t i;
                uint32_t u;
                int64_t x;
                uint64_t t;
                double d;
                const char *s;
        } v;

        memcpy(&v, p, sizeof(v));
        switch (type) {
        case 'y':
                return json_object_new_int(v.y);
        case 'b':
                return json_object_new_boolean(v.b);
        case 'n':
                return json_object_new_int(v.n);
        case 'q':
                return json_object_new_int(v.q);
        case 'i':
                return json_object_new_int64(v.i);
        case 'u':
                return json_object_new_int64(v.u);
        case 'x':
                return json_object_new_int64(v.x);
        case 't':
                return json_object_new_uint64(v.t);
        case 'd':
                return json_object_new_double(v.d);
        default:
                return json_string(v.s);
        }
}

static int read_value(sd_bus_message *m, unsigned depth, json_object **ret) {
        const char *contents;
        uint64_t value = 0;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r <= 0)
                return r;
        if (contents)
                return read_container(m, type, contents, depth, ret);
        if (!strchr("ybnqiuxtdsog", type))
                return -EOPNOTSUPP;
        r = sd_bus_message_read_basic(m, type, &value);
        if (r <= 0)
                return r;
        *ret = basic_to_json(type, &value);
        return *ret ? 1 : -ENOMEM;
}

int bus_json_read(sd_bus_message *m, json_object **ret) {
        return read_value(m, 0, ret);
}
