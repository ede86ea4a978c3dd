/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * connect(2). Each connection to another app begins as a TCP connection to its
 * listener, in its own namespace (transport/dial.h), so that backlog and
 * refusal are the kernel's. Then it becomes a pair: one end goes over the
 * client's descriptor, the other one is given to the server in place of what it
 * accepts (trap/pending.h). If a pair will not do, or the queue is full, the
 * client gets the TCP socket. A server that waits in accept(2) gets its end of
 * the pair at once, and nothing is dialed.
 *
 * The order of the steps is what makes a connect that is interrupted, or whose
 * daemon dies, harmless to do again: the pair goes over the client's
 * descriptor, its other end to the server, then the answer to the client. Asked
 * again, the call finds a pair in place of its socket, and a mark on it that
 * says whether the client was told.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <utlist.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "launch/launch.h"
#include "model/route.h"
#include "transport/dial.h"
#include "transport/pair.h"
#include "trap/accept.h"
#include "trap/delivery.h"
#include "trap/dialer.h"
#include "trap/epoll.h"
#include "trap/handlers.h"
#include "trap/listener.h"
#include "trap/notify.h"
#include "trap/option-memory.h"
#include "trap/pending.h"

enum {
        /* The loop must not look for long. */
        PORT_TRIES_MAX = 512,
        /* Records of refusals of one app in a window of time; what is more is counted. */
        REFUSALS_PER_WINDOW = 10,
        REFUSAL_WINDOW_SEC = 10,
};

/* How long a handshake may take before the listener's queue is taken to be full. */
#define HANDSHAKE_USEC (20 * USEC_PER_MSEC)

/* The listener that a backend of the directory is part of. */
static Listener *backend_listener(Backend *backend) {
        return CONTAINER_OF(backend, Listener, backend);
}

typedef struct Connect {
        Call *call;
        SocketInfo socket;
        Endpoint to;
        int flags; /* of the descriptor */
        bool foreign; /* the socket was made by us, for another connection: the kernel must not connect it */
        bool tcp;  /* it stays a TCP connection */
} Connect;

/*
 * Sockets in the file system cross network namespaces. A resolver behind one
 * would answer for the host, not for the app, so it is not there: libc then
 * asks by DNS (nscd(8), nss-resolve(8)).
 */
static bool is_resolver_of_host(const SockAddr *sa, size_t size) {
        static const char *const paths[] = {
                "/run/nscd/socket",
                "/var/run/nscd/socket",
                "/run/systemd/resolve/io.systemd.Resolve",
                "/var/run/systemd/resolve/io.systemd.Resolve",
        };
        const struct sockaddr_un *un = (const struct sockaddr_un *) sa;
        char path[sizeof(un->sun_path) + 1] = "";

        if (size <= offsetof(struct sockaddr_un, sun_path) || size > sizeof(*un) || sa->sa.sa_family != AF_UNIX)
                return false;
        memcpy(path, un->sun_path, size - offsetof(struct sockaddr_un, sun_path));
        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                if (strcmp(path, paths[i]) == 0)
                        return true;
        return false;
}

static void connect_other(Call *call) {
        SockAddr sa;
        ssize_t n;

        n = call_read_sockaddr(call, call_arg(call, 1), call_arg(call, 2), &sa);
        if (n > 0 && is_resolver_of_host(&sa, (size_t) n))
                (void) call_fail(call, -ECONNREFUSED);
        else
                (void) call_continue(call);
}

static void log_refusal(Trap *trap, const Connect *c, const Route *route) {
        char to[ENDPOINT_STRING_MAX], app[300], peer[300], address[ENDPOINT_STRING_MAX + 32];
        struct timespec now;
        uint64_t window;

        trap->sw->n_refused++;
        (void) clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        window = (uint64_t) now.tv_sec / REFUSAL_WINDOW_SEC;
        if (window != trap->refused_window) {
                trap->refused_window = window;
                trap->n_refused = 0;
        }
        if (++trap->n_refused > REFUSALS_PER_WINDOW)
                return;

        (void) endpoint_format(&c->to, c->to.address.family, to);
        (void) snprintf(app, sizeof(app), "APPSWITCH_APP=%s", trap->party->id);
        (void) snprintf(peer, sizeof(peer), "APPSWITCH_PEER=%s", route->refused_by->id);
        (void) snprintf(address, sizeof(address), "APPSWITCH_ADDRESS=%s", to);
        (void) log_fields(LOG_NOTICE, 0,
                          (const char *const[]){
                                          "MESSAGE_ID=6ac3df0b1d1b4f5c9a1b0f7a2f0f6d11",
                                          app,
                                          peer,
                                          address,
                                          NULL,
                          },
                          "%s was refused a connection to %s of %s: they share no tag.%s", trap->party->id, to,
                          route->refused_by->id,
                          trap->n_refused == REFUSALS_PER_WINDOW ? " (Further records are held back for a while.)" : "");
}

/*
 * The errors that the kernel gives for an address before it looks for a route.
 * (In tcp_v4_connect() and tcp_v6_connect().)
 */
static int check_address(Connect *c, const SockAddr *sa, ssize_t size) {
        int r, v6only = 0;
        socklen_t n = sizeof(v6only);

        if (size < 0)
                return (int) size;
        if (size < (ssize_t) sizeof(sa_family_t))
                return -EINVAL;
        if (c->socket.family == AF_INET && size < (ssize_t) sizeof(struct sockaddr_in))
                return -EINVAL;
        if (c->socket.family == AF_INET6 && size < (ssize_t) offsetof(struct sockaddr_in6, sin6_scope_id))
                return -EINVAL;
        if (sa->sa.sa_family != c->socket.family)
                return -EAFNOSUPPORT;
        r = endpoint_from_sockaddr(sa, (size_t) size, &c->to);
        if (r < 0)
                return r;
        /* An IPv4-mapped address on a socket for IPv6 only. */
        if (c->socket.family == AF_INET6 && c->to.address.family == AF_INET &&
            getsockopt(c->call->fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &n) >= 0 && v6only)
                return -ENETUNREACH;
        return 0;
}

/* Where the connection begins, but for an ephemeral port. */
static int get_source(const Connect *c, const Route *route, Endpoint *ret) {
        const Endpoint *bound = &c->socket.bound;

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

/* Dials, and makes the pair if it can be one. Returns 0, or -EADDRINUSE if the port is taken. */
static int link_try(Connect *c, Link *link, bool direct) {
        int r;

        if (!direct) {
                link->dialed = r = trap_take_socket(link->server, c->socket.family);
                if (r >= 0)
                        r = dial(link->dialed, &link->ends.client, &link->ends.server, c->socket.family);
                if (r < 0) {
                        link->dialed = safe_close(link->dialed);
                        return r;
                }
                link->state = (DialState) r;
                if (link->state != DIAL_CONNECTED || c->tcp)
                        return 0;
        }
        r = pair_new(&link->ends, &link->client, &link->server_fd);
        if (r < 0)
                link->dialed = safe_close(link->dialed);
        return r;
}

static int link_make(Connect *c, Link *link, bool direct) {
        int r = -EADDRINUSE;

        if (c->socket.bound.port != 0)
                r = link_try(c, link, direct);
        else
                for (unsigned i = 0; i < PORT_TRIES_MAX && r == -EADDRINUSE; i++) {
                        link->ends.client.port = trap_next_port(c->call->trap, i);
                        r = link_try(c, link, direct);
                }
        return r == -EADDRINUSE ? -EADDRNOTAVAIL : r;
}

/* Puts the client's end over his descriptor. Returns 1, 0 if he is gone and the call with him, or a negative errno. */
static int replace_client(Connect *c, int fd) {
        Trap *trap = c->call->trap;
        int r;

        r = notify_replace_fd(trap->notify_fd, c->call->slot->notif.id, fd, call_fd_arg(c->call), c->flags & O_CLOEXEC);
        if (r == -ENOENT || r == -ESRCH) {
                trap->sw->n_gone++;
                call_drop(c->call);
                return 0;
        }
        if (r < 0)
                return r;
        epoll_replace(c->call, c->call->fd, fd);
        return 1;
}

static void report(Connect *c, int client) {
        /* TCP never is connected at once on a socket that must not wait. */
        if (c->flags & O_NONBLOCK)
                (void) call_fail(c->call, -EINPROGRESS);
        else if (call_return(c->call, 0) >= 0)
                (void) pair_set_mark(client, PAIR_MARK_UNREPORTED, false);
}

/*
 * The client gets the TCP socket. If the listener's queue is full and he is one
 * that waits, he connects it himself, so that he waits in the kernel: it cannot
 * be connected to anything else.
 */
static int connect_tcp(Connect *c, Link *link) {
        int r;

        r = link->state == DIAL_WAITS && !(c->flags & O_NONBLOCK) ? dial_undo(link->dialed) : 0;
        if (r >= 0)
                r = dial_hand_out(link->dialed, &link->ends.client, &link->ends.server);
        if (r < 0)
                return r;
        option_memory_inherit(c->call->trap, c->call->trap, c->call->fd, link->dialed, true);
        if ((c->flags & O_NONBLOCK) && fcntl(link->dialed, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        r = replace_client(c, link->dialed);
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
        Listener *l = link->listener;
        int r;

        option_memory_inherit(c->call->trap, c->call->trap, c->call->fd, link->client, false);
        r = replace_client(c, link->client);
        if (r <= 0)
                return r;
        if (link->dialed >= 0)
                (void) pending_add(link->server, &link->ends.client, &link->ends.server, TAKE_FD(link->server_fd),
                                   TAKE_FD(link->dialed));
        else {
                const uint64_t cookie = l->cookie;

                option_memory_inherit(l->trap, l->trap, l->waiting_fd, link->server_fd, false);
                r = accept_hand_over(l, &(Connection){ link->server_fd, link->ends.client, NULL }, c->call->slot->notif.id);
                /* Who waited was interrupted this very moment: into the queue. */
                l = switch_find_listener(sw, cookie);
                if (r < 0 && l)
                        pending_return_fd(l, TAKE_FD(link->server_fd), &link->ends.client);
        }
        report(c, link->client);
        delivery_end(sw);
        return 0;
}

static int connect_link(Connect *c, Link *link) {
        c->call->trap->sw->n_connections++;
        return link->client >= 0 ? connect_pair(c, link) : connect_tcp(c, link);
}

/* A connect that waits for the kernel to be done with the handshake. */
typedef struct Dialing {
        Connect connect;
        Link link;
        uint64_t server, listener; /* number, cookie: they may be gone by then */
        sd_event_source *io, *timer;
} Dialing;

Dialing *dialing_free(Dialing *d) {
        if (!d)
                return NULL;
        sd_event_source_disable_unref(d->io);
        sd_event_source_disable_unref(d->timer);
        link_done(&d->link);
        free(d);
        return NULL;
}

static void connect_route(Connect *c);

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
                        listener_withdraw(link.listener);
                connect_route(&c);
                return;
        }
        link.state = (DialState) r;
        /* If there is such a pair already it is TCP that tells the two apart. */
        if (link.state == DIAL_CONNECTED && !c.tcp)
                (void) pair_new(&link.ends, &link.client, &link.server_fd);
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

/*
 * Connects to the backend that the route chose. Returns 0 if the call is ended
 * or waits, or a negative errno for the caller; -EPIPE if the backend turned
 * out to be gone.
 */
static int connect_backend(Connect *c, const Route *route) {
        Listener *l = backend_listener(route->backend);
        _cleanup_(link_done) Link link = {
                .server = l->trap,
                .listener = l,
                .ends = {
                        .server = { route->to, c->to.port },
                        .client_family = c->socket.family,
                        .server_family = l->backend.family,
                        .client_nonblock = c->flags & O_NONBLOCK,
                },
                .client = -EBADF,
                .server_fd = -EBADF,
                .dialed = -EBADF,
        };
        int r;

        r = get_source(c, route, &link.ends.client);
        if (r < 0)
                return r;
        listener_sweep(l);
        c->tcp = trap_uses_tcp(c->call->trap) || trap_uses_tcp(l->trap) || !pending_has_room(l->trap);
        r = link_make(c, &link, !c->tcp && l->accepts);
        if (r < 0)
                return r;
        if (link.dialed >= 0 && link.state == DIAL_REFUSED)
                return -EPIPE;
        if (link.dialed >= 0 && link.state == DIAL_WAITS)
                return connect_later(c, &link);
        return connect_link(c, &link);
}

/*
 * Nobody listens there. Who does not wait is told so as TCP tells it, later and
 * by SO_ERROR: by a socket that was refused by the app itself, in its own
 * namespace.
 * Returns 0 if the call is ended, or a negative errno for the caller.
 */
static int connect_refused(Connect *c, const Route *route) {
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
        r = get_source(c, route, &link.ends.client);
        if (r < 0)
                return r;
        if (link.ends.client.port == c->to.port)
                return -ECONNREFUSED; /* TCP connects such a one to itself */
        link.ends.server = (Endpoint){ link.ends.client.address, c->to.port };
        c->tcp = true;
        r = link_make(c, &link, false);
        if (r < 0 || link.state == DIAL_CONNECTED)
                return -ECONNREFUSED;
        return connect_tcp(c, &link);
}

/* The state of a TCP socket (tcp(7)), which is the first byte of TCP_INFO; or a negative errno. */
static int tcp_state(int fd) {
        uint8_t state;
        socklen_t size = sizeof(state);

        return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &size) < 0 ? -errno : state;
}

/*
 * Whether it is the app's own business: nobody else would be found at that
 * address. To itself an app connects as it would without us, in its own
 * namespace.
 */
static bool is_own_business(const Connect *c, const Route *route) {
        const Trap *trap = c->call->trap;

        if (c->foreign || !route_is_own(trap->party, &c->to.address))
                return false;
        return route->verdict == ROUTE_NO_BACKEND ||
                        (route->verdict == ROUTE_BACKEND && route->backend->party == trap->party);
}

/* Finds the server and connects to it. Ends the call. */
static void connect_route(Connect *c) {
        Trap *trap = c->call->trap;
        int r;

        /* Each turn of the loop takes one dead backend out of the directory. */
        for (;;) {
                Route route = route_connect(trap->sw->directory, trap->party, &c->to);

                if (route.verdict == ROUTE_NATIVE) {
                        if (c->foreign)
                                (void) call_fail(c->call, -ENETUNREACH);
                        else
                                (void) call_continue(c->call);
                        return;
                }
                if (is_own_business(c, &route)) {
                        (void) call_continue(c->call);
                        return;
                }
                if (route.verdict == ROUTE_REFUSED)
                        log_refusal(trap, c, &route);
                if (route.verdict == ROUTE_BACKEND)
                        r = connect_backend(c, &route);
                else if (route.verdict == ROUTE_NO_BACKEND && (c->flags & O_NONBLOCK))
                        r = connect_refused(c, &route);
                else
                        r = -route_verdict_to_errno(route.verdict);
                if (r != -EPIPE) {
                        if (r < 0)
                                (void) call_fail(c->call, r);
                        return;
                }
                listener_withdraw(backend_listener(route.backend));
        }
}

/*
 * connect(2) with AF_UNSPEC ends a connection, and the socket can be used
 * anew: by one of the app's own namespace.
 */
static void disconnect(Connect *c) {
        const struct linger reset = { .l_onoff = 1 };
        _cleanup_close_ int fd = -EBADF;
        Call *call = c->call;
        int r;

        c->flags = call_get_fd_flags(call);
        fd = r = c->flags < 0 ? -EBADF : trap_take_plain_socket(call->trap, c->socket.family);
        if (r >= 0 && (c->flags & O_NONBLOCK) && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                r = -errno;
        if (r < 0) {
                (void) call_fail(call, r);
                return;
        }
        option_memory_inherit(call->trap, call->trap, call->fd, fd, true);
        r = replace_client(c, fd);
        if (r < 0)
                (void) call_fail(call, r);
        if (r <= 0)
                return;
        (void) setsockopt(call->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        (void) call_return(call, 0);
}

static void connect_native(Connect *c) {
        Trap *trap = c->call->trap;
        SockAddr sa;
        ssize_t size;
        int r;

        c->foreign = call_socket_is_foreign(c->call) || dial_is_marked(c->call->fd);
        size = call_read_sockaddr(c->call, call_arg(c->call, 1), call_arg(c->call, 2), &sa);
        if (size >= (ssize_t) sizeof(sa_family_t) && sa.sa.sa_family == AF_UNSPEC) {
                if (c->foreign)
                        disconnect(c);
                else
                        (void) call_continue(c->call);
                return;
        }
        /* Connected already, or on the way: the kernel knows what to say. */
        if (tcp_state(c->call->fd) != TCP_CLOSE) {
                (void) call_continue(c->call);
                return;
        }
        r = check_address(c, &sa, size);
        if (r < 0) {
                (void) call_fail(c->call, r);
                return;
        }
        c->flags = call_get_fd_flags(c->call);
        if (c->flags < 0) {
                (void) call_fail(c->call, -EBADF);
                return;
        }
        /* The kernel would still find a listener that is closed, but for the copy that we have while an accept waits. */
        if (route_is_own(trap->party, &c->to.address))
                trap_sweep_listeners(trap);

        connect_route(c);
}

/* Whether the other end of the pair is gone. */
static bool hung_up(int fd) {
        struct pollfd p = { .fd = fd };

        return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

/* A second connect on the same descriptor. */
static void connect_again(Connect *c) {
        Call *call = c->call;
        SockAddr sa;
        ssize_t n;

        n = call_read_sockaddr(call, call_arg(call, 1), call_arg(call, 2), &sa);
        if (n >= 0 && n < (ssize_t) sizeof(sa_family_t))
                n = -EINVAL;
        if (n < 0) {
                (void) call_fail(call, (int) n);
                return;
        }
        if (sa.sa.sa_family == AF_UNSPEC) {
                disconnect(c);
                return;
        }
        if (!pair_get_mark(call->fd, PAIR_MARK_UNREPORTED)) {
                (void) call_fail(call, -EISCONN);
                return;
        }
        /*
         * The daemon that made the pair died before it gave the other end to the server: once more. Unless the server
         * had it, and is through with it.
         */
        if (call->resumed && hung_up(call->fd) && call->trap->sw->delivered_connect != call->slot->notif.id) {
                SocketName name = c->socket.name;

                c->socket.bound = (Endpoint){ .address.family = name.local.address.family };
                c->foreign = true;
                c->flags = call_get_fd_flags(call);
                if (c->flags >= 0 && endpoint_from_sockaddr(&sa, (size_t) n, &c->to) >= 0) {
                        connect_route(c);
                        return;
                }
        }
        (void) pair_set_mark(call->fd, PAIR_MARK_UNREPORTED, false);
        (void) call_return(call, 0);
}

void handle_connect(Call *call) {
        Connect c = { .call = call };
        int r;

        r = call_get_socket(call, &c.socket);
        if (r < 0)
                return;
        switch (c.socket.kind) {
        case SOCKET_OTHER:
                connect_other(call);
                break;
        case SOCKET_PAIR:
                connect_again(&c);
                break;
        case SOCKET_NATIVE:
                connect_native(&c);
                break;
        }
}
