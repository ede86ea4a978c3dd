/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Each connection to another app begins as a TCP connection to its listener, in
 * its own namespace (transport/dial.h), so that backlog and refusal are the
 * kernel's. Then it becomes a pair: one end goes over the client's descriptor,
 * the other one is given to the server in place of what it accepts
 * (trap/pending.h). If a pair will not do, or the queue is full, the client gets
 * the TCP socket. A server that waits in accept(2) gets its end of the pair at
 * once, and nothing is dialed.
 *
 * The order of the steps is what makes a connect that is interrupted, or whose
 * daemon dies, harmless to do again: the pair goes over the client's
 * descriptor, its other end to the server, then the answer to the client. Asked
 * again, the call finds a pair in place of its socket, and a mark on it that
 * says whether the client was told.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utlist.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "transport/dial.h"
#include "transport/pair.h"
#include "trap/accept.h"
#include "trap/delivery.h"
#include "trap/dialer.h"
#include "trap/epoll.h"
#include "trap/handlers.h"
#include "trap/link.h"
#include "trap/listener.h"
#include "trap/notify.h"
#include "trap/option-memory.h"
#include "trap/pending.h"

/* Ports that are tried: the loop must not look for long. */
enum { PORT_TRIES_MAX = 32 };

/* How long a handshake may take before the listener's queue is taken to be full. */
#define HANDSHAKE_USEC (20 * USEC_PER_MSEC)

int connect_get_source(const Connect *c, const Route *route, Endpoint *ret) {
        const Endpoint *bound = &c->bound;

        *ret = (Endpoint){ route->source, bound->port };
        if (address_is_unspecified(&bound->address))
                return 0;
        /* As ip_route_output_key_hash_rcu() says to who leaves loopback from a loopback address. */
        if (address_is_loopback(&bound->address) && !address_is_loopback(&route->to))
                return -EINVAL;
        /* With IP_FREEBIND a socket can be bound to an address that is somebody else's. */
        if (!route_is_own(c->call->trap->party, &bound->address))
                return -EADDRNOTAVAIL;
        ret->address = bound->address;
        return 0;
}

/* A connection that is being made. */
typedef struct Link {
        Trap *server;       /* whose namespace it leads into */
        Listener *listener; /* NULL: there is none, and it will be refused */
        PairEnds ends;
        int client, server_fd; /* the pair, or -EBADF */
        int dialed;         /* or -EBADF */
        DialState state;    /* of that */
} Link;

static inline void link_done(Link *link) {
        safe_close(link->client);
        safe_close(link->server_fd);
        safe_close(link->dialed);
}

/* What the client is to see of a connection by TCP, or NULL if that is what the kernel says. */
static const PeerView *get_view(const Connect *c, const PairEnds *ends, PeerView *view) {
        if (endpoint_equal(&ends->service, &ends->server))
                return NULL;
        *view = (PeerView){ .family = c->socket.family, .local = ends->client, .peer = ends->service };
        c->call->trap->sw->views = true;
        return view;
}

/*
 * Makes the pair, unless it is to be TCP, and then dials: the name of the pair
 * says whether there is such a connection already, and nobody is to see one that
 * is not. `used` is bound to the client's end already, -EBADF: a new socket is.
 * Returns 0, or -EADDRINUSE if the port is taken.
 */
static int link_try(Connect *c, Link *link, bool direct, int used) {
        PeerView view;
        int r = 0;

        link->dialed = used;
        if (!c->tcp)
                r = pair_new(&link->ends, &link->client, &link->server_fd);
        if (r >= 0 && direct)
                return 0;
        if (r >= 0 && used < 0)
                link->dialed = r = trap_take_socket(link->server, c->socket.family);
        if (r >= 0 && c->held)
                r = dial_hold(link->dialed, &link->ends.client, &link->ends.server, get_view(c, &link->ends, &view));
        if (r >= 0 && used >= 0)
                r = dial_bound(used, &link->ends.server, c->socket.family);
        else if (r >= 0)
                r = dial(link->dialed, &link->ends.client, &link->ends.server, c->socket.family);
        if (r < 0) {
                link_done(link);
                link->client = link->server_fd = link->dialed = -EBADF;
                return r;
        }
        link->state = (DialState) r;
        return 0;
}

/* With a socket that was used for a connection of this client before, and its port. Returns 0 or -EADDRINUSE. */
static int link_try_used(Connect *c, Link *link) {
        DialPool *pool = &link->server->pool;
        UsedSocket used;

        if (!dial_pool_take(pool, &link->ends.client.address, c->socket.family, &used))
                return -EADDRINUSE;
        link->ends.client.port = used.from.port;
        if (link_try(c, link, false, used.fd) >= 0) {
                pool->misses = 0;
                return 0;
        }
        dial_pool_missed(pool);
        return -EADDRINUSE;
}

static int link_make(Connect *c, Link *link, bool direct) {
        int r = -EADDRINUSE;

        if (c->bound.port == 0 && !c->tcp && !direct)
                r = link_try_used(c, link);
        if (c->bound.port != 0)
                r = link_try(c, link, direct, -EBADF);
        else
                for (unsigned i = 0; i < PORT_TRIES_MAX && r == -EADDRINUSE; i++) {
                        link->ends.client.port = trap_next_port(c->call->trap, i);
                        r = link_try(c, link, direct, -EBADF);
                }
        return r == -EADDRINUSE ? -EADDRNOTAVAIL : r;
}

int connect_replace(Connect *c, int old, int fd) {
        Trap *trap = c->call->trap;
        int r;

        c->call->slot->replaces = true;
        r = notify_replace_fd(c->call->filter->notify_fd, c->call->slot->notif.id, fd, call_fd_arg(c->call), c->flags & O_CLOEXEC);
        if (r == -ENOENT || r == -ESRCH) {
                trap->sw->n_gone++;
                call_drop(c->call);
                return 0;
        }
        if (r < 0)
                return r;
        epoll_replace(c->call, old, fd);
        return 1;
}

static void report(Connect *c, int client) {
        /* TCP never is connected at once on a socket that must not wait. */
        if (c->flags & O_NONBLOCK) {
                if (call_fail(c->call, -EINPROGRESS) < 0)
                        (void) pair_set_mark(client, PAIR_MARK_UNTOLD, true);
        } else if (call_return(c->call, 0) >= 0)
                (void) pair_set_mark(client, PAIR_MARK_UNREPORTED, false);
}

/*
 * The client gets the TCP socket. If the listener's queue is full and he is one
 * that waits, he connects it himself, so that he waits in the kernel: it cannot
 * be connected to anything else. What he says where to would be wrong behind a
 * virtual service; one that is on its way already does not look at that.
 */
static int connect_tcp(Connect *c, Link *link) {
        socklen_t n = sizeof(int);
        int reuse = 0, r;
        PeerView view;
        const PeerView *seen = get_view(c, &link->ends, &view);

        r = link->state == DIAL_WAITS && !(c->flags & O_NONBLOCK) && !seen ? dial_undo(link->dialed) : 0;
        if (r >= 0)
                r = c->held ? dial_held_done(link->dialed) : dial_hand_out(link->dialed, &link->ends.client, &link->ends.server, seen);
        if (r < 0)
                return r;
        option_memory_inherit(c->call->trap, c->call->trap, c->call->fd, link->dialed, true);
        /* What is dialed has this always, and what it says of it is what is remembered. */
        if (getsockopt(c->call->fd, SOL_SOCKET, SO_REUSEADDR, &reuse, &n) >= 0 && reuse)
                option_memory_set(c->call->trap, link->dialed, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
        if ((c->flags & O_NONBLOCK) && fcntl(link->dialed, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        r = connect_replace(c, c->call->fd, link->dialed);
        if (r <= 0)
                return r;
        if (c->flags & O_NONBLOCK)
                (void) call_fail(c->call, -EINPROGRESS);
        else
                (void) call_continue(c->call);
        return 0;
}

static int connect_pair(Connect *c, Link *link) {
        Switch *sw = c->call->trap->sw;
        const bool dialed = link->dialed >= 0;
        Listener *l = link->listener;
        int r;

        option_memory_inherit(c->call->trap, c->call->trap, c->call->fd, link->client, false);
        r = connect_replace(c, c->call->fd, link->client);
        if (r <= 0)
                return r;
        if (dialed)
                (void) pending_add(link->server, &link->ends.client, &link->ends.server, c->socket.family,
                                   TAKE_FD(link->server_fd), TAKE_FD(link->dialed));
        else {
                const uint64_t cookie = l->cookie;

                option_memory_inherit(l->trap, l->trap, l->waiting_fd, link->server_fd, false);
                r = accept_hand_over(l, &(Connection){ link->server_fd, link->ends.client, NULL }, c->call->slot->notif.id);
                /* Who waited was interrupted this very moment: into the queue. */
                l = switch_find_listener(sw, cookie);
                if (r < 0 && l)
                        pending_return_fd(l, TAKE_FD(link->server_fd), &link->ends.client, 0);
        }
        report(c, link->client);
        delivery_end(sw);
        if (dialed)
                trap_fill_pool(link->server, c->socket.family);
        return 0;
}

static int connect_link(Connect *c, Link *link) {
        /* With a full queue it is TCP. */
        Switch *sw = c->call->trap->sw;
        const bool pair = link->client >= 0 && (link->dialed < 0 || link->state == DIAL_CONNECTED);

        if (link->listener && (link->dialed < 0 || link->state == DIAL_CONNECTED))
                rest_ok(&link->listener->backend.rest);
        sw->n_connections++;
        sw->hooks->connected(c->call->trap, link->server, &link->ends.server, sw->userdata);
        return pair ? connect_pair(c, link) : connect_tcp(c, link);
}

/* A connect that waits for the kernel to be done with the handshake. */
typedef struct Dialing {
        Connect connect;
        Link link;
        uint64_t server, listener; /* number, cookie: they may be gone by then */
        sd_event_source *io, *timer;
        Trap *deferred_by; /* nothing is dialed yet */
        struct Dialing *prev, *next;
} Dialing;

Dialing *dialing_free(Dialing *d) {
        if (!d)
                return NULL;
        sd_event_source_disable_unref(d->io);
        sd_event_source_disable_unref(d->timer);
        link_done(&d->link);
        if (d->deferred_by)
                DL_DELETE(d->deferred_by->deferred, d);
        free(d);
        return NULL;
}

static void dialing_go_on(Dialing *d) {
        static const Link nothing = { .client = -EBADF, .server_fd = -EBADF, .dialed = -EBADF };
        _cleanup_(link_done) Link link = TAKE(d->link, nothing);
        const uint64_t server = d->server, cookie = d->listener;
        Connect c = d->connect;
        Switch *sw = c.call->trap->sw;
        int r;

        call_unpark(c.call);
        r = dial_state(link.dialed);
        link.server = switch_find_trap(sw, server);
        link.listener = switch_find_listener(sw, cookie);
        if (r < 0 || r == DIAL_REFUSED || !link.server) {
                if (link.listener)
                        connect_skip(&c, link.listener);
                connect_route(&c);
                return;
        }
        link.state = (DialState) r;
        r = connect_link(&c, &link);
        if (r < 0)
                (void) call_fail(c.call, r);
}

static int dialing_on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        dialing_go_on(userdata);
        return 0;
}

static int dialing_on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        dialing_go_on(userdata);
        return 0;
}

/* Takes the link on success. Returns 0 or a negative errno. */
static int connect_later(Connect *c, Link *link) {
        static const Link nothing = { .client = -EBADF, .server_fd = -EBADF, .dialed = -EBADF };
        sd_event *event = c->call->trap->sw->event;
        Dialing *d;
        int r;

        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        d->connect = *c;
        d->link = nothing;
        d->server = link->server->number;
        d->listener = link->listener->cookie;
        r = sd_event_add_io(event, &d->io, link->dialed, EPOLLOUT, dialing_on_io, d);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &d->timer, CLOCK_MONOTONIC, HANDSHAKE_USEC, 1, dialing_on_timeout, d);
        if (r < 0) {
                dialing_free(d);
                return r;
        }
        d->link = TAKE(*link, nothing);
        call_begin_wait(c->call);
        c->call->dialing = d;
        return 0;
}

void listener_skip(Listener *l, RouteTried *tried) {
        if (listener_is_gone(l)) {
                listener_withdraw(l);
                return;
        }
        rest_fail(&l->backend.rest, now_usec(CLOCK_MONOTONIC));
        route_tried_add(tried, l->backend.id);
}

void connect_skip(Connect *c, Listener *l) {
        listener_skip(l, &c->tried);
}

/* What the server's own namespace has against connections, a packet filter of the app's, say. */
static bool is_refusal(int error) {
        return error == -EPERM || error == -EACCES || error == -ENETUNREACH || error == -EHOSTUNREACH ||
                        error == -ECONNRESET || error == -ETIMEDOUT;
}

int connect_backend(Connect *c, const Route *route) {
        Listener *l = backend_listener(route->backend);
        _cleanup_(link_done) Link link = {
                .server = l->trap,
                .listener = l,
                .ends = {
                        .server = route->target,
                        .service = { route->to, c->to.port },
                        .client_family = c->socket.family,
                        .server_family = l->backend.family,
                        .client_app = c->call->trap->number,
                        .server_app = l->trap->number,
                        .client_nonblock = c->flags & O_NONBLOCK,
                },
                .client = -EBADF,
                .server_fd = -EBADF,
                .dialed = -EBADF,
        };
        int r;

        r = connect_get_source(c, route, &link.ends.client);
        if (r < 0)
                return r;
        listener_sweep(l);
        c->tcp = trap_uses_tcp(c->call->trap) || trap_uses_tcp(l->trap) || !pending_has_room(l->trap);
        r = link_make(c, &link, !c->tcp && l->accepts);
        if (r < 0)
                return is_refusal(r) ? -EPIPE : r;
        if (link.dialed >= 0 && link.state == DIAL_REFUSED)
                return -EPIPE;
        if (link.dialed >= 0 && link.state == DIAL_WAITS)
                return connect_later(c, &link);
        return connect_link(c, &link);
}

int connect_refused(Connect *c, const Route *route) {
        Trap *trap = c->call->trap;
        _cleanup_(link_done) Link link = {
                .server = trap,
                .client = -EBADF,
                .server_fd = -EBADF,
                .dialed = -EBADF,
        };
        int r;

        for (const Listener *l = trap->listeners; l; l = l->next)
                if (l->backend.bound.port == c->to.port)
                        return -ECONNREFUSED;
        r = connect_get_source(c, route, &link.ends.client);
        if (r < 0)
                return r;
        if (link.ends.client.port == c->to.port)
                return -ECONNREFUSED; /* TCP connects such a one to itself */
        link.ends.server = link.ends.service = (Endpoint){ link.ends.client.address, c->to.port };
        c->tcp = true;
        r = link_make(c, &link, false);
        if (r < 0 || link.state == DIAL_CONNECTED)
                return -ECONNREFUSED;
        return connect_tcp(c, &link);
}

static bool listens_on(const Trap *trap, uint16_t port) {
        for (const Listener *l = trap->listeners; l; l = l->next)
                if (l->backend.bound.port == port)
                        return true;
        return false;
}

static int connect_defer(Connect *c, Trap *server) {
        static const Link nothing = { .client = -EBADF, .server_fd = -EBADF, .dialed = -EBADF };
        Dialing *d = calloc(1, sizeof(*d));

        if (!d)
                return -ENOMEM;
        d->connect = *c;
        d->link = nothing;
        d->deferred_by = server;
        DL_APPEND(server->deferred, d);
        call_begin_wait(c->call);
        c->call->dialing = d;
        return 0;
}

void connects_resume(Trap *server) {
        const Dialing *d;
        unsigned n;

        DL_COUNT(server->deferred, d, n);
        for (; n > 0 && server->deferred; n--) {
                Connect c = server->deferred->connect;

                call_unpark(c.call);
                connect_route(&c);
        }
}

int connect_started(Connect *c, const Route *route) {
        Switch *sw = c->call->trap->sw;
        _cleanup_(link_done) Link link = {
                .server = sw->hooks->starts(route->starts, c->call->trap, sw->userdata),
                .ends = {
                        .server = route->target,
                        .service = { route->to, c->to.port },
                        .client_family = c->socket.family,
                },
                .client = -EBADF,
                .server_fd = -EBADF,
                .dialed = -EBADF,
        };
        _cleanup_close_ int copy = -EBADF;
        Trap *client;
        int r;

        if (!link.server)
                return -ECONNREFUSED;
        /* It would be in the queue of who ends. */
        if (listens_on(link.server, route->target.port))
                return connect_defer(c, link.server);
        r = connect_get_source(c, route, &link.ends.client);
        if (r < 0)
                return r;
        c->tcp = c->held = true;
        r = link_make(c, &link, false);
        if (r < 0)
                return is_refusal(r) ? -ECONNREFUSED : r;
        copy = fcntl(link.dialed, F_DUPFD_CLOEXEC, 3);
        if (copy < 0)
                return -ENOBUFS;
        client = c->call->trap;
        sw->n_connections++;
        sw->hooks->connected(c->call->trap, link.server, &link.ends.server, sw->userdata);
        r = connect_tcp(c, &link);
        if (r >= 0)
                sw->hooks->held(link.server, client, link.ends.server.port, TAKE_FD(copy), sw->userdata);
        return r;
}
