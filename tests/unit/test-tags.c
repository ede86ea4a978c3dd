/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves what a tag is, and that sets of them find what they share. */

#include <stdio.h>
#include <string.h>

#include "model/tags.h"
#include "unit.h"

static Tags tags;

static void teardown(void) {
        tags_done(&tags);
}

static Tags make(const char *const *list) {
        Tags t = {};

        for (; *list; list++)
                ck_assert_msg(tags_add(&t, *list) == 0, "%s", *list);
        return t;
}

#define TAGS(...) make((const char *const[]){ __VA_ARGS__, NULL })

/* Keys are lower case, values may say more; both are there. */
START_TEST(test_valid) {
        static const char *const good[] = {
                "zone=default", "a=b", "0=0", "a.b_c-d=A.b_C:d/e-f", "zone=a:b/c", "-=-", "_=/",
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                ck_assert_msg(tags_add(&tags, good[i]) == 0, "%s", good[i]);
        ck_assert_uint_eq(tags.n, ELEMENTSOF(good));
}
END_TEST

/* Anything else is refused and adds nothing. */
START_TEST(test_invalid) {
        static const char *const bad[] = {
                "",        "=",        "zone",     "zone=",      "=default",    "Zone=a",  "zone=a=b", "zone==a",
                "zo ne=a", "zone=a b", " zone=a",  "zone=a ",    "zone=a\n",    "zone=,",  "zone=*",   "z\303\266ne=a",
                "zone=\303\244", "zo/ne=a", "zo:ne=a", "zone=\177", "zone=a\001",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(tags_add(&tags, bad[i]) == -EINVAL, "%s", bad[i]);
        ck_assert_uint_eq(tags.n, 0);
        ck_assert_ptr_null(tags.tags);
}
END_TEST

/* Keys and values have 1 to 63 characters. */
START_TEST(test_length) {
        char tag[TAG_KEY_MAX + TAG_VALUE_MAX + 3];

        for (size_t key = TAG_KEY_MAX; key <= TAG_KEY_MAX + 1; key++)
                for (size_t value = TAG_VALUE_MAX; value <= TAG_VALUE_MAX + 1; value++) {
                        memset(tag, 'a', sizeof(tag));
                        tag[key] = '=';
                        ck_assert_uint_le(key + 1 + value, sizeof(tag));
                        if (key + 1 + value == sizeof(tag))
                                continue;
                        tag[key + 1 + value] = '\0';
                        ck_assert_int_eq(tags_add(&tags, tag),
                                         key > TAG_KEY_MAX || value > TAG_VALUE_MAX ? -EINVAL : 0);
                }
        ck_assert_uint_eq(tags.n, 1);
}
END_TEST

/* The set is sorted, ends with NULL and has each tag once, whatever the order they came in. */
START_TEST(test_sorted_set) {
        static const char *const sorted[] = { "a=1", "a=2", "a=B", "b=1", "zone=default", NULL };

        tags = TAGS("zone=default", "a=B", "a=1", "b=1", "a=2", "a=1", "zone=default", "b=1");
        ck_assert_uint_eq(tags.n, 5);
        for (size_t i = 0; i < 5; i++)
                ck_assert_str_eq(tags.tags[i], sorted[i]);
        ck_assert_ptr_null(tags.tags[5]);
}
END_TEST

/* The set is bounded; a tag that is in it already is no further one. */
START_TEST(test_bound) {
        char tag[16];

        for (unsigned i = 0; i < TAGS_MAX; i++) {
                (void) snprintf(tag, sizeof(tag), "n=%u", i);
                ck_assert_int_eq(tags_add(&tags, tag), 0);
        }
        ck_assert_int_eq(tags_add(&tags, "a=1"), -E2BIG);
        ck_assert_int_eq(tags_add(&tags, "z=1"), -E2BIG);
        ck_assert_int_eq(tags_add(&tags, "z"), -EINVAL);
        ck_assert_int_eq(tags_add(&tags, "n=0"), 0);
        ck_assert_int_eq(tags_add(&tags, "n=63"), 0);
        ck_assert_uint_eq(tags.n, TAGS_MAX);
}
END_TEST

/* Two sets share a tag only when key and value are the same; the first in order is told. */
START_TEST(test_shared) {
        Tags empty = {}, a = TAGS("b=1", "zone=shop"), b = TAGS("a=1", "c=1", "zone=shop"), c = TAGS("zone=shop2"),
             d = TAGS("b=1", "a=1", "zone=shop");

        ck_assert_str_eq(tags_shared(&a, &b), "zone=shop");
        ck_assert_str_eq(tags_shared(&b, &a), "zone=shop");
        ck_assert_str_eq(tags_shared(&a, &d), "b=1");
        ck_assert_str_eq(tags_shared(&d, &b), "a=1");
        ck_assert_str_eq(tags_shared(&a, &a), "b=1");
        ck_assert_ptr_null(tags_shared(&a, &c));
        ck_assert_ptr_null(tags_shared(&c, &b));
        ck_assert_ptr_null(tags_shared(&a, &empty));
        ck_assert_ptr_null(tags_shared(&empty, &empty));

        tags_done(&a);
        tags_done(&b);
        tags_done(&c);
        tags_done(&d);
}
END_TEST

/* Sets are equal when they hold the same tags. */
START_TEST(test_equal) {
        Tags empty = {}, a = TAGS("a=1", "b=1"), b = TAGS("b=1", "a=1", "a=1"), c = TAGS("a=1"), d = TAGS("a=1", "b=2");

        ck_assert(tags_equal(&a, &b));
        ck_assert(tags_equal(&empty, &empty));
        ck_assert(!tags_equal(&a, &c));
        ck_assert(!tags_equal(&a, &d));
        ck_assert(!tags_equal(&c, &empty));

        tags_done(&a);
        tags_done(&b);
        tags_done(&c);
        tags_done(&d);
        tags_done(&d);
        ck_assert(tags_equal(&d, &empty));
}
END_TEST

/* A set contains what was added to it, and no part of that. */
START_TEST(test_contain) {
        Tags empty = {};

        tags = TAGS("a=b", "zone=shop");
        ck_assert(tags_contain(&tags, "a=b"));
        ck_assert(tags_contain(&tags, "zone=shop"));
        ck_assert(!tags_contain(&tags, "zone=sho"));
        ck_assert(!tags_contain(&tags, "zone=shops"));
        ck_assert(!tags_contain(&tags, ""));
        ck_assert(!tags_contain(&empty, "a=b"));
}
END_TEST

int main(void) {
        return UNIT_RUN("tags", NULL, teardown, test_valid, test_invalid, test_length, test_sorted_set, test_bound,
                        test_shared, test_equal, test_contain);
}
