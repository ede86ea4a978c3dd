/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "basic/clock.h"
#include "basic/errand.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "core/app.h"
#include "core/census.h"
#include "core/census-job.h"
#include "core/census-match.h"
#include "core/idle.h"
#include "core/load.h"
#include "model/journal.h"
#include "model/virtual-service.h"
#include "trap/dialer.h"

enum {
        SOCKETS_PER_TURN = 16, /* that are made in namespaces */
        MATCHES_PER_TURN = 1000,
        LATE_MAX = 4, /* times that counting bytes was held up; then it is not done any more */
};

/* Snapshots are not begun more often. */
#define INTERVAL_USEC (200 * USEC_PER_MSEC)
/* Of each ten there is one in which a snapshot is taken, at most. */
#define COST_FACTOR 10
/* A thread that gets nowhere for so long is held up. */
#define STUCK_USEC (5 * USEC_PER_SEC)

static const char *const state_names[_CENSUS_STATE_MAX] = {
        [CENSUS_ESTABLISHED] = "established",
        [CENSUS_WAITING] = "waiting",
        [CENSUS_CLOSING] = "closing",
};

const char *census_state_to_string(CensusState state) {
        return state_names[state];
}

Snapshot *snapshot_ref(Snapshot *s) {
        s->n_refs++;
        return s;
}

Snapshot *snapshot_unref(Snapshot *s) {
        if (!s || --s->n_refs > 0)
                return NULL;
        free(s->connections);
        free(s);
        return NULL;
}

App *manager_find_number(Manager *m, uint64_t number) {
        Trap *trap = number != 0 ? switch_find_trap(&m->sw, number) : NULL;

        return trap ? trap->userdata : NULL;
}


typedef struct Request {
        CensusDepth depth;
        CensusDone done;
        void *userdata;
        struct Request *prev, *next;
} Request;

typedef enum Phase {
        PHASE_IDLE,
        PHASE_PAUSE,   /* somebody wants a snapshot, but the last one was only just taken */
        PHASE_SOCKETS, /* sockets are made in the namespaces */
        PHASE_LISTING, /* in the thread */
        PHASE_MATCHING,
        PHASE_SEARCHING, /* for instances, in a thread */
} Phase;

struct Census {
        Manager *manager;
        Phase phase;
        Request *waiting, *served; /* for the next one; for this one */
        unsigned n_waiting;
        CensusDepth depth; /* of this one */
        uint64_t begun, next; /* when it was begun, when another one may be (CLOCK_MONOTONIC) */
        sd_event_source *turn, *timer;
        Errand *errand;
        CensusJob *job;
        uint64_t progress;  /* as it was when it was looked at last */
        unsigned n_late;
        Snapshot *snapshot; /* while it is matched */
        size_t at;          /* how far that, or the making of sockets, is */
};

static void census_go_on(Census *c);

static int set_turns(Census *c, bool on) {
        return sd_event_source_set_enabled(c->turn, on ? SD_EVENT_ON : SD_EVENT_OFF);
}

/* Tells those who were served, and is free for the next ones. */
static void census_end(Census *c, int error) {
        const uint64_t now = now_usec(CLOCK_MONOTONIC);
        Snapshot *snapshot = TAKE_PTR(c->snapshot);
        Request *served = TAKE_PTR(c->served);

        /* The job is the thread's for as long as that is at it. */
        if (!c->errand)
                census_job_free(c->job);
        c->job = NULL;
        c->errand = errand_abandon(c->errand);
        c->timer = sd_event_source_disable_unref(c->timer);
        if (c->turn)
                (void) set_turns(c, false);
        c->phase = PHASE_IDLE;
        c->next = MAX2(c->begun + INTERVAL_USEC, now + (now - c->begun) * COST_FACTOR);
        /* The one who asks for all there is does not wait for that long. */
        c->next = MIN2(c->next, now + 5 * USEC_PER_SEC);
        while (served) {
                Request *r = served;

                DL_DELETE(served, r);
                r->done(error < 0 ? NULL : snapshot, error, r->userdata);
                free(r);
        }
        snapshot_unref(snapshot);
}

static int on_pause_end(sd_event_source *s, uint64_t usec, void *userdata) {
        Census *c = userdata;

        c->timer = sd_event_source_disable_unref(c->timer);
        c->phase = PHASE_IDLE;
        census_go_on(c);
        return 0;
}

/* A socket of our own namespace, which a netlink socket is made next to. */
static int take_own_socket(Census *c) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        return fd < 0 ? -errno : switch_take_diag_socket(&c->manager->sw, fd);
}

/* Notes whose processes may have sockets of the host's namespace. */
static int begin_host(Census *c) {
        Manager *m = c->manager;
        CensusJob *j = c->job;

        j->without_host = c->n_late >= LATE_MAX;
        if (!m->sw.views || c->n_late >= LATE_MAX ||
            (c->depth < CENSUS_FULL && !load_looks_outside(m->load) && !idle_looks_outside(m)))
                return 0;
        j->apps = calloc(m->n_apps + 1, sizeof(*j->apps));
        j->late = calloc(m->n_apps + 1, sizeof(*j->late));
        if (!j->apps || !j->late)
                return -ENOMEM;
        for (const App *app = m->apps; app; app = app->hh.next) {
                char *unit = app->trap ? strdup(app->unit) : NULL;

                if (!app->trap)
                        continue;
                if (!unit)
                        return -ENOMEM;
                j->apps[j->n_apps++] = (HoldersApp){ unit, app->number };
                if (app->not_counted)
                        j->late[j->n_late++] = app->number;
        }
        holders_sort(j->apps, j->n_apps);
        return 0;
}

/* Notes which namespaces there are. */
static int begin_job(Census *c) {
        Manager *m = c->manager;
        CensusJob *j;

        j = c->job = calloc(1, sizeof(*j));
        if (!j)
                return -ENOMEM;
        j->netlink = -EBADF;
        j->spaces = calloc(m->n_apps + 1, sizeof(*j->spaces));
        if (!j->spaces)
                return -ENOMEM;
        for (External *e = m->directory.externals; e; e = e->hh.next)
                tally_begin(&e->tally);
        for (App *app = m->apps; app; app = app->hh.next) {
                tally_begin(&app->party.tally);
                app->n_open = 0;
                if (app->trap && (c->depth == CENSUS_FULL || load_matters(m->load, app) || idle_matters(app)))
                        j->spaces[j->n_spaces++] = (CensusSpace){
                                .number = app->number,
                                .netlink = -EBADF,
                                .count = c->depth == CENSUS_FULL && c->n_late < LATE_MAX && !app->not_counted,
                        };
        }
        j->netlink = take_own_socket(c);
        return j->netlink < 0 ? j->netlink : begin_host(c);
}

static void census_begin(Census *c) {
        const uint64_t now = now_usec(CLOCK_MONOTONIC);
        int r;

        /* One for the load can wait; one that somebody looks at comes soon. */
        if (now < c->next) {
                if (sd_event_add_time(c->manager->event, &c->timer, CLOCK_MONOTONIC, c->next, 0, on_pause_end, c) >= 0) {
                        c->phase = PHASE_PAUSE;
                        return;
                }
        }
        c->served = TAKE_PTR(c->waiting);
        c->n_waiting = 0;
        c->depth = CENSUS_LOAD;
        for (const Request *q = c->served; q; q = q->next)
                c->depth = MAX2(c->depth, q->depth);
        c->begun = now;
        c->at = 0;
        c->phase = PHASE_SOCKETS;
        r = begin_job(c);
        if (r >= 0)
                r = set_turns(c, true);
        if (r < 0) {
                census_end(c, r);
                census_go_on(c);
        }
}

static void census_go_on(Census *c) {
        if (c->phase == PHASE_IDLE && c->waiting)
                census_begin(c);
}

static void job_done(void *p, void *userdata);
static const ErrandType job_type = { census_job_run, job_done, census_job_free };

static int on_stuck_timer(sd_event_source *s, uint64_t usec, void *userdata);

static int start_thread(Census *c) {
        Manager *m = c->manager;
        int r;

        (void) set_turns(c, false);
        c->phase = PHASE_LISTING;
        r = errand_start(m->event, &job_type, c->job, c, &c->errand);
        if (r < 0)
                return r;
        c->progress = 0;
        return sd_event_add_time_relative(m->event, &c->timer, CLOCK_MONOTONIC, STUCK_USEC, 0, on_stuck_timer, c);
}

/* Begins anew, without what held it up. */
static void give_up_job(Census *c) {
        Manager *m = c->manager;
        App *app = manager_find_number(m, atomic_load(&c->job->at));
        int r;

        c->errand = errand_abandon(c->errand);
        c->job = NULL; /* the thread's */
        c->timer = sd_event_source_disable_unref(c->timer);
        c->n_late++;
        if (!app || app->not_counted || c->n_late > LATE_MAX) {
                (void) log_warning("The kernel was held up while it listed the sockets of apps.");
                census_end(c, -ETIMEDOUT);
                census_go_on(c);
                return;
        }
        app_log_warning(0, app->id, "%s: the kernel was held up while it counted bytes, which is not done for this app any more.",
                        app->id);
        app->not_counted = true;
        c->at = 0;
        c->phase = PHASE_SOCKETS;
        r = begin_job(c);
        if (r >= 0)
                r = set_turns(c, true);
        if (r < 0) {
                census_end(c, r);
                census_go_on(c);
        }
}

static int on_stuck_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Census *c = userdata;
        const uint64_t progress = c->job ? atomic_load(&c->job->progress) + atomic_load(&c->job->at) : c->progress + 1;

        if (progress == c->progress)
                give_up_job(c);
        else {
                c->progress = progress;
                (void) sd_event_source_set_time_relative(c->timer, STUCK_USEC);
                (void) sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
        }
        return 0;
}

static void job_done(void *p, void *userdata) {
        Census *c = userdata;
        CensusJob *j = p;
        int r = j->error;

        c->errand = NULL;
        c->job = NULL;
        c->timer = sd_event_source_disable_unref(c->timer);
        if (r >= 0) {
                c->snapshot = calloc(1, sizeof(*c->snapshot));
                if (!c->snapshot)
                        r = -ENOMEM;
        }
        if (r >= 0) {
                *c->snapshot = (Snapshot){
                        .n_refs = 1,
                        .connections = TAKE_PTR(j->connections),
                        .n_connections = j->n_connections,
                        .truncated = j->truncated,
                        .without_host = j->without_host,
                };
                c->at = 0;
                c->phase = PHASE_MATCHING;
                r = set_turns(c, true);
        }
        if (r < 0) {
                census_end(c, r);
                census_go_on(c);
        }
}

static int make_sockets(Census *c) {
        Manager *m = c->manager;
        CensusJob *j = c->job;

        for (unsigned i = 0; i < SOCKETS_PER_TURN && c->at < j->n_spaces; i++) {
                CensusSpace *space = &j->spaces[c->at];
                const App *app = manager_find_number(m, space->number);
                int fd = app ? switch_take_diag_socket(&m->sw, app->trap->member_fd) : -ESRCH;

                if (fd >= 0) {
                        space->netlink = fd;
                        c->at++;
                } else if (fd == -ESRCH)
                        *space = j->spaces[--j->n_spaces]; /* it ended meanwhile */
                else
                        return fd;
        }
        return c->at < j->n_spaces ? 0 : start_thread(c);
}

static void search_done(void *p, void *userdata) {
        Census *c = userdata;

        c->errand = NULL;
        census_search_apply(p, c->snapshot);
        census_end(c, 0);
        census_go_on(c);
}

static const ErrandType search_type = { census_search_run, search_done, census_search_free };

static int on_search_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        Census *c = userdata;

        /* Without the instances, then. */
        census_end(c, 0);
        census_go_on(c);
        return 0;
}

static void match_some(Census *c) {
        Snapshot *s = c->snapshot;
        CensusSearch *search = NULL;
        int r = 0;

        for (unsigned i = 0; i < MATCHES_PER_TURN && c->at < s->n_connections; i++)
                if (census_match(c->manager, &s->connections[c->at]))
                        c->at++;
                else
                        s->connections[c->at] = s->connections[--s->n_connections];
        if (c->at < s->n_connections)
                return;
        (void) set_turns(c, false);
        if (c->depth == CENSUS_FULL)
                r = census_search_new(c->manager, c->snapshot, &search);
        if (r > 0) {
                c->phase = PHASE_SEARCHING;
                r = errand_start(c->manager->event, &search_type, search, c, &c->errand);
                if (r < 0)
                        census_search_free(search);
                else
                        r = sd_event_add_time_relative(c->manager->event, &c->timer, CLOCK_MONOTONIC, 2 * STUCK_USEC, 0,
                                                       on_search_timeout, c);
                if (r >= 0)
                        return;
        }
        census_end(c, r);
        census_go_on(c);
}

static int on_turn(sd_event_source *source, void *userdata) {
        Census *c = userdata;
        int r;

        if (c->phase == PHASE_MATCHING) {
                match_some(c);
                return 0;
        }
        r = make_sockets(c);
        if (r < 0) {
                census_end(c, r);
                census_go_on(c);
        }
        return 0;
}

int census_new(Manager *m, Census **ret) {
        Census *c;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->manager = m;
        r = sd_event_add_defer(m->event, &c->turn, on_turn, c);
        if (r >= 0)
                r = set_turns(c, false);
        if (r < 0) {
                census_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

Census *census_free(Census *c) {
        if (!c)
                return NULL;
        DL_CONCAT(c->served, c->waiting);
        c->waiting = NULL;
        census_end(c, -ECANCELED);
        sd_event_source_disable_unref(c->turn);
        free(c);
        return NULL;
}

int census_request(Census *c, CensusDepth depth, CensusDone done, void *userdata) {
        Request *r;

        if (c->n_waiting >= CENSUS_WAITING_MAX)
                return -EAGAIN;
        r = malloc(sizeof(*r));
        if (!r)
                return -ENOMEM;
        *r = (Request){ .depth = depth, .done = done, .userdata = userdata };
        DL_APPEND(c->waiting, r);
        c->n_waiting++;
        census_go_on(c);
        return 0;
}

