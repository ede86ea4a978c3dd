/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "basic/fd.h"
#include "transport/listener.h"

static int set_buffer(int fd) {
        /* Room for every connection of the largest backlog; a message takes less than 1 KiB. */
        const int size = LISTENER_BACKLOG_MAX * 1024;

        return setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0 ? -errno : 0;
}

static int read_native(ListenerSockets *l, int native) {
        SockAddr sa = {};
        socklen_t size = sizeof(sa);
        int v6only = 0, r;

        if (getsockname(native, &sa.sa, &size) < 0)
                return -errno;
        l->family = sa.sa.sa_family;
        if (l->family == AF_INET6) {
                socklen_t n = sizeof(v6only);

                if (getsockopt(native, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &n) < 0)
                        return -errno;
        }
        l->v6only = v6only;
        r = socket_netns_cookie(native, &l->netns);
        if (r < 0)
                return r;
        return endpoint_from_sockaddr(&sa, size, &l->bound);
}

int listener_sockets_open(ListenerSockets *l, uint64_t number, int native, int backlog, bool nonblock,
                          int *ret_app_end) {
        _cleanup_close_ int end = -EBADF, app_end = -EBADF;
        ListenerSockets n = { .number = number, .native = native };
        int fds[2], r;

        r = listener_sockets_set_backlog(&n, backlog);
        if (r < 0)
                return r;
        r = read_native(&n, native);
        if (r < 0)
                return r;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        end = fds[0];
        app_end = fds[1];
        r = set_buffer(end);
        if (r < 0)
                return r;
        r = socket_name_bind(app_end, &(SocketName){
                .type = SOCKET_NAME_LISTENER,
                .family = n.family,
                .local = n.bound,
                .number = number,
        });
        if (r < 0)
                return r;
        /* Before the app has its end, so that it is the first message there. */
        r = send_with_fds(app_end, "n", 1, &native, 1, MSG_DONTWAIT);
        if (r < 0)
                return r;
        if (nonblock && fcntl(app_end, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        /* It is ours alone from here on, and the loop must not wait in accept(2). */
        if (fcntl(native, F_SETFL, O_NONBLOCK) < 0)
                return -errno;

        n.end = TAKE_FD(end);
        *l = n;
        *ret_app_end = TAKE_FD(app_end);
        return 0;
}

/* Takes the copy of the native socket out of the end's queue, or with MSG_PEEK a copy of the copy. */
static int receive_native(int end, int flags) {
        int fd = -EBADF;
        size_t n_fds = 1;
        ssize_t n;
        char c;

        do
                n = recv_with_fds(end, &c, sizeof(c), &fd, &n_fds, flags | MSG_DONTWAIT);
        while (n == -ECONNRESET); /* said once if the app left connections in its queue */
        if (n < 0)
                return (int) n;
        return n_fds == 1 ? fd : -EBADMSG;
}

int listener_sockets_adopt(ListenerSockets *l, uint64_t number, int end) {
        _cleanup_close_ int native = receive_native(end, MSG_PEEK);
        ListenerSockets n = { .number = number, .end = end, .native = native };
        struct tcp_info info = {};
        socklen_t size = sizeof(info);
        int r;

        if (native < 0)
                return native;
        r = read_native(&n, native);
        if (r < 0)
                return r;
        /* A listening TCP socket tells its backlog as "sacked" (tcp_get_info() in net/ipv4/tcp.c). */
        if (getsockopt(native, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
                return -errno;
        n.backlog = info.tcpi_sacked + 1;
        /* What waits is not known, so that the backlog counts anew; listener_sockets_pop() corrects it. */
        native = -EBADF;
        *l = n;
        return 0;
}

void listener_sockets_close(ListenerSockets *l) {
        if (l->end >= 0)
                safe_close(receive_native(l->end, 0));
        listener_sockets_leave(l);
}

void listener_sockets_leave(ListenerSockets *l) {
        l->end = safe_close(l->end);
        l->native = safe_close(l->native);
}

int listener_sockets_set_backlog(ListenerSockets *l, int backlog) {
        /* The kernel takes it as unsigned and cuts it (listen(2)). */
        unsigned cut = MIN2((unsigned) backlog, (unsigned) LISTENER_BACKLOG_MAX);

        /* Of the connections that the app makes to itself one waits in our queue, so one less does there. */
        if (listen(l->native, cut > 0 ? (int) cut - 1 : 0) < 0)
                return -errno;
        l->backlog = cut;
        return 0;
}

bool listener_sockets_full(const ListenerSockets *l) {
        return l->queued > l->backlog;
}

int listener_sockets_push(ListenerSockets *l, int connection, const Endpoint *peer) {
        int r;

        r = send_with_fds(l->end, peer, sizeof(*peer), &connection, 1, MSG_DONTWAIT);
        if (r >= 0)
                l->queued++;
        return r;
}

int listener_sockets_pop(ListenerSockets *l, int app_end, int *ret_connection, Endpoint *ret_peer) {
        int fd = -EBADF;
        size_t n_fds = 1;
        ssize_t n;

        n = recv_with_fds(app_end, ret_peer, sizeof(*ret_peer), &fd, &n_fds, MSG_DONTWAIT);
        if (n == -EAGAIN)
                l->queued = 0;
        if (n < 0)
                return (int) n;
        if (l->queued > 0)
                l->queued--;
        if (n == 0)
                return -EINVAL;
        if (n_fds != 1 || n != sizeof(*ret_peer)) {
                if (n_fds == 1)
                        safe_close(fd);
                return -EBADMSG;
        }
        *ret_connection = fd;
        return 0;
}

int listener_sockets_accept_native(ListenerSockets *l, int *ret_connection, Endpoint *ret_peer) {
        SockAddr sa;
        socklen_t size = sizeof(sa);
        int fd, r;

        do
                fd = accept4(l->native, &sa.sa, &size, SOCK_CLOEXEC);
        while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
        if (fd < 0)
                return -errno;
        r = endpoint_from_sockaddr(&sa, size, ret_peer);
        if (r < 0) {
                safe_close(fd);
                return r;
        }
        *ret_connection = fd;
        return 0;
}

void listener_sockets_hold(ListenerSockets *l, bool hold) {
        struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
        const struct sock_fprog program = { .len = 1, .filter = &nothing };

        if (l->held == hold)
                return;
        if (hold)
                (void) setsockopt(l->native, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
        else
                (void) setsockopt(l->native, SOL_SOCKET, SO_DETACH_FILTER, &(int){ 0 }, sizeof(int));
        l->held = hold;
}

bool listener_sockets_hung_up(const ListenerSockets *l) {
        struct pollfd p = { .fd = l->end };

        return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}
