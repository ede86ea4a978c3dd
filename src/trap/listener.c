/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "basic/deadline.h"
#include "basic/fd.h"
#include "basic/fd-store.h"
#include "basic/log.h"
#include "model/journal.h"
#include "trap/accept.h"
#include "trap/listener.h"
#include "trap/notify.h"
#include "trap/pending.h"
#include "transport/socket-name.h"

/*
 * How often closed ones are looked for, so that those who watch the apps learn of it. Connects find out for themselves. Where
 * there are many, so many at a time: to look at one takes 5 µs.
 */
#define FLUSH_USEC (1 * USEC_PER_SEC)
#define FLUSH_STEP_USEC (100 * USEC_PER_MSEC)

enum {
        FLUSH_STEP = 256,
        FLUSH_FIRST = 16, /* listeners of an app before closed ones are looked for at once */
        SWEEP_MAX = 64,   /* accepts of an app that are looked at in one go */
};

/* What a name in the descriptor store says. */
typedef struct ListenerRecord {
        uint64_t trap, cookie;
        int family;
        bool v6only;
        Endpoint bound;
} ListenerRecord;

enum { NAME_MAX_SIZE = 160 };

/* Short, as there is not much room for names (basic/fd-store.h): addresses without the zeros they end with. */
static void format_name(const Listener *l, char name[static NAME_MAX_SIZE]) {
        const Endpoint *bound = &l->backend.bound;
        char address[2 * sizeof(bound->address.bytes) + 1] = "";
        size_t n = sizeof(bound->address.bytes);

        while (n > 0 && bound->address.bytes[n - 1] == 0)
                n--;
        for (size_t i = 0; i < n; i++)
                (void) snprintf(address + 2 * i, 3, "%02x", bound->address.bytes[i]);
        (void) snprintf(name, NAME_MAX_SIZE, "l%" PRIx64 "-%" PRIx64 "-%x-%x-%x-%x-%s", l->trap->number, l->cookie,
                        (unsigned) l->backend.family, l->backend.v6only, bound->address.family, bound->port, address);
}

static int parse_name(const char *name, ListenerRecord *ret) {
        ListenerRecord r = {};
        unsigned family, v6only;
        const char *address;
        int n = 0;

        if (sscanf(name, "l%" SCNx64 "-%" SCNx64 "-%x-%x-%" SCNx16 "-%" SCNx16 "-%n", &r.trap, &r.cookie, &family, &v6only,
                   &r.bound.address.family, &r.bound.port, &n) != 6 || n == 0)
                return -EINVAL;
        r.family = (int) family;
        r.v6only = v6only;
        address = name + n;
        if (strlen(address) % 2 != 0 || strlen(address) > 2 * sizeof(r.bound.address.bytes) ||
            address[strspn(address, "0123456789abcdef")])
                return -EINVAL;
        for (size_t i = 0; address[2 * i]; i++)
                if (sscanf(address + 2 * i, "%2hhx", &r.bound.address.bytes[i]) != 1)
                        return -EINVAL;
        *ret = r;
        return 0;
}

/*
 * Those before the first that is good, and of so many as may be looked at: the kernel takes long for each if there are
 * many.
 */
static void sweep(Listener *l, unsigned *left) {
        while (l->accepts && *left > 0) {
                Call *call = l->accepts;

                (*left)--;
                if (notify_is_valid(call->filter->notify_fd, call->slot->notif.id))
                        return;
                call_drop(call);
        }
}

static bool is_closed(const Listener *l);

/* Looks at the next ones. Returns whether there are more. */
static bool flush_some(Switch *sw) {
        uint64_t changed[FLUSH_STEP];
        Listener *l = switch_find_listener(sw, sw->flush_next) ?: sw->listeners, *next;
        unsigned left = FLUSH_STEP;
        size_t n_changed = 0;

        for (size_t i = 0; l && i < FLUSH_STEP; i++, l = next) {
                next = l->hh.next;
                sweep(l, &left);
                if (!is_closed(l))
                        continue;
                if (n_changed == 0 || changed[n_changed - 1] != l->trap->number)
                        changed[n_changed++] = l->trap->number;
                listener_free(l);
        }
        sw->flush_next = l ? l->cookie : 0;
        for (size_t i = 0; i < n_changed; i++) {
                Trap *trap = switch_find_trap(sw, changed[i]);

                if (trap)
                        sw->hooks->listeners_changed(trap, sw->userdata);
        }
        return sw->flush_next != 0;
}

static void start_flush_timer(Switch *sw, uint64_t usec);

static int on_flush_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Switch *sw = userdata;
        bool more;

        sw->flush_source = sd_event_source_disable_unref(sw->flush_source);
        more = flush_some(sw);
        if (sw->listeners)
                start_flush_timer(sw, more ? FLUSH_STEP_USEC : FLUSH_USEC);
        return 0;
}

static void start_flush_timer(Switch *sw, uint64_t usec) {
        if (!sw->flush_source)
                (void) sd_event_add_time_relative(sw->event, &sw->flush_source, CLOCK_MONOTONIC, usec, 0, on_flush_timer, sw);
}

/* Takes `watch` on success. */
static int listener_new(Trap *trap, const ListenerRecord *record, int watch, Listener **ret) {
        Listener *l;
        int r;

        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        l->trap = trap;
        l->cookie = record->cookie;
        l->watch = watch;
        l->waiting_fd = -EBADF;
        l->backend = (Backend){
                .party = trap->party,
                .id = record->cookie,
                .bound = record->bound,
                .family = record->family,
                .v6only = record->v6only,
        };
        r = directory_add_backend(trap->sw->directory, &l->backend);
        if (r < 0) {
                free(l);
                return r;
        }
        DL_APPEND(trap->listeners, l);
        trap->n_listeners++;
        HASH_ADD(hh, trap->sw->listeners, cookie, sizeof(l->cookie), l);
        start_flush_timer(trap->sw, FLUSH_USEC);
        trap->sw->hooks->listener_begins(l, trap->sw->userdata);
        *ret = l;
        return 0;
}

/* Where a socket is bound to; and before that it is made to listen, if that is what is wanted. */
typedef struct SocketJob {
        int fd;
        bool listen;
        int backlog;
        int result;
        SockAddr address;
        socklen_t size;
        int v6only;
} SocketJob;

static void socket_run(void *job) {
        SocketJob *j = job;
        socklen_t n = sizeof(j->v6only);

        j->size = sizeof(j->address);
        j->result = (j->listen && listen(j->fd, j->backlog) < 0) || getsockname(j->fd, &j->address.sa, &j->size) < 0 ||
                                    (j->address.sa.sa_family == AF_INET6 &&
                                     getsockopt(j->fd, IPPROTO_IPV6, IPV6_V6ONLY, &j->v6only, &n) < 0)
                        ? -errno
                        : 0;
}

static int read_socket(Call *call, SocketJob *j, ListenerRecord *ret) {
        int r;

        r = call_run_bounded(call, socket_run, j, sizeof(*j));
        if (r >= 0)
                r = j->result;
        if (r < 0)
                return r;
        ret->family = j->address.sa.sa_family;
        ret->v6only = j->v6only;
        return endpoint_from_sockaddr(&j->address, j->size, &ret->bound);
}

/* A set with the socket in it that tells of nothing but its shutdown and, by its fdinfo, that the socket is there. */
static int make_watch(int fd) {
        struct epoll_event nothing = { .events = EPOLLET };
        int watch, r;

        watch = epoll_create1(EPOLL_CLOEXEC);
        if (watch < 0)
                return -errno;
        if (epoll_ctl(watch, EPOLL_CTL_ADD, fd, &nothing) < 0) {
                r = -errno;
                safe_close(watch);
                return r;
        }
        return watch;
}

static bool is_closed(const Listener *l) {
        char path[64], text[512];

        (void) snprintf(path, sizeof(path), "/proc/self/fdinfo/%i", l->watch);
        return read_file(AT_FDCWD, path, text, sizeof(text)) >= 0 && !strstr(text, "tfd:");
}

bool listener_is_gone(const Listener *l) {
        struct epoll_event event;

        return is_closed(l) || (epoll_wait(l->watch, &event, 1, 0) > 0 && (event.events & EPOLLHUP));
}

static bool listener_has_room(Trap *trap) {
        if (trap->n_listeners >= MAX2(trap->flush_at, (unsigned) FLUSH_FIRST) ||
            trap->n_listeners >= trap->sw->listeners_per_trap_max) {
                trap_flush_listeners(trap);
                trap->flush_at = 2 * trap->n_listeners;
        }
        return trap->n_listeners < trap->sw->listeners_per_trap_max;
}

/* A socket can come from another app (SCM_RIGHTS). */
static Trap *find_owner(Trap *trap, uint64_t netns) {
        if (trap->netns == netns)
                return trap;
        for (Trap *other = trap->sw->traps; other; other = other->hh.next)
                if (other->netns == netns)
                        return other;
        return NULL;
}

Listener *listener_find(const Call *call) {
        uint64_t cookie;
        socklen_t size = sizeof(cookie);

        if (getsockopt(call->fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) < 0)
                return NULL;
        return switch_find_listener(call->trap->sw, cookie);
}

static int get(Call *call, SocketJob *j, Listener **ret) {
        Switch *sw = call->trap->sw;
        ListenerRecord record = {};
        socklen_t size = sizeof(record.cookie);
        char name[NAME_MAX_SIZE];
        uint64_t netns;
        Listener *l;
        Trap *trap;
        int watch, r, fd = call->fd;

        if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &record.cookie, &size) < 0)
                return -errno;
        l = switch_find_listener(sw, record.cookie);
        if (l && !j->listen) {
                *ret = l;
                return 0;
        }
        r = socket_netns_cookie(fd, &netns);
        if (r < 0)
                return r;
        trap = find_owner(call->trap, netns);
        if (!trap)
                return -EXDEV;
        if (!l && !listener_has_room(trap))
                return -ENOBUFS;
        r = read_socket(call, j, &record);
        if (r < 0)
                return r;
        if (l && l->backend.bound.port == record.bound.port &&
            address_equal(&l->backend.bound.address, &record.bound.address)) {
                rest_ok(&l->backend.rest);
                *ret = l;
                return 0;
        }
        listener_free(l); /* it listened elsewhere before */
        watch = make_watch(fd);
        if (watch < 0)
                return watch;
        r = listener_new(trap, &record, watch, &l);
        if (r < 0) {
                safe_close(watch);
                return r;
        }
        format_name(l, name);
        r = fd_store_add_spare(name, watch);
        if (r < 0)
                app_log_debug(0, call->trap->party->id, "%s: port %u: it does not outlive a restart: %s",
                              call->trap->party->id, l->backend.bound.port, strerror(-r));
        trap->sw->hooks->listeners_changed(trap, trap->sw->userdata);
        *ret = l;
        return 0;
}

int listener_get(Call *call, Listener **ret) {
        SocketJob j = { .fd = call->fd };

        return get(call, &j, ret);
}

int listener_listen(Call *call, int backlog) {
        SocketJob j = { .fd = call->fd, .listen = true, .backlog = backlog };
        Listener *l;

        return get(call, &j, &l);
}

int listener_restore(const char *name, int watch, Trap *(*find)(uint64_t number, void *userdata), void *userdata) {
        ListenerRecord record;
        Listener *l;
        Trap *trap;
        int r;

        r = parse_name(name, &record);
        if (r < 0)
                return r;
        trap = find(record.trap, userdata);
        return trap ? listener_new(trap, &record, watch, &l) : -ESRCH;
}

Listener *listener_free(Listener *l) {
        char name[NAME_MAX_SIZE];
        Trap *trap;

        if (!l)
                return NULL;
        trap = l->trap;
        trap->sw->hooks->listener_ends(l, trap->sw->userdata);
        directory_remove_backend(trap->sw->directory, &l->backend);
        if (trap->sw->flush_next == l->cookie)
                trap->sw->flush_next = l->hh.next ? ((Listener *) l->hh.next)->cookie : 0;
        HASH_DELETE(hh, trap->sw->listeners, l);
        DL_DELETE(trap->listeners, l);
        trap->n_listeners--;
        accept_abandon(l);
        while (l->returned)
                pending_free(l->returned);
        if (!trap->sw->leaving) {
                format_name(l, name);
                (void) fd_store_remove(name);
        }
        safe_close(l->watch);
        free(l);
        return NULL;
}

void listener_withdraw(Listener *l) {
        Trap *trap = l->trap;

        listener_free(l);
        trap->sw->hooks->listeners_changed(trap, trap->sw->userdata);
}

void listener_wait(Listener *l, int fd) {
        if (l->waiting_fd >= 0) {
                deadline_close(fd);
                return;
        }
        l->waiting_fd = fd;
        (void) watch_set_add(&l->trap->sw->accept_watch, fd, EPOLLIN, l);
}

void listener_stop_waiting(Listener *l) {
        if (l->waiting_fd < 0)
                return;
        /* The app has the socket, so that it would stay in the set. */
        watch_set_remove(&l->trap->sw->accept_watch, l->waiting_fd);
        l->waiting_fd = deadline_close(l->waiting_fd);
}

void listener_sweep(Listener *l) {
        unsigned left = SWEEP_MAX;

        sweep(l, &left);
}

void trap_sweep_listeners(Trap *trap) {
        unsigned left = SWEEP_MAX;

        for (Listener *l = trap->listeners; l && left > 0; l = l->next)
                sweep(l, &left);
}

void trap_flush_listeners(Trap *trap) {
        bool changed = false;
        Listener *l, *tmp;

        trap_sweep_listeners(trap);
        DL_FOREACH_SAFE(trap->listeners, l, tmp)
                if (is_closed(l)) {
                        listener_free(l);
                        changed = true;
                }
        if (changed)
                trap->sw->hooks->listeners_changed(trap, trap->sw->userdata);
}

static void on_connection(void *userdata) {
        accept_ready(userdata);
}

int listeners_init(Switch *sw) {
        return watch_set_init(&sw->accept_watch, sw->event, on_connection);
}

void listeners_done(Switch *sw) {
        sw->flush_source = sd_event_source_disable_unref(sw->flush_source);
        watch_set_done(&sw->accept_watch);
}
