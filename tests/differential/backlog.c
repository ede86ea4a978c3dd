/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* listen(2): the queue of connections. */

#include <poll.h>
#include <sys/time.h>
#include <unistd.h>

#include "cases.h"

/* How many connect at once. */
static int fill(Ctx *c, int max, int *fds) {
        int n = 0;

        for (; n < max; n++) {
                int fd = sock_nonblock(c);

                (void) dial(c, fd);
                if (!wait_events(fd, POLLOUT, 150)) {
                        close(fd);
                        break;
                }
                if (fds)
                        fds[n] = fd;
        }
        return n;
}

static void holds(Ctx *c, int backlog) {
        (void) own_listener(c, backlog);
        say(c, "a backlog of %d holds %d", backlog, fill(c, 40, NULL));
}

static void holds_0(Ctx *c) {
        holds(c, 0);
}

static void holds_1(Ctx *c) {
        holds(c, 1);
}

static void holds_5(Ctx *c) {
        holds(c, 5);
}

static void holds_16(Ctx *c) {
        holds(c, 16);
}

static void holds_negative(Ctx *c) {
        int l = sock(c);

        did(c, "listen -1", listen(l, -1));
        c->port = port_of(c, l);
        say(c, "it holds %d of 40", fill(c, 40, NULL));
}

static void holds_large(Ctx *c) {
        int l = sock(c);

        did(c, "listen 1000000", listen(l, 1000000));
        c->port = port_of(c, l);
        say(c, "it holds %d of 40", fill(c, 40, NULL));
}

static void listen_again_more(Ctx *c) {
        int l = own_listener(c, 1);

        say(c, "holds %d", fill(c, 20, NULL));
        did(c, "listen again", listen(l, 5));
        say(c, "holds %d more", fill(c, 20, NULL));
}

static void listen_again_less(Ctx *c) {
        int l = own_listener(c, 8), n = 0;

        say(c, "holds %d", fill(c, 4, NULL));
        did(c, "listen again", listen(l, 1));
        say(c, "holds %d more", fill(c, 20, NULL));
        set_nonblock(l, true);
        while (accept(l, NULL, NULL) >= 0)
                n++;
        say(c, "%d can be accepted", n);
}

static void order(Ctx *c) {
        int l = own_listener(c, 20), ports[10], good = 0;

        for (int i = 0; i < 10; i++)
                ports[i] = port_of(c, own_connection(c, l));
        for (int i = 0; i < 10; i++)
                good += peer_port_of(c, accept(l, NULL, NULL)) == ports[i];
        say(c, "%d come in order", good);
}

/* A client waits for room, and is connected then. */
static void waits_server(Ctx *c) {
        int l = listener(c, 1);

        barrier(c); /* the queue is full */
        barrier(c); /* and the client waits */
        nap(200);
        did_fd(c, "accept", accept(l, NULL, NULL));
        did_fd(c, "accept", accept(l, NULL, NULL));
        barrier(c);
}

static void waits_client(Ctx *c) {
        long start;
        int fd;

        hear_listener(c);
        say(c, "holds %d", fill(c, 20, NULL));
        barrier(c);
        fd = sock(c);
        barrier(c);
        start = now_ms();
        did(c, "connect", dial(c, fd));
        /* A SYN is sent again after a second. */
        say(c, "it waited: %s", now_ms() - start >= 150 ? "yes" : "no");
        barrier(c);
}

static void nonblock_waits_client(Ctx *c) {
        int fd;

        hear_listener(c);
        say(c, "holds %d", fill(c, 20, NULL));
        barrier(c);
        fd = sock_nonblock(c);
        did(c, "connect", dial(c, fd));
        did(c, "connect again", dial(c, fd));
        say_poll(c, "poll", fd, POLLOUT, 50);
        say_peer(c, fd);
        barrier(c);
        say_poll(c, "poll", fd, POLLOUT, 3000);
        did(c, "connect", dial(c, fd));
        say_peer(c, fd);
        barrier(c);
}

static void nonblock_full(Ctx *c) {
        int l = own_listener(c, 1), fd, v = 0;
        socklen_t size = sizeof(v);

        (void) l;
        say(c, "holds %d", fill(c, 20, NULL));
        fd = sock_nonblock(c);
        did(c, "connect", dial(c, fd));
        did(c, "connect", dial(c, fd));
        say_poll(c, "poll", fd, POLLIN | POLLOUT, 50);
        (void) getsockopt(fd, SOL_SOCKET, SO_ERROR, &v, &size);
        say(c, "SO_ERROR %d", v);
        did(c, "send", send(fd, "x", 1, MSG_NOSIGNAL));
        did(c, "recv", recv(fd, &(char){0}, 1, 0));
        say_peer(c, fd);
        know_port(c, port_of(c, fd));
        say_name(c, fd);
}

static void nonblock_full_close(Ctx *c) {
        int l = own_listener(c, 1), fd, n = 0, held;

        held = fill(c, 20, NULL);
        fd = sock_nonblock(c);
        (void) dial(c, fd);
        nap(20);
        close(fd);
        set_nonblock(l, true);
        while (wait_events(l, POLLIN, 100) && accept(l, NULL, NULL) >= 0)
                n++;
        say(c, "who went away does not come: %d", n == held);
}

static void full_listener_closes_server(Ctx *c) {
        int l = listener(c, 1);

        barrier(c);
        barrier(c);
        nap(100);
        close(l);
        barrier(c);
}

static void full_listener_closes_client(Ctx *c) {
        int fd;

        hear_listener(c);
        say(c, "holds %d", fill(c, 20, NULL));
        barrier(c);
        fd = sock(c);
        barrier(c);
        did(c, "connect", dial(c, fd));
        barrier(c);
}

static void full_others(Ctx *c) {
        int l = own_listener(c, 0), k;

        (void) l;
        (void) fill(c, 20, NULL);
        k = own_listener(c, 5);
        did(c, "connect to another", dial(c, sock(c)));
        did_fd(c, "accept", accept(k, NULL, NULL));
}

static void accept_makes_room(Ctx *c) {
        int l = own_listener(c, 1), n = fill(c, 20, NULL), m;

        for (int i = 0; i < n; i++)
                (void) accept(l, NULL, NULL);
        m = fill(c, 20, NULL);
        say(c, "as many again: %d", m == n);
}

static void closed_clients_count(Ctx *c) {
        int l = own_listener(c, 3), fds[20], n = fill(c, 20, fds), m = 0;

        for (int i = 0; i < n; i++)
                close(fds[i]);
        nap(20);
        /* Whoever closed is in the queue all the same. */
        say(c, "%d more", fill(c, 20, NULL));
        set_nonblock(l, true);
        while (accept(l, NULL, NULL) >= 0)
                m++;
        say(c, "all can be accepted: %d", m == n);
}

static void data_in_queue(Ctx *c) {
        int l = own_listener(c, 5), fds[3];

        for (int i = 0; i < 3; i++) {
                fds[i] = own_connection(c, l);
                send_all(c, fds[i], &"abc"[i], 1);
                if (i == 1)
                        close(fds[i]);
        }
        for (int i = 0; i < 3; i++)
                say_recv(c, "recv", accept(l, NULL, NULL), 0);
}

static void reset_in_queue(Ctx *c) {
        int l = own_listener(c, 5), fd = own_connection(c, l);

        reset_close(fd);
        nap(20);
        (void) own_connection(c, l);
        set_nonblock(l, true);
        fd = accept(l, NULL, NULL);
        did_fd(c, "accept", fd);
        say_recv(c, "recv", fd, MSG_DONTWAIT);
        say_peer(c, fd);
        did_fd(c, "accept", accept(l, NULL, NULL));
        did_fd(c, "accept", accept(l, NULL, NULL));
}

static void many(Ctx *c) {
        enum { N = 300 };
        int l = own_listener(c, N), n = 0;

        for (int i = 0; i < N; i++) {
                int fd = sock(c);

                n += dial(c, fd) == 0;
        }
        say(c, "%d connect", n);
        set_nonblock(l, true);
        for (n = 0; accept(l, NULL, NULL) >= 0; n++)
                ;
        say(c, "%d are accepted", n);
}

static void sndtimeo_full(Ctx *c) {
        const struct timeval tv = {0, 200000};
        int l = own_listener(c, 1), fd = sock(c);
        long start;

        (void) l;
        (void) fill(c, 20, NULL);
        must(c, "SO_SNDTIMEO", setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
        start = now_ms();
        did(c, "connect", dial(c, fd));
        say_elapsed(c, "ends", start, 200);
        say_peer(c, fd);
}

#define L "listen(2): "

static const Case cases[] = {
                ALONE("backlog/holds-0", L "backlog", holds_0),
                ALONE("backlog/holds-1", L "backlog", holds_1),
                ALONE_BOTH("backlog/holds-5", L "backlog", holds_5),
                ALONE("backlog/holds-16", L "backlog", holds_16),
                ALONE("backlog/holds-negative", L "backlog is unsigned to the kernel", holds_negative),
                ALONE("backlog/holds-large", L "silently capped to somaxconn", holds_large),
                ALONE("backlog/listen-again-more", L "called again changes the backlog", listen_again_more),
                ALONE("backlog/listen-again-less", L "called again changes the backlog", listen_again_less),
                ALONE_BOTH("backlog/order", "accept(2): the first connection of the queue", order),
                CASE("backlog/blocking-waits",
                     L "the request may be ignored so that a later reattempt succeeds", waits_server,
                     waits_client),
                CASE("backlog/nonblock-waits",
                     L "the request may be ignored so that a later reattempt succeeds", waits_server,
                     nonblock_waits_client),
                ALONE_BOTH("backlog/nonblock-full", "connect(2): EINPROGRESS, EALREADY", nonblock_full),
                ALONE("backlog/nonblock-full-close", "close(2) of a socket that connects",
                      nonblock_full_close),
                CASE("backlog/listener-closes", "connect(2): ECONNREFUSED", full_listener_closes_server,
                     full_listener_closes_client),
                ALONE("backlog/other-listeners", L "each has a queue of its own", full_others),
                ALONE("backlog/accept-makes-room", L "backlog", accept_makes_room),
                ALONE("backlog/closed-clients-count", L "backlog", closed_clients_count),
                ALONE("backlog/data-in-queue", "accept(2): data that came before", data_in_queue),
                ALONE("backlog/reset-in-queue", "accept(2): ECONNABORTED or a connection that was reset",
                      reset_in_queue),
                ALONE("backlog/many", L "backlog", many),
                ALONE("backlog/connect-timeout", "socket(7): SO_SNDTIMEO", sndtimeo_full),
};

CaseTable backlog_cases(void) {
        return TABLE(cases);
}
