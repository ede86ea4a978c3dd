/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <string.h>
#include <utlist.h>

#include "basic/clock.h"
#include "basic/errand.h"
#include "basic/fd.h"
#include "basic/fd-store.h"
#include "basic/log.h"
#include "model/journal.h"
#include "transport/guard-table.h"
#include "transport/nft.h"

/* After a failure that may be over soon, and while there are too many threads. */
#define RETRY_USEC (1 * USEC_PER_SEC)

/* Somebody who wants counts. */
typedef struct Waiter {
        GuardCounted done;
        void *userdata;
        struct Waiter *prev, *next;
} Waiter;

/* What the thread does. It has nothing else, and nobody else has it. */
typedef struct Job {
        int netlink;
        bool set;           /* makes the table what is wanted */
        bool count;         /* and then reads it */
        GuardPort *ports;
        size_t n;
        GuardCount *counts; /* as many */
        int error, count_error;
} Job;

struct Guard {
        sd_event *event;
        int netlink; /* whose the table is; or -EBADF */
        int watch;
        sd_event_source *watch_source;
        GuardPort *ports; /* wanted, sorted */
        size_t n;
        bool dirty;      /* the kernel has not been told yet */
        bool up;         /* it has them */
        bool complained; /* that it does not */
        sd_event_source *turn, *retry;
        Errand *errand;
        Waiter *waiting, *served; /* for the next count; for this one */
        unsigned n_waiting;
};

static void ports_free(GuardPort *ports, size_t n) {
        for (size_t i = 0; i < n; i++)
                networks_done(&ports[i].from);
        free(ports);
}

static int ports_copy(const GuardPort *ports, size_t n, GuardPort **ret) {
        GuardPort *copy = calloc(n + 1, sizeof(*copy));
        int r = 0;

        if (!copy)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < n; i++) {
                copy[i] = ports[i];
                copy[i].from = (Networks){};
                r = networks_copy(&ports[i].from, &copy[i].from);
        }
        if (r < 0) {
                ports_free(copy, n);
                return r;
        }
        *ret = copy;
        return 0;
}

static int compare_ports(const void *a, const void *b) {
        return guard_compare_ports(a, b);
}

static void job_free(void *p) {
        Job *j = p;

        if (!j)
                return;
        safe_close(j->netlink);
        ports_free(j->ports, j->n);
        free(j->counts);
        free(j);
}

static void job_run(void *p) {
        Job *j = p;

        if (j->set)
                j->error = guard_table_set(j->netlink, j->ports, j->n);
        if (j->count)
                j->count_error = guard_table_count(j->netlink, j->ports, j->n, j->counts);
}

static void tell_waiters(Waiter *waiters, const GuardCount *counts, size_t n, int error) {
        Waiter *w, *tmp;

        DL_FOREACH_SAFE(waiters, w, tmp) {
                w->done(counts, n, error, w->userdata);
                free(w);
        }
}

static void go_on(Guard *g);

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata) {
        Guard *g = userdata;

        g->retry = sd_event_source_disable_unref(g->retry);
        go_on(g);
        return 0;
}

static void retry_later(Guard *g) {
        if (!g->retry)
                (void) sd_event_add_time_relative(g->event, &g->retry, CLOCK_MONOTONIC, RETRY_USEC, 0, on_retry, g);
}

/* Whether it may go better without anybody doing something about it. */
static bool is_transient(int error) {
        return error == -EINTR || error == -EAGAIN || error == -EBUSY || error == -ENOMEM || error == -ENOBUFS;
}

static void note_result(Guard *g, int error) {
        g->up = error >= 0 && !g->dirty;
        if (error >= 0) {
                if (TAKE(g->complained, false))
                        log_info("nftables is there: table inet " GUARD_TABLE " guards exposed ports.");
                return;
        }
        if (is_transient(error)) {
                g->dirty = true;
                retry_later(g);
        }
        if (!g->complained)
                (void) log_fields(LOG_WARNING, error, (const char *const[]){ "MESSAGE_ID=" MESSAGE_GUARD_MISSING, NULL },
                                  "nftables cannot be used, so networks are only looked at when connections are accepted: %m");
        g->complained = true;
}

static void job_done(void *p, void *userdata) {
        Waiter *served;
        Guard *g = userdata;
        Job *j = p;

        g->errand = NULL;
        served = TAKE_PTR(g->served);
        if (j->set)
                note_result(g, j->error);
        tell_waiters(served, j->counts, j->count && j->count_error >= 0 ? j->n : 0, j->count_error);
        go_on(g);
}

/* Whoever holds up what looks at his sockets does not hold up the guard. */
static const ErrandType job_type = { job_run, job_done, job_free, .uncounted = true };

static int on_watch(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Guard *g = userdata;

        /* Our own transactions delete it only when there is nothing to guard. */
        if (nft_read_watch(fd, GUARD_TABLE) != 0 && g->n > 0 && !g->errand) {
                g->dirty = true;
                g->up = false;
                go_on(g);
        }
        return 0;
}

static void start_watch(Guard *g) {
        int r;

        g->watch = nft_open_watch();
        r = g->watch;
        if (r >= 0)
                r = sd_event_add_io(g->event, &g->watch_source, g->watch, EPOLLIN, on_watch, g);
        if (r >= 0)
                return;
        (void) log_warning_errno(r, "Failed to watch nftables, ignoring: %m");
        g->watch_source = sd_event_source_disable_unref(g->watch_source);
        g->watch = safe_close(g->watch);
}

static int open_netlink(Guard *g) {
        int r;

        if (g->netlink < 0) {
                g->netlink = nft_open();
                if (g->netlink < 0)
                        return g->netlink;
                r = fd_store_add(GUARD_FD_NAME, g->netlink, false);
                if (r < 0)
                        (void) log_warning_errno(r, "Failed to store the socket of the guard, ignoring: %m");
        }
        if (g->watch < 0)
                start_watch(g);
        return 0;
}

static int start_job(Guard *g) {
        Job *j;
        int r;

        r = open_netlink(g);
        if (r < 0)
                return r;
        j = calloc(1, sizeof(*j));
        if (!j)
                return -ENOMEM;
        j->set = g->dirty;
        j->count = g->waiting;
        j->netlink = fcntl(g->netlink, F_DUPFD_CLOEXEC, 3);
        r = j->netlink < 0 ? -errno : ports_copy(g->ports, g->n, &j->ports);
        if (r >= 0) {
                j->n = g->n;
                j->counts = calloc(g->n + 1, sizeof(*j->counts));
                if (!j->counts)
                        r = -ENOMEM;
        }
        if (r >= 0)
                r = errand_start(g->event, &job_type, j, g, &g->errand);
        if (r < 0) {
                job_free(j);
                return r;
        }
        g->dirty = false;
        g->served = TAKE_PTR(g->waiting);
        g->n_waiting = 0;
        return 0;
}

static void go_on(Guard *g) {
        int r;

        if (g->errand || g->retry || (!g->dirty && !g->waiting))
                return;
        if (!g->dirty && g->n == 0) {
                g->n_waiting = 0;
                tell_waiters(TAKE_PTR(g->waiting), NULL, 0, 0);
                return;
        }
        r = start_job(g);
        if (r >= 0)
                return;
        if (r == -EAGAIN) {
                retry_later(g); /* there are too many threads */
                return;
        }
        if (TAKE(g->dirty, false))
                note_result(g, r);
        g->n_waiting = 0;
        tell_waiters(TAKE_PTR(g->waiting), NULL, 0, r);
}

static int on_turn(sd_event_source *s, void *userdata) {
        go_on(userdata);
        return 0;
}

int guard_new(sd_event *event, int fd, Guard **ret) {
        Guard *g = calloc(1, sizeof(*g));
        int r;

        if (!g) {
                safe_close(fd);
                return -ENOMEM;
        }
        *g = (Guard){ .event = sd_event_ref(event), .netlink = fd, .watch = -EBADF };
        r = sd_event_add_defer(event, &g->turn, on_turn, g);
        if (r >= 0)
                r = sd_event_source_set_enabled(g->turn, SD_EVENT_OFF);
        if (r < 0) {
                guard_free(g);
                return r;
        }
        *ret = g;
        return 0;
}

Guard *guard_free(Guard *g) {
        if (!g)
                return NULL;
        g->errand = errand_abandon(g->errand);
        tell_waiters(TAKE_PTR(g->served), NULL, 0, -ECANCELED);
        tell_waiters(TAKE_PTR(g->waiting), NULL, 0, -ECANCELED);
        sd_event_source_disable_unref(g->turn);
        sd_event_source_disable_unref(g->retry);
        sd_event_source_disable_unref(g->watch_source);
        safe_close(g->watch);
        safe_close(g->netlink);
        ports_free(g->ports, g->n);
        sd_event_unref(g->event);
        free(g);
        return NULL;
}

int guard_set(Guard *g, const GuardPort *ports, size_t n) {
        GuardPort *copy;
        int r;

        if (n > GUARD_PORTS_MAX)
                return -E2BIG;
        r = ports_copy(ports, n, &copy);
        if (r < 0)
                return r;
        if (n > 0)
                qsort(copy, n, sizeof(*copy), compare_ports);
        ports_free(g->ports, g->n);
        g->ports = copy;
        g->n = n;
        /* Where there never was one there is nothing to take away. */
        if (n == 0 && g->netlink < 0)
                return 0;
        g->dirty = true;
        g->up = false;
        return sd_event_source_set_enabled(g->turn, SD_EVENT_ONESHOT);
}

bool guard_is_up(const Guard *g) {
        return g->up;
}

int guard_count(Guard *g, GuardCounted done, void *userdata) {
        Waiter *w;

        if (g->n_waiting >= GUARD_WAITING_MAX)
                return -EAGAIN;
        w = malloc(sizeof(*w));
        if (!w)
                return -ENOMEM;
        *w = (Waiter){ .done = done, .userdata = userdata };
        DL_APPEND(g->waiting, w);
        g->n_waiting++;
        return sd_event_source_set_enabled(g->turn, SD_EVENT_ONESHOT);
}

const GuardCount *guard_find_count(const GuardCount *counts, size_t n, const GuardPort *port) {
        const GuardCount key = { .port = *port };

        return n > 0 ? bsearch(&key, counts, n, sizeof(*counts), compare_ports) : NULL;
}
