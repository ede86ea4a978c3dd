/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "basic/caps.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "transport/socket-owner.h"
#include "trap/option-memory.h"
#include "trap/outside-socket.h"

#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif

/*
 * Where the connection is to come from, and by which device it is to leave. The
 * port that the client is bound to is taken if the host has it for ordinary
 * users, and has it free.
 */
static int bind_source(const Connect *c, int fd, int family, int target_family) {
        const Exit *exit = &c->call->trap->sw->exit;
        Endpoint from = { target_family == AF_INET ? exit->source4 : exit->source6, c->bound.port };
        const bool chosen = from.address.family != AF_UNSPEC;
        const int on = 1;
        SockAddr sa;
        socklen_t size;

        if (*exit->device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, exit->device, (socklen_t) strlen(exit->device)) < 0)
                return errno == ENODEV ? -ENETUNREACH : -errno;
        from.address.family = (uint16_t) target_family;
        size = endpoint_to_sockaddr(&from, family, &sa);
        if (from.port != 0 && bind(fd, &sa.sa, size) >= 0)
                return 0;
        if (!chosen)
                return 0;
        /* The port is chosen with a look at where the connection goes, so that there are enough for many. */
        (void) setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        from.port = 0;
        size = endpoint_to_sockaddr(&from, family, &sa);
        return bind(fd, &sa.sa, size) < 0 ? -errno : 0;
}

/* A socket of the host's, whose owner is the app's user. */
static int open_socket(const Trap *trap, int family) {
        int fd, r;

        /* Without the right it is ours. */
        r = socket_owner_begin(trap->party->uid);
        fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
        r = fd < 0 ? -errno : r;
        socket_owner_end();
        if (fd < 0)
                return r;
        if (r < 0 && !trap->sw->without_owners) {
                trap->sw->without_owners = true;
                (void) log_warning_errno(r, "Failed to make sockets outside those of the apps' users, ignoring: %m");
        }
        return fd;
}

int outside_socket_new(const Connect *c, const Route *route, int family) {
        const int off = 0;
        _cleanup_close_ int fd = -EBADF;
        Caps caps;
        int r;

        fd = open_socket(c->call->trap, family);
        if (fd < 0)
                return fd;
        r = caps_suspend(&caps);
        if (r < 0)
                return r;
        option_memory_inherit(c->call->trap, c->call->trap, c->call->fd, fd, true);
        /* It would connect with the first data only; and the kernel's own default for the other one is the host's. */
        (void) setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &off, sizeof(off));
        if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
                r = -errno;
        if (r >= 0 && route->verdict == ROUTE_OUTSIDE)
                r = bind_source(c, fd, family, route->target.address.family);
        caps_resume(&caps);
        return r < 0 ? r : TAKE_FD(fd);
}

int outside_socket_connect(int fd, const Endpoint *to, int family) {
        SockAddr sa;
        socklen_t size = endpoint_to_sockaddr(to, family, &sa);

        return connect(fd, &sa.sa, size) < 0 && errno != EINPROGRESS ? -errno : 0;
}

int outside_socket_lock(int fd, const Endpoint *target, const PeerView *view) {
        SockAddr sa;
        socklen_t size = sizeof(sa);
        Endpoint local;
        int r;

        if (getsockname(fd, &sa.sa, &size) < 0)
                return -errno;
        r = endpoint_from_sockaddr(&sa, size, &local);
        if (r < 0)
                return r;
        /* Nobody listens on this port of the host, and TCP connects such a one to itself. */
        if (endpoint_equal(&local, target))
                return -ECONNREFUSED;
        return peer_lock(fd, &local, target, view);
}
