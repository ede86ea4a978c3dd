/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "basic/worker.h"

typedef enum Owner {
        OWNER_BOTH,  /* caller and thread have it */
        OWNER_ONE,   /* the other one let it go and the one that is left frees it */
} Owner;

struct Worker {
        sem_t wanted, done;
        atomic_int owner;
        atomic_bool end;
        pthread_t thread;
        int cpu;
        void (*f)(void *job);
        _Alignas(16) uint8_t job[WORKER_JOB_MAX];
};

/* The second one to let go frees. */
static void let_go(Worker *w) {
        if (atomic_exchange(&w->owner, OWNER_ONE) == OWNER_BOTH)
                return;
        (void) sem_destroy(&w->wanted);
        (void) sem_destroy(&w->done);
        free(w);
}

static void *worker_main(void *userdata) {
        Worker *w = userdata;

        for (;;) {
                while (sem_wait(&w->wanted) < 0)
                        ;
                if (atomic_load(&w->end))
                        break;
                w->f(w->job);
                (void) sem_post(&w->done);
        }
        let_go(w);
        return NULL;
}

int worker_new(Worker **ret) {
        sigset_t all, old;
        Worker *w;
        int r;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->cpu = -1;
        (void) sem_init(&w->wanted, 0, 0);
        (void) sem_init(&w->done, 0, 0);
        atomic_init(&w->owner, OWNER_BOTH);
        sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &old);
        r = -pthread_create(&w->thread, NULL, worker_main, w);
        (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (r < 0) {
                free(w);
                return r;
        }
        (void) pthread_detach(w->thread);
        *ret = w;
        return 0;
}

Worker *worker_free(Worker *w) {
        if (!w)
                return NULL;
        /* A late one finds this when it is through with its job. */
        atomic_store(&w->end, true);
        (void) sem_post(&w->wanted);
        let_go(w);
        return NULL;
}

static int wait_until_done(Worker *w, uint64_t timeout) {
        struct timespec until;

        (void) clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += (time_t) (timeout / USEC_PER_SEC);
        until.tv_nsec += (long) (timeout % USEC_PER_SEC * NSEC_PER_USEC);
        if (until.tv_nsec >= 1000000000) {
                until.tv_sec++;
                until.tv_nsec -= 1000000000;
        }
        while (sem_clockwait(&w->done, CLOCK_MONOTONIC, &until) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

/* On one CPU the two take turns by a switch of 1 to 2 µs; to wake another CPU takes ten times as long. */
static void follow(Worker *w) {
        int cpu = sched_getcpu();
        cpu_set_t set;

        if (cpu < 0 || cpu == w->cpu)
                return;
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        if (pthread_setaffinity_np(w->thread, sizeof(set), &set) == 0)
                w->cpu = cpu;
}

int worker_run(Worker **worker, void (*f)(void *job), void *job, size_t size, uint64_t timeout) {
        Worker *w = *worker;

        assert(size <= WORKER_JOB_MAX);
        if (!w) {
                if (worker_new(worker) < 0)
                        return -EAGAIN;
                w = *worker;
        }
        memcpy(w->job, job, size);
        w->f = f;
        follow(w);
        (void) sem_post(&w->wanted);
        if (wait_until_done(w, timeout) < 0) {
                *worker = worker_free(w);
                (void) worker_new(worker);
                return -ETIMEDOUT;
        }
        memcpy(job, w->job, size);
        return 0;
}
