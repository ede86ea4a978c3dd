/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* epoll(7): what is told of sockets that were added before and after they were replaced. */

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cases.h"

#define E "epoll(7): "

static int ep_new(Ctx *c) {
        return (int) must(c, "epoll_create1", epoll_create1(0));
}

static int ep_add(int ep, int fd, uint32_t events, uint64_t data) {
        struct epoll_event e = {.events = events, .data.u64 = data};

        return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static int ep_mod(int ep, int fd, uint32_t events, uint64_t data) {
        struct epoll_event e = {.events = events, .data.u64 = data};

        return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e);
}

static int ep_del(int ep, int fd) {
        return epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
}

static void ep_say(Ctx *c, const char *what, int ep, int ms) {
        struct epoll_event e[8];
        char buf[128];
        int n = epoll_wait(ep, e, ELEMENTSOF(e), ms);

        if (n <= 0)
                did(c, what, n);
        for (int i = 0; i < n; i++)
                say(c, "%s %s, data %#llx", what, epoll_names(e[i].events, buf, sizeof(buf)),
                    (unsigned long long) e[i].data.u64);
}

#define DATA 0x1234567890abcdefULL

static void ep_listener(Ctx *c, uint32_t flags, bool before) {
        int ep = ep_new(c), l = sock_nonblock(c);

        if (before)
                did(c, "add", ep_add(ep, l, EPOLLIN | flags, DATA));
        must(c, "listen", listen(l, 5));
        c->port = port_of(c, l);
        if (!before)
                did(c, "add", ep_add(ep, l, EPOLLIN | flags, DATA));
        /* A fresh socket was HUP, which is told once more to who asks for edges. */
        while (before && epoll_wait(ep, &(struct epoll_event){0}, 1, 0) > 0 && flags)
                ;
        ep_say(c, "nobody waits", ep, 50);
        (void) own_connection(c, l);
        ep_say(c, "one waits", ep, 1000);
        ep_say(c, "one waits still", ep, 50);
        did_fd(c, "accept", accept(l, NULL, NULL));
        ep_say(c, "accepted", ep, 50);
        (void) own_connection(c, l);
        ep_say(c, "one more", ep, 1000);
        did(c, "mod", ep_mod(ep, l, EPOLLIN | (flags & ~EPOLLEXCLUSIVE), DATA + 1));
        ep_say(c, "after mod", ep, 1000);
        did(c, "del", ep_del(ep, l));
        ep_say(c, "after del", ep, 20);
        did(c, "del again", ep_del(ep, l));
}

static void ep_listener_level(Ctx *c) {
        ep_listener(c, 0, false);
}

static void ep_listener_edge(Ctx *c) {
        ep_listener(c, EPOLLET, false);
}

static void ep_listener_oneshot(Ctx *c) {
        ep_listener(c, EPOLLONESHOT, false);
}

static void ep_listener_exclusive(Ctx *c) {
        ep_listener(c, EPOLLEXCLUSIVE, false);
}

static void ep_listener_level_before(Ctx *c) {
        ep_listener(c, 0, true);
}

static void ep_listener_edge_before(Ctx *c) {
        ep_listener(c, EPOLLET, true);
}

static void ep_listener_exclusive_before(Ctx *c) {
        ep_listener(c, EPOLLEXCLUSIVE, true);
}

static void ep_listener_oneshot_before(Ctx *c) {
        int ep = ep_new(c), l = sock_nonblock(c);

        did(c, "add", ep_add(ep, l, EPOLLIN | EPOLLONESHOT, DATA));
        must(c, "listen", listen(l, 5));
        c->port = port_of(c, l);
        (void) own_connection(c, l);
        ep_say(c, "one waits", ep, 1000);
        (void) own_connection(c, l);
        ep_say(c, "shot", ep, 50);
        did(c, "mod", ep_mod(ep, l, EPOLLIN | EPOLLONESHOT, 5));
        ep_say(c, "armed again", ep, 1000);
}

static void ep_connect(Ctx *c, uint32_t flags, bool before) {
        int ep = ep_new(c), fd = sock_nonblock(c), b;

        far_listener(c);
        if (before)
                did(c, "add", ep_add(ep, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | flags, DATA));
        did(c, "connect", dial(c, fd));
        if (!before)
                did(c, "add", ep_add(ep, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | flags, DATA));
        (void) wait_events(fd, POLLOUT, 1000);
        ep_say(c, "connected", ep, 1000);
        ep_say(c, "again", ep, 50);
        b = far_accept(c);
        send_all(c, b, "x", 1);
        wait_bytes(c, fd, 1);
        ep_say(c, "with data", ep, 1000);
        ep_say(c, "again", ep, 50);
        did(c, "recv", recv(fd, &(char){0}, 1, 0));
        did(c, "mod", ep_mod(ep, fd, EPOLLIN | EPOLLRDHUP | flags, DATA + 1));
        ep_say(c, "read", ep, 50);
        must(c, "shutdown", shutdown(b, SHUT_WR));
        ep_say(c, "peer shut down", ep, 1000);
        did(c, "del", ep_del(ep, fd));
}

static void ep_connect_level(Ctx *c) {
        ep_connect(c, 0, false);
}

static void ep_connect_edge(Ctx *c) {
        ep_connect(c, EPOLLET, false);
}

static void ep_connect_level_before(Ctx *c) {
        ep_connect(c, 0, true);
}

static void ep_connect_edge_before(Ctx *c) {
        ep_connect(c, EPOLLET, true);
}

static void ep_connect_oneshot_before(Ctx *c) {
        int ep = ep_new(c), fd = sock_nonblock(c);

        far_listener(c);
        did(c, "add", ep_add(ep, fd, EPOLLOUT | EPOLLONESHOT, DATA));
        did(c, "connect", dial(c, fd));
        (void) wait_events(fd, POLLOUT, 1000);
        ep_say(c, "connected", ep, 1000);
        ep_say(c, "again", ep, 50);
        did(c, "mod", ep_mod(ep, fd, EPOLLOUT | EPOLLONESHOT, DATA + 1));
        ep_say(c, "armed", ep, 1000);
}

static void ep_blocking_connect_before(Ctx *c) {
        int ep = ep_new(c), fd = sock(c), b;

        far_listener(c);
        did(c, "add", ep_add(ep, fd, EPOLLIN, DATA));
        did(c, "connect", dial(c, fd));
        ep_say(c, "connected", ep, 50);
        b = far_accept(c);
        send_all(c, b, "x", 1);
        ep_say(c, "with data", ep, 1000);
}

static void ep_two_sets_before(Ctx *c) {
        int ep = ep_new(c), ep2 = ep_new(c), fd = sock_nonblock(c);

        far_listener(c);
        did(c, "add", ep_add(ep, fd, EPOLLOUT, 1));
        did(c, "add", ep_add(ep2, fd, EPOLLIN | EPOLLOUT | EPOLLET, 2));
        did(c, "connect", dial(c, fd));
        (void) wait_events(fd, POLLOUT, 1000);
        ep_say(c, "one", ep, 1000);
        ep_say(c, "two", ep2, 1000);
        did(c, "mod", ep_mod(ep2, fd, EPOLLOUT, 3));
        did(c, "del", ep_del(ep, fd));
}

static void ep_dup_before(Ctx *c) {
        int ep = ep_new(c), fd = sock_nonblock(c), d = dup(fd);

        far_listener(c);
        did(c, "add", ep_add(ep, fd, EPOLLOUT, 1));
        did(c, "add of the dup", ep_add(ep, d, EPOLLOUT, 2));
        did(c, "connect", dial(c, fd));
        (void) wait_events(fd, POLLOUT, 1000);
        ep_say(c, "wait", ep, 1000);
}

static void ep_refused_before(Ctx *c) {
        int ep = ep_new(c), fd = sock_nonblock(c);

        did(c, "add", ep_add(ep, fd, EPOLLOUT | EPOLLIN, 1));
        did(c, "connect", dial_who(c, fd, WHO_CLIENT, 1));
        (void) wait_events(fd, POLLOUT, 1000);
        ep_say(c, "wait", ep, 1000);
}

static void ep_add_twice(Ctx *c) {
        int ep = ep_new(c), fd = sock_nonblock(c);

        far_listener(c);
        did(c, "add", ep_add(ep, fd, EPOLLOUT, 1));
        did(c, "connect", dial(c, fd));
        did(c, "add again", ep_add(ep, fd, EPOLLOUT, 2));
        did(c, "mod", ep_mod(ep, fd, EPOLLOUT, 3));
        did(c, "del", ep_del(ep, fd));
        did(c, "mod of none", ep_mod(ep, fd, EPOLLOUT, 4));
}

static void ep_closed_leaves(Ctx *c) {
        int ep = ep_new(c), fd = sock_nonblock(c);

        far_listener(c);
        did(c, "add", ep_add(ep, fd, EPOLLOUT, 1));
        did(c, "connect", dial(c, fd));
        (void) wait_events(fd, POLLOUT, 1000);
        close(fd);
        ep_say(c, "closed", ep, 50);
}

static void ep_listener_closed_leaves(Ctx *c) {
        int ep = ep_new(c), l = own_listener(c, 5), fd;

        did(c, "add", ep_add(ep, l, EPOLLIN, 1));
        fd = own_connection(c, l);
        (void) fd;
        ep_say(c, "one waits", ep, 1000);
        close(l);
        ep_say(c, "closed", ep, 50);
}

static void ep_exclusive_two(Ctx *c) {
        int ep = ep_new(c), ep2 = ep_new(c), l = own_listener(c, 5);

        set_nonblock(l, true);
        did(c, "add", ep_add(ep, l, EPOLLIN | EPOLLEXCLUSIVE, 1));
        did(c, "add", ep_add(ep2, l, EPOLLIN | EPOLLEXCLUSIVE, 2));
        (void) own_connection(c, l);
        ep_say(c, "one", ep, 1000);
        ep_say(c, "two", ep2, 1000);
        did(c, "mod", ep_mod(ep, l, EPOLLIN, 1));
}

static void ep_shut_listener(Ctx *c) {
        int ep = ep_new(c), l = own_listener(c, 5);

        did(c, "add", ep_add(ep, l, EPOLLIN, 1));
        must(c, "shutdown", shutdown(l, SHUT_RDWR));
        ep_say(c, "shut down", ep, 500);
}

static void ep_peer_closed(Ctx *c) {
        int ep = ep_new(c), a, b;

        own_pair(c, &a, &b);
        did(c, "add", ep_add(ep, a, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 1));
        ep_say(c, "connected", ep, 100);
        close(b);
        ep_say(c, "peer closed", ep, 1000);
        did(c, "recv", recv(a, &(char){0}, 1, 0));
        ep_say(c, "read", ep, 50);
}

static void ep_reset(Ctx *c) {
        int ep = ep_new(c), a, b;

        own_pair(c, &a, &b);
        did(c, "add", ep_add(ep, a, EPOLLIN | EPOLLRDHUP, 1));
        reset_close(b);
        ep_say(c, "peer reset", ep, 1000);
}

static void ep_et_out(Ctx *c) {
        static char data[1 << 20];
        int ep = ep_new(c), a, b;

        own_pair(c, &a, &b);
        set_nonblock(a, true);
        set_nonblock(b, true);
        did(c, "add", ep_add(ep, a, EPOLLOUT | EPOLLET, 1));
        ep_say(c, "connected", ep, 100);
        for (int quiet = 0; quiet < 3;) {
                if (send(a, data, sizeof(data), MSG_NOSIGNAL) < 0) {
                        quiet++;
                        nap(20);
                } else
                        quiet = 0;
        }
        while (epoll_wait(ep, &(struct epoll_event){0}, 1, 20) > 0)
                ;
        ep_say(c, "full", ep, 50);
        for (int quiet = 0; quiet < 3;) {
                if (recv(b, data, sizeof(data), 0) <= 0) {
                        quiet++;
                        nap(10);
                } else
                        quiet = 0;
        }
        ep_say(c, "drained", ep, 1000);
}

typedef struct EpWaiter {
        pthread_t thread;
        int ep, n;
        struct epoll_event e;
} EpWaiter;

static void *ep_waiter_run(void *p) {
        EpWaiter *w = p;

        w->n = epoll_wait(w->ep, &w->e, 1, 600);
        return NULL;
}

static void ep_thread(Ctx *c, bool before) {
        int fd = sock_nonblock(c), b;
        EpWaiter w = {.ep = ep_new(c)};
        char buf[128];

        far_listener(c);
        if (before) {
                /* HUP of a fresh socket is out of the way with EPOLLET. */
                did(c, "add", ep_add(w.ep, fd, EPOLLIN | EPOLLET, DATA));
                while (epoll_wait(w.ep, &w.e, 1, 0) > 0)
                        ;
        } else {
                did(c, "connect", dial(c, fd));
                did(c, "add", ep_add(w.ep, fd, EPOLLIN | EPOLLET, DATA));
        }
        if (pthread_create(&w.thread, NULL, ep_waiter_run, &w) != 0)
                must(c, "pthread_create", -1);
        nap(50);
        if (before) {
                did(c, "connect", dial(c, fd));
                (void) wait_events(fd, POLLOUT, 1000);
        }
        b = far_accept(c);
        nap(20);
        send_all(c, b, "x", 1);
        (void) pthread_join(w.thread, NULL);
        if (w.n == 1)
                say(c, "epoll_wait %s", epoll_names(w.e.events & ~(unsigned) EPOLLOUT, buf, sizeof(buf)));
        else
                say(c, "epoll_wait %d", w.n);
}

static void ep_thread_after(Ctx *c) {
        ep_thread(c, false);
}

static void ep_thread_before(Ctx *c) {
        ep_thread(c, true);
}

static void ep_nested(Ctx *c) {
        int in = ep_new(c), out = ep_new(c), l = sock_nonblock(c);

        did(c, "add", ep_add(in, l, EPOLLIN, 1));
        did(c, "add of the set", ep_add(out, in, EPOLLIN, 2));
        must(c, "listen", listen(l, 5));
        c->port = port_of(c, l);
        ep_say(c, "outer", out, 50);
        (void) own_connection(c, l);
        ep_say(c, "outer", out, 1000);
        ep_say(c, "inner", in, 1000);
}

static const Case cases[] = {
                ALONE("multiplex/epoll-listener-level", E "level-triggered", ep_listener_level),
                ALONE("multiplex/epoll-listener-edge", E "EPOLLET", ep_listener_edge),
                ALONE("multiplex/epoll-listener-oneshot", E "EPOLLONESHOT", ep_listener_oneshot),
                ALONE("multiplex/epoll-listener-exclusive", E "EPOLLEXCLUSIVE", ep_listener_exclusive),
                ALONE("multiplex/epoll-listener-level-before", E "registered before listen",
                      ep_listener_level_before),
                ALONE("multiplex/epoll-listener-edge-before", E "registered before listen",
                      ep_listener_edge_before),
                ALONE("multiplex/epoll-listener-exclusive-before", E "registered before listen",
                      ep_listener_exclusive_before),
                ALONE("multiplex/epoll-listener-oneshot-before", E "registered before listen",
                      ep_listener_oneshot_before),
                ALONE_BOTH("multiplex/epoll-connect-level", E "level-triggered", ep_connect_level),
                ALONE_BOTH("multiplex/epoll-connect-edge", E "EPOLLET", ep_connect_edge),
                ALONE_BOTH("multiplex/epoll-connect-level-before", E "registered before connect",
                           ep_connect_level_before),
                ALONE_BOTH("multiplex/epoll-connect-edge-before", E "registered before connect",
                           ep_connect_edge_before),
                ALONE("multiplex/epoll-connect-oneshot-before", E "registered before connect",
                      ep_connect_oneshot_before),
                ALONE("multiplex/epoll-blocking-before", E "registered before connect",
                      ep_blocking_connect_before),
                ALONE("multiplex/epoll-two-sets-before", E "a file descriptor in two sets",
                      ep_two_sets_before),
                ALONE("multiplex/epoll-dup-before", E "a duplicate in the same set", ep_dup_before),
                ALONE("multiplex/epoll-refused-before", E "EPOLLERR|EPOLLHUP", ep_refused_before),
                ALONE("multiplex/epoll-add-twice", "epoll_ctl(2): EEXIST, ENOENT", ep_add_twice),
                ALONE("multiplex/epoll-close", E "closing a descriptor removes it from the sets",
                      ep_closed_leaves),
                ALONE("multiplex/epoll-close-listener", E "closing a descriptor removes it from the sets",
                      ep_listener_closed_leaves),
                ALONE("multiplex/epoll-exclusive-two",
                      "epoll_ctl(2): EPOLLEXCLUSIVE with EPOLL_CTL_MOD is EINVAL", ep_exclusive_two),
                ALONE("multiplex/epoll-shutdown-listener", E "EPOLLHUP", ep_shut_listener),
                ALONE("multiplex/epoll-peer-closed", E "EPOLLRDHUP", ep_peer_closed),
                ALONE("multiplex/epoll-reset", E "EPOLLERR", ep_reset),
                ALONE("multiplex/epoll-edge-out", E "EPOLLOUT when there is room again", ep_et_out),
                ALONE("multiplex/epoll-thread", E "epoll_wait in another thread", ep_thread_after),
                ALONE("multiplex/epoll-thread-before", E "epoll_wait begun before connect",
                      ep_thread_before),
                ALONE("multiplex/epoll-nested", E "a set in a set", ep_nested),
};

CaseTable epoll_cases(void) {
        return TABLE(cases);
}
