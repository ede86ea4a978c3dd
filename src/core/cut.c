/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "basic/errand.h"
#include "basic/fd.h"
#include "core/app.h"
#include "core/cut.h"
#include "core/holders.h"
#include "trap/pending.h"

/* As long as a connect can be under way that was allowed before: it waits for a handshake (trap/link.c). */
#define SETTLE_USEC (50 * USEC_PER_MSEC)
/* The search for descriptors. */
#define SEARCH_TIMEOUT_USEC (60 * USEC_PER_SEC)
/* How often it is tried to begin it while there are too many. */
#define SEARCH_RETRY_USEC (100 * USEC_PER_MSEC)

enum {
        CHECKS_PER_TURN = 1000,
        CUTS_MAX = 64,     /* at a time */
        SEARCHES_MAX = 4,  /* an app can hold up what looks at its sockets */
        SEARCH_TRIES_MAX = SEARCH_TIMEOUT_USEC / SEARCH_RETRY_USEC,
};

/* What the thread does. */
typedef struct Job {
        HoldersApp *apps; /* of both sides */
        size_t n_apps;
        uint32_t *inodes;     /* sorted */
        size_t *connections;  /* which of them each is an end of */
        size_t n_inodes;
        bool *cut; /* of each connection */
        size_t n_connections, n_left;
} Job;

struct Cut {
        Manager *manager;
        CutFilter filter;
        CutDone done;
        void *userdata;
        CutResult result;
        sd_event_source *source; /* timer, and turns */
        Snapshot *snapshot;
        size_t at, n_chosen;
        size_t *chosen; /* indexes of the snapshot */
        Job *job;       /* while it waits for others to end */
        unsigned n_tries;
        Errand *errand;
        Cut *prev, *next; /* of the manager's */
};

static void job_free(void *p) {
        Job *j = p;

        if (!j)
                return;
        for (size_t i = 0; i < j->n_apps; i++)
                free(j->apps[i].unit);
        free(j->apps);
        free(j->inodes);
        free(j->connections);
        free(j->cut);
        free(j);
}

static void cut_end(Cut *c, int error) {
        c->source = sd_event_source_disable_unref(c->source);
        c->errand = errand_abandon(c->errand);
        if (c->result.error == 0)
                c->result.error = error;
        DL_DELETE(c->manager->cuts, c);
        c->manager->n_cuts--;
        c->done(&c->result, c->userdata);
        snapshot_unref(c->snapshot);
        job_free(c->job);
        free(c->chosen);
        free(c);
}

static bool shut_down(pid_t pid, int number, uint32_t inode) {
        _cleanup_close_ int fd = holders_copy(pid, number, inode);

        /* ENOTCONN: it has ended, as wanted. */
        return fd >= 0 && (shutdown(fd, SHUT_RDWR) >= 0 || errno == ENOTCONN);
}

static bool on_holder(size_t i, uint64_t app, pid_t pid, int fd, void *userdata) {
        Job *j = userdata;
        const size_t connection = j->connections[i];

        if (!j->cut[connection] && shut_down(pid, fd, j->inodes[i])) {
                j->cut[connection] = true;
                j->n_left--;
        }
        return j->n_left > 0;
}

/* Where they are expected; then everywhere, as a descriptor can be handed to anybody. */
static void job_run(void *p) {
        Job *j = p;

        holders_search(j->apps, j->n_apps, false, j->inodes, j->n_inodes, on_holder, j);
        if (j->n_left > 0)
                holders_search(j->apps, j->n_apps, true, j->inodes, j->n_inodes, on_holder, j);
}

static void job_done(void *p, void *userdata) {
        const Job *j = p;
        Cut *c = userdata;

        c->errand = NULL;
        c->result.n_cut += (unsigned) (j->n_connections - j->n_left);
        c->result.n_missed += (unsigned) j->n_left;
        cut_end(c, 0);
}

static atomic_uint n_searches;
static const ErrandType job_type = { job_run, job_done, job_free, .max = SEARCHES_MAX, .n = &n_searches };

static int on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        cut_end(userdata, -ETIMEDOUT);
        return 0;
}

static int job_add_app(Job *j, const App *app) {
        char *unit = app ? strdup(app->unit) : NULL;

        if (!app)
                return 0;
        if (!unit)
                return -ENOMEM;
        j->apps[j->n_apps++] = (HoldersApp){ unit, app->number };
        return 0;
}

typedef struct End {
        uint32_t inode;
        size_t connection;
} End;

static int compare_ends(const void *a, const void *b) {
        const End *x = a, *y = b;

        return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static int job_fill(Job *j, const Cut *c) {
        _cleanup_free_ End *ends = calloc(2 * c->n_chosen, sizeof(*ends));
        int r = 0;

        j->apps = calloc(c->manager->n_apps + 1, sizeof(*j->apps));
        j->inodes = calloc(2 * c->n_chosen, sizeof(*j->inodes));
        j->connections = calloc(2 * c->n_chosen, sizeof(*j->connections));
        j->cut = calloc(c->n_chosen, sizeof(*j->cut));
        if (!ends || !j->apps || !j->inodes || !j->connections || !j->cut)
                return -ENOMEM;
        for (const App *app = c->manager->apps; r >= 0 && app; app = app->hh.next)
                if (app->state == APP_RUNNING)
                        r = job_add_app(j, app);
        if (r < 0)
                return r;
        holders_sort(j->apps, j->n_apps);
        j->n_connections = j->n_left = c->n_chosen;
        for (size_t i = 0; i < c->n_chosen; i++) {
                const CensusConnection *k = &c->snapshot->connections[c->chosen[i]];

                if (k->client_inode != 0)
                        ends[j->n_inodes++] = (End){ k->client_inode, i };
                if (k->server_inode != 0)
                        ends[j->n_inodes++] = (End){ k->server_inode, i };
        }
        qsort(ends, j->n_inodes, sizeof(*ends), compare_ends);
        for (size_t i = 0; i < j->n_inodes; i++) {
                j->inodes[i] = ends[i].inode;
                j->connections[i] = ends[i].connection;
        }
        return 0;
}

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata);

static int start_search(Cut *c) {
        sd_event *event = c->manager->event;
        int r;

        c->source = sd_event_source_disable_unref(c->source);
        r = errand_start(event, &job_type, c->job, c, &c->errand);
        if (r == -EBUSY && c->n_tries++ < SEARCH_TRIES_MAX)
                return sd_event_add_time_relative(event, &c->source, CLOCK_MONOTONIC, SEARCH_RETRY_USEC, 0, on_retry, c);
        if (r < 0)
                return r;
        c->job = NULL;
        return sd_event_add_time_relative(event, &c->source, CLOCK_MONOTONIC, SEARCH_TIMEOUT_USEC, 0, on_timeout, c);
}

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata) {
        int r = start_search(userdata);

        if (r < 0)
                cut_end(userdata, r);
        return 0;
}

static int cut_search(Cut *c) {
        int r;

        if (c->n_chosen == 0) {
                cut_end(c, 0);
                return 0;
        }
        c->job = calloc(1, sizeof(*c->job));
        if (!c->job)
                return -ENOMEM;
        r = job_fill(c->job, c);
        return r < 0 ? r : start_search(c);
}

/* What waits to be accepted is ours, and is not looked for. */
static bool cut_pending(const App *server, const CensusConnection *k) {
        Pending *p = server && !k->tcp ? pending_find(server->trap, &k->from, &k->at) : NULL;

        if (!p)
                return false;
        pending_free(p);
        return true;
}

static void check(Cut *c, size_t i) {
        const CensusConnection *k = &c->snapshot->connections[i];
        const App *client = manager_find_number(c->manager, k->client), *server = manager_find_number(c->manager, k->server);

        if (k->own || (!client && !server) || !c->filter(client, server, k, c->userdata))
                return;
        if (cut_pending(server, k))
                c->result.n_cut++;
        else
                c->chosen[c->n_chosen++] = i;
}

static int on_turn(sd_event_source *s, void *userdata) {
        Cut *c = userdata;
        int r;

        for (unsigned i = 0; i < CHECKS_PER_TURN && c->at < c->snapshot->n_connections; i++)
                check(c, c->at++);
        if (c->at < c->snapshot->n_connections)
                return 0;
        r = cut_search(c);
        if (r < 0)
                cut_end(c, r);
        return 0;
}

static void on_snapshot(Snapshot *snapshot, int error, void *userdata) {
        Cut *c = userdata;
        int r = error;

        if (r >= 0) {
                c->snapshot = snapshot_ref(snapshot);
                c->chosen = calloc(snapshot->n_connections + 1, sizeof(*c->chosen));
                r = c->chosen ? sd_event_add_defer(c->manager->event, &c->source, on_turn, c) : -ENOMEM;
                if (r >= 0)
                        r = sd_event_source_set_enabled(c->source, SD_EVENT_ON);
                if (snapshot->truncated)
                        c->result.error = -E2BIG;
        }
        if (r < 0)
                cut_end(c, r);
}

static int on_settled(sd_event_source *s, uint64_t usec, void *userdata) {
        Cut *c = userdata;
        int r;

        c->source = sd_event_source_disable_unref(c->source);
        r = census_request(c->manager->census, CENSUS_FULL, on_snapshot, c);
        if (r < 0)
                cut_end(c, r);
        return 0;
}

int connections_cut(Manager *m, CutFilter filter, CutDone done, void *userdata) {
        Cut *c;
        int r;

        if (m->n_cuts >= CUTS_MAX)
                return -EAGAIN;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (Cut){ .manager = m, .filter = filter, .done = done, .userdata = userdata };
        r = sd_event_add_time_relative(m->event, &c->source, CLOCK_MONOTONIC, SETTLE_USEC, 0, on_settled, c);
        if (r < 0) {
                free(c);
                return r;
        }
        DL_APPEND(m->cuts, c);
        m->n_cuts++;
        return 0;
}

void connections_cut_abandon(Manager *m) {
        Cut *c, *tmp;

        DL_FOREACH_SAFE(m->cuts, c, tmp)
                cut_end(c, -ECANCELED);
}
