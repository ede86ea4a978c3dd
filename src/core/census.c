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
#include "core/holders.h"
#include "core/load.h"
#include "model/route.h"
#include "transport/sock-diag.h"
#include "trap/dialer.h"
#include "trap/pending.h"

enum {
        ENDS_MAX = 2 * CENSUS_CONNECTIONS_MAX,
        SPACE_ENDS_MAX = 40000, /* TCP sockets of one app: it must not hide the connections of others */
        SOCKETS_PER_TURN = 16,  /* that are made in namespaces */
        MATCHES_PER_TURN = 1000,
        LATE_MAX = 4, /* times that counting bytes was held up; then it is not done any more */
        PORT_DOMAIN = 53,
        /* As the kernel numbers the states of TCP. */
        STATE_ESTABLISHED = 1,
        STATE_SYN_SENT = 2,
        STATE_SYN_RECV = 3,
        STATE_NEW_SYN_RECV = 12,
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

/* A namespace that is to be looked into. */
typedef struct Space {
        uint64_t number; /* of the app */
        int netlink;
        bool count;
} Space;

/* What the thread does. It has nothing else, and nobody else has it. */
typedef struct Job {
        int netlink; /* of the daemon's own namespace */
        Space *spaces;
        size_t n_spaces;
        atomic_uint_fast64_t progress, at; /* at: the number of the app that is looked at */

        /* The result. */
        CensusConnection *connections;
        size_t n_connections, allocated;
        bool truncated;
        int error;

        /* While it is made. */
        DiagTcp *tcp;
        size_t n_tcp, tcp_allocated;
        DiagPair *pairs;
        size_t n_pairs, pairs_allocated;
} Job;

static void job_free(void *p) {
        Job *j = p;

        if (!j)
                return;
        safe_close(j->netlink);
        for (size_t i = 0; i < j->n_spaces; i++)
                safe_close(j->spaces[i].netlink);
        free(j->spaces);
        free(j->connections);
        free(j->tcp);
        free(j->pairs);
        free(j);
}

static bool grow(void *array, size_t n, size_t *allocated, size_t size) {
        void **p = array, *grown;
        size_t more = MAX2(2 * n, (size_t) 64);

        if (n < *allocated)
                return true;
        grown = reallocarray(*p, more, size);
        if (!grown)
                return false;
        *p = grown;
        *allocated = more;
        return true;
}

static int job_add(Job *j, const CensusConnection *c) {
        if (j->n_connections >= CENSUS_CONNECTIONS_MAX) {
                j->truncated = true;
                return 0;
        }
        if (!grow(&j->connections, j->n_connections, &j->allocated, sizeof(*j->connections)))
                return -ENOMEM;
        j->connections[j->n_connections++] = *c;
        return 0;
}

static int on_tcp(const DiagTcp *end, void *userdata) {
        Job *j = userdata;

        atomic_fetch_add(&j->progress, 1);
        /* What is asked of the name service, which is in every namespace. */
        if (end->local.port == PORT_DOMAIN || end->peer.port == PORT_DOMAIN)
                return 0;
        if (j->n_tcp >= SPACE_ENDS_MAX) {
                j->truncated = true;
                return 1;
        }
        if (!grow(&j->tcp, j->n_tcp, &j->tcp_allocated, sizeof(*j->tcp)))
                return -ENOMEM;
        j->tcp[j->n_tcp++] = *end;
        return 0;
}

static int on_pair(const DiagPair *end, void *userdata) {
        Job *j = userdata;

        atomic_fetch_add(&j->progress, 1);
        if (j->n_pairs >= ENDS_MAX) {
                j->truncated = true;
                return 1;
        }
        if (!grow(&j->pairs, j->n_pairs, &j->pairs_allocated, sizeof(*j->pairs)))
                return -ENOMEM;
        j->pairs[j->n_pairs++] = *end;
        return 0;
}

static int compare_endpoints(const Endpoint *a, const Endpoint *b) {
        return memcmp(a, b, sizeof(*a));
}

/* The two ends of one connection are beside each other, whichever comes first. */
static int compare_tcp(const void *a, const void *b) {
        const DiagTcp *x = a, *y = b;
        const bool x_turned = compare_endpoints(&x->local, &x->peer) > 0, y_turned = compare_endpoints(&y->local, &y->peer) > 0;
        int c = compare_endpoints(x_turned ? &x->peer : &x->local, y_turned ? &y->peer : &y->local);

        if (c == 0)
                c = compare_endpoints(x_turned ? &x->local : &x->peer, y_turned ? &y->local : &y->peer);
        return c ?: (int) x_turned - (int) y_turned;
}

static CensusState tcp_state(int a, int b) {
        const int states[] = { a, b };
        CensusState state = CENSUS_ESTABLISHED;

        for (size_t i = 0; i < ELEMENTSOF(states); i++)
                switch (states[i]) {
                case STATE_ESTABLISHED:
                        break;
                case STATE_SYN_SENT:
                case STATE_SYN_RECV:
                case STATE_NEW_SYN_RECV:
                        return CENSUS_WAITING;
                default:
                        state = CENSUS_CLOSING;
                }
        return state;
}

/* Which of the ends is the server's is found out in the loop, where it is known who listens. */
static int add_tcp(Job *j, uint64_t space, const DiagTcp *a, const DiagTcp *b) {
        CensusConnection c = {
                .tcp = true,
                .space = space,
                .from = a->local,
                .to = a->peer,
                .at = a->peer,
                .client_inode = a->inode,
                .server_inode = b ? b->inode : 0,
                .state = tcp_state(a->state, b ? b->state : a->state),
                .counted = a->counted || (b && b->counted),
        };

        /* What an end received is data alone; what was acknowledged counts its end, too. */
        c.bytes_in = a->counted ? a->received : b ? b->acked : 0;
        c.bytes_out = b && b->counted ? b->received : a->acked;
        /* The kernel sees it off, nobody has it any more. */
        if (c.client_inode == 0 && c.server_inode == 0)
                return 0;
        return job_add(j, &c);
}

static int list_space(Job *j, const Space *space) {
        static const int families[] = { AF_INET, AF_INET6 };
        int r = 0;

        j->n_tcp = 0;
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(families); i++)
                r = diag_list_tcp(space->netlink, families[i], space->count, on_tcp, j);
        if (r < 0)
                return r;
        if (j->n_tcp > 0)
                qsort(j->tcp, j->n_tcp, sizeof(*j->tcp), compare_tcp);
        r = 0;
        for (size_t i = 0, n; r >= 0 && i < j->n_tcp; i += n) {
                const DiagTcp *a = &j->tcp[i], *b = i + 1 < j->n_tcp ? &j->tcp[i + 1] : NULL;

                if (b && (compare_endpoints(&a->local, &b->peer) != 0 || compare_endpoints(&a->peer, &b->local) != 0))
                        b = NULL;
                n = b ? 2 : 1;
                r = add_tcp(j, space->number, a, b);
        }
        return r;
}

/* Servers' ends first; then by inode. */
static int compare_pairs(const void *a, const void *b) {
        const DiagPair *x = a, *y = b;

        if (x->name.type != y->name.type)
                return x->name.type == SOCKET_NAME_SERVER ? -1 : 1;
        return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static int add_pair(Job *j, const DiagPair *client, const DiagPair *server) {
        CensusConnection c = { .state = client && server ? CENSUS_ESTABLISHED : CENSUS_CLOSING };

        if (server) {
                c.client = server->name.peer_app;
                c.server = server->name.local_app;
                c.from = server->name.peer;
                c.to = c.at = server->name.local;
                c.server_inode = server->inode;
        }
        if (client) {
                c.from = client->name.local;
                c.to = client->name.peer;
                if (!server)
                        c.at = c.to;
                c.client_inode = client->inode;
        }
        return job_add(j, &c);
}

static int merge_pairs(Job *j) {
        const DiagPair *clients;
        size_t n_servers = 0, n_clients;
        _cleanup_free_ bool *seen = NULL;
        int r = 0;

        if (j->n_pairs == 0)
                return 0;
        qsort(j->pairs, j->n_pairs, sizeof(*j->pairs), compare_pairs);
        while (n_servers < j->n_pairs && j->pairs[n_servers].name.type == SOCKET_NAME_SERVER)
                n_servers++;
        clients = j->pairs + n_servers;
        n_clients = j->n_pairs - n_servers;
        seen = calloc(n_clients + 1, sizeof(*seen));
        if (!seen)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < n_servers; i++) {
                const DiagPair key = { .name.type = SOCKET_NAME_CLIENT, .inode = j->pairs[i].peer }, *client = NULL;

                if (key.inode != 0 && n_clients > 0)
                        client = bsearch(&key, clients, n_clients, sizeof(*clients), compare_pairs);
                if (client)
                        seen[client - clients] = true;
                r = add_pair(j, client, &j->pairs[i]);
        }
        for (size_t i = 0; r >= 0 && i < n_clients; i++)
                if (!seen[i])
                        r = add_pair(j, &clients[i], NULL);
        return r;
}

static int compare_connections(const void *a, const void *b) {
        const CensusConnection *x = a, *y = b;
        int c = compare_endpoints(&x->from, &y->from);

        return c ?: compare_endpoints(&x->at, &y->at);
}

/*
 * What waits in the queue of a listener for a pair is no connection of its own.
 * Pairs are the later ones, as TCP connections were listed before them, so that
 * for each there is its pair.
 */
static void drop_stand_ins(Job *j, size_t n_tcp) {
        CensusConnection *pairs = j->connections + n_tcp;
        const size_t n_pairs = j->n_connections - n_tcp;
        size_t n = 0;

        if (n_pairs == 0 || n_tcp == 0)
                return;
        qsort(pairs, n_pairs, sizeof(*pairs), compare_connections);
        for (size_t i = 0; i < n_tcp; i++) {
                const CensusConnection *c = &j->connections[i], turned = { .from = c->to, .at = c->from }, *pair = NULL;

                if (c->server_inode == 0)
                        pair = bsearch(c, pairs, n_pairs, sizeof(*pairs), compare_connections);
                if (!pair && c->client_inode == 0)
                        pair = bsearch(&turned, pairs, n_pairs, sizeof(*pairs), compare_connections);
                if (!pair || (pair->server != 0 && pair->server != c->space))
                        j->connections[n++] = *c;
        }
        memmove(j->connections + n, pairs, n_pairs * sizeof(*pairs));
        j->n_connections = n + n_pairs;
}

static void job_run(void *p) {
        Job *j = p;
        size_t n_tcp;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < j->n_spaces; i++) {
                atomic_store(&j->at, j->spaces[i].number);
                r = list_space(j, &j->spaces[i]);
                /* A namespace whose last process is gone meanwhile is no error. */
                j->spaces[i].netlink = safe_close(j->spaces[i].netlink);
        }
        atomic_store(&j->at, 0);
        n_tcp = j->n_connections;
        if (r >= 0)
                r = diag_list_pairs(j->netlink, on_pair, j);
        if (r >= 0)
                r = merge_pairs(j);
        if (r >= 0)
                drop_stand_ins(j, n_tcp);
        j->error = MIN2(r, 0);
}

/* The search for instances. */
typedef struct Search {
        HoldersApp *apps;
        size_t n_apps;
        uint32_t *inodes;
        uint64_t *numbers; /* what is found */
        size_t n, n_left;
} Search;

static void search_free(void *p) {
        Search *s = p;

        if (!s)
                return;
        for (size_t i = 0; i < s->n_apps; i++)
                free(s->apps[i].unit);
        free(s->apps);
        free(s->inodes);
        free(s->numbers);
        free(s);
}

static bool on_holder(size_t i, uint64_t app, pid_t pid, int fd, void *userdata) {
        Search *s = userdata;

        if (s->numbers[i] == 0)
                s->n_left--;
        s->numbers[i] = app;
        return s->n_left > 0;
}

static void search_run(void *p) {
        Search *s = p;

        holders_search(s->apps, s->n_apps, false, s->inodes, s->n, on_holder, s);
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
        Job *job;
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
                job_free(c->job);
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

/* Notes which namespaces there are. */
static int begin_job(Census *c) {
        Manager *m = c->manager;
        Job *j;

        j = c->job = calloc(1, sizeof(*j));
        if (!j)
                return -ENOMEM;
        j->netlink = -EBADF;
        j->spaces = calloc(m->n_apps + 1, sizeof(*j->spaces));
        if (!j->spaces)
                return -ENOMEM;
        for (App *app = m->apps; app; app = app->hh.next) {
                app->chosen_before = app->party.chosen_since;
                if (app->trap && (c->depth == CENSUS_FULL || load_matters(m->load, app)))
                        j->spaces[j->n_spaces++] = (Space){
                                .number = app->number,
                                .netlink = -EBADF,
                                .count = c->depth == CENSUS_FULL && c->n_late < LATE_MAX && !app->not_counted,
                        };
        }
        j->netlink = take_own_socket(c);
        return j->netlink < 0 ? j->netlink : 0;
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
static const ErrandType job_type = { job_run, job_done, job_free };

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
        log_warning("%s: the kernel was held up while it counted bytes, which is not done for this app any more.", app->id);
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
        Job *j = p;
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
                for (App *app = c->manager->apps; app; app = app->hh.next)
                        app->n_seen = 0;
                *c->snapshot = (Snapshot){
                        .n_refs = 1,
                        .connections = TAKE_PTR(j->connections),
                        .n_connections = j->n_connections,
                        .truncated = j->truncated,
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
        Job *j = c->job;

        for (unsigned i = 0; i < SOCKETS_PER_TURN && c->at < j->n_spaces; i++) {
                Space *space = &j->spaces[c->at];
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

static bool listens_on(const Trap *trap, uint16_t port) {
        for (const Listener *l = trap->listeners; l; l = l->next)
                if (l->backend.bound.port == port)
                        return true;
        return false;
}

static void turn_around(CensusConnection *k) {
        const Endpoint from = k->from;
        const uint32_t inode = k->client_inode;
        const uint64_t out = k->bytes_out;

        k->from = k->to;
        k->to = k->at = from;
        k->client_inode = k->server_inode;
        k->server_inode = inode;
        k->bytes_out = k->bytes_in;
        k->bytes_in = out;
}

/* A TCP connection in the namespace of its server: makes `from` the client's end of it. */
static void orient(CensusConnection *k, const App *server) {
        if (!route_is_own(&server->party, &k->from.address))
                return;
        if (!route_is_own(&server->party, &k->to.address)) {
                turn_around(k);
                return;
        }
        /* Within the identity: the server listens; if both do, ephemeral ports are high. */
        if (listens_on(server->trap, k->to.port) != listens_on(server->trap, k->from.port)) {
                if (listens_on(server->trap, k->from.port))
                        turn_around(k);
        } else if (k->from.port < k->to.port)
                turn_around(k);
}

/* The app that has an address, if there is just one. */
static uint64_t find_number(const Identity *identity, bool *ret_ambiguous) {
        if (!identity || !identity->parties)
                return 0;
        if (identity->parties->next) {
                *ret_ambiguous = true;
                return 0;
        }
        return CONTAINER_OF(identity->parties, App, party)->number;
}

static const Identity *identity_of(Manager *m, const Address *a, const App *fellow) {
        if (address_is_loopback(a))
                return fellow ? fellow->party.identity : NULL;
        return directory_find_address(&m->directory, a);
}

/* Finds out who has the connection. Returns false if it is none. */
static bool match(Manager *m, CensusConnection *k) {
        App *server;
        bool ambiguous = false;

        if (k->tcp) {
                server = manager_find_number(m, k->space);
                if (!server)
                        return false;
                orient(k, server);
                k->server = k->space;
                if (pending_find(server->trap, &k->from, &k->at))
                        return false;
                if (k->server_inode == 0 && k->state == CENSUS_ESTABLISHED)
                        k->state = CENSUS_WAITING;
        } else if (k->server == 0)
                k->server = find_number(identity_of(m, &k->at.address, NULL), &ambiguous);
        server = manager_find_number(m, k->server);
        if (k->client == 0)
                k->client = find_number(identity_of(m, &k->from.address, server), &k->is_ambiguous);
        if (!k->tcp && server && k->state == CENSUS_ESTABLISHED && pending_find(server->trap, &k->from, &k->at))
                k->state = CENSUS_WAITING;
        k->own = k->client != 0 && k->client == k->server;
        if (server && !k->own)
                server->n_seen++;
        return true;
}

static int add_app(Search *s, const App *app) {
        char *unit = strdup(app->unit);

        if (!unit)
                return -ENOMEM;
        s->apps[s->n_apps++] = (HoldersApp){ unit, app->number };
        return 0;
}

static int compare_inodes(const void *a, const void *b) {
        const uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

/* Whether there are connections of whose client only the identity is known: in `ret` who may be looked for. */
static int make_search(Census *c, Search **ret) {
        Manager *m = c->manager;
        Search *s;
        size_t n = 0;
        int r = 0;

        *ret = NULL;
        for (size_t i = 0; i < c->snapshot->n_connections; i++)
                n += c->snapshot->connections[i].is_ambiguous && c->snapshot->connections[i].client_inode != 0;
        if (n == 0)
                return 0;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->apps = calloc(m->n_apps + 1, sizeof(*s->apps));
        s->inodes = calloc(n, sizeof(*s->inodes));
        s->numbers = calloc(n, sizeof(*s->numbers));
        if (!s->apps || !s->inodes || !s->numbers)
                r = -ENOMEM;
        /* Those that share their identity are the only ones that can be meant. */
        for (const App *app = m->apps; r >= 0 && app; app = app->hh.next)
                if (app->party.identity && app->party.identity->n_parties > 1)
                        r = add_app(s, app);
        if (r < 0) {
                search_free(s);
                return r;
        }
        for (size_t i = 0; i < c->snapshot->n_connections; i++) {
                const CensusConnection *k = &c->snapshot->connections[i];

                if (k->is_ambiguous && k->client_inode != 0)
                        s->inodes[s->n++] = k->client_inode;
        }
        s->n_left = s->n;
        holders_sort(s->apps, s->n_apps);
        qsort(s->inodes, s->n, sizeof(*s->inodes), compare_inodes);
        *ret = s;
        return 1;
}

static void search_done(void *p, void *userdata) {
        Census *c = userdata;
        const Search *s = p;

        c->errand = NULL;
        for (size_t i = 0; i < c->snapshot->n_connections; i++) {
                CensusConnection *k = &c->snapshot->connections[i];
                const uint32_t *at;

                if (!k->is_ambiguous || k->client_inode == 0)
                        continue;
                at = bsearch(&k->client_inode, s->inodes, s->n, sizeof(*s->inodes), compare_inodes);
                k->client = at ? s->numbers[at - s->inodes] : 0;
                k->own = k->client != 0 && k->client == k->server;
        }
        census_end(c, 0);
        census_go_on(c);
}

static const ErrandType search_type = { search_run, search_done, search_free };

static int on_search_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        Census *c = userdata;

        /* Without the instances, then. */
        census_end(c, 0);
        census_go_on(c);
        return 0;
}

static void match_some(Census *c) {
        Snapshot *s = c->snapshot;
        Search *search = NULL;
        int r = 0;

        for (unsigned i = 0; i < MATCHES_PER_TURN && c->at < s->n_connections; i++)
                if (match(c->manager, &s->connections[c->at]))
                        c->at++;
                else
                        s->connections[c->at] = s->connections[--s->n_connections];
        if (c->at < s->n_connections)
                return;
        (void) set_turns(c, false);
        if (c->depth == CENSUS_FULL)
                r = make_search(c, &search);
        if (r > 0) {
                c->phase = PHASE_SEARCHING;
                r = errand_start(c->manager->event, &search_type, search, c, &c->errand);
                if (r < 0)
                        search_free(search);
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
