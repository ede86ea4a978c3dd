/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* With it, longjmp(3) to another stack is taken for a mistake. */
#undef _FORTIFY_SOURCE

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "basic/worker.h"

#define TICK_USEC (10 * USEC_PER_MSEC)

enum {
        IDLE_TICKS = 100, /* without a job until the thread that looks goes to sleep */
        STACK_SIZE = 1024 * 1024, /* only what is touched becomes memory; getpwnam(3) takes some */
        GUARD_SIZE = 64 * 1024,
        STOLEN = 2, /* even, and less than any turn */
};

/* A thread that looks after a worker, and one day goes on for whoever is late. It is never ended. */
typedef struct Spare {
        sem_t wanted;
        Worker *worker; /* that it looks after */
        jmp_buf home;   /* its own stack, while it goes on with another one */
        Worker *left;   /* whose job was late in this thread */
        struct Spare *next;
} Spare;

struct Worker {
        /* Where to go on: swapcontext(3) would do, but sets the signal mask each time. */
        jmp_buf asker;    /* the stack of who asked, while a job runs */
        jmp_buf runner;   /* that of the jobs, while none runs */
        bool has_runner;  /* it has been there once; until then: */
        ucontext_t first; /* with the asker's signal mask */
        /*
         * Odd: a job runs. STOLEN: it was late, and its asker goes on in another thread. Whoever changes it from odd has
         * the asker's stack.
         */
        _Atomic uint64_t turn;
        atomic_uint ticks; /* that the job may take */
        atomic_bool end, asleep;
        atomic_bool shared; /* STOLEN: one of the two has let it go */
        sem_t wanted;
        uint8_t *stack;
        void (*f)(void *job);
        _Alignas(16) uint8_t job[WORKER_JOB_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Spare *spares; /* that have nothing to do */
static atomic_uint n_late; /* threads whose job has not come back */

/* NULL in threads of others, the first one of the process for example. */
static _Thread_local Spare *self;

static void worker_destroy(Worker *w) {
        (void) munmap(w->stack, GUARD_SIZE + STACK_SIZE);
        (void) sem_destroy(&w->wanted);
        free(w);
}

/* What was stolen is freed by the second of the two, the one who was late and the one who goes on. */
static void let_go(Worker *w) {
        if (atomic_exchange(&w->shared, true))
                worker_destroy(w);
}

static void wait_for(sem_t *sem) {
        while (sem_wait(sem) < 0)
                ;
}

/* The job was late, and nobody waits for it any more. Not inlined, as `self` is that of the thread that it is now. */
static void __attribute__((noinline, noreturn)) go_home(Worker *w) {
        if (self) {
                atomic_fetch_sub(&n_late, 1);
                self->left = w;
                _longjmp(self->home, 1);
        }
        /* A first thread that ends would look as if the process had. Its variables may be of use still, and so they stay. */
        for (;;)
                (void) pause();
}

static void wake(Worker *w) {
        if (atomic_load(&w->asleep) && atomic_exchange(&w->asleep, false))
                (void) sem_post(&w->wanted);
}

/* On the stack of the jobs. From where the turn is odd on, the asker's stack may be another thread's. */
static void runner_main(unsigned high, unsigned low) {
        Worker *w = (Worker *) ((uintptr_t) high << 32 | low); /* makecontext(3) passes nothing but ints */

        for (;;) {
                uint64_t turn = atomic_load(&w->turn) + 1;

                atomic_store(&w->turn, turn);
                wake(w);
                w->f(w->job);
                if (!atomic_compare_exchange_strong(&w->turn, &turn, turn + 1))
                        go_home(w);
                if (_setjmp(w->runner) == 0)
                        _longjmp(w->asker, 1);
        }
}

/* Until it is woken. It says that it sleeps before it looks again, and the other one looks after it began. */
static void sleep_long(Worker *w, uint64_t seen) {
        atomic_store(&w->asleep, true);
        if (atomic_load(&w->turn) != seen || atomic_load(&w->end)) {
                if (atomic_exchange(&w->asleep, false))
                        return;
                /* It is being woken: the post is on its way. */
        }
        wait_for(&w->wanted);
}

/* Goes on for the asker, until it is late itself one day. */
static void __attribute__((noinline)) take_over(Spare *s, Worker *w) {
        sigset_t own;

        (void) pthread_sigmask(SIG_SETMASK, &w->first.uc_sigmask, &own);
        if (_setjmp(s->home) == 0)
                _longjmp(w->asker, 1);
        (void) pthread_sigmask(SIG_SETMASK, &own, NULL);
        let_go(s->left);
}

/* Looks after the jobs of a worker, until it ends or one is late. */
static void watch(Spare *s) {
        unsigned same = 0;
        uint64_t seen = 0;
        Worker *w = s->worker;

        while (!atomic_load(&w->end)) {
                uint64_t turn = atomic_load(&w->turn);

                if (turn != seen) {
                        seen = turn;
                        same = 0;
                } else if (++same >= IDLE_TICKS && turn % 2 == 0) {
                        sleep_long(w, turn);
                        same = 0;
                } else if (turn % 2 == 1 && same > atomic_load(&w->ticks) &&
                           atomic_compare_exchange_strong(&w->turn, &turn, STOLEN)) {
                        atomic_fetch_add(&n_late, 1);
                        take_over(s, w);
                        return;
                }
                (void) usleep(TICK_USEC);
        }
        /* Who ends it is done with it when the lock is free. */
        (void) pthread_mutex_lock(&lock);
        (void) pthread_mutex_unlock(&lock);
        worker_destroy(w);
}

static void *spare_main(void *userdata) {
        Spare *s = userdata;

        self = s;
        for (;;) {
                watch(s);
                (void) pthread_mutex_lock(&lock);
                s->next = spares;
                spares = s;
                (void) pthread_mutex_unlock(&lock);
                wait_for(&s->wanted);
        }
        return NULL;
}

static int spare_new(Worker *w) {
        sigset_t all, old;
        pthread_t thread;
        Spare *s;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->worker = w;
        (void) sem_init(&s->wanted, 0, 0);
        sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &old);
        r = -pthread_create(&thread, NULL, spare_main, s);
        (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (r < 0) {
                free(s);
                return r;
        }
        (void) pthread_detach(thread);
        return 0;
}

/* Has a thread look after it: one that has nothing to do, or a new one. */
static int worker_begin(Worker *w) {
        Spare *s;

        (void) pthread_mutex_lock(&lock);
        s = spares;
        if (s)
                spares = s->next;
        (void) pthread_mutex_unlock(&lock);
        if (!s)
                return spare_new(w);
        s->worker = w;
        (void) sem_post(&s->wanted);
        return 0;
}

int worker_new(Worker **ret) {
        Worker *w;
        int r;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->stack = mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        if (w->stack == MAP_FAILED) {
                r = -errno;
                free(w);
                return r;
        }
        (void) mprotect(w->stack, GUARD_SIZE, PROT_NONE);
        (void) sem_init(&w->wanted, 0, 0);
        atomic_init(&w->turn, STOLEN + 2);
        atomic_init(&w->shared, false);
        (void) getcontext(&w->first);
        w->first.uc_stack = (stack_t){ .ss_sp = w->stack + GUARD_SIZE, .ss_size = STACK_SIZE };
        makecontext(&w->first, (void (*)(void)) runner_main, 2, (unsigned) ((uintptr_t) w >> 32), (unsigned) (uintptr_t) w);
        r = worker_begin(w);
        if (r < 0) {
                worker_destroy(w);
                return r;
        }
        *ret = w;
        return 0;
}

Worker *worker_free(Worker *w) {
        if (!w)
                return NULL;
        /* Who looks after it finds this, and frees it. */
        (void) pthread_mutex_lock(&lock);
        atomic_store(&w->end, true);
        wake(w);
        (void) pthread_mutex_unlock(&lock);
        return NULL;
}

/* Returns when the job is done, or in another thread when it is late. */
static void __attribute__((noinline)) run(Worker *w) {
        if (_setjmp(w->asker) != 0)
                return;
        if (w->has_runner)
                _longjmp(w->runner, 1);
        w->has_runner = true;
        (void) setcontext(&w->first);
}

unsigned worker_count_late(void) {
        return atomic_load(&n_late);
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
        atomic_store_explicit(&w->ticks, (unsigned) ((timeout + TICK_USEC - 1) / TICK_USEC), memory_order_relaxed);
        run(w);
        if (atomic_load(&w->turn) != STOLEN) {
                memcpy(job, w->job, size);
                return 0;
        }
        /* In another thread. */
        let_go(w);
        *worker = NULL;
        (void) worker_new(worker);
        return -ETIMEDOUT;
}
