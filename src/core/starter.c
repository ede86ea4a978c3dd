/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <uthash.h>

#include "basic/fd.h"
#include "basic/fd-store.h"
#include "core/exposures.h"
#include "core/starter.h"
#include "launch/scope.h"
#include "model/journal.h"
#include "transport/dial.h"
#include "transport/syn.h"
#include "trap/dialer.h"
#include "trap/switch.h"

/* After the unit has started, until it listens. That it starts in time is the service manager's affair. */
#define LISTEN_TIMEOUT_USEC (30 * USEC_PER_SEC)

enum {
        FAMILIES = 2, /* AF_INET, AF_INET6 */
        SYNS_PER_TURN = 4 * STARTER_HELD_MAX,
};

typedef struct HeldKey {
        Endpoint client;
        uint16_t port;
} HeldKey;

/* What the next daemon is told, with the socket. */
typedef struct HeldRecord {
        uid_t uid; /* of the client */
        uint16_t port;
} HeldRecord;

typedef struct Held {
        HeldKey key;
        uid_t uid;
        int fd;
        Syn syn; /* size 0: not seen yet */
        UT_hash_handle hh;
} Held;

struct Starter {
        ScopeJob *job;            /* while it is being started */
        sd_event_source *timeout; /* then, while it does not listen */
        sd_event_source *grace;   /* while it listens for one family and may come to listen for the other */
        Held *held;               /* uthash */
        FdQueue kept;             /* the same for the next daemon, and such as wait no more */
        int raw[FAMILIES];        /* where their SYNs are seen, or -EBADF */
};

static int starter_get(App *app, Starter **ret) {
        if (!app->starter) {
                app->starter = malloc(sizeof(Starter));
                if (!app->starter)
                        return -ENOMEM;
                *app->starter = (Starter){ .kept = FD_QUEUE_NONE, .raw = { -EBADF, -EBADF } };
        }
        *ret = app->starter;
        return 0;
}

void starter_fd_name(const App *app, char name[static STARTER_FD_NAME_MAX]) {
        (void) snprintf(name, STARTER_FD_NAME_MAX, "held-%" PRIx64, app->number);
}

bool starter_has_waiting(const App *app) {
        return (app->starter && app->starter->held) || (app->party.n_starts > 0 && exposures_has_waiting(app));
}

static void forget_kept(App *app) {
        char name[STARTER_FD_NAME_MAX];

        if (app->starter->kept.in < 0)
                return;
        starter_fd_name(app, name);
        (void) fd_store_remove(name);
        fd_queue_close(&app->starter->kept);
}

static void keep(App *app, const Held *h) {
        HeldRecord record;
        char name[STARTER_FD_NAME_MAX];
        Starter *s = app->starter;
        int r = 0;

        memset(&record, 0, sizeof(record));
        record.uid = h->uid;
        record.port = h->key.port;
        starter_fd_name(app, name);
        if (s->kept.in < 0)
                r = fd_queue_new(name, (size_t) STARTER_HELD_MAX * 2048, &s->kept);
        if (r >= 0)
                r = fd_queue_push(&s->kept, &record, sizeof(record), &h->fd, 1);
        if (r < 0)
                app_log_debug(r, app->id, "%s: failed to keep a connection for the next daemon, ignoring: %m", app->id);
}

/* Whoever goes without waits for the kernel to repeat his SYN. */
static void see_syns(App *app) {
        static const int families[FAMILIES] = { AF_INET, AF_INET6 };
        Starter *s = app->starter;

        for (size_t i = 0; i < FAMILIES; i++) {
                int r;

                if (s->raw[i] >= 0)
                        continue;
                r = s->raw[i] = trap_take_raw_socket(app->trap, families[i]);
                if (r >= 0)
                        r = syn_catch(s->raw[i], families[i], DIAL_MARK_HELD, DIAL_MARK);
                if (r >= 0)
                        continue;
                app_log_debug(r, app->id, "%s: failed to see who waits for it, ignoring: %m", app->id);
                s->raw[i] = safe_close(s->raw[i]);
        }
}

static void end_seeing(Starter *s) {
        for (size_t i = 0; i < FAMILIES; i++)
                s->raw[i] = safe_close(s->raw[i]);
}

/* They lie in the queues of the sockets until they are needed. */
static void read_syns(Starter *s) {
        static const int families[FAMILIES] = { AF_INET, AF_INET6 };

        for (size_t i = 0; i < FAMILIES; i++)
                for (unsigned n = 0; s->raw[i] >= 0 && n < SYNS_PER_TURN; n++) {
                        HeldKey key;
                        Syn syn;
                        Held *h;
                        int r;

                        r = syn_read(s->raw[i], families[i], &syn);
                        if (r == -EBADMSG)
                                continue;
                        if (r < 0)
                                break;
                        memset(&key, 0, sizeof(key));
                        key.client = syn.from;
                        key.port = syn.to.port;
                        HASH_FIND(hh, s->held, &key, sizeof(key), h);
                        /* The last one: who waits in connect(2) begins anew. */
                        if (h)
                                h->syn = syn;
                }
}

static void held_free(Starter *s, Held *h) {
        HASH_DELETE(hh, s->held, h);
        safe_close(h->fd);
        free(h);
}

typedef bool (*Which)(const App *app, const HeldKey *key);

static bool is_any(const App *app, const HeldKey *key) {
        return true;
}

/* By `family`; AF_UNSPEC: by one of them. */
static bool listens(const App *app, uint16_t port, int family) {
        for (const Listener *l = app->trap->listeners; l; l = l->next) {
                const Backend *b = &l->backend;

                if (b->bound.port == port && (family == AF_UNSPEC || b->family == family || (b->family == AF_INET6 && !b->v6only)))
                        return true;
        }
        return false;
}

static bool is_listened_for(const App *app, const HeldKey *key) {
        return listens(app, key->port, key->client.address.family);
}

static bool is_listened_for_by_other(const App *app, const HeldKey *key) {
        return listens(app, key->port, AF_UNSPEC);
}

static void end_waiting(App *app) {
        Starter *s = app->starter;

        forget_kept(app);
        end_seeing(s);
        s->grace = sd_event_source_disable_unref(s->grace);
}

/*
 * They hear at once what has become of them. If the queue of the listener is
 * full the others are for later (starter_has_room()): were all to try at once
 * they would do so again a second later, and two seconds after that.
 */
static void drop(App *app, Which which) {
        Starter *s = app->starter;
        Held *h, *tmp;

        read_syns(s);
        HASH_ITER(hh, s->held, h, tmp) {
                if (!which(app, &h->key))
                        continue;
                (void) dial_let_go(h->fd);
                if (h->syn.size > 0 && syn_send(s->raw[h->syn.from.address.family == AF_INET6], &h->syn) >= 0 &&
                    dial_state(h->fd) == DIAL_WAITS && which == is_listened_for)
                        break;
                held_free(s, h);
        }
        if (!s->held)
                end_waiting(app);
}

static void finish(Starter *s) {
        s->job = scope_job_free(s->job);
        s->timeout = sd_event_source_disable_unref(s->timeout);
        s->grace = sd_event_source_disable_unref(s->grace);
}

static void fail(App *app, const char *why) {
        Starter *s = app->starter;
        unsigned n = HASH_COUNT(s->held);

        finish(s);
        drop(app, is_any);
        n += exposures_refuse_waiting(app);
        if (n > 0)
                app_log_warning(0, app->id, "%s: %u connections are refused, as %s could not be started for them: %s", app->id, n,
                                app->unit, why);
}

/* It listens, and is slow to accept: for those the kernel goes on. */
static void leave_to_kernel(App *app) {
        Starter *s = app->starter;
        Held *h, *tmp;

        HASH_ITER(hh, s->held, h, tmp)
                if (is_listened_for(app, &h->key)) {
                        (void) dial_let_go(h->fd);
                        held_free(s, h);
                }
        if (!s->held)
                end_waiting(app);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        App *app = userdata;

        leave_to_kernel(app);
        app->starter->timeout = sd_event_source_disable_unref(app->starter->timeout);
        if (starter_has_waiting(app))
                fail(app, "it does not listen");
        return 0;
}

static void on_job(const char *error, void *userdata) {
        App *app = userdata;
        Starter *s = app->starter;

        s->job = scope_job_free(s->job);
        if (error)
                fail(app, error);
        else if (starter_has_waiting(app) &&
                 sd_event_add_time_relative(app->manager->event, &s->timeout, CLOCK_MONOTONIC, LISTEN_TIMEOUT_USEC, 0, on_timeout, app) < 0)
                fail(app, "out of memory");
}

static int start(App *app) {
        Starter *s;
        int r;

        if (app->manager->stopping || !app->trap)
                return -ESHUTDOWN;
        r = starter_get(app, &s);
        /* One that is being stopped is started when it has stopped: starter_go_on(). */
        if (r < 0 || s->job || s->timeout || app->party.stopping)
                return r;
        return unit_start(app->manager->scopes, app->unit, on_job, app, &s->job);
}

static bool is_full(const Starter *s, uid_t uid) {
        unsigned n = 0;

        if (HASH_COUNT(s->held) >= STARTER_HELD_MAX)
                return true;
        if (uid == 0 || HASH_COUNT(s->held) < STARTER_HELD_PER_USER_MAX)
                return false;
        for (const Held *h = s->held; h; h = h->hh.next)
                n += h->uid == uid;
        return n >= STARTER_HELD_PER_USER_MAX;
}

int starter_start(App *app, const App *client) {
        int r;

        if (app->starter && is_full(app->starter, client->uid))
                return -EBUSY;
        r = start(app);
        if (r >= 0)
                see_syns(app);
        return r;
}

int starter_start_for_outside(App *app) {
        return start(app);
}

static void add(App *app, const HeldRecord *record, int fd, bool is_kept) {
        Starter *s = app->starter;
        socklen_t size = sizeof(SockAddr);
        Held *h, *same;
        SockAddr sa;

        h = calloc(1, sizeof(*h));
        if (!h) {
                safe_close(fd);
                return;
        }
        h->fd = fd;
        h->uid = record->uid;
        h->key.port = record->port;
        if (getsockname(fd, &sa.sa, &size) >= 0)
                (void) endpoint_from_sockaddr(&sa, size, &h->key.client);
        /* An earlier one by the same numbers is no more. */
        HASH_FIND(hh, s->held, &h->key, sizeof(h->key), same);
        if (same)
                held_free(s, same);
        HASH_ADD(hh, s->held, key, sizeof(h->key), h);
        if (!is_kept)
                keep(app, h);
}

void starter_hold(App *app, const App *client, uint16_t port, int fd) {
        if (app->starter)
                add(app, &(HeldRecord){ .uid = client->uid, .port = port }, fd, false);
        else
                safe_close(fd);
}

static void dropped(App *app) {
        Starter *s = app->starter;

        if (s->timeout && !starter_has_waiting(app))
                s->timeout = sd_event_source_disable_unref(s->timeout);
}

/* Whoever tried the family that nobody listens for may try the other one. */
static int on_grace_over(sd_event_source *source, uint64_t usec, void *userdata) {
        App *app = userdata;

        app->starter->grace = sd_event_source_disable_unref(app->starter->grace);
        drop(app, is_listened_for_by_other);
        dropped(app);
        return 0;
}

void starter_listens(App *app) {
        Starter *s = app->starter;

        if (!s)
                return;
        if (s->held) {
                drop(app, is_listened_for);
                if (s->held && !s->grace)
                        (void) sd_event_add_time_relative(app->manager->event, &s->grace, CLOCK_MONOTONIC, STARTER_GRACE_USEC, 0,
                                                          on_grace_over, app);
        }
        dropped(app);
}

void starter_has_room(App *app) {
        if (!app->starter || !app->starter->held)
                return;
        drop(app, is_listened_for);
        dropped(app);
}

void starter_ended(App *app) {
        if (app->starter && app->starter->timeout)
                fail(app, "it ended");
}

void starter_go_on(App *app) {
        int r = starter_has_waiting(app) ? start(app) : 0;

        if (r < 0 && app->starter)
                fail(app, strerror(-r));
}

void starter_restore(App *app, FdQueue kept) {
        int fds[FD_QUEUE_FDS_MAX], r;
        HeldRecord record;
        Starter *s;

        if (kept.in < 0)
                return;
        r = starter_get(app, &s);
        if (r < 0) {
                fd_queue_close(&kept);
                return;
        }
        s->kept = kept;
        (void) fd_queue_walk(&kept, true);
        while (HASH_COUNT(s->held) < STARTER_HELD_MAX && fd_queue_first(&kept, &record, sizeof(record), fds) >= 0) {
                safe_close(fds[1]);
                if (dial_state(fds[0]) == DIAL_WAITS)
                        add(app, &record, fds[0], true);
                else
                        safe_close(fds[0]);
        }
        (void) fd_queue_walk(&kept, false);
        if (!s->held) {
                forget_kept(app);
                return;
        }
        see_syns(app);
        starter_go_on(app);
}

void starter_free(App *app) {
        Starter *s = app->starter;

        if (!s)
                return;
        finish(s);
        if (!app->manager->sw.leaving)
                drop(app, is_any);
        while (s->held)
                held_free(s, s->held);
        fd_queue_close(&s->kept);
        end_seeing(s);
        free(s);
        app->starter = NULL;
}
