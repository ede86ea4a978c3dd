/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "basic/macro.h"
#include "dns/reverse.h"

/* One label as a number; no sign, no leading zero, nothing above `max`. */
static int label_parse(const char *label, size_t size, unsigned base, unsigned max, uint8_t *ret) {
        unsigned value = 0;

        if (size == 0 || size > 3 || (size > 1 && label[0] == '0'))
                return -EINVAL;
        for (size_t i = 0; i < size; i++) {
                unsigned digit;

                if (label[i] >= '0' && label[i] <= '9')
                        digit = (unsigned) (label[i] - '0');
                else if (label[i] >= 'a' && label[i] <= 'f')
                        digit = (unsigned) (label[i] - 'a') + 10;
                else
                        return -EINVAL;
                if (digit >= base)
                        return -EINVAL;
                value = value * base + digit;
        }
        if (value > max)
                return -EINVAL;
        *ret = (uint8_t) value;
        return 0;
}

/*
 * Reads the labels before `end` from the last to the first, which is the order
 * of the address. Returns their number.
 */
static int labels_parse(const char *name, const char *end, unsigned base, unsigned max, uint8_t *ret,
                        size_t n_max) {
        size_t n = 0;

        while (end > name) {
                const char *label = end;
                int r;

                while (label > name && label[-1] != '.')
                        label--;
                if (n == n_max)
                        return -EINVAL;
                r = label_parse(label, (size_t) (end - label), base, max, ret + n++);
                if (r < 0)
                        return r;
                end = label > name ? label - 1 : name;
        }
        return (int) n;
}

/* Where the labels before the tree's name end, or NULL if `name` is not in the tree. */
static const char *tree_match(const char *name, const char *tree) {
        size_t size = strlen(name), tree_size = strlen(tree);

        if (size < tree_size || strcmp(name + size - tree_size, tree) != 0)
                return NULL;
        if (size == tree_size)
                return name;
        return name[size - tree_size - 1] == '.' ? name + size - tree_size - 1 : NULL;
}

int reverse_parse(const char *name, DnsFeedAddress *ret) {
        uint8_t digits[32];
        const char *end;
        int n;

        memset(ret, 0, sizeof(*ret));

        end = tree_match(name, "in-addr.arpa");
        if (end) {
                n = labels_parse(name, end, 10, 255, ret->bytes, 4);
                ret->family = AF_INET;
                return n < 0 ? n : n < 4 ? REVERSE_PARTIAL : 0;
        }

        end = tree_match(name, "ip6.arpa");
        if (end) {
                n = labels_parse(name, end, 16, 15, digits, ELEMENTSOF(digits));
                if (n < (int) ELEMENTSOF(digits))
                        return n < 0 ? n : REVERSE_PARTIAL;
                for (size_t i = 0; i < sizeof(ret->bytes); i++)
                        ret->bytes[i] = (uint8_t) (digits[2 * i] << 4 | digits[2 * i + 1]);
                ret->family = AF_INET6;
                return 0;
        }

        return strcmp(name, "arpa") == 0 ? REVERSE_PARTIAL : -ENOENT;
}
