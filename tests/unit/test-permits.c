/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that what names resolved to is kept for its time and no longer, of as many as there is room for. */

#include <stdio.h>
#include <string.h>

#include "basic/clock.h"
#include "model/permits.h"
#include "unit.h"

static Permits permits;

static void teardown(void) {
        permits_done(&permits);
}

static void add(const char *name, const char *address, uint64_t until) {
        const Address a = unit_address(address);
        Permit *p;

        ck_assert_int_eq(permits_add(&permits, name, &a, until, &p), 0);
        ck_assert_str_eq(p->name, name);
        ck_assert(address_equal(&p->address, &a));
}

/* When the name lapses for the address; 0: it is not there. */
static uint64_t until(const char *name, const char *address) {
        const Address a = unit_address(address);
        const Permit *p = NULL;

        while ((p = permits_next(&permits, &a, p)))
                if (strcmp(p->name, name) == 0)
                        return p->until;
        return 0;
}

/* Each name has its own time at an address, which only gets longer. */
START_TEST(test_add) {
        add("a.test", "192.0.2.1", 100);
        add("b.test", "192.0.2.1", 50);
        add("a.test", "2001:db8::1", 70);
        ck_assert_uint_eq(permits.n, 3);
        add("a.test", "192.0.2.1", 90);
        add("b.test", "192.0.2.1", 60);
        ck_assert_uint_eq(permits.n, 3);
        ck_assert_uint_eq(until("a.test", "192.0.2.1"), 100);
        ck_assert_uint_eq(until("b.test", "192.0.2.1"), 60);
        ck_assert_uint_eq(until("a.test", "2001:db8::1"), 70);
        ck_assert_uint_eq(until("b.test", "2001:db8::1"), 0);
        ck_assert_uint_eq(until("a.test", "192.0.2.2"), 0);
}
END_TEST

/* When there is no room, what lapses first goes, and nothing else. */
START_TEST(test_bound) {
        char address[ADDRESS_STRING_MAX];

        for (unsigned i = 0; i < PERMITS_MAX + 100; i++) {
                (void) snprintf(address, sizeof(address), "10.0.%u.%u", i / 256, i % 256);
                /* The 50th lapses first of all. */
                add("a.test", address, i == 50 ? 1 : 1000 + i);
                ck_assert_uint_le(permits.n, PERMITS_MAX);
        }
        ck_assert_uint_eq(until("a.test", "10.0.0.50"), 0);
        for (unsigned i = 0; i < PERMITS_MAX + 100; i++) {
                (void) snprintf(address, sizeof(address), "10.0.%u.%u", i / 256, i % 256);
                if (i != 50)
                        ck_assert_uint_eq(until("a.test", address), i <= 99 ? 0 : 1000 + i);
        }
}
END_TEST

/* Looks some addresses up, each of which is there or not, and tells the processor time. */
static uint64_t look_up(void) {
        const Address there = unit_address("10.0.0.0"), not_there = unit_address("192.0.2.1");
        const uint64_t begin = now_usec(CLOCK_PROCESS_CPUTIME_ID);

        for (unsigned i = 0; i < 100000; i++) {
                ck_assert_ptr_nonnull(permits_next(&permits, &there, NULL));
                ck_assert_ptr_null(permits_next(&permits, &not_there, NULL));
        }
        return now_usec(CLOCK_PROCESS_CPUTIME_ID) - begin;
}

/* A connect does not cost more with all the permits that there may be. */
START_TEST(test_cost) {
        char address[ADDRESS_STRING_MAX];
        uint64_t few;

        add("a.test", "10.0.0.0", 1000);
        few = look_up();
        for (unsigned i = 1; i < PERMITS_MAX; i++) {
                (void) snprintf(address, sizeof(address), "10.0.%u.%u", i / 256, i % 256);
                add("a.test", address, 1000);
        }
        ck_assert_uint_le(look_up(), 10 * few);
}
END_TEST

/* Neither less than who was just told needs, nor for ever. */
START_TEST(test_ttl) {
        ck_assert_uint_eq(permit_until(7, 60), 7 + 60 * USEC_PER_SEC);
        ck_assert_uint_eq(permit_until(7, 0), 7 + PERMIT_TTL_MIN * USEC_PER_SEC);
        ck_assert_uint_eq(permit_until(7, UINT32_MAX), 7 + PERMIT_TTL_MAX * USEC_PER_SEC);
}
END_TEST

int main(void) {
        return UNIT_RUN("permits", NULL, teardown, test_add, test_bound, test_cost, test_ttl);
}
