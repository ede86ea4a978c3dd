/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "basic/deadline.h"
#include "basic/fd.h"

/* Ticks without a deadline until the thread goes to sleep. */
enum { IDLE_TICKS = 100 };

static atomic_uint turn; /* odd: a deadline runs */
static atomic_bool asleep;
static sem_t wanted;
static _Atomic pthread_t watched; /* where it runs */
static bool ready;

static void on_alarm(int s) {
        /* To have been called is enough. */
}

/* Until it is woken. It says that it sleeps before it looks again, and the other one looks after it began. */
static void sleep_long(unsigned seen) {
        atomic_store(&asleep, true);
        if (atomic_load(&turn) != seen) {
                if (atomic_exchange(&asleep, false))
                        return;
                /* It is being woken: the post is on its way. */
        }
        while (sem_wait(&wanted) < 0)
                ;
}

static void *deadline_main(void *userdata) {
        unsigned seen = 0, idle = 0;

        for (;;) {
                const unsigned now = atomic_load(&turn);

                if (now != seen)
                        idle = 0;
                else if (now % 2 == 1)
                        (void) pthread_kill(atomic_load(&watched), SIGALRM);
                else if (++idle == IDLE_TICKS) {
                        sleep_long(now);
                        idle = 0;
                }
                seen = now;
                (void) usleep(DEADLINE_TICK_USEC);
        }
        return NULL;
}

int deadline_init(void) {
        struct sigaction action = { .sa_handler = on_alarm };
        sigset_t all, old;
        pthread_t thread;
        int r;

        if (ready)
                return 0;
        if (sigaction(SIGALRM, &action, NULL) < 0 || sem_init(&wanted, 0, 0) < 0)
                return -errno;
        sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &old);
        r = -pthread_create(&thread, NULL, deadline_main, NULL);
        (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (r < 0)
                return r;
        (void) pthread_detach(thread);
        ready = true;
        return 0;
}

void deadline_begin(void) {
        atomic_store_explicit(&watched, pthread_self(), memory_order_relaxed);
        atomic_fetch_add(&turn, 1);
        if (atomic_load(&asleep) && atomic_exchange(&asleep, false))
                (void) sem_post(&wanted);
}

void deadline_end(void) {
        atomic_fetch_add(&turn, 1);
}

int deadline_close(int fd) {
        if (fd < 0)
                return -EBADF;
        deadline_begin();
        fd = safe_close(fd);
        deadline_end();
        return fd;
}
