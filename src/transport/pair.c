/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/socket.h>

#include "basic/fd.h"
#include "transport/pair.h"

static uint32_t read_mark(int fd) {
        socklen_t size = sizeof(uint32_t);
        uint32_t mark = 0;

        return getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size) < 0 ? 0 : mark;
}

static int write_mark(int fd, uint32_t mark) {
        return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ? -errno : 0;
}

static int end_set_up(int fd, const SocketName *name) {
        const int size = PAIR_SEND_BUFFER;

        if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
                return -errno;
        return socket_name_bind(fd, name);
}

int pair_new(const PairEnds *ends, int *ret_client, int *ret_server) {
        _cleanup_close_ int client = -EBADF, server = -EBADF;
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        client = fds[0];
        server = fds[1];

        r = end_set_up(client, &(SocketName){
                .type = SOCKET_NAME_CLIENT,
                .family = ends->client_family,
                .local = ends->client,
                .peer = ends->service,
        });
        if (r < 0)
                return r;
        r = end_set_up(server, &(SocketName){
                .type = SOCKET_NAME_SERVER,
                .family = ends->server_family,
                .local = ends->server,
                .peer = ends->client,
                .local_app = ends->server_app,
                .peer_app = ends->client_app,
        });
        if (r < 0)
                return r;
        if (ends->client_nonblock && fcntl(client, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        r = write_mark(client, PAIR_MARK_UNREPORTED);
        if (r < 0)
                return r;

        *ret_client = TAKE_FD(client);
        *ret_server = TAKE_FD(server);
        return 0;
}

int pair_set_mark(int fd, uint32_t bits, bool on) {
        const uint32_t old = read_mark(fd), mark = on ? old | bits : old & ~bits;

        return mark != old ? write_mark(fd, mark) : 0;
}

uint32_t pair_get_mark(int fd, uint32_t bits) {
        return read_mark(fd) & bits;
}
