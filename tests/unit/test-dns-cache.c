/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "dns/cache.h"
#include "unit.h"

enum { DATA_SIZE = 1000 };

static Cache *cache;
static uint8_t data[DATA_SIZE];
static CacheShare first, second;

/* Room for some forty entries. */
static void setup(void) {
        cache = cache_new(48 * 1024);
        ck_assert_ptr_nonnull(cache);
        first = second = (CacheShare){};
}

static void teardown(void) {
        cache_leave(cache, &first);
        cache_leave(cache, &second);
        cache = cache_free(cache);
}

static Question question(unsigned number) {
        Question q = { .type = LDNS_RR_TYPE_A };

        q.name_size = (uint8_t) (snprintf((char *) q.name + 1, sizeof(q.name) - 1, "n%u", number) + 2);
        q.name[0] = (uint8_t) (q.name_size - 2);
        return q;
}

static void put(CacheShare *share, unsigned number, uint32_t ttl, uint64_t now) {
        const Response r = { .data = data, .size = DATA_SIZE, .ttl = ttl };
        const Question q = question(number);

        memset(data, (int) number, sizeof(data));
        cache_put(cache, share, &q, &r, now * USEC_PER_SEC);
}

/* The age of what is kept, or -1. */
static int age(unsigned number, uint64_t now) {
        const Question q = question(number);
        uint32_t seconds;
        Response r;

        if (!cache_get(cache, &q, now * USEC_PER_SEC, &r, &seconds))
                return -1;
        ck_assert_uint_eq(r.size, DATA_SIZE);
        ck_assert_uint_eq(r.data[DATA_SIZE - 1], (uint8_t) number);
        return (int) seconds;
}

/* Kept for as long as it says and not longer; what says nothing is not kept, and makes an older answer go. */
START_TEST(test_time) {
        put(&first, 1, 60, 100);
        ck_assert_int_eq(age(1, 100), 0);
        ck_assert_int_eq(age(1, 159), 59);
        ck_assert_int_eq(age(1, 160), -1);
        ck_assert_int_eq(age(1, 100), -1);
        put(&first, 2, 0, 100);
        ck_assert_int_eq(age(2, 100), -1);
        put(&first, 3, 60, 100);
        put(&first, 3, 0, 101);
        ck_assert_int_eq(age(3, 101), -1);
        put(&first, 4, 60, 100);
        put(&second, 4, 60, 130);
        ck_assert_int_eq(age(4, 170), 40);
        ck_assert_uint_eq(cache->size, second.size);
        ck_assert_uint_eq(first.size, 0);
        cache_clear(cache);
        ck_assert_int_eq(age(4, 131), -1);
        ck_assert_uint_eq(cache->size, 0);
}
END_TEST

/* DNSSEC records and what was not checked are other answers. */
START_TEST(test_key) {
        Question q = question(1);
        Response r;
        uint32_t seconds;

        put(&first, 1, 60, 0);
        q.dnssec = true;
        ck_assert(!cache_get(cache, &q, 0, &r, &seconds));
        q.dnssec = false;
        q.checking_disabled = true;
        ck_assert(!cache_get(cache, &q, 0, &r, &seconds));
        q.checking_disabled = false;
        q.type = LDNS_RR_TYPE_AAAA;
        ck_assert(!cache_get(cache, &q, 0, &r, &seconds));
        q.type = LDNS_RR_TYPE_A;
        ck_assert(cache_get(cache, &q, 0, &r, &seconds));
}
END_TEST

/* Who fills the cache pushes out his own; the bound holds. */
START_TEST(test_shares) {
        put(&second, 1000, 60, 0);
        put(&second, 1001, 60, 0);
        for (unsigned i = 0; i < 500; i++) {
                put(&first, i, 60, 0);
                ck_assert_uint_le(cache->size, cache->size_max);
        }
        ck_assert_int_eq(age(1000, 1), 1);
        ck_assert_int_eq(age(1001, 1), 1);
        ck_assert_int_eq(age(499, 1), 1);
        ck_assert_int_eq(age(0, 1), -1);
}
END_TEST

/* What is used stays longer than what is not. */
START_TEST(test_use) {
        put(&first, 0, 60, 0);
        for (unsigned i = 1; i < 500; i++) {
                put(&first, i, 60, 0);
                ck_assert_int_eq(age(0, 0), 0);
        }
        ck_assert_int_eq(age(1, 0), -1);
}
END_TEST

/* What somebody had looked up who is gone stays, until there is no room: then it goes first. */
START_TEST(test_leave) {
        put(&first, 1, 60, 0);
        cache_leave(cache, &first);
        ck_assert_uint_eq(first.size, 0);
        ck_assert_int_eq(age(1, 0), 0);
        put(&second, 2, 60, 0);
        for (unsigned i = 10; age(1, 0) >= 0; i++)
                put(&first, i, 60, 0);
        ck_assert_int_eq(age(2, 0), 0);
        ck_assert_int_eq(age(10, 0), 0);
}
END_TEST

/* Larger than the whole cache: left out, and nothing else goes for it. */
START_TEST(test_too_large) {
        const Question q = question(2);
        const Response r = { .data = data, .size = 64 * 1024, .ttl = 60 };

        put(&first, 1, 60, 0);
        cache_put(cache, &first, &q, &r, 0);
        ck_assert_int_eq(age(1, 0), 0);
}
END_TEST

int main(void) {
        return UNIT_RUN("dns-cache", setup, teardown, test_time, test_key, test_shares, test_use, test_leave,
                        test_too_large);
}
