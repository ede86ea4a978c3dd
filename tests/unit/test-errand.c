/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that an errand is done once, that its job is freed once whoever comes last, and that there are never too many. */

#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "basic/errand.h"
#include "unit.h"

typedef struct Job {
        sem_t *wait; /* or NULL */
        int value;
} Job;

static atomic_int n_freed;
static int n_done, result;
static sd_event *event;

static void setup(void) {
        ck_assert_int_ge(sd_event_new(&event), 0);
}

static void teardown(void) {
        sd_event_unref(event);
}

static void job_run(void *p) {
        Job *j = p;

        while (j->wait && sem_wait(j->wait) < 0)
                ;
        j->value *= 2;
}

static void job_done(void *p, void *userdata) {
        n_done++;
        result = ((Job *) p)->value;
        ck_assert_ptr_eq(userdata, &result);
}

static void job_free(void *p) {
        free(p);
        atomic_fetch_add(&n_freed, 1);
}

static const ErrandType type = { job_run, job_done, job_free };
static const ErrandType uncounted = { job_run, job_done, job_free, .uncounted = true };

static Job *job_new(sem_t *wait, int value) {
        Job *j = malloc(sizeof(*j));

        ck_assert_ptr_nonnull(j);
        *j = (Job){ wait, value };
        return j;
}

static void wait_freed(int n) {
        while (atomic_load(&n_freed) < n)
                (void) nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        ck_assert_int_eq(atomic_load(&n_freed), n);
}

/* It is done in the thread, told in the loop, and forgotten. */
START_TEST(test_done) {
        unsigned fds = unit_count_fds();
        Errand *errand;

        ck_assert_int_eq(errand_start(event, &type, job_new(NULL, 21), &result, &errand), 0);
        while (n_done == 0)
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
        ck_assert_int_eq(n_done, 1);
        ck_assert_int_eq(result, 42);
        wait_freed(1);
        ck_assert_uint_eq(unit_count_fds(), fds);
}
END_TEST

/* An abandoned one is not told of, and its job lives until the thread is through with it. */
START_TEST(test_abandon) {
        Errand *errand;
        sem_t wait;

        (void) sem_init(&wait, 0, 0);
        ck_assert_int_eq(errand_start(event, &type, job_new(&wait, 1), &result, &errand), 0);
        ck_assert_ptr_null(errand_abandon(errand));
        ck_assert_int_eq(atomic_load(&n_freed), 0);
        (void) sem_post(&wait);
        wait_freed(1);
        ck_assert_int_eq(n_done, 0);
        ck_assert_ptr_null(errand_abandon(NULL));
}
END_TEST

/* Those that are held up count, abandoned or not; what is refused stays the caller's. */
START_TEST(test_limit) {
        Errand *errands[ERRANDS_MAX], *more;
        Job *refused = job_new(NULL, 1);
        sem_t wait;

        (void) sem_init(&wait, 0, 0);
        for (size_t i = 0; i < ERRANDS_MAX; i++)
                ck_assert_int_eq(errand_start(event, &type, job_new(&wait, 1), &result, &errands[i]), 0);
        for (size_t i = 0; i < ERRANDS_MAX / 2; i++)
                (void) errand_abandon(errands[i]);
        ck_assert_int_eq(errand_start(event, &type, refused, &result, &more), -EBUSY);
        /* What nobody can hold up is not held up by them. */
        ck_assert_int_eq(errand_start(event, &uncounted, job_new(NULL, 2), &result, &more), 0);
        while (n_done == 0)
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
        ck_assert_int_eq(result, 4);
        wait_freed(1);
        ck_assert_int_eq(errand_start(event, &type, refused, &result, &more), -EBUSY);
        for (size_t i = 0; i < ERRANDS_MAX; i++)
                (void) sem_post(&wait);
        while (n_done < 1 + ERRANDS_MAX / 2)
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
        wait_freed(1 + ERRANDS_MAX);
        ck_assert_int_eq(errand_start(event, &type, refused, &result, &more), 0);
        while (n_done < ERRANDS_MAX / 2 + 2)
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
}
END_TEST

/* Those of a type that has a share do not take the room of others. */
START_TEST(test_share) {
        static atomic_uint n;
        static const ErrandType shared = { job_run, job_done, job_free, .max = 2, .n = &n };
        Job *refused = job_new(NULL, 1);
        Errand *errand;
        sem_t wait;

        (void) sem_init(&wait, 0, 0);
        for (unsigned i = 0; i < shared.max; i++) {
                ck_assert_int_eq(errand_start(event, &shared, job_new(&wait, 1), &result, &errand), 0);
                (void) errand_abandon(errand);
        }
        ck_assert_int_eq(errand_start(event, &shared, refused, &result, &errand), -EBUSY);
        for (unsigned i = shared.max; i < ERRANDS_MAX; i++)
                ck_assert_int_eq(errand_start(event, &type, job_new(&wait, 1), &result, &errand), 0);
        for (unsigned i = 0; i < ERRANDS_MAX; i++)
                (void) sem_post(&wait);
        while (n_done < (int) (ERRANDS_MAX - shared.max))
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
        wait_freed(ERRANDS_MAX);
        ck_assert_uint_eq(atomic_load(&n), 0);
        ck_assert_int_eq(errand_start(event, &shared, refused, &result, &errand), 0);
        while (n_done < (int) (ERRANDS_MAX - shared.max) + 1)
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
}
END_TEST

int main(void) {
        return UNIT_RUN("errand", setup, teardown, test_done, test_abandon, test_limit, test_share);
}
