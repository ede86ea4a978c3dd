/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <check.h>
#include <fcntl.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/fd-queue.h"
#include "unit.h"

static FdQueue make(void) {
        FdQueue q;

        ck_assert_int_eq(unsetenv("NOTIFY_SOCKET"), 0);
        ck_assert_int_eq(fd_queue_new("queue", 1024 * 1024, &q), 0);
        return q;
}

static void push(const FdQueue *q, int record, size_t n_fds) {
        _cleanup_close_ int a = open("/dev/null", O_RDONLY | O_CLOEXEC), b = open("/dev/zero", O_RDONLY | O_CLOEXEC);

        ck_assert_int_eq(fd_queue_push(q, &record, sizeof(record), (const int[]){ a, b }, n_fds), 0);
}

static int first(const FdQueue *q, unsigned n_fds) {
        int record, fds[FD_QUEUE_FDS_MAX];

        ck_assert_int_eq(fd_queue_first(q, &record, sizeof(record), fds), 0);
        for (unsigned i = 0; i < FD_QUEUE_FDS_MAX; i++) {
                ck_assert_int_eq(fds[i] >= 0, i < n_fds);
                safe_close(fds[i]);
        }
        return record;
}

START_TEST(test_order) {
        FdQueue q = make();
        int record, fds[FD_QUEUE_FDS_MAX];

        ck_assert_int_eq(fd_queue_first(&q, &record, sizeof(record), fds), -EAGAIN);
        ck_assert_int_eq(fds[0], -EBADF);
        fd_queue_drop(&q); /* of nothing */
        for (int i = 1; i <= 3; i++)
                push(&q, i, (size_t) (i - 1));
        /* It stays where it is until it is dropped. */
        ck_assert_int_eq(first(&q, 0), 1);
        ck_assert_int_eq(first(&q, 0), 1);
        fd_queue_drop(&q);
        ck_assert_int_eq(first(&q, 1), 2);
        ck_assert_int_eq(fd_queue_first(&q, &record, sizeof(record), NULL), 0);
        ck_assert_int_eq(record, 2);
        fd_queue_drop(&q);
        ck_assert_int_eq(first(&q, 2), 3);
        fd_queue_drop(&q);
        ck_assert_int_eq(fd_queue_first(&q, &record, sizeof(record), NULL), -EAGAIN);
        fd_queue_close(&q);
        ck_assert_int_eq(q.in, -EBADF);
}
END_TEST

START_TEST(test_walk) {
        FdQueue q = make();
        int record;

        for (int i = 1; i <= 5; i++)
                push(&q, i, 2);
        for (unsigned round = 0; round < 2; round++) {
                ck_assert_int_eq(fd_queue_walk(&q, true), 0);
                for (int i = 1; i <= 5; i++)
                        ck_assert_int_eq(first(&q, 2), i);
                ck_assert_int_eq(fd_queue_first(&q, &record, sizeof(record), NULL), -EAGAIN);
                ck_assert_int_eq(fd_queue_walk(&q, false), 0);
        }
        for (int i = 1; i <= 5; i++) {
                ck_assert_int_eq(first(&q, 2), i);
                fd_queue_drop(&q);
        }
        fd_queue_close(&q);
}
END_TEST

START_TEST(test_restore) {
        for (unsigned swapped = 0; swapped < 2; swapped++) {
                FdQueue q = make(), back;

                push(&q, 7, 1);
                back = swapped ? fd_queue_restore(q.in, q.out) : fd_queue_restore(q.out, q.in);
                ck_assert_int_eq(first(&back, 1), 7);
                fd_queue_drop(&back);
                /* An empty one works both ways. */
                back = swapped ? fd_queue_restore(back.in, back.out) : fd_queue_restore(back.out, back.in);
                push(&back, 8, 2);
                ck_assert_int_eq(first(&back, 2), 8);
                fd_queue_close(&back);
        }
}
END_TEST

START_TEST(test_restore_half) {
        FdQueue q = make(), back = fd_queue_restore(q.in, -EBADF);

        ck_assert_int_eq(back.in, -EBADF);
        ck_assert_int_eq(back.out, -EBADF);
        ck_assert_int_eq(fcntl(q.in, F_GETFD), -1);
        safe_close(q.out);
}
END_TEST

START_TEST(test_wrong_size) {
        FdQueue q = make();
        int fds[FD_QUEUE_FDS_MAX];
        char small;

        push(&q, 1, 2);
        ck_assert_int_eq(fd_queue_first(&q, &small, sizeof(small), fds), -EBADMSG);
        ck_assert_int_eq(fds[0], -EBADF);
        fd_queue_close(&q);
}
END_TEST

int main(void) {
        return UNIT_RUN("fd-queue", NULL, NULL, test_order, test_walk, test_restore, test_restore_half, test_wrong_size);
}
