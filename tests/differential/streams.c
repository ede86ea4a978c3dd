/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* send(2), recv(2), shutdown(2), splice(2), sendfile(2), tee(2), tcp(7): the stream itself. */

#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cases.h"

#define BAD_POINTER ((void *) 8)

static void peek(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "hello", 5);
        wait_bytes(c, b, 5);
        say_recv(c, "peek", b, MSG_PEEK);
        say_recv(c, "peek again", b, MSG_PEEK);
        say_recv(c, "recv", b, 0);
        say_recv(c, "peek of nothing", b, MSG_PEEK | MSG_DONTWAIT);
}

static void peek_trunc(Ctx *c) {
        char buf[16];
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "hello", 5);
        wait_bytes(c, b, 5);
        did(c, "peek with MSG_TRUNC", recv(b, buf, sizeof(buf), MSG_PEEK | MSG_TRUNC));
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void trunc_drops(Ctx *c) {
        char buf[16] = "untouched";
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "hello world", 11);
        wait_bytes(c, b, 11);
        did(c, "recv MSG_TRUNC", recv(b, buf, 6, MSG_TRUNC));
        say(c, "the buffer is \"%.9s\"", buf);
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void trunc_null(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "hello world", 11);
        wait_bytes(c, b, 11);
        did(c, "recv MSG_TRUNC to NULL", recv(b, NULL, 6, MSG_TRUNC));
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void waitall_server(Ctx *c) {
        int fd = connected(c);

        send_all(c, fd, "12345", 5);
        nap(50);
        send_all(c, fd, "67890", 5);
        barrier(c);
}

static void waitall_client(Ctx *c) {
        int fd = connected(c);
        char buf[11] = "";

        did(c, "recv MSG_WAITALL", recv(fd, buf, 10, MSG_WAITALL));
        say(c, "\"%s\"", buf);
        barrier(c);
}

static void waitall_eof(Ctx *c) {
        char buf[16] = "";
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "12345", 5);
        close(a);
        did(c, "recv MSG_WAITALL", recv(b, buf, 10, MSG_WAITALL));
        did(c, "recv MSG_WAITALL", recv(b, buf, 10, MSG_WAITALL));
}

static void waitall_peek(Ctx *c) {
        char buf[16] = "";
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "12345", 5);
        wait_bytes(c, b, 5);
        did(c, "recv MSG_WAITALL|MSG_DONTWAIT", recv(b, buf, 10, MSG_WAITALL | MSG_DONTWAIT));
}

static void dontwait(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "recv", recv(a, &(char){0}, 1, MSG_DONTWAIT));
        say(c, "O_NONBLOCK %d", !!(fcntl(a, F_GETFL) & O_NONBLOCK));
}

static void zero_length(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "send of nothing", send(a, "", 0, 0));
        did(c, "write of nothing", write(a, "", 0));
        did(c, "recv of nothing", recv(b, "", 0, MSG_DONTWAIT));
        did(c, "read of nothing", read(b, "", 0));
        say_poll(c, "poll", b, POLLIN, 20);
}

static void zero_length_data(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "x", 1);
        wait_bytes(c, b, 1);
        did(c, "recv of nothing", recv(b, "", 0, MSG_DONTWAIT));
        say_recv(c, "recv", b, 0);
}

static void half_close(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "request", 7);
        did(c, "shutdown", shutdown(a, SHUT_WR));
        wait_bytes(c, b, 7);
        say_recv(c, "recv", b, 0);
        say_recv(c, "recv", b, 0);
        send_all(c, b, "answer", 6);
        did(c, "shutdown", shutdown(b, SHUT_WR));
        wait_bytes(c, a, 6);
        say_recv(c, "recv", a, 0);
        say_recv(c, "recv", a, 0);
        did(c, "shutdown", shutdown(a, SHUT_WR));
        did(c, "shutdown", shutdown(a, SHUT_RDWR));
}

static void half_close_server(Ctx *c) {
        int fd = connected(c);

        say_recv(c, "recv", fd, MSG_WAITALL);
        send_all(c, fd, "answer", 6);
        say_recv(c, "recv", fd, 0);
        close(fd);
        barrier(c);
}

static void half_close_client(Ctx *c) {
        int fd = connected(c);

        send_all(c, fd, "request", 7);
        did(c, "shutdown", shutdown(fd, SHUT_WR));
        wait_bytes(c, fd, 6);
        say_recv(c, "recv", fd, 0);
        say_recv(c, "recv", fd, 0);
        did(c, "send", send(fd, "x", 1, MSG_NOSIGNAL));
        barrier(c);
}

static void shut_read(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "shutdown SHUT_RD", shutdown(a, SHUT_RD));
        say_recv(c, "recv", a, 0);
        did(c, "the peer's send", send(b, "x", 1, MSG_NOSIGNAL));
        nap(10);
        say_recv(c, "recv", a, 0);
        did(c, "send", send(a, "y", 1, MSG_NOSIGNAL));
        wait_bytes(c, b, 1);
        say_recv(c, "the peer's recv", b, 0);
}

static void shut_read_queued(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, b, "queued", 6);
        wait_bytes(c, a, 6);
        did(c, "shutdown SHUT_RD", shutdown(a, SHUT_RD));
        say_recv(c, "recv", a, MSG_DONTWAIT);
        say_recv(c, "recv", a, MSG_DONTWAIT);
}

static void shut_both_send(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "shutdown SHUT_RDWR", shutdown(a, SHUT_RDWR));
        did(c, "send", send(a, "x", 1, MSG_NOSIGNAL));
        say_recv(c, "recv", a, 0);
        say_recv(c, "the peer's recv", b, 0);
        did(c, "the peer's send", send(b, "x", 1, MSG_NOSIGNAL));
        nap(20);
        did(c, "the peer's second send", send(b, "x", 1, MSG_NOSIGNAL));
}

static void shut_bad(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "shutdown 3", shutdown(a, 3));
        did(c, "shutdown -1", shutdown(a, -1));
}

/* The end of a peer. */
static void peer_closed_send(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        close(b);
        (void) wait_events(a, POLLIN, 1000);
        did(c, "first send", send(a, "x", 1, MSG_NOSIGNAL));
        nap(20);
        did(c, "second send", send(a, "x", 1, MSG_NOSIGNAL));
        did(c, "third send", send(a, "x", 1, MSG_NOSIGNAL));
        say_recv(c, "recv", a, MSG_DONTWAIT);
}

static void peer_closed_send_recv(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        close(b);
        say_recv(c, "recv", a, 0);
        did(c, "first send", send(a, "x", 1, MSG_NOSIGNAL));
        nap(20);
        say_recv(c, "recv", a, MSG_DONTWAIT);
        say_recv(c, "recv", a, MSG_DONTWAIT);
}

static void peer_closed_data_first(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, b, "last words", 10);
        close(b);
        nap(10);
        say_recv(c, "recv", a, 0);
        say_recv(c, "recv", a, 0);
        say_recv(c, "recv", a, 0);
}

static void closed_unread(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "unread", 6);
        wait_bytes(c, b, 6);
        close(b);
        (void) wait_events(a, POLLIN, 1000);
        say_recv(c, "recv", a, 0);
        say_recv(c, "recv", a, 0);
        did(c, "send", send(a, "x", 1, MSG_NOSIGNAL));
}

static void closed_unread_answered(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "unread", 6);
        send_all(c, b, "answer", 6);
        wait_bytes(c, b, 6);
        wait_bytes(c, a, 6);
        close(b);
        (void) wait_events(a, POLLRDHUP, 1000);
        say_recv(c, "recv", a, 0);
        say_recv(c, "recv", a, 0);
}

static void linger_reset(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        reset_close(b);
        (void) wait_events(a, POLLIN, 1000);
        say_recv(c, "recv", a, 0);
        say_recv(c, "recv", a, 0);
}

static void linger_reset_data(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, b, "data", 4);
        wait_bytes(c, a, 4);
        reset_close(b);
        (void) wait_events(a, POLLRDHUP, 1000);
        say_recv(c, "recv", a, 0);
        say_recv(c, "recv", a, 0);
}

static void linger_reset_blocked_server(Ctx *c) {
        int fd = connected(c);

        nap(100);
        reset_close(fd);
        barrier(c);
}

static void linger_reset_blocked_client(Ctx *c) {
        int fd = connected(c);

        say_recv(c, "recv", fd, 0);
        barrier(c);
}

static void linger_reset_send(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        reset_close(b);
        (void) wait_events(a, POLLIN, 1000);
        did(c, "send", send(a, "x", 1, MSG_NOSIGNAL));
        did(c, "send", send(a, "x", 1, MSG_NOSIGNAL));
}

static void linger_before(Ctx *c) {
        const struct linger l = {.l_onoff = 1};
        int a = sock(c), b;

        far_listener(c);
        /* Set before connect, it is to have its effect after. */
        must(c, "SO_LINGER", setsockopt(a, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
        must(c, "connect", dial(c, a));
        b = far_accept(c);
        close(a);
        (void) wait_events(b, POLLIN, 1000);
        say_recv(c, "recv", b, 0);
}

static void linger_exit(Ctx *c) {
        int a, b;
        pid_t pid;

        own_pair(c, &a, &b);
        pid = fork();
        if (pid == 0) {
                const struct linger l = {.l_onoff = 1};

                close(b);
                (void) setsockopt(a, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
                nap(50);
                (void) kill(getpid(), SIGKILL);
        }
        close(a);
        say_recv(c, "recv", b, 0);
        say_wait(c, "child", pid);
}

static void linger_wait(Ctx *c) {
        const struct linger l = {.l_onoff = 1, .l_linger = 1};
        int a, b;
        long start;

        own_pair(c, &a, &b);
        must(c, "SO_LINGER", setsockopt(a, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
        send_all(c, a, "data", 4);
        start = now_ms();
        did(c, "close", close(a));
        say(c, "it waits %s", now_ms() - start < 500 ? "not long" : "long");
        say_recv(c, "recv", b, 0);
}

/* Addresses with data. */
static void sendto_connected(Ctx *c) {
        SockAddr sa;
        socklen_t size = address_of(c, WHO_FOREIGN, 9, &sa);
        int a, b;

        own_pair(c, &a, &b);
        did(c, "sendto elsewhere", sendto(a, "hello", 5, 0, &sa.sa, size));
        sa.sa.sa_family = AF_UNIX;
        did(c, "sendto a Unix address", sendto(a, "hello", 5, 0, &sa.sa, size));
        did(c, "sendto a short address", sendto(a, "hello", 5, 0, &sa.sa, 1));
        did(c, "sendto a bad pointer", sendto(a, "hello", 5, MSG_NOSIGNAL, BAD_POINTER, size));
        did(c, "sendto of a large size", sendto(a, "hello", 5, 0, &sa.sa, 1000));
        wait_bytes(c, b, 15);
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void sendto_fresh(Ctx *c) {
        SockAddr sa;
        socklen_t size;
        int fd = sock(c);

        far_listener(c);
        size = address_of(c, WHO_SERVER, c->port, &sa);
        did(c, "sendto", sendto(fd, "hello", 5, MSG_NOSIGNAL, &sa.sa, size));
}

static void sendto_fastopen(Ctx *c) {
        SockAddr sa;
        socklen_t size;
        int l = own_listener(c, 5), fd = sock(c), b;

        size = address_of(c, WHO_CLIENT, c->port, &sa);
        did(c, "sendto MSG_FASTOPEN", sendto(fd, "hello", 5, MSG_FASTOPEN | MSG_NOSIGNAL, &sa.sa, size));
        if (!wait_events(l, POLLIN, 300)) {
                say(c, "nobody comes");
                return;
        }
        b = accept(l, NULL, NULL);
        say_recv(c, "recv", b, 0);
}

static void recvfrom_address(Ctx *c) {
        SockAddr sa;
        socklen_t size = sizeof(sa);
        char buf[16];
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "hello", 5);
        memset(&sa, 0x5a, sizeof(sa));
        did(c, "recvfrom", recvfrom(b, buf, sizeof(buf), 0, &sa.sa, &size));
        say(c, "size %u, family %#x", size, sa.sa.sa_family);
        close(a);
        size = sizeof(sa);
        did(c, "recvfrom at the end", recvfrom(b, buf, sizeof(buf), 0, &sa.sa, &size));
        say(c, "size %u", size);
}

static void recvfrom_null(Ctx *c) {
        SockAddr sa;
        char buf[16];
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "hello", 5);
        wait_bytes(c, b, 5);
        did(c, "recvfrom with NULL size", recvfrom(b, buf, 2, 0, &sa.sa, NULL));
        did(c, "recvfrom with bad size", recvfrom(b, buf, 2, 0, &sa.sa, BAD_POINTER));
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void recvmsg_name(Ctx *c) {
        SockAddr sa = {};
        char buf[16], control[64];
        struct iovec iov = {buf, sizeof(buf)};
        struct msghdr mh = {
                        .msg_name = &sa,
                        .msg_namelen = sizeof(sa),
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control),
        };
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "hello", 5);
        did(c, "recvmsg", recvmsg(b, &mh, 0));
        say(c, "name %u, control %zu, flags %#x, family %d", mh.msg_namelen, mh.msg_controllen, mh.msg_flags,
            sa.sa.sa_family);
}

static void sendmsg_name(Ctx *c) {
        SockAddr sa;
        socklen_t size = address_of(c, WHO_FOREIGN, 9, &sa);
        struct iovec iov = {(void *) "hello", 5};
        struct msghdr mh = {.msg_name = &sa, .msg_namelen = size, .msg_iov = &iov, .msg_iovlen = 1};
        int a, b;

        own_pair(c, &a, &b);
        did(c, "sendmsg with a name", sendmsg(a, &mh, MSG_NOSIGNAL));
}

/* A stream of TCP carries no descriptors and no credentials. */
static void sendmsg_rights(Ctx *c) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec iov = {(char[]){'x'}, 1};
        struct msghdr mh = {
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
        };
        struct cmsghdr *h = CMSG_FIRSTHDR(&mh);
        int a, b;

        own_pair(c, &a, &b);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &a, sizeof(int));
        did(c, "sendmsg with SCM_RIGHTS", sendmsg(a, &mh, MSG_NOSIGNAL));
        mh.msg_controllen = sizeof(control);
        wait_bytes(c, b, 1);
        did(c, "recvmsg", recvmsg(b, &mh, MSG_DONTWAIT));
        say(c, "control %s", mh.msg_controllen ? "some" : "none");
}

static void recvmsg_credentials(Ctx *c) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(3 * sizeof(int))]; /* struct ucred */
        } control = {};
        struct iovec iov = {(char[1]){}, 1};
        struct msghdr mh = {
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
        };
        int a, b, one = 1;

        own_pair(c, &a, &b);
        did(c, "SO_PASSCRED", setsockopt(b, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)));
        send_all(c, a, "x", 1);
        wait_bytes(c, b, 1);
        did(c, "recvmsg", recvmsg(b, &mh, MSG_DONTWAIT));
        say(c, "control %s", mh.msg_controllen ? "some" : "none");
}

/* Urgent data. */
static void oob(Ctx *c) {
        int a, b, mark = 0;

        own_pair(c, &a, &b);
        send_all(c, a, "ab", 2);
        did(c, "send MSG_OOB", send(a, "c", 1, MSG_OOB));
        send_all(c, a, "d", 1);
        (void) wait_events(b, POLLPRI, 1000);
        nap(10);
        did(c, "SIOCATMARK", ioctl(b, SIOCATMARK, &mark));
        say(c, "at mark %d", mark);
        say_recv(c, "recv to the mark", b, 0);
        (void) ioctl(b, SIOCATMARK, &mark);
        say(c, "at mark %d", mark);
        say_recv(c, "recv MSG_OOB", b, MSG_OOB);
        say_recv(c, "recv MSG_OOB again", b, MSG_OOB);
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void oob_none(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        say_recv(c, "recv MSG_OOB", b, MSG_OOB);
        say_recv(c, "recv MSG_OOB|MSG_DONTWAIT", b, MSG_OOB | MSG_DONTWAIT);
}

static void oob_many(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "send MSG_OOB", send(a, "abc", 3, MSG_OOB));
        (void) wait_events(b, POLLPRI, 1000);
        say_recv(c, "recv MSG_OOB", b, MSG_OOB);
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void oob_twice(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "send MSG_OOB", send(a, "a", 1, MSG_OOB));
        (void) wait_events(b, POLLPRI, 1000);
        did(c, "send MSG_OOB", send(a, "b", 1, MSG_OOB));
        nap(10);
        say_recv(c, "recv MSG_OOB", b, MSG_OOB);
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void more(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "send MSG_MORE", send(a, "ab", 2, MSG_MORE));
        did(c, "send", send(a, "cd", 2, 0));
        wait_bytes(c, b, 4);
        say_recv(c, "recv", b, 0);
}

static void flags_unknown(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "send MSG_EOR", send(a, "a", 1, MSG_EOR));
        did(c, "send MSG_CONFIRM", send(a, "b", 1, MSG_CONFIRM));
        did(c, "send MSG_DONTROUTE", send(a, "c", 1, MSG_DONTROUTE));
        wait_bytes(c, b, 3);
        say_recv(c, "recv MSG_ERRQUEUE", b, MSG_ERRQUEUE);
        say_recv(c, "recv MSG_CMSG_CLOEXEC", b, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
}

/* ioctls */
static void fionread(Ctx *c) {
        int a, b, n = -1;

        own_pair(c, &a, &b);
        did(c, "FIONREAD", ioctl(b, FIONREAD, &n));
        say(c, "%d", n);
        send_all(c, a, "hello", 5);
        wait_bytes(c, b, 5);
        (void) ioctl(b, FIONREAD, &n);
        say(c, "%d", n);
        (void) recv(b, &(char){0}, 1, 0);
        (void) ioctl(b, FIONREAD, &n);
        say(c, "%d", n);
        close(a);
        (void) wait_events(b, POLLRDHUP, 1000);
        (void) ioctl(b, FIONREAD, &n);
        say(c, "%d", n);
        did(c, "FIONREAD to a bad pointer", ioctl(b, FIONREAD, BAD_POINTER));
}

static void fionread_listener(Ctx *c) {
        int n = -1;

        did(c, "FIONREAD of a listener", ioctl(own_listener(c, 5), FIONREAD, &n));
        did(c, "SIOCOUTQ of a listener", ioctl(own_listener(c, 5), SIOCOUTQ, &n));
        did(c, "SIOCATMARK of a listener", ioctl(own_listener(c, 5), SIOCATMARK, &n));
        did(c, "FIONREAD of a fresh one", ioctl(sock(c), FIONREAD, &n));
}

static void siocoutq(Ctx *c) {
        int a, b, n = -1;

        own_pair(c, &a, &b);
        did(c, "SIOCOUTQ", ioctl(a, SIOCOUTQ, &n));
        say(c, "%d", n);
        send_all(c, a, "hello", 5);
        nap(60);
        (void) ioctl(a, SIOCOUTQ, &n);
        say(c, "acknowledged: %d", n);
        did(c, "SIOCOUTQNSD", ioctl(a, SIOCOUTQNSD, &n));
        wait_bytes(c, b, 5);
        say_recv(c, "recv", b, 0);
        (void) ioctl(a, SIOCOUTQ, &n);
        say(c, "read: %d", n);
}

static void siocinq_names(Ctx *c) {
        struct timeval tv;
        int a, b;

        own_pair(c, &a, &b);
        did(c, "SIOCGSTAMP", ioctl(a, SIOCGSTAMP, &tv));
        did(c, "an unknown one", ioctl(a, 0x89ff, &tv));
        did(c, "one of terminals", ioctl(a, TIOCGWINSZ, &tv) < 0 ? -1 : 0);
}

static void sifaddr(Ctx *c) {
        char ifreq[64] = "lo";
        int a, b;

        own_pair(c, &a, &b);
        did(c, "SIOCGIFFLAGS", ioctl(a, 0x8913, ifreq));
        did(c, "SIOCGIFADDR", ioctl(a, 0x8915, ifreq) < 0 && errno != EADDRNOTAVAIL ? -1 : 0);
        did(c, "of a fresh one", ioctl(sock(c), 0x8913, ifreq));
}

static void seek(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "lseek", lseek(a, 0, SEEK_SET));
        did(c, "pread", pread(a, &(char){0}, 1, 0));
        did(c, "pwrite", pwrite(a, "x", 1, 0));
        did(c, "ftruncate", ftruncate(a, 0));
        did(c, "fsync", fsync(a));
        say(c, "mmap %s",
            mmap(NULL, 4096, PROT_READ, MAP_SHARED, a, 0) == MAP_FAILED ? error_name(errno) : "well");
}

static void vectors(Ctx *c) {
        char one[4] = "", two[8] = "";
        struct iovec out[] = {{(void *) "ab", 2}, {(void *) "", 0}, {(void *) "cdefg", 5}};
        struct iovec in[] = {{one, 3}, {two, 7}};
        int a, b;

        own_pair(c, &a, &b);
        did(c, "writev", writev(a, out, 3));
        wait_bytes(c, b, 7);
        did(c, "readv", readv(b, in, 2));
        say(c, "\"%.3s\" \"%.7s\"", one, two);
}

static void mmsg(Ctx *c) {
        char buf[3][8] = {};
        struct iovec out = {(void *) "abc", 3}, in[3];
        struct mmsghdr s[2] = {{.msg_hdr = {.msg_iov = &out, .msg_iovlen = 1}},
                               {.msg_hdr = {.msg_iov = &out, .msg_iovlen = 1}}};
        struct mmsghdr r[3] = {};
        int a, b;

        own_pair(c, &a, &b);
        did(c, "sendmmsg", sendmmsg(a, s, 2, 0));
        wait_bytes(c, b, 6);
        for (int i = 0; i < 3; i++) {
                in[i] = (struct iovec){buf[i], 4};
                r[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
        }
        did(c, "recvmmsg", recvmmsg(b, r, 3, MSG_DONTWAIT, NULL));
        say(c, "%u %u", r[0].msg_len, r[1].msg_len);
}

static void faults(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "send from a bad pointer", send(a, BAD_POINTER, 5, MSG_NOSIGNAL));
        send_all(c, a, "hello", 5);
        wait_bytes(c, b, 5);
        did(c, "recv to a bad pointer", recv(b, BAD_POINTER, 5, MSG_DONTWAIT));
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

/* Amounts. */
static uint32_t sum_of(const unsigned char *p, size_t n, uint32_t sum) {
        for (size_t i = 0; i < n; i++)
                sum = sum * 31 + p[i];
        return sum;
}

enum { BULK = 4 << 20 };

static void fill(unsigned char *p, size_t n) {
        for (size_t i = 0; i < n; i++)
                p[i] = (unsigned char) (i * 7 + (i >> 8));
}

static void bulk_server(Ctx *c) {
        int fd = connected(c);
        unsigned char *p = malloc(BULK);

        fill(p, BULK);
        send_all(c, fd, p, BULK);
        close(fd);
        barrier(c);
}

static void bulk_client(Ctx *c) {
        int fd = connected(c);
        unsigned char buf[4096], *p = malloc(BULK);
        uint32_t sum = 0;
        size_t n = 0, k;

        fill(p, BULK);
        while ((k = recv_all(c, fd, buf, sizeof(buf))) > 0) {
                sum = sum_of(buf, k, sum);
                n += k;
        }
        say(c, "%zu bytes, the sum is %s", n, sum == sum_of(p, BULK, 0) ? "right" : "wrong");
        barrier(c);
}

/* Both write all before they read: what TCP's buffers hold, a pair must hold too. */
static void both_write(Ctx *c, size_t total, size_t piece) {
        int fd = connected(c);
        char *data = calloc(1, total);
        size_t n;

        for (n = 0; n < total; n += piece)
                if (send(fd, data, piece, MSG_NOSIGNAL) != (ssize_t) piece)
                        break;
        say(c, "wrote %zu", n);
        say(c, "read %zu", recv_all(c, fd, data, total));
        barrier(c);
}

#define BOTH_WRITE(name, total, piece)                                                                      \
        static void name(Ctx *c) {                                                                          \
                both_write(c, total, piece);                                                                \
        }

BOTH_WRITE(both_write_64, 64 * 1024, 64)
BOTH_WRITE(both_write_1k, 128 * 1024, 1024)
BOTH_WRITE(both_write_16k, 256 * 1024, 16 * 1024)
BOTH_WRITE(both_write_1, 8 * 1024, 1)
BOTH_WRITE(both_write_256k, 256 * 1024, 256 * 1024)

/* How much goes without anyone reading: not to the byte, but enough and not without end. */
static void capacity(Ctx *c, size_t piece) {
        static char data[65536];
        size_t n = 0;
        int a, b;

        own_pair(c, &a, &b);
        set_nonblock(a, true);
        for (int quiet = 0; quiet < 3 && n < 64 << 20;) {
                ssize_t k = send(a, data, piece, MSG_NOSIGNAL);

                if (k < 0) {
                        quiet++;
                        nap(10);
                } else {
                        n += (size_t) k;
                        quiet = 0;
                }
        }
        say(c, "%s was taken", n < 1 << 20 ? "less than 1 MiB" : n >= 64 << 20 ? "no end" : "a good deal");
}

static void capacity_64(Ctx *c) {
        capacity(c, 64);
}

static void capacity_64k(Ctx *c) {
        capacity(c, 65536);
}

static void small_buffers(Ctx *c) {
        static char data[65536];
        int l = sock(c), a = sock(c), b;
        size_t n = 0;

        set_int(c, l, SOL_SOCKET, SO_RCVBUF, 4096);
        must(c, "listen", listen(l, 5));
        set_int(c, a, SOL_SOCKET, SO_SNDBUF, 4096);
        must(c, "connect", dial_who(c, a, WHO_CLIENT, port_of(c, l)));
        b = accept(l, NULL, NULL);
        (void) b;
        set_nonblock(a, true);
        for (int quiet = 0; quiet < 5 && n < 64 << 20;) {
                ssize_t k = send(a, data, 1024, MSG_NOSIGNAL);

                if (k < 0) {
                        quiet++;
                        nap(5);
                } else {
                        n += (size_t) k;
                        quiet = 0;
                }
        }
        say(c, "%s was taken", n < 1 << 18 ? "little" : "much");
}

static void partial_send(Ctx *c) {
        const size_t size = 64 << 20;
        char *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                          -1, 0);
        ssize_t n;
        int a, b;

        own_pair(c, &a, &b);
        set_nonblock(a, true);
        n = send(a, data, size, MSG_NOSIGNAL);
        say(c, "send of 64 MiB: %s", n < 0 ? error_name(errno) : n < (ssize_t) size ? "a part" : "all");
}

/* Between files and pipes. */
static int a_file(Ctx *c, const char *text) {
        int fd = (int) must(c, "memfd_create", memfd_create("file", MFD_CLOEXEC));

        must(c, "write", write(fd, text, strlen(text)));
        return fd;
}

static void send_file(Ctx *c) {
        int a, b, f;
        off_t offset = 2;

        own_pair(c, &a, &b);
        f = a_file(c, "hello world");
        did(c, "sendfile", sendfile(a, f, &offset, 5));
        say(c, "offset %ld", (long) offset);
        did(c, "sendfile of the rest", sendfile(a, f, &offset, 100));
        did(c, "sendfile of no more", sendfile(a, f, &offset, 100));
        wait_bytes(c, b, 9);
        say_recv(c, "recv", b, 0);
}

static void send_file_closed(Ctx *c) {
        int a, b, f;
        off_t offset = 0;

        own_pair(c, &a, &b);
        f = a_file(c, "hello world");
        (void) shutdown(a, SHUT_WR);
        did(c, "sendfile", sendfile(a, f, &offset, 5));
        did(c, "sendfile from a socket", sendfile(f, b, NULL, 5));
}

static void splice_both(Ctx *c) {
        int a, b, p[2], n = 0;

        own_pair(c, &a, &b);
        set_nonblock(b, true);
        must(c, "pipe", pipe(p));
        must(c, "write", write(p[1], "hello", 5));
        did(c, "splice to the socket", splice(p[0], NULL, a, NULL, 5, 0));
        wait_bytes(c, b, 5);
        did(c, "splice from the socket", splice(b, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
        (void) ioctl(p[0], FIONREAD, &n);
        say(c, "%d in the pipe", n);
        did(c, "splice of nothing", splice(b, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
        close(a);
        (void) wait_events(b, POLLRDHUP, 1000);
        did(c, "splice at the end", splice(b, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
}

static void tee_socket(Ctx *c) {
        int a, b, p[2], q[2];

        own_pair(c, &a, &b);
        must(c, "pipe", pipe(p));
        must(c, "pipe", pipe(q));
        send_all(c, a, "hello", 5);
        wait_bytes(c, b, 5);
        did(c, "tee of a socket", tee(b, p[1], 5, 0));
        did(c, "splice", splice(b, NULL, p[1], NULL, 5, 0));
        did(c, "tee", tee(p[0], q[1], 5, 0));
        did(c, "splice back", splice(q[0], NULL, b, NULL, 5, 0));
        wait_bytes(c, a, 5);
        say_recv(c, "recv", a, 0);
        did(c, "splice with an offset", splice(p[0], NULL, a, &(loff_t){0}, 5, 0));
}

static void vmsplice_socket(Ctx *c) {
        struct iovec iov = {(void *) "hello", 5};
        int a, b, p[2];

        own_pair(c, &a, &b);
        must(c, "pipe", pipe(p));
        did(c, "vmsplice to a socket", vmsplice(a, &iov, 1, 0));
        did(c, "vmsplice", vmsplice(p[1], &iov, 1, 0));
        did(c, "splice", splice(p[0], NULL, a, NULL, 5, 0));
        wait_bytes(c, b, 5);
        say_recv(c, "recv", b, 0);
}

static void splice_listener(Ctx *c) {
        int l = own_listener(c, 5), p[2];

        must(c, "pipe", pipe(p));
        did(c, "splice of a listener", splice(l, NULL, p[1], NULL, 5, SPLICE_F_NONBLOCK));
        did(c, "sendfile to a listener", sendfile(l, a_file(c, "x"), NULL, 1));
}

static void peer_dies_server(Ctx *c) {
        int fd = connected(c);

        send_all(c, fd, "dying", 5);
        (void) kill(getpid(), SIGKILL);
}

static void peer_dies_client(Ctx *c) {
        int fd = connected(c);
        char buf[16];

        say(c, "recv %zd", recv(fd, buf, 5, MSG_WAITALL));
        say_recv(c, "recv", fd, 0);
}

static void boundaries(Ctx *c) {
        char buf[16];
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "abc", 3);
        send_all(c, a, "def", 3);
        wait_bytes(c, b, 6);
        did(c, "recv of two", recv(b, buf, 2, 0));
        say_recv(c, "recv", b, 0);
}

static void ping_pong_server(Ctx *c) {
        int fd = connected(c), n = 0;
        char byte;

        while (recv(fd, &byte, 1, 0) == 1) {
                byte++;
                n += (int) send(fd, &byte, 1, MSG_NOSIGNAL);
        }
        say(c, "%d answers", n);
        barrier(c);
}

static void ping_pong_client(Ctx *c) {
        int fd = connected(c), good = 0;

        for (int i = 0; i < 200; i++) {
                char byte = (char) (i % 100), answer = 0;

                send_all(c, fd, &byte, 1);
                (void) recv(fd, &answer, 1, 0);
                good += answer == byte + 1;
        }
        close(fd);
        say(c, "%d good", good);
        barrier(c);
}

static const Case cases[] = {
                ALONE("streams/peek", "recv(2): MSG_PEEK", peek),
                ALONE("streams/peek-trunc", "tcp(7): MSG_TRUNC with MSG_PEEK", peek_trunc),
                ALONE("streams/trunc-drops", "tcp(7): MSG_TRUNC discards", trunc_drops),
                ALONE("streams/trunc-null", "tcp(7): MSG_TRUNC discards", trunc_null),
                CASE("streams/waitall", "recv(2): MSG_WAITALL", waitall_server, waitall_client),
                ALONE("streams/waitall-eof", "recv(2): MSG_WAITALL", waitall_eof),
                ALONE("streams/waitall-dontwait", "recv(2): MSG_WAITALL, MSG_DONTWAIT", waitall_peek),
                ALONE("streams/dontwait", "recv(2): MSG_DONTWAIT is per call", dontwait),
                ALONE("streams/zero-length", "recv(2), send(2)", zero_length),
                ALONE("streams/zero-length-data", "recv(2): zero-length reads", zero_length_data),
                ALONE("streams/half-close", "shutdown(2): SHUT_WR", half_close),
                BOTH("streams/half-close-halves", "shutdown(2): SHUT_WR", half_close_server,
                     half_close_client),
                ALONE("streams/shut-read", "shutdown(2): SHUT_RD", shut_read),
                ALONE("streams/shut-read-queued", "shutdown(2): SHUT_RD", shut_read_queued),
                ALONE("streams/shut-both", "shutdown(2): SHUT_RDWR", shut_both_send),
                ALONE("streams/shut-bad", "shutdown(2): EINVAL", shut_bad),
                ALONE("streams/peer-closed-send", "tcp(7): RST after data to a closed socket",
                      peer_closed_send),
                ALONE("streams/peer-closed-recv", "tcp(7): RST after data to a closed socket",
                      peer_closed_send_recv),
                ALONE("streams/peer-closed-data", "recv(2): 0 at the end, after the data",
                      peer_closed_data_first),
                ALONE("streams/closed-unread", "RFC 1122 4.2.2.13: close with unread data resets",
                      closed_unread),
                ALONE("streams/closed-unread-answered", "RFC 1122 4.2.2.13: close with unread data resets",
                      closed_unread_answered),
                ALONE("streams/linger-reset", "socket(7): SO_LINGER 0 resets", linger_reset),
                ALONE("streams/linger-reset-data", "socket(7): SO_LINGER 0 resets", linger_reset_data),
                BOTH("streams/linger-reset-blocked", "socket(7): SO_LINGER 0 resets",
                     linger_reset_blocked_server, linger_reset_blocked_client),
                ALONE("streams/linger-reset-send", "send(2): ECONNRESET, EPIPE", linger_reset_send),
                ALONE("streams/linger-before-connect", "socket(7): SO_LINGER 0 set before connect",
                      linger_before),
                ALONE("streams/linger-killed", "socket(7): SO_LINGER 0 and the end of the process",
                      linger_exit),
                ALONE("streams/linger-wait", "socket(7): SO_LINGER", linger_wait),
                ALONE("streams/sendto-address", "send(2): the address is ignored on connected streams",
                      sendto_connected),
                ALONE("streams/sendto-fresh", "send(2): EPIPE", sendto_fresh),
                ALONE("streams/sendto-fastopen", "tcp(7): MSG_FASTOPEN", sendto_fastopen),
                ALONE("streams/recvfrom-address", "recv(2): src_addr of a stream", recvfrom_address),
                ALONE("streams/recvfrom-null", "recv(2): addrlen", recvfrom_null),
                ALONE("streams/recvmsg-name", "recv(2): msg_name of a stream", recvmsg_name),
                ALONE("streams/sendmsg-name", "send(2): msg_name of a stream", sendmsg_name),
                ALONE("streams/recvmsg-credentials", "unix(7): SO_PASSCRED is for AF_UNIX",
                      recvmsg_credentials),
                ALONE("streams/sendmsg-rights", "unix(7): SCM_RIGHTS is for AF_UNIX", sendmsg_rights),
                ALONE("streams/oob", "tcp(7): MSG_OOB, SIOCATMARK", oob),
                ALONE("streams/oob-none", "recv(2): MSG_OOB EINVAL", oob_none),
                ALONE("streams/oob-many", "tcp(7): the last byte is urgent", oob_many),
                ALONE("streams/oob-twice", "tcp(7): MSG_OOB", oob_twice),
                ALONE("streams/more", "send(2): MSG_MORE", more),
                ALONE("streams/flags", "send(2), recv(2): other flags", flags_unknown),
                ALONE("streams/fionread", "tcp(7): SIOCINQ", fionread),
                ALONE("streams/fionread-listener", "tcp(7): SIOCINQ of a listener is EINVAL",
                      fionread_listener),
                ALONE("streams/siocoutq", "tcp(7): SIOCOUTQ", siocoutq),
                ALONE("streams/ioctl-others", "socket(7): SIOCGSTAMP", siocinq_names),
                ALONE("streams/ioctl-interface", "netdevice(7)", sifaddr),
                ALONE("streams/seek", "lseek(2): ESPIPE", seek),
                ALONE("streams/vectors", "writev(2), readv(2)", vectors),
                ALONE("streams/mmsg", "sendmmsg(2), recvmmsg(2)", mmsg),
                ALONE("streams/faults", "send(2), recv(2): EFAULT", faults),
                BOTH("streams/bulk", "tcp(7): a reliable stream", bulk_server, bulk_client),
                CASE("streams/both-write-1", "tcp(7): buffers", both_write_1, both_write_1),
                CASE("streams/both-write-64", "tcp(7): buffers", both_write_64, both_write_64),
                CASE("streams/both-write-1k", "tcp(7): buffers", both_write_1k, both_write_1k),
                CASE("streams/both-write-16k", "tcp(7): buffers", both_write_16k, both_write_16k),
                CASE("streams/both-write-256k", "tcp(7): buffers", both_write_256k, both_write_256k),
                ALONE("streams/capacity-64", "tcp(7): buffers", capacity_64),
                ALONE("streams/capacity-64k", "tcp(7): buffers", capacity_64k),
                ALONE("streams/small-buffers", "socket(7): SO_SNDBUF, SO_RCVBUF", small_buffers),
                ALONE("streams/partial-send", "send(2)", partial_send),
                ALONE("streams/sendfile", "sendfile(2)", send_file),
                ALONE("streams/sendfile-shut", "sendfile(2)", send_file_closed),
                ALONE("streams/splice", "splice(2)", splice_both),
                ALONE("streams/tee", "tee(2): EINVAL unless both are pipes", tee_socket),
                ALONE("streams/vmsplice", "vmsplice(2)", vmsplice_socket),
                ALONE("streams/splice-listener", "splice(2)", splice_listener),
                CASE("streams/peer-killed", "close(2) at the end of a process", peer_dies_server,
                     peer_dies_client),
                ALONE("streams/boundaries", "tcp(7): record boundaries are not preserved", boundaries),
                BOTH("streams/ping-pong", "tcp(7)", ping_pong_server, ping_pong_client),
};

CaseTable streams_cases(void) {
        return TABLE(cases);
}
