/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "basic/text.h"

char **strv_free(char **v) {
        for (char **s = v; s && *s; s++)
                free(*s);
        free(v);
        return NULL;
}

size_t strv_length(char *const *v) {
        size_t n = 0;

        while (v && v[n])
                n++;
        return n;
}

int strv_append(char ***v, const char *s) {
        size_t n = strv_length(*v);
        _cleanup_free_ char *copy = strdup(s);
        char **grown;

        if (!copy)
                return -ENOMEM;
        grown = reallocarray(*v, n + 2, sizeof(char *));
        if (!grown)
                return -ENOMEM;
        grown[n] = TAKE_PTR(copy);
        grown[n + 1] = NULL;
        *v = grown;
        return 0;
}

bool strv_contains(char *const *v, const char *s) {
        for (; v && *v; v++)
                if (strcmp(*v, s) == 0)
                        return true;
        return false;
}

int strv_split(const char *list, char ***ret) {
        static const char blank[] = " \t";
        enum { ITEMS_MAX = 256 };
        _cleanup_strv_ char **v = NULL;
        size_t items = 0;

        for (const char *s = list, *end;; s = end + 1) {
                _cleanup_free_ char *item = NULL;
                size_t n;

                s += strspn(s, blank);
                end = s + strcspn(s, ",");
                for (n = (size_t) (end - s); n > 0 && strchr(blank, s[n - 1]); n--)
                        ;
                if (n == 0)
                        return -EINVAL;
                if (++items > ITEMS_MAX)
                        return -E2BIG;
                item = strndup(s, n);
                if (!item || strv_append(&v, item) < 0)
                        return -ENOMEM;
                if (!*end)
                        break;
        }
        *ret = TAKE_PTR(v);
        return 0;
}

char *strv_join(char *const *v, const char *separator) {
        size_t size = 1;
        char *joined, *end;

        for (char *const *s = v; s && *s; s++)
                size += strlen(*s) + strlen(separator);
        joined = end = malloc(size);
        if (!joined)
                return NULL;
        *end = '\0';
        for (char *const *s = v; s && *s; s++) {
                if (s != v)
                        end = stpcpy(end, separator);
                end = stpcpy(end, *s);
        }
        return joined;
}

/* Length of the valid UTF-8 sequence at `s` (RFC 3629), 0 if there is none. */
static size_t utf8_sequence(const unsigned char *s) {
        uint32_t c;
        size_t n;

        if (s[0] < 0x80)
                return 1;
        if (s[0] >= 0xc2 && s[0] <= 0xdf) {
                n = 2;
                c = s[0] & 0x1f;
        } else if ((s[0] & 0xf0) == 0xe0) {
                n = 3;
                c = s[0] & 0x0f;
        } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
                n = 4;
                c = s[0] & 0x07;
        } else {
                return 0;
        }
        for (size_t i = 1; i < n; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (s[i] & 0x3f);
        }
        if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)) ||
            (c >= 0xd800 && c <= 0xdfff))
                return 0;
        return n;
}

bool utf8_is_valid(const char *s) {
        const unsigned char *p = (const unsigned char *) s;

        while (*p) {
                size_t n = utf8_sequence(p);

                if (n == 0)
                        return false;
                p += n;
        }
        return true;
}

/* C1 control characters (U+0080 to U+009F) are two bytes of UTF-8, and some terminals obey them. */
static bool is_control(const unsigned char *p, size_t n) {
        return (n == 1 && (p[0] < 0x20 || p[0] == 0x7f)) || (n == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

size_t utf8_prefix(const char *s, size_t max) {
        size_t n = strnlen(s, max + 1);

        if (n <= max)
                return n;
        for (n = max; n > 0 && ((unsigned char) s[n] & 0xc0) == 0x80; n--)
                ;
        return n;
}

char *text_escape(const char *s) {
        const unsigned char *p = (const unsigned char *) s;
        char *escaped, *end;

        escaped = end = malloc(strlen(s) * 4 + 1);
        if (!escaped)
                return NULL;
        while (*p) {
                size_t n = utf8_sequence(p);
                bool raw = n > 0 && !is_control(p, n);

                for (size_t i = 0; i < MAX2(n, (size_t) 1); i++, p++)
                        end += raw ? (*end = (char) *p, 1) : sprintf(end, "\\x%02x", *p);
        }
        *end = '\0';
        return escaped;
}

char *text_escape_head(const char *s, size_t max) {
        _cleanup_free_ char *head = strndup(s, max);

        return head ? text_escape(head) : NULL;
}

char *text_put_number(char *at, uint64_t number) {
        char digits[20];
        size_t n = sizeof(digits);

        do
                digits[--n] = (char) ('0' + number % 10);
        while ((number /= 10) > 0);
        return mempcpy(at, digits + n, sizeof(digits) - n);
}

int say(int error, char **ret_message, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(ret_message, format, ap);
        va_end(ap);
        if (r < 0) {
                *ret_message = NULL;
                return -ENOMEM;
        }
        return error;
}
