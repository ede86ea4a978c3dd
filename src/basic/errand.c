/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "basic/errand.h"
#include "basic/fd.h"

/* What the loop does is more urgent. */
enum { NICE = 10 };

struct Errand {
        const ErrandType *type;
        void *job, *userdata;
        sd_event_source *source;
        int event_fd;
        atomic_bool let_go; /* by one of the two; the other one frees */
};

static atomic_uint n_errands; /* that count */

static bool take(atomic_uint *n, unsigned max) {
        if (atomic_fetch_add(n, 1) < max)
                return true;
        atomic_fetch_sub(n, 1);
        return false;
}

static bool count_in(const ErrandType *type) {
        if (type->uncounted)
                return true;
        if (type->max > 0 && !take(type->n, type->max))
                return false;
        if (take(&n_errands, ERRANDS_MAX))
                return true;
        if (type->max > 0)
                atomic_fetch_sub(type->n, 1);
        return false;
}

static void count_out(const ErrandType *type) {
        if (type->uncounted)
                return;
        atomic_fetch_sub(&n_errands, 1);
        if (type->max > 0)
                atomic_fetch_sub(type->n, 1);
}

static void errand_destroy(Errand *e) {
        e->type->free(e->job);
        safe_close(e->event_fd);
        free(e);
}

static void *errand_main(void *userdata) {
        Errand *e = userdata;
        const uint64_t one = 1;

        (void) setpriority(PRIO_PROCESS, (id_t) gettid(), NICE);
        e->type->run(e->job);
        /* Before the loop can know of it, so that the next one can begin then. */
        count_out(e->type);
        /* It stays ours until it is let go: who has it in the loop may free it from then on. */
        if (write(e->event_fd, &one, sizeof(one)) < 0)
                return NULL; /* cannot be: the counter is not full */
        if (atomic_exchange(&e->let_go, true))
                errand_destroy(e);
        return NULL;
}

static int on_done(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Errand *e = userdata;

        e->source = sd_event_source_disable_unref(e->source);
        e->type->done(e->job, e->userdata);
        if (atomic_exchange(&e->let_go, true))
                errand_destroy(e);
        return 0;
}

static int start_thread(Errand *e) {
        sigset_t all, old;
        pthread_t thread;
        int r;

        sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &old);
        r = -pthread_create(&thread, NULL, errand_main, e);
        (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (r >= 0)
                (void) pthread_detach(thread);
        return r;
}

int errand_start(sd_event *event, const ErrandType *type, void *job, void *userdata, Errand **ret) {
        Errand *e;
        int r;

        if (!count_in(type))
                return -EBUSY;
        e = calloc(1, sizeof(*e));
        if (!e) {
                r = -ENOMEM;
                goto fail;
        }
        e->type = type;
        e->job = job;
        e->userdata = userdata;
        atomic_init(&e->let_go, false);
        e->event_fd = r = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (r < 0)
                r = -errno;
        if (r >= 0)
                r = sd_event_add_io(event, &e->source, e->event_fd, EPOLLIN, on_done, e);
        if (r >= 0) {
                *ret = e;
                r = start_thread(e);
        }
        if (r >= 0)
                return 0;
fail:
        *ret = NULL;
        if (e) {
                sd_event_source_disable_unref(e->source);
                safe_close(e->event_fd);
                free(e);
        }
        count_out(type);
        return r;
}

Errand *errand_abandon(Errand *e) {
        if (!e)
                return NULL;
        e->source = sd_event_source_disable_unref(e->source);
        if (atomic_exchange(&e->let_go, true))
                errand_destroy(e);
        return NULL;
}
