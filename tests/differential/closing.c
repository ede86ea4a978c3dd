/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* shutdown(2), close(2), socket(7): SO_LINGER: how streams end. */

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "cases.h"

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

static const Case cases[] = {
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
};

CaseTable closing_cases(void) {
        return TABLE(cases);
}
