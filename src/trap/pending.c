/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utlist.h>

#include "basic/fd.h"
#include "basic/fd-store.h"
#include "basic/log.h"
#include "model/journal.h"
#include "model/route.h"
#include "transport/dial.h"
#include "trap/dialer.h"
#include "trap/listener.h"
#include "trap/option-memory.h"
#include "trap/pending.h"

enum {
        RETURN_TRIES_MAX = 8,
        SPOOL_MIXED_MAX = 8, /* entries that go to the end for the sake of one */
};

/* What lies in the spool with the two descriptors. */
typedef struct SpoolEntry {
        uint64_t id;
        Endpoint peer, local, client;
} SpoolEntry;

void pending_fd_name(const Trap *trap, char name[static PENDING_FD_NAME_MAX]) {
        (void) snprintf(name, PENDING_FD_NAME_MAX, "spool-%" PRIx64, trap->number);
}

static int spool_open(Trap *trap) {
        char name[PENDING_FD_NAME_MAX];

        if (trap->spool.in >= 0)
                return 0;
        pending_fd_name(trap, name);
        return fd_queue_new(name, (size_t) PENDING_PER_TRAP_MAX * 2048, &trap->spool);
}

static int spool_append(Trap *trap, const SpoolEntry *entry, const int fds[static FD_QUEUE_FDS_MAX]) {
        return fd_queue_push(&trap->spool, entry, sizeof(*entry), fds, fds[1] >= 0 ? 2 : 1);
}

static void spool_push(Pending *p) {
        const SpoolEntry entry = { p->id, p->key.peer, p->key.local, p->client };
        Trap *trap = p->trap;
        int r;

        if (trap->spool_is_mixed && trap->n_spooled >= SPOOL_MIXED_MAX && !p->spooled && !trap->sw->leaving)
                return;
        r = spool_open(trap);
        if (r >= 0)
                r = spool_append(trap, &entry, (const int[]){ p->fd, p->dialed });
        if (r >= 0) {
                p->spooled = true;
                trap->n_spooled++;
        } else
                app_log_debug(r, trap->party->id, "%s: failed to keep a connection for the next daemon, ignoring: %m",
                              trap->party->id);
}

static void spool_drop_first(Trap *trap) {
        fd_queue_drop(&trap->spool);
        if (--trap->n_spooled == 0)
                trap->spool_is_mixed = false;
}

/*
 * Takes off the oldest entry of this id. It is the first one, but for apps that
 * do not accept in the order of their queues: others go to the end. When that
 * are many, which would be so for each of those that come later, no more
 * are put there until it is empty; they are when the daemon leaves.
 */
static void spool_remove(Trap *trap, uint64_t id) {
        if (trap->n_spooled == 1) {
                spool_drop_first(trap);
                return;
        }
        for (unsigned i = 0; trap->spool.out >= 0 && i <= 2 * PENDING_PER_TRAP_MAX; i++) {
                SpoolEntry entry;
                int fds[FD_QUEUE_FDS_MAX];

                if (fd_queue_first(&trap->spool, &entry, sizeof(entry), NULL) < 0)
                        return;
                if (entry.id == id) {
                        trap->spool_is_mixed = trap->spool_is_mixed || i > SPOOL_MIXED_MAX;
                        spool_drop_first(trap);
                        return;
                }
                if (fd_queue_first(&trap->spool, &entry, sizeof(entry), fds) >= 0 && spool_append(trap, &entry, fds) >= 0)
                        trap->n_spooled++;
                safe_close(fds[0]);
                safe_close(fds[1]);
                spool_drop_first(trap);
        }
}

bool pending_has_room(const Trap *trap) {
        return trap->n_pending < PENDING_PER_TRAP_MAX;
}

bool pending_has_room_for(const Trap *trap, uint16_t port) {
        unsigned n = 0, n_waiting = 0;

        /* No port has more than that. */
        if (trap->n_pending < PENDING_PER_TRAP_MAX / 2 && trap->n_waiting < PENDING_WAITING_MAX / 2)
                return true;
        for (const Pending *p = trap->pending; p; p = p->hh.next)
                if (p->key.local.port == port) {
                        n++;
                        n_waiting += p->waits;
                }
        return n + trap->n_pending < PENDING_PER_TRAP_MAX && n_waiting + trap->n_waiting < PENDING_WAITING_MAX;
}

static Pending *pending_new(Trap *trap, uint64_t id, const Endpoint *client, int fd) {
        Pending *p = calloc(1, sizeof(*p));

        if (!p)
                return NULL;
        p->trap = trap;
        p->id = id;
        p->client = *client;
        p->fd = fd;
        p->dialed = -EBADF;
        p->accepted = p->used = -EBADF;
        trap->n_pending++;
        return p;
}

/* Such a listener does not tell of a connection before there are data (tcp(7)). */
static void wake_listener(const Pending *p) {
        if (option_memory_noted(p->trap, IPPROTO_TCP, TCP_DEFER_ACCEPT))
                (void) send(p->dialed, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void stop_waiting(Pending *p) {
        if (!p->waits)
                return;
        p->waits = false;
        DL_DELETE2(p->trap->waiting, p, waiting_prev, waiting_next);
        p->trap->n_waiting--;
}

/* What was dialed is in the queue, or waits for room there. Takes it. */
static void enter(Pending *p, const Endpoint *from, const Endpoint *to, int dialed, bool waits) {
        memset(&p->key, 0, sizeof(p->key));
        p->key.peer = *from;
        p->key.local = *to;
        p->dialed = dialed;
        HASH_ADD(hh, p->trap->pending, key, sizeof(p->key), p);
        (void) watch_set_add(&p->trap->sw->dialed_watch, dialed, EPOLLRDHUP, p);
        wake_listener(p);
        p->waits = waits;
        if (waits) {
                DL_APPEND2(p->trap->waiting, p, waiting_prev, waiting_next);
                p->trap->n_waiting++;
        }
}

/*
 * There is room in a queue of the app's: the first that waits for it need not
 * wait until the kernel tries again, which is a second or more.
 */
static void use_room(Trap *trap, uint16_t port) {
        Pending *p, *tmp;

        DL_FOREACH_SAFE2(trap->waiting, p, tmp, waiting_next) {
                if (p->key.local.port != port)
                        continue;
                if (dial_state(p->dialed) == DIAL_WAITS) {
                        (void) dial_repeat(p->dialed, &p->key.local);
                        if (dial_state(p->dialed) == DIAL_WAITS)
                                return;
                        wake_listener(p);
                        stop_waiting(p);
                        return;
                }
                stop_waiting(p);
        }
}

static void tell_of_room(Trap *trap) {
        if (trap->wants_room && !trap->sw->leaving && pending_has_room(trap) && trap->n_waiting < PENDING_WAITING_MAX) {
                trap->wants_room = false;
                trap->sw->hooks->has_room(trap, trap->sw->userdata);
        }
}

static int add(Trap *trap, const Endpoint *client, const Endpoint *from, const Endpoint *to, int family, int fd, int dialed,
               bool waits) {
        Pending *p;

        p = pending_new(trap, trap->sw->next_pending++, client, fd);
        if (!p) {
                safe_close(fd);
                safe_close(dialed);
                return -ENOMEM;
        }
        p->family = family;
        enter(p, from, to, dialed, waits);
        spool_push(p);
        return 0;
}

int pending_add(Trap *trap, const Endpoint *from, const Endpoint *to, int family, int fd, int dialed) {
        return add(trap, from, from, to, family, fd, dialed, false);
}

int pending_add_incoming(Trap *trap, const Endpoint *client, const Endpoint *from, const Endpoint *to, int fd, int dialed) {
        return add(trap, client, from, to, AF_UNSPEC, fd, dialed, dial_state(dialed) == DIAL_WAITS);
}

/* A connection from the listener's own address that only says that somebody waits. */
static int dial_again(Pending *p, const Listener *l) {
        static const Address loopback4 = { AF_INET, { 127, 0, 0, 1 } }, loopback6 = { AF_INET6, { [15] = 1 } };
        Endpoint to = l->backend.bound, from;

        if (address_is_unspecified(&to.address))
                to.address = l->backend.family == AF_INET6 && l->backend.v6only ? loopback6 : loopback4;
        from.address = to.address;
        for (unsigned i = 0; i < RETURN_TRIES_MAX; i++) {
                int fd, r;

                fd = trap_take_socket(p->trap, to.address.family);
                if (fd < 0)
                        return fd;
                from.port = trap_next_port(p->trap, i);
                r = dial(fd, &from, &to, to.address.family);
                /* If there is no room now it enters the queue when there is. */
                if (r == DIAL_CONNECTED || r == DIAL_WAITS) {
                        enter(p, &from, &to, fd, r == DIAL_WAITS);
                        return 0;
                }
                safe_close(fd);
                if (r != -EADDRINUSE)
                        return r < 0 ? r : -EAGAIN;
        }
        return -EADDRINUSE;
}

static void enter_again(Pending *p, Listener *l) {
        p->family = AF_UNSPEC;
        if (dial_again(p, l) < 0) {
                p->key.local = l->backend.bound;
                DL_APPEND(l->returned, p);
                p->listener = l;
        }
        spool_push(p);
}

/* It is in the spool all the time: as it is now behind as it was. */
void pending_return(Listener *l, Pending *p) {
        const bool spooled = p->spooled;

        p->accepted = safe_close(p->accepted);
        p->used = safe_close(p->used);
        enter_again(p, l);
        if (spooled)
                spool_remove(p->trap, p->id);
}

static Pending *find_id(Trap *trap, uint64_t id) {
        Pending *p, *tmp;

        HASH_ITER(hh, trap->pending, p, tmp)
                if (p->id == id)
                        return p;
        for (Listener *l = trap->listeners; l; l = l->next)
                DL_FOREACH(l->returned, p)
                        if (p->id == id)
                                return p;
        return NULL;
}

void pending_return_fd(Listener *l, int fd, const Endpoint *client, uint64_t id) {
        Pending *p = NULL;

        if (id == 0 || !find_id(l->trap, id))
                p = pending_new(l->trap, id ?: l->trap->sw->next_pending++, client, fd);
        if (!p) {
                safe_close(fd);
                return;
        }
        enter_again(p, l);
}

Pending *pending_find(Trap *trap, const Endpoint *peer, const Endpoint *local) {
        typeof(((Pending *) NULL)->key) key;
        Pending *p;

        memset(&key, 0, sizeof(key));
        key.peer = *peer;
        key.local = *local;
        HASH_FIND(hh, trap->pending, &key, sizeof(key), p);
        return p;
}

void pending_accepted(Pending *p, int fd) {
        if (fd >= 0) {
                safe_close(p->accepted);
                p->accepted = fd;
        }
        if (p->listener) {
                DL_DELETE(p->listener->returned, p);
                p->listener = NULL;
        }
        if (p->dialed < 0)
                return;
        HASH_DELETE(hh, p->trap->pending, p);
        watch_set_remove(&p->trap->sw->dialed_watch, p->dialed);
        safe_close(p->used);
        p->used = TAKE_FD(p->dialed);
        stop_waiting(p);
        if (p->trap->waiting && !p->trap->sw->leaving)
                use_room(p->trap, p->key.local.port);
}

/*
 * What was dialed, and accepted, begins other connections of the client, unless it has an address of the server's own: its
 * port would be one that the server cannot have.
 */
static void put_away(Pending *p) {
        const Endpoint *from = &p->key.peer;
        const int fd = TAKE_FD(p->used);

        if (fd >= 0 && p->accepted >= 0 && p->family != AF_UNSPEC && !p->trap->sw->leaving &&
            !route_is_own(p->trap->party, &from->address))
                dial_pool_keep(&p->trap->pool, fd, from, p->family);
        else
                safe_close(fd);
}

Pending *pending_free(Pending *p) {
        Trap *trap;

        if (!p)
                return NULL;
        trap = p->trap;
        /* What is left for the next daemon lies there. */
        if (trap->sw->leaving && !p->spooled)
                spool_push(p);
        pending_accepted(p, -EBADF);
        if (!trap->sw->leaving && p->spooled)
                spool_remove(trap, p->id);
        put_away(p);
        safe_close(p->accepted);
        safe_close(p->fd);
        trap->n_pending--;
        free(p);
        tell_of_room(trap);
        return NULL;
}

/* Nobody will have it, and the client is told as TCP tells it. */
static void pending_abort(Pending *p) {
        const struct linger reset = { .l_onoff = 1 };

        if (!p->trap->sw->leaving)
                (void) setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        pending_free(p);
}

/* What was dialed was reset, as the listener was closed or shut down; or somebody outside has accepted and closed it. */
static void on_reset(void *userdata) {
        pending_abort(userdata);
}

void pending_forget(Trap *trap) {
        Pending *p, *tmp;
        char name[PENDING_FD_NAME_MAX];

        trap->wants_room = false;
        /* Nobody is to be tried again for the room that there is now. */
        while (trap->waiting)
                stop_waiting(trap->waiting);
        HASH_ITER(hh, trap->pending, p, tmp)
                pending_abort(p);
        if (!trap->sw->leaving && trap->spool.in >= 0) {
                pending_fd_name(trap, name);
                (void) fd_store_remove(name);
        }
        fd_queue_close(&trap->spool);
}

static Listener *find_listener(Trap *trap, const Endpoint *to) {
        for (Listener *l = trap->listeners; l; l = l->next)
                if (backend_matches(&l->backend, to) ||
                    (address_is_loopback(&to->address) && l->backend.bound.port == to->port))
                        return l;
        return NULL;
}

/* What of a connection can be had back goes on as it is, the rest is forgotten. Takes the descriptors. */
static void restore_entry(Trap *trap, const SpoolEntry *entry, int fds[static FD_QUEUE_FDS_MAX]) {
        Listener *l = find_listener(trap, &entry->local);
        Pending *p;

        /* How it was before: what comes later is how it is now. */
        pending_free(find_id(trap, entry->id));
        p = l ? pending_new(trap, entry->id, &entry->client, fds[0]) : NULL;
        if (p)
                p->spooled = true;
        else {
                safe_close(fds[0]);
                safe_close(fds[1]);
                spool_remove(trap, entry->id);
                return;
        }
        if (dial_is_queued(fds[1])) {
                enter(p, &entry->peer, &entry->local, fds[1], dial_state(fds[1]) == DIAL_WAITS);
                return;
        }
        safe_close(fds[1]);
        pending_return(l, p);
}

void pending_restore(Trap *trap, FdQueue spool) {
        SpoolEntry entries[2 * PENDING_PER_TRAP_MAX];
        int fds[ELEMENTSOF(entries)][FD_QUEUE_FDS_MAX];
        size_t n = 0;

        trap->spool = spool;
        if (spool.in < 0)
                return;
        /* All are read first, as what is done about them changes the queue. */
        (void) fd_queue_walk(&spool, true);
        while (n < ELEMENTSOF(entries) && fd_queue_first(&spool, &entries[n], sizeof(entries[n]), fds[n]) >= 0)
                n++;
        (void) fd_queue_walk(&spool, false);
        trap->n_spooled = (unsigned) n;
        for (size_t i = 0; i < n; i++)
                restore_entry(trap, &entries[i], fds[i]);
}

void pending_forget_id(Trap *trap, uint64_t id) {
        pending_free(find_id(trap, id));
}

int pendings_init(Switch *sw) {
        return watch_set_init(&sw->dialed_watch, sw->event, on_reset);
}

void pendings_done(Switch *sw) {
        watch_set_done(&sw->dialed_watch);
}
