/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <check.h>
#include <poll.h>
#include <unistd.h>

#include "basic/deadline.h"
#include "unit.h"

/* A read that would wait for ever, once with a deadline. */
static void read_nothing(void) {
        int fds[2];
        char c;

        ck_assert_int_eq(pipe(fds), 0);
        deadline_begin();
        ck_assert_int_eq(read(fds[0], &c, 1), -1);
        ck_assert_int_eq(errno, EINTR);
        deadline_end();
        (void) close(fds[0]);
        (void) close(fds[1]);
}

/* What waits is ended, and again when nobody had a deadline for so long that the thread sleeps. */
START_TEST(test_ends) {
        ck_assert_int_eq(deadline_init(), 0);
        ck_assert_int_eq(deadline_init(), 0); /* a second time is nothing */
        read_nothing();
        read_nothing();
        (void) poll(NULL, 0, 500);
        read_nothing();
}
END_TEST

/* What has none is left alone, whatever came before it. */
START_TEST(test_alone) {
        ck_assert_int_eq(deadline_init(), 0);
        for (unsigned i = 0; i < 20; i++) {
                for (unsigned j = 0; j <= i; j++) {
                        deadline_begin();
                        deadline_end();
                }
                ck_assert_int_eq(poll(NULL, 0, 10), 0);
        }
        read_nothing();
        ck_assert_int_eq(deadline_close(-1), -EBADF);
        ck_assert_int_eq(poll(NULL, 0, 10), 0);
}
END_TEST

int main(void) {
        return UNIT_RUN("deadline", NULL, NULL, test_ends, test_alone);
}
