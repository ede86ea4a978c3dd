/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <sys/socket.h>

#include "basic/fd.h"
#include "basic/fd-queue.h"
#include "basic/fd-store.h"

int fd_queue_new(const char *name, size_t room, FdQueue *ret) {
        const int size = (int) room;
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        /* Which of them is which is found out by what is in them, so they are alike. */
        for (size_t i = 0; room > 0 && i < ELEMENTSOF(fds); i++)
                (void) setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
        r = fd_store_add_many(name, fds, ELEMENTSOF(fds));
        if (r < 0) {
                safe_close(fds[0]);
                safe_close(fds[1]);
                return r;
        }
        *ret = (FdQueue){ .in = fds[0], .out = fds[1] };
        return 0;
}

FdQueue fd_queue_restore(int a, int b) {
        struct pollfd p = { .fd = a, .events = POLLIN };

        if (a < 0 || b < 0) {
                safe_close(a);
                safe_close(b);
                return FD_QUEUE_NONE;
        }
        return poll(&p, 1, 0) > 0 ? (FdQueue){ .in = b, .out = a } : (FdQueue){ .in = a, .out = b };
}

void fd_queue_close(FdQueue *q) {
        q->in = safe_close(q->in);
        q->out = safe_close(q->out);
}

int fd_queue_push(const FdQueue *q, const void *data, size_t size, const int *fds, size_t n_fds) {
        return send_with_fds(q->in, data, size, fds, n_fds, MSG_DONTWAIT);
}

int fd_queue_first(const FdQueue *q, void *data, size_t size, int fds[FD_QUEUE_FDS_MAX]) {
        size_t n_fds = FD_QUEUE_FDS_MAX;
        ssize_t n;

        for (size_t i = 0; fds && i < FD_QUEUE_FDS_MAX; i++)
                fds[i] = -EBADF;
        if (fds)
                n = recv_with_fds(q->out, data, size, fds, &n_fds, MSG_DONTWAIT | MSG_PEEK);
        else if ((n = recv(q->out, data, size, MSG_DONTWAIT | MSG_PEEK)) < 0)
                n = -errno;
        if (n >= 0 && (size_t) n == size)
                return 0;
        for (size_t i = 0; fds && i < FD_QUEUE_FDS_MAX; i++)
                fds[i] = safe_close(fds[i]);
        return n < 0 ? (int) n : -EBADMSG;
}

void fd_queue_drop(const FdQueue *q) {
        /* Nobody asks for its descriptors, so the kernel drops them. */
        (void) recv(q->out, NULL, 0, MSG_DONTWAIT);
}

int fd_queue_walk(const FdQueue *q, bool walk) {
        const int offset = walk ? 0 : -1;

        return setsockopt(q->out, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) < 0 ? -errno : 0;
}
