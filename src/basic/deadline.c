/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "basic/deadline.h"
#include "basic/fd.h"

#define CLOSE_DEADLINE_USEC (2 * USEC_PER_MSEC)

static timer_t timer;
static bool ready;

static void on_alarm(int s) {
        /* To have been called is enough. */
}

int deadline_init(void) {
        struct sigaction action = { .sa_handler = on_alarm };
        struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM };

        if (ready)
                return 0;
        event._sigev_un._tid = gettid();
        if (sigaction(SIGALRM, &action, NULL) < 0 || timer_create(CLOCK_MONOTONIC, &event, &timer) < 0)
                return -errno;
        ready = true;
        return 0;
}

static void set(uint64_t usec) {
        const struct timespec t = {
                .tv_sec = (time_t) (usec / USEC_PER_SEC),
                .tv_nsec = (long) (usec % USEC_PER_SEC * NSEC_PER_USEC),
        };

        if (ready)
                (void) timer_settime(timer, 0, &(struct itimerspec){ t, t }, NULL);
}

void deadline_begin(uint64_t usec) {
        set(usec);
}

void deadline_end(void) {
        set(0);
}

int deadline_close(int fd) {
        if (fd < 0)
                return -EBADF;
        deadline_begin(CLOSE_DEADLINE_USEC);
        fd = safe_close(fd);
        deadline_end();
        return fd;
}
