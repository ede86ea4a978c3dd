/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * connect(2): where it goes, and what the kernel or the switch says to those
 * that go nowhere. Those that go to another app are carried out in trap/link.c.
 */

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/clock.h"
#include "basic/deadline.h"
#include "basic/fd.h"
#include "transport/pair.h"
#include "trap/alias.h"
#include "trap/dialer.h"
#include "trap/handlers.h"
#include "trap/link.h"
#include "trap/listener.h"
#include "trap/option-memory.h"
#include "trap/outside.h"
#include "trap/refusal.h"
#include "trap/rule-log.h"

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

static void connect_other(Call *call, const CallLook *look) {
        if (look->size > 0 && is_resolver_of_host(&look->address, (size_t) look->size))
                (void) call_fail(call, -ECONNREFUSED);
        else
                (void) call_continue(call);
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

/* Before a name is no good any more, what the name service has told of it until now is heard. */
static Route find_route(const Connect *c) {
        Trap *trap = c->call->trap;
        const uint64_t now = now_usec(CLOCK_MONOTONIC);
        Route route = route_connect(trap->sw->directory, trap->party, &c->to, now, &c->tried);

        if (route.verdict != ROUTE_NO_EGRESS || !egress_has_names(trap->party->egress))
                return route;
        trap->sw->hooks->hear_names(trap->sw->userdata);
        return route_connect(trap->sw->directory, trap->party, &c->to, now, &c->tried);
}

void connect_route(Connect *c) {
        Trap *trap = c->call->trap;
        int r;

        /* Each turn of the loop takes one backend out of the directory, or notes it among those that were tried. */
        for (;;) {
                const Route route = find_route(c);

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
                if (c->tried.n == 0)
                        rule_note(trap, &c->to, &route);
                if (refusal_is_one(&route))
                        refusal_note(trap, &c->to, &route);
                if (route.verdict == ROUTE_BACKEND)
                        r = connect_backend(c, &route);
                else if (route.verdict == ROUTE_STARTS)
                        r = connect_started(c, &route);
                else if (route.verdict == ROUTE_EXTERNAL || route.verdict == ROUTE_OUTSIDE)
                        r = connect_outside(c, &route);
                else if (route.verdict == ROUTE_NO_BACKEND && c->error < 0 && c->error != -ECONNREFUSED)
                        r = c->error;
                else if (route.verdict == ROUTE_NO_BACKEND && (c->flags & O_NONBLOCK))
                        r = connect_refused(c, &route);
                else
                        r = -route_verdict_to_errno(route.verdict);
                if (r != -EPIPE) {
                        if (r < 0)
                                (void) call_fail(c->call, r);
                        return;
                }
                if (route.verdict == ROUTE_BACKEND)
                        connect_skip(c, backend_listener(route.backend));
        }
}

int connect_replace_by_plain(Connect *c) {
        _cleanup_close_ int fd = -EBADF;
        Call *call = c->call;
        int r;

        fd = r = c->flags < 0 ? -EBADF : trap_take_plain_socket(call->trap, c->socket.family);
        if (r >= 0 && (c->flags & O_NONBLOCK) && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                r = -errno;
        if (r < 0)
                return r;
        option_memory_inherit(call->trap, call->trap, call->fd, fd, true);
        return connect_replace(c, call->fd, fd);
}

/*
 * connect(2) with AF_UNSPEC ends a connection, and the socket can be used
 * anew: by one of the app's own namespace.
 */
static void disconnect(Connect *c) {
        const struct linger reset = { .l_onoff = 1 };
        Call *call = c->call;
        int r;

        r = connect_replace_by_plain(c);
        if (r < 0)
                (void) call_fail(call, r);
        if (r <= 0)
                return;
        (void) setsockopt(call->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        (void) call_return(call, 0);
}

/* Whether an error waits to be told, without taking it. */
static bool has_error(int fd) {
        struct pollfd p = { .fd = fd };

        return poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

/* A connection to the outside once more, or one that failed. Returns false if it is over and the socket can be used anew. */
static bool connect_foreign_again(Connect *c, const CallLook *look) {
        PeerView view;

        if (!alias_is_outside(c->call))
                return false;
        /* It may stand for one of the other family. */
        if (alias_get(c->call, false, &view) > 0)
                c->socket.family = view.family;
        if (look->size < (ssize_t) sizeof(sa_family_t) || look->address.sa.sa_family == AF_UNSPEC || c->flags < 0 ||
            look->state < 0 || (look->state == TCP_CLOSE && !has_error(c->call->fd)))
                return false;
        (void) endpoint_from_sockaddr(&look->address, (size_t) look->size, &c->to);
        connect_outside_again(c, look->state);
        return true;
}

static void connect_native(Connect *c, const CallLook *look) {
        Trap *trap = c->call->trap;
        int r;

        c->foreign = call_socket_is_foreign(c->call) || dial_is_marked(c->call->fd);
        if (c->foreign && connect_foreign_again(c, look))
                return;
        if (look->size >= (ssize_t) sizeof(sa_family_t) && look->address.sa.sa_family == AF_UNSPEC) {
                if (c->foreign)
                        disconnect(c);
                else
                        (void) call_continue(c->call);
                return;
        }
        /* Connected already, on the way, or failed on it: the kernel knows what to say. */
        if (look->state >= 0 && (look->state != TCP_CLOSE || (c->foreign && has_error(c->call->fd)))) {
                (void) call_continue(c->call);
                return;
        }
        r = check_address(c, &look->address, look->size);
        if (r >= 0 && (look->state < 0 || c->flags < 0))
                r = -EBADF;
        if (r < 0) {
                (void) call_fail(c->call, r);
                return;
        }
        (void) endpoint_from_sockaddr(&look->bound, look->bound_size, &c->bound);
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

static bool is_nonblocking(int fd) {
        int flags = fcntl(fd, F_GETFL);

        return flags >= 0 && (flags & O_NONBLOCK);
}

/* A second connect on the same descriptor: by the app, or by the kernel, as the first one was interrupted. */
static void connect_again(Connect *c, const CallLook *look) {
        Call *call = c->call;
        ssize_t n = look->size;
        uint32_t marks;
        bool first;
        int fd;

        if (n >= 0 && n < (ssize_t) sizeof(sa_family_t))
                n = -EINVAL;
        if (n < 0) {
                (void) call_fail(call, (int) n);
                return;
        }
        if (look->address.sa.sa_family == AF_UNSPEC) {
                c->flags = call_get_flags(call);
                disconnect(c);
                return;
        }
        /*
         * The daemon that put the pair there died before it gave the other end to the server: once more. Unless the server
         * had it, and is through with it.
         */
        if (call->resumed && call->slot->replaces && hung_up(call->fd) &&
            call->trap->sw->delivered_connect != call->slot->notif.id) {
                SocketName name = c->socket.name;

                c->bound = (Endpoint){ .address.family = name.local.address.family };
                c->foreign = true;
                c->flags = call_get_flags(call);
                if (c->flags >= 0 && endpoint_from_sockaddr(&look->address, (socklen_t) n, &c->to) >= 0) {
                        connect_route(c);
                        return;
                }
        }
        marks = pair_get_mark(call->fd, PAIR_MARK_UNREPORTED | PAIR_MARK_UNTOLD);
        if (!(marks & PAIR_MARK_UNREPORTED)) {
                (void) call_fail(call, -EISCONN);
                return;
        }
        /* A mark goes when he was told, and not if he was interrupted: then he asks again. */
        first = ((marks & PAIR_MARK_UNTOLD) || (call->resumed && call->slot->replaces)) && is_nonblocking(call->fd);
        fd = TAKE_FD(call->fd);
        if ((first ? call_fail(call, -EINPROGRESS) : call_return(call, 0)) >= 0)
                (void) pair_set_mark(fd, first ? PAIR_MARK_UNTOLD : PAIR_MARK_UNREPORTED, false);
        (void) deadline_close(fd);
}

void handle_connect(Call *call) {
        Connect c = { .call = call };
        CallLook look;
        int r;

        r = call_get_socket(call, &c.socket);
        if (r < 0)
                return;
        call_look(call, c.socket.kind == SOCKET_NATIVE, &look);
        c.flags = look.flags;
        switch (c.socket.kind) {
        case SOCKET_OTHER:
                connect_other(call, &look);
                break;
        case SOCKET_PAIR:
                connect_again(&c, &look);
                break;
        case SOCKET_NATIVE:
                connect_native(&c, &look);
                break;
        }
}
