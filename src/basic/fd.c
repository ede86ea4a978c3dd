/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basic/fd.h"

int safe_close(int fd) {
        if (fd >= 0) {
                int saved_errno = errno;

                /* Linux releases the descriptor even on EINTR (close(2)), so it is never tried again. */
                (void) close(fd);
                errno = saved_errno;
        }
        return -EBADF;
}

ssize_t read_file(int dirfd, const char *path, char *buf, size_t size) {
        _cleanup_close_ int fd = -EBADF;
        size_t n = 0;

        /* A FIFO would wait for somebody to write. */
        fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return -errno;

        while (n < size) {
                ssize_t l = read(fd, buf + n, size - n);

                if (l < 0 && errno == EINTR)
                        continue;
                if (l < 0)
                        return -errno;
                if (l == 0) {
                        buf[n] = '\0';
                        return (ssize_t) n;
                }
                n += (size_t) l;
        }
        return -EFBIG;
}

static int write_all(int fd, const char *text) {
        size_t left = strlen(text);

        while (left > 0) {
                ssize_t l = write(fd, text, left);

                if (l < 0 && errno == EINTR)
                        continue;
                if (l < 0)
                        return -errno;
                text += l;
                left -= (size_t) l;
        }
        return 0;
}

int write_file(int dirfd, const char *path, const char *text) {
        _cleanup_close_ int fd = -EBADF;

        fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;
        return write_all(fd, text);
}

int write_file_atomic(int dirfd, const char *path, const char *text, mode_t mode) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *tmp = NULL;
        int r;

        if (asprintf(&tmp, "%s.new", path) < 0)
                return -ENOMEM;
        fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0)
                return -errno;
        r = write_all(fd, text);
        if (r >= 0 && renameat(dirfd, tmp, dirfd, path) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(dirfd, tmp, 0);
        return r;
}

int send_with_fds(int sock, const void *data, size_t size, const int *fds, size_t n_fds, int flags) {
        union {
                struct cmsghdr header;
                char buf[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
        } control;
        struct iovec iov = { .iov_base = (void *) data, .iov_len = size };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

        assert(n_fds <= FD_PASS_MAX);

        if (n_fds > 0) {
                struct cmsghdr *c;

                memset(&control, 0, sizeof(control));
                msg.msg_control = &control;
                msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                c = CMSG_FIRSTHDR(&msg);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
        }
        for (;;) {
                if (sendmsg(sock, &msg, MSG_NOSIGNAL | flags) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

ssize_t recv_with_fds(int sock, void *data, size_t size, int *fds, size_t *n_fds, int flags) {
        union {
                struct cmsghdr header;
                char buf[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
        } control;
        struct iovec iov = { .iov_base = data, .iov_len = size };
        struct msghdr msg = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        size_t room = n_fds ? *n_fds : 0, n = 0;
        bool surplus = false;
        ssize_t l;

        if (n_fds)
                *n_fds = 0;
        do
                l = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | flags);
        while (l < 0 && errno == EINTR);
        if (l < 0)
                return -errno;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
                size_t count;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < count; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        if (n < room) {
                                fds[n++] = fd;
                        } else {
                                safe_close(fd);
                                surplus = true;
                        }
                }
        }
        if (surplus || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
                for (size_t i = 0; i < n; i++)
                        safe_close(fds[i]);
                return -EBADMSG;
        }
        if (n_fds)
                *n_fds = n;
        return l;
}
