/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that what blocks is waited for as long as it may take and no longer, and that who asked goes on as if nothing were. */

#include <check.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/deadline.h"
#include "basic/fd.h"
#include "basic/worker.h"
#include "unit.h"

#define TIMEOUT_USEC (30 * USEC_PER_MSEC)

typedef struct Job {
        int fd; /* one octet of it is waited for, -1: nothing */
        int in, out;
        pid_t thread;
} Job;

static atomic_int n_done;

static void job_run(void *job) {
        Job *j = job;
        char c;

        j->thread = gettid();
        if (j->fd >= 0)
                while (read(j->fd, &c, 1) != 1)
                        ;
        j->out = 2 * j->in;
        atomic_fetch_add(&n_done, 1);
}

static unsigned count_threads(void) {
        DIR *dir = opendir("/proc/self/task");
        unsigned n = 0;

        ck_assert_ptr_nonnull(dir);
        while (readdir(dir))
                n++;
        (void) closedir(dir);
        return n - 2; /* . and .. */
}

static void assert_works(Worker **w, int in) {
        Job j = { .fd = -1, .in = in };

        ck_assert_int_eq(worker_run(w, job_run, &j, sizeof(j), TIMEOUT_USEC), 0);
        ck_assert_int_eq(j.out, 2 * in);
        ck_assert_int_eq(j.thread, gettid());
}

/* In time: in the thread that asks, and what the job wrote is there. Also after a pause so long that the other thread sleeps. */
START_TEST(test_in_time) {
        Worker *w;

        ck_assert_int_eq(worker_new(&w), 0);
        for (int i = 0; i < 100000; i++)
                assert_works(&w, i);
        (void) poll(NULL, 0, 1500);
        assert_works(&w, 7);
        ck_assert_ptr_null(worker_free(w));
        ck_assert_ptr_null(worker_free(NULL));
        w = NULL; /* one is made */
        assert_works(&w, 8);
        worker_free(w);
}
END_TEST

static int late(Worker **w, int fd) {
        char around[4096];
        Job j = { .fd = fd, .in = 1 };
        uint64_t begin = now_usec(CLOCK_MONOTONIC), took;
        int r;

        memset(around, 0x5a, sizeof(around));
        r = worker_run(w, job_run, &j, sizeof(j), TIMEOUT_USEC);
        took = now_usec(CLOCK_MONOTONIC) - begin;
        ck_assert_int_eq(j.out, 0); /* what is late works on a copy */
        ck_assert_uint_ge(took, TIMEOUT_USEC);
        ck_assert_uint_lt(took, 10 * USEC_PER_SEC);
        for (size_t i = 0; i < sizeof(around); i++)
                ck_assert_int_eq(around[i], 0x5a);
        return r;
}

static void wait_for_done(int n) {
        while (atomic_load(&n_done) < n)
                (void) poll(NULL, 0, 1);
}

/* Late, one after the other and before the first ones came back: who asked is in another thread, and has a worker that works. */
START_TEST(test_late) {
        enum { N = 8 };
        const pid_t first = gettid();
        Worker *w;
        int fds[2];

        ck_assert_int_eq(worker_new(&w), 0);
        ck_assert_int_eq(pipe(fds), 0);
        for (int i = 0; i < N; i++) {
                const pid_t before = gettid();

                ck_assert_int_eq(late(&w, fds[0]), -ETIMEDOUT);
                ck_assert_int_ne(gettid(), before);
                ck_assert_ptr_nonnull(w);
                assert_works(&w, i);
        }
        ck_assert_int_ne(gettid(), first);
        ck_assert_uint_eq(worker_count_late(), N);
        n_done = 0;
        ck_assert_int_eq(write(fds[1], "12345678", N), N);
        wait_for_done(N);
        while (worker_count_late() > 1) /* the first thread is not used again */
                (void) poll(NULL, 0, 1);
        assert_works(&w, 3);
        worker_free(w);
        (void) close(fds[0]);
        (void) close(fds[1]);
}
END_TEST

/* Those that came back are used again: there are no more threads than were late at a time. */
START_TEST(test_threads) {
        unsigned n = 0;
        Worker *w;
        int fds[2];

        ck_assert_int_eq(worker_new(&w), 0);
        ck_assert_int_eq(pipe(fds), 0);
        for (int i = 0; i < 12; i++) {
                n_done = 0;
                ck_assert_int_eq(late(&w, fds[0]), -ETIMEDOUT);
                ck_assert_int_eq(write(fds[1], "x", 1), 1);
                wait_for_done(1);
                (void) poll(NULL, 0, 20);
                if (i == 3)
                        n = count_threads();
        }
        ck_assert_uint_le(count_threads(), n);
        worker_free(w);
}
END_TEST

static void *write_later(void *userdata) {
        const int *fds = userdata;

        for (unsigned i = 0; i < 300; i++) {
                (void) usleep(i * 397 % 60000);
                if (write(fds[1], "x", 1) < 0)
                        break;
        }
        return NULL;
}

/* Jobs that end just as they are given up: either way there is one who goes on. */
START_TEST(test_races) {
        pthread_t thread;
        unsigned n_late = 0, n_in_time = 0;
        Worker *w;
        int fds[2];

        n_done = 0;
        ck_assert_int_eq(worker_new(&w), 0);
        ck_assert_int_eq(pipe(fds), 0);
        ck_assert_int_eq(pthread_create(&thread, NULL, write_later, fds), 0);
        while (n_late + n_in_time < 200) {
                Job j = { .fd = fds[0], .in = 21 };
                int r = worker_run(&w, job_run, &j, sizeof(j), TIMEOUT_USEC);

                if (r == 0) {
                        ck_assert_int_eq(j.out, 42);
                        n_in_time++;
                } else {
                        ck_assert_int_eq(r, -ETIMEDOUT);
                        n_late++;
                }
        }
        ck_assert_uint_gt(n_in_time, 0);
        ck_assert_uint_gt(n_late, 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        worker_free(w);
}
END_TEST

/* Many workers, used by one thread in turn, that goes on in another one when one of them was late. */
START_TEST(test_many) {
        Worker *workers[10] = {};
        int fds[2];

        ck_assert_int_eq(pipe(fds), 0);
        for (unsigned round = 0; round < 20; round++) {
                for (size_t i = 0; i < ELEMENTSOF(workers); i++)
                        assert_works(&workers[i], (int) i);
                ck_assert_int_eq(late(&workers[round % ELEMENTSOF(workers)], fds[0]), -ETIMEDOUT);
                if (round % 3 == 0)
                        workers[0] = worker_free(workers[0]);
        }
        for (size_t i = 0; i < ELEMENTSOF(workers); i++)
                worker_free(workers[i]);
}
END_TEST

/* What has a deadline (basic/deadline.h) has one in whatever thread it is. */
START_TEST(test_deadline) {
        Worker *w;
        int fds[2];
        char c;

        ck_assert_int_eq(deadline_init(), 0);
        ck_assert_int_eq(worker_new(&w), 0);
        ck_assert_int_eq(pipe(fds), 0);
        for (unsigned i = 0; i < 3; i++) {
                deadline_begin();
                ck_assert_int_eq(read(fds[0], &c, 1), -1);
                ck_assert_int_eq(errno, EINTR);
                deadline_end();
                ck_assert_int_eq(late(&w, fds[0]), -ETIMEDOUT);
        }
        worker_free(w);
}
END_TEST

int main(void) {
        return UNIT_RUN("worker", NULL, NULL, test_in_time, test_late, test_threads, test_races, test_many, test_deadline);
}
