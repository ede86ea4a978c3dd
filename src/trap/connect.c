/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * connect(2). The order of the steps is what makes a connect that is
 * interrupted, or whose daemon dies, harmless to do again: the pair goes over
 * the client's descriptor, its other end to the server, then the answer to the
 * client. Asked again, the call finds a pair in place of its socket, and a mark
 * on it that says whether the client was told.
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
#include "transport/pair.h"
#include "transport/tcp-net.h"
#include "trap/epoll.h"
#include "trap/handlers.h"
#include "trap/notify.h"
#include "trap/option-memory.h"

enum {
        /* ip_local_port_range as Linux has it by default (ip(7)). */
        PORT_FIRST = 32768,
        PORT_LAST = 60999,
        /* The loop must not look for long. */
        PORT_TRIES_MAX = 512,
        /* Records of refusals of one app in a window of time; what is more is counted. */
        REFUSALS_PER_WINDOW = 10,
        REFUSAL_WINDOW_SEC = 10,
};

/* The listener that a backend of the directory is part of. */
static Listener *backend_listener(Backend *backend) {
        return (Listener *) ((char *) backend - offsetof(Listener, backend));
}

typedef struct Connect {
        Call *call;
        SocketInfo socket;
        Endpoint to;
        int flags; /* of the descriptor */
        bool foreign; /* the socket is not of the app's namespace, so the kernel must not connect it */
        bool tcp;  /* it becomes a TCP connection, not a pair */
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

/* Joins the ends by a pair, or by TCP where one of the apps wants that. */
static int join(Connect *c, const PairEnds *ends, int *ret_client, int *ret_server) {
        Switch *sw = c->call->trap->sw;
        int r;

        if (!c->tcp)
                return pair_new(ends, ret_client, ret_server);
        if (!sw->tcp) {
                r = launch_sockets();
                if (r >= 0)
                        r = tcp_net_new(r, &sw->tcp);
                if (r < 0)
                        return r;
        }
        r = tcp_net_connect(sw->tcp, ends, ret_client, ret_server);
        if (r == -ENOTCONN) /* its process is gone; the next connect makes a new one */
                sw->tcp = tcp_net_free(sw->tcp);
        if (r >= 0 && ends->client_nonblock && fcntl(*ret_client, F_SETFL, O_NONBLOCK) < 0)
                r = -errno;
        return r;
}

/* What the client's end is called: where it is bound to, or where the route begins, and a port of its own. */
static int make_pair(Connect *c, const Route *route, Endpoint *ret_client, int *ret_client_fd, int *ret_server_fd) {
        const Endpoint *bound = &c->socket.bound;
        const Listener *l = backend_listener(route->backend);
        Trap *trap = c->call->trap;
        PairEnds ends = {
                .client = { route->source, bound->port },
                .server = { route->to, c->to.port },
                .client_family = c->socket.family,
                .server_family = l->sockets.family,
                .client_nonblock = c->flags & O_NONBLOCK,
        };
        int r = -EADDRNOTAVAIL;

        if (!address_is_unspecified(&bound->address)) {
                /* As ip_route_output_key_hash_rcu() says to who leaves loopback from a loopback address. */
                if (address_is_loopback(&bound->address) && !address_is_loopback(&route->to))
                        return -EINVAL;
                /* With IP_FREEBIND a socket can be bound to an address that is somebody else's. */
                if (!route_is_own(trap->party, &bound->address))
                        return -EADDRNOTAVAIL;
                ends.client.address = bound->address;
        }
        if (bound->port != 0) {
                *ret_client = ends.client;
                r = join(c, &ends, ret_client_fd, ret_server_fd);
                return r == -EADDRINUSE ? -EADDRNOTAVAIL : r;
        }
        for (unsigned i = 0; i < PORT_TRIES_MAX; i++) {
                /* A step of a large prime visits all ports, and is far from those in use after a few tries. */
                trap->next_port += i < 2 ? 1 : 7919;
                ends.client.port = (uint16_t) (PORT_FIRST + trap->next_port % (PORT_LAST - PORT_FIRST + 1));
                r = join(c, &ends, ret_client_fd, ret_server_fd);
                if (r != -EADDRINUSE)
                        break;
        }
        *ret_client = ends.client;
        return r == -EADDRINUSE ? -EADDRNOTAVAIL : r;
}

/* The connection is the server's: into its hands if it waits, else into its queue. */
static int give_to_server(Listener *l, int fd, const Endpoint *client) {
        if (accept_hand_over(l, fd, client) >= 0)
                return 0;
        return listener_sockets_push(&l->sockets, fd, client);
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        (void) call_fail(userdata, -EINPROGRESS);
        return 0;
}

/* SO_SNDTIMEO is the time of a connect, too (socket(7)). In µs, 0 for none. */
static uint64_t send_timeout(int fd) {
        struct timeval tv = {};
        socklen_t size = sizeof(tv);

        if (getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, &size) < 0)
                return 0;
        return (uint64_t) tv.tv_sec * USEC_PER_SEC + (uint64_t) tv.tv_usec;
}

static void report(Connect *c, int client) {
        /* TCP never is connected at once on a socket that must not wait. */
        if (c->flags & O_NONBLOCK)
                (void) call_fail(c->call, -EINPROGRESS);
        else if (call_return(c->call, 0) >= 0 && !c->tcp)
                (void) pair_set_mark(client, PAIR_MARK_UNREPORTED, false);
}

/*
 * Connects to the backend that the route chose. Returns 0 if the call is ended
 * or parked, or a negative errno for the caller; -EPIPE if the backend turned
 * out to be gone.
 */
static int connect_backend(Connect *c, const Route *route) {
        Listener *l = backend_listener(route->backend);
        _cleanup_close_ int client = -EBADF, server = -EBADF;
        Trap *trap = c->call->trap;
        Endpoint client_endpoint;
        int r;

        if (listener_sockets_hung_up(&l->sockets))
                return -EPIPE;
        if (listener_sockets_full(&l->sockets) && !(c->flags & O_NONBLOCK)) {
                call_park(c->call, l, &l->connects, send_timeout(c->call->fd), on_timeout);
                return 0;
        }
        c->tcp = trap_uses_tcp(trap) || trap_uses_tcp(l->trap);
        r = make_pair(c, route, &client_endpoint, &client, &server);
        if (r < 0)
                return r;
        option_memory_inherit(trap, trap, c->call->fd, client, c->tcp);
        option_memory_inherit(l->trap, l->trap, l->sockets.native, server, c->tcp);
        r = notify_replace_fd(trap->notify_fd, c->call->slot->notif.id, client, call_fd_arg(c->call),
                              c->flags & O_CLOEXEC);
        if (r == -ENOENT) {
                trap->sw->n_gone++;
                call_drop(c->call);
                return 0;
        }
        if (r < 0)
                return r;
        epoll_replace(c->call, c->call->fd, client);
        r = give_to_server(l, server, &client_endpoint);
        if (r < 0)
                /* The server closed its listener this very moment; the client sees the end of the stream. */
                log_debug_errno(r, "%s: the listener of %s went away during a connect: %m", trap->party->id,
                                l->trap->party->id);
        trap->sw->n_connections++;
        report(c, client);
        return 0;
}

/*
 * To itself an app connects as it would without us: by TCP in its own
 * namespace, where its listeners listen natively. Everything about such a
 * connection is the kernel's. A connect that does not wait is made here, so
 * that the listener tells of it before the client goes on; else the client
 * makes it itself.
 */
static void connect_self(Connect *c, const SockAddr *sa, socklen_t size) {
        Trap *trap = c->call->trap;
        int error;

        if (!(c->flags & O_NONBLOCK)) {
                (void) call_continue(c->call);
                return;
        }
        error = connect(c->call->fd, &sa->sa, size) < 0 ? -errno : 0;
        for (Listener *l = trap->listeners; l; l = l->next)
                if (l->sockets.bound.port == c->to.port)
                        accept_take_native(l);
        if (error < 0)
                (void) call_fail(c->call, error);
        else
                (void) call_return(c->call, 0);
}

/* The state of a TCP socket (tcp(7)), which is the first byte of TCP_INFO; or a negative errno. */
static int tcp_state(int fd) {
        uint8_t state;
        socklen_t size = sizeof(state);

        return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &size) < 0 ? -errno : state;
}

/* Whether it is the app's own business: nobody else would be found at that address. */
static bool is_own_business(const Connect *c, const Route *route) {
        const Trap *trap = c->call->trap;

        if (c->foreign || !route_is_own(trap->party, &c->to.address))
                return false;
        return route->verdict == ROUTE_NO_BACKEND ||
                        (route->verdict == ROUTE_BACKEND && route->backend->party == trap->party);
}

/* Finds the server and connects to it. Ends or parks the call. */
static void connect_route(Connect *c, const SockAddr *sa, socklen_t size) {
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
                        connect_self(c, sa, size);
                        return;
                }
                if (route.verdict == ROUTE_REFUSED)
                        log_refusal(trap, c, &route);
                if (route.verdict != ROUTE_BACKEND) {
                        (void) call_fail(c->call, -route_verdict_to_errno(route.verdict));
                        return;
                }
                r = connect_backend(c, &route);
                if (r != -EPIPE) {
                        if (r < 0)
                                (void) call_fail(c->call, r);
                        return;
                }
                trap_flush_listeners(backend_listener(route.backend)->trap);
        }
}

static void connect_native(Connect *c) {
        Trap *trap = c->call->trap;
        uint64_t netns;
        SockAddr sa;
        ssize_t size;
        int r;

        size = call_read_sockaddr(c->call, call_arg(c->call, 1), call_arg(c->call, 2), &sa);
        if (size >= (ssize_t) sizeof(sa_family_t) && sa.sa.sa_family == AF_UNSPEC) {
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
        c->foreign = socket_netns_cookie(c->call->fd, &netns) < 0 || netns != trap->netns;
        /* Connected to itself already, or on the way: the kernel knows what to say. */
        if (tcp_state(c->call->fd) != TCP_CLOSE) {
                connect_self(c, &sa, (socklen_t) size);
                return;
        }
        /* The kernel would still find a listener that was closed just now. */
        if (route_is_own(trap->party, &c->to.address))
                trap_flush_listeners(trap);

        connect_route(c, &sa, (socklen_t) size);
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
        if (n < 0) {
                (void) call_fail(call, (int) n);
                return;
        }
        if (!pair_get_mark(call->fd, PAIR_MARK_UNREPORTED)) {
                (void) call_fail(call, -EISCONN);
                return;
        }
        /* The daemon that made the pair died before it gave the other end to the server: once more. */
        if (call->resumed && hung_up(call->fd)) {
                SocketName name = c->socket.name;

                c->socket.bound = (Endpoint){ .address.family = name.local.address.family };
                c->foreign = true;
                c->flags = call_get_fd_flags(call);
                if (c->flags >= 0 && endpoint_from_sockaddr(&sa, (size_t) n, &c->to) >= 0) {
                        connect_route(c, &sa, (socklen_t) n);
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
        case SOCKET_LISTENER:
                (void) call_fail(call, -EISCONN);
                break;
        case SOCKET_NATIVE:
                connect_native(&c);
                break;
        }
}

void connect_serve(Listener *l) {
        Switch *sw = l->trap->sw;
        const uint64_t number = l->sockets.number;

        /* A connect can find that this very listener is gone. */
        while ((l = switch_find_listener(sw, number)) && l->connects && !listener_sockets_full(&l->sockets)) {
                Call *call = l->connects;

                call_unpark(call);
                handle_connect(call);
        }
}

void connect_abandon(Listener *l) {
        while (l->connects) {
                Call *call = l->connects;

                call_unpark(call);
                handle_connect(call);
        }
}
