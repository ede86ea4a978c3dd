/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <netinet/in.h>
#include <sys/socket.h>

#include "basic/fd.h"
#include "transport/exposed-socket.h"
#include "transport/socket-owner.h"

static int set_option(int fd, int option, int on) {
        return setsockopt(fd, SOL_SOCKET, option, &on, sizeof(on)) < 0 ? -errno : 0;
}

int exposed_socket_share(int fd) {
        int r = set_option(fd, SO_REUSEADDR, true);

        return r < 0 ? r : set_option(fd, SO_REUSEPORT, true);
}

int exposed_socket_new(const Endpoint *at, uid_t uid) {
        _cleanup_close_ int fd = -EBADF;
        const int on = 1, v6only = at->address.family == AF_INET6;
        int family = AF_INET6, r;
        SockAddr sa;
        socklen_t size;

        r = socket_owner_begin(uid);
        if (r < 0)
                return r;
        fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
        if (fd < 0 && at->address.family == AF_INET) {
                family = AF_INET;
                fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
        }
        r = fd < 0 ? -errno : 0;
        socket_owner_end();
        if (r < 0)
                return r;
        size = endpoint_to_sockaddr(at, family, &sa);
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
            (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0) ||
            bind(fd, &sa.sa, size) < 0 ||
            /* Only now it is known that nobody else has it. */
            listen(fd, SOMAXCONN) < 0)
                return -errno;
        r = set_option(fd, SO_REUSEADDR, false);
        return r < 0 ? r : TAKE_FD(fd);
}

int exposed_socket_listen(int fd, bool on) {
        int r;

        if (!on)
                return shutdown(fd, SHUT_RDWR) < 0 ? -errno : 0;
        r = listen(fd, SOMAXCONN) < 0 ? -errno : 0;
        if (r == -EADDRINUSE) {
                (void) set_option(fd, SO_REUSEPORT, true);
                r = listen(fd, SOMAXCONN) < 0 ? -errno : 0;
                (void) set_option(fd, SO_REUSEPORT, false);
        }
        return r;
}
