/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "transport/dial.h"

enum { MISSES_MAX = 8 };

struct Dialer {
        int connection;
};

int dialer_new(int connection, Dialer **ret) {
        const struct timeval limit = { .tv_sec = 1 };
        Dialer *dialer;

        dialer = calloc(1, sizeof(*dialer));
        if (!dialer) {
                safe_close(connection);
                return -ENOMEM;
        }
        dialer->connection = connection;
        /* It does nothing but answer; should it be stopped all the same, the loop goes on. */
        (void) setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        *ret = dialer;
        return 0;
}

Dialer *dialer_free(Dialer *dialer) {
        if (!dialer)
                return NULL;
        safe_close(dialer->connection);
        free(dialer);
        return NULL;
}

void dial_pool_forget(DialPool *pool) {
        while (pool->n_used > 0)
                safe_close(pool->used[--pool->n_used].fd);
}

void dial_pool_done(DialPool *pool) {
        dial_pool_forget(pool);
        for (size_t i = 0; i < ELEMENTSOF(pool->families); i++)
                while (pool->families[i].n > 0)
                        safe_close(pool->families[i].fds[--pool->families[i].n]);
}

static void take_used(DialPool *pool, size_t i) {
        pool->n_used--;
        memmove(&pool->used[i], &pool->used[i + 1], (pool->n_used - i) * sizeof(pool->used[0]));
}

void dial_pool_keep(DialPool *pool, int fd, const Endpoint *from, int family) {
        if (dial_undo(fd) < 0) {
                safe_close(fd);
                return;
        }
        if (pool->n_used == ELEMENTSOF(pool->used)) {
                safe_close(pool->used[0].fd);
                take_used(pool, 0);
        }
        pool->used[pool->n_used++] = (UsedSocket){ fd, family, *from };
}

bool dial_pool_take(DialPool *pool, const Address *from, int family, UsedSocket *ret) {
        if (pool->pause > 0) {
                pool->pause--;
                return false;
        }
        for (size_t i = 0; i < pool->n_used; i++)
                if (pool->used[i].family == family && address_equal(&pool->used[i].from.address, from)) {
                        *ret = pool->used[i];
                        take_used(pool, i);
                        return true;
                }
        return false;
}

void dial_pool_missed(DialPool *pool) {
        pool->misses = MIN2(pool->misses + 1, (unsigned) MISSES_MAX);
        pool->pause = 1U << pool->misses;
}

static int ask(Dialer *dialer, int member, const DialRequest *request, int *fds, size_t *n_fds) {
        _cleanup_close_ int netns = -EBADF;
        DialRequest answer;
        ssize_t n;
        int r;

        netns = ioctl(member, SIOCGSKNS);
        if (netns < 0)
                return -errno;
        r = send_with_fds(dialer->connection, request, sizeof(*request), &netns, 1, 0);
        if (r < 0)
                return -ENOTCONN;
        n = recv_with_fds(dialer->connection, &answer, sizeof(answer), fds, n_fds, 0);
        /* A late answer to an earlier question would be of another namespace: the process is given up. */
        if (n != sizeof(answer) || answer.family != request->family || answer.plain != request->plain ||
            answer.raw != request->raw || answer.diag != request->diag) {
                while (n > 0 && *n_fds > 0)
                        safe_close(fds[--*n_fds]);
                return -ENOTCONN;
        }
        return *n_fds > 0 ? 0 : -EMFILE;
}

int dialer_fill(Dialer *dialer, DialPool *pool, int member, int family) {
        typeof(&pool->families[0]) sockets = &pool->families[family == AF_INET6];
        size_t n = ELEMENTSOF(sockets->fds);
        int r;

        if (sockets->n > 0)
                return 0;
        r = ask(dialer, member, &(DialRequest){ .family = (uint32_t) family }, sockets->fds, &n);
        if (r >= 0)
                sockets->n = n;
        return r;
}

int dialer_take(Dialer *dialer, DialPool *pool, int member, int family) {
        typeof(&pool->families[0]) sockets = &pool->families[family == AF_INET6];
        int r;

        r = dialer_fill(dialer, pool, member, family);
        return r < 0 ? r : sockets->fds[--sockets->n];
}

int dialer_take_plain(Dialer *dialer, int member, int family) {
        size_t n = 1;
        int fd, r;

        r = ask(dialer, member, &(DialRequest){ .family = (uint32_t) family, .plain = true }, &fd, &n);
        return r < 0 ? r : fd;
}

int dialer_take_raw(Dialer *dialer, int member, int family) {
        size_t n = 1;
        int fd, r;

        r = ask(dialer, member, &(DialRequest){ .family = (uint32_t) family, .raw = true }, &fd, &n);
        return r < 0 ? r : fd;
}

int dialer_take_diag(Dialer *dialer, int member) {
        size_t n = 1;
        int fd, r;

        r = ask(dialer, member, &(DialRequest){ .diag = true }, &fd, &n);
        return r < 0 ? r : fd;
}

static int tcp_state(int fd) {
        uint8_t state; /* the first byte of TCP_INFO (tcp(7)) */
        socklen_t size = sizeof(state);

        return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &size) < 0 ? -errno : state;
}

int dial_state(int fd) {
        int state = tcp_state(fd);

        if (state < 0)
                return state;
        /* A server that does not need us for its accept can have closed it by now. */
        return state == TCP_CLOSE ? DIAL_REFUSED : state == TCP_SYN_SENT ? DIAL_WAITS : DIAL_CONNECTED;
}

bool dial_is_queued(int fd) {
        int state = tcp_state(fd);

        return state == TCP_ESTABLISHED || state == TCP_SYN_SENT;
}

int dial(int fd, const Endpoint *from, const Endpoint *to, int family) {
        SockAddr sa;
        socklen_t size;

        size = endpoint_to_sockaddr(from, family, &sa);
        if (bind(fd, &sa.sa, size) < 0)
                return -errno;
        return dial_bound(fd, to, family);
}

int dial_bound(int fd, const Endpoint *to, int family) {
        SockAddr sa;
        socklen_t size;

        size = endpoint_to_sockaddr(to, family, &sa);
        if (connect(fd, &sa.sa, size) < 0 && errno != EINPROGRESS) {
                if (errno == ECONNREFUSED)
                        return DIAL_REFUSED;
                return errno == EADDRNOTAVAIL ? -EADDRINUSE : -errno;
        }
        return dial_state(fd);
}

int dial_hand_out(int fd, const Endpoint *from, const Endpoint *to, const PeerView *view) {
        const struct linger orderly = {};
        const uint32_t mark = DIAL_MARK_VIEW;
        int r;

        r = peer_lock(fd, from, to, view);
        if (r < 0)
                return r;
        if (view && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &orderly, sizeof(orderly)) < 0 || fcntl(fd, F_SETFL, 0) < 0)
                return -errno;
        return 0;
}

static uint32_t read_mark(int fd) {
        socklen_t size = sizeof(uint32_t);
        uint32_t mark = 0;

        return getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size) < 0 ? 0 : mark;
}

static int set_mark(int fd, uint32_t mark) {
        return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ? -errno : 0;
}

int dial_hold(int fd, const Endpoint *from, const Endpoint *to, const PeerView *view) {
        const struct linger orderly = {};
        int r;

        r = peer_lock_held(fd, from, to, view, DIAL_MARK_HELD);
        if (r >= 0)
                r = set_mark(fd, (view ? DIAL_MARK_VIEW : DIAL_MARK) | DIAL_MARK_HELD);
        if (r < 0)
                return r;
        return setsockopt(fd, SOL_SOCKET, SO_LINGER, &orderly, sizeof(orderly)) < 0 ? -errno : 0;
}

int dial_held_done(int fd) {
        return fcntl(fd, F_SETFL, 0) < 0 ? -errno : 0;
}

int dial_let_go(int fd) {
        return set_mark(fd, read_mark(fd) & ~(uint32_t) DIAL_MARK_HELD);
}

int dial_undo(int fd) {
        const struct sockaddr sa = { .sa_family = AF_UNSPEC };

        return connect(fd, &sa, sizeof(sa)) < 0 ? -errno : 0;
}

int dial_repeat(int fd, const Endpoint *to) {
        int family = AF_UNSPEC, r;
        socklen_t size = sizeof(family);
        SockAddr sa;

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0)
                return -errno;
        size = endpoint_to_sockaddr(to, family, &sa);
        r = dial_undo(fd);
        return r < 0 ? r : connect(fd, &sa.sa, size) < 0 && errno != EINPROGRESS ? -errno : 0;
}

bool dial_is_marked(int fd) {
        const uint32_t mark = read_mark(fd) & ~(uint32_t) DIAL_MARK_HELD;

        return mark == DIAL_MARK || mark == DIAL_MARK_VIEW;
}

bool dial_may_have_view(int fd) {
        return (read_mark(fd) & ~(uint32_t) DIAL_MARK_HELD) == DIAL_MARK_VIEW;
}
