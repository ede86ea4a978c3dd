/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "model/ports.h"

static int parse_port(const char *s, size_t size, uint16_t *ret) {
        unsigned port = 0;

        if (size == 0 || size > 5)
                return -EINVAL;
        for (size_t i = 0; i < size; i++) {
                if (s[i] < '0' || s[i] > '9')
                        return -EINVAL;
                port = port * 10 + (unsigned) (s[i] - '0');
        }
        if (port == 0 || port > UINT16_MAX)
                return -EINVAL;
        *ret = (uint16_t) port;
        return 0;
}

int ports_parse(const char *s, size_t size, uint16_t *ret_first, uint16_t *ret_last) {
        const char *dash = memchr(s, '-', size);
        const size_t n = dash ? (size_t) (dash - s) : size;
        uint16_t first, last;

        if (parse_port(s, n, &first) < 0)
                return -EINVAL;
        last = first;
        if (dash && parse_port(dash + 1, size - n - 1, &last) < 0)
                return -EINVAL;
        if (last < first)
                return -EINVAL;
        *ret_first = first;
        *ret_last = last;
        return 0;
}

const char *ports_format(uint16_t first, uint16_t last, char buf[static PORTS_STRING_MAX]) {
        if (first == last)
                (void) snprintf(buf, PORTS_STRING_MAX, "%u", first);
        else
                (void) snprintf(buf, PORTS_STRING_MAX, "%u-%u", first, last);
        return buf;
}
