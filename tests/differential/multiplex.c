/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* select(2), poll(2), ppoll(2), epoll(7), SIGIO. */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <unistd.h>

#include "cases.h"

#define ALL_EVENTS (POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

static void say_select(Ctx *c, const char *what, int fd, int ms) {
        struct timeval tv = {ms / 1000, ms % 1000 * 1000};
        fd_set r, w, e;
        int n;

        FD_ZERO(&r);
        FD_ZERO(&w);
        FD_ZERO(&e);
        FD_SET(fd, &r);
        FD_SET(fd, &w);
        FD_SET(fd, &e);
        n = select(fd + 1, &r, &w, &e, &tv);
        say(c, "%s: %d%s%s%s", what, n, n > 0 && FD_ISSET(fd, &r) ? " read" : "",
            n > 0 && FD_ISSET(fd, &w) ? " write" : "", n > 0 && FD_ISSET(fd, &e) ? " except" : "");
}

static void all(Ctx *c, const char *what, int fd) {
        say_poll(c, what, fd, ALL_EVENTS, 0);
        say_select(c, what, fd, 0);
}

static void states_fresh(Ctx *c) {
        all(c, "fresh", sock(c));
        all(c, "bound", sock_bound(c, WHO_CLIENT, 0));
}

static void states_listener(Ctx *c) {
        int l = own_listener(c, 5);

        all(c, "empty", l);
        (void) own_connection(c, l);
        (void) wait_events(l, POLLIN, 1000);
        all(c, "one waits", l);
        (void) accept(l, NULL, NULL);
        all(c, "accepted", l);
}

static void states_connected(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        all(c, "connected", a);
        send_all(c, b, "x", 1);
        (void) wait_events(a, POLLIN, 1000);
        all(c, "with data", a);
        (void) recv(a, &(char){0}, 1, 0);
        all(c, "read", a);
}

static void states_peer_shutdown(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        must(c, "shutdown", shutdown(b, SHUT_WR));
        (void) wait_events(a, POLLIN, 1000);
        all(c, "peer shut down", a);
        all(c, "the peer", b);
}

static void states_peer_closed(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        close(b);
        (void) wait_events(a, POLLIN, 1000);
        all(c, "peer closed", a);
}

static void states_peer_closed_data(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, b, "x", 1);
        close(b);
        (void) wait_events(a, POLLRDHUP, 1000);
        all(c, "peer closed", a);
        (void) recv(a, &(char){0}, 1, 0);
        all(c, "and read", a);
}

static void states_reset(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        reset_close(b);
        (void) wait_events(a, POLLIN, 1000);
        all(c, "peer reset", a);
        did(c, "recv", recv(a, &(char){0}, 1, 0));
        all(c, "after the error", a);
}

static void states_shut_read(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        must(c, "shutdown", shutdown(a, SHUT_RD));
        all(c, "shut down for reading", a);
        all(c, "its peer", b);
}

static void states_shut_write(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        must(c, "shutdown", shutdown(a, SHUT_WR));
        all(c, "shut down for writing", a);
        (void) wait_events(b, POLLIN, 1000);
        all(c, "its peer", b);
}

static void states_shut_both(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        must(c, "shutdown", shutdown(a, SHUT_RDWR));
        all(c, "shut down", a);
        (void) wait_events(b, POLLIN, 1000);
        all(c, "its peer", b);
}

static void states_both_shut(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        must(c, "shutdown", shutdown(a, SHUT_WR));
        must(c, "shutdown", shutdown(b, SHUT_WR));
        (void) wait_events(a, POLLIN, 1000);
        (void) wait_events(b, POLLIN, 1000);
        all(c, "both ways", a);
        all(c, "both ways", b);
}

static void states_full(Ctx *c) {
        static char data[1 << 20];
        int a, b;

        own_pair(c, &a, &b);
        set_nonblock(a, true);
        for (int quiet = 0; quiet < 3;) {
                if (send(a, data, sizeof(data), MSG_NOSIGNAL) < 0) {
                        quiet++;
                        nap(20);
                } else
                        quiet = 0;
        }
        all(c, "full", a);
        set_nonblock(b, true);
        for (int quiet = 0; quiet < 3;) {
                if (recv(b, data, sizeof(data), 0) <= 0) {
                        quiet++;
                        nap(10);
                } else
                        quiet = 0;
        }
        all(c, "drained", a);
}

static void states_oob(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "send OOB", send(a, "x", 1, MSG_OOB));
        (void) wait_events(b, POLLPRI, 1000);
        all(c, "urgent data", b);
        say_recv(c, "recv OOB", b, MSG_OOB);
        all(c, "read", b);
}

static void states_refused(Ctx *c) {
        int fd = sock_nonblock(c);

        (void) dial_who(c, fd, WHO_CLIENT, 1);
        (void) wait_events(fd, POLLOUT, 1000);
        all(c, "refused", fd);
        did(c, "connect", dial_who(c, fd, WHO_CLIENT, 1));
        all(c, "after that", fd);
}

static void poll_closed(Ctx *c) {
        say_poll(c, "poll of nothing", 77, POLLIN, 0);
        say_poll(c, "poll of -1", -1, POLLIN, 0);
}

static void ppoll_mask(Ctx *c) {
        const struct timespec ts = {0, 100000000};
        struct pollfd p = {.events = POLLIN};
        sigset_t set;
        int l = own_listener(c, 5);

        sigemptyset(&set);
        p.fd = l;
        did(c, "ppoll", ppoll(&p, 1, &ts, &set));
        (void) own_connection(c, l);
        did(c, "ppoll", ppoll(&p, 1, &ts, &set));
}

static void poll_two(Ctx *c) {
        int l = own_listener(c, 5), k = own_listener(c, 5);
        struct pollfd p[2] = {{.fd = l, .events = POLLIN}, {.fd = k, .events = POLLIN}};

        (void) own_connection(c, k);
        did(c, "poll", poll(p, 2, 1000));
        say(c, "%d %d", p[0].revents, p[1].revents);
}

/* A thread that waits for events from before. */
typedef struct Waiter {
        pthread_t thread;
        int fd, ms, result;
        short events;
        bool select;
} Waiter;

static void *waiter_run(void *p) {
        Waiter *w = p;

        if (w->select) {
                struct timeval tv = {w->ms / 1000, w->ms % 1000 * 1000};
                fd_set r, o;

                FD_ZERO(&r);
                FD_ZERO(&o);
                FD_SET(w->fd, w->events & POLLIN ? &r : &o);
                w->result = select(w->fd + 1, &r, &o, NULL, &tv);
        } else
                w->result = wait_events(w->fd, w->events, w->ms);
        return NULL;
}

static void waiter_start(Ctx *c, Waiter *w, int fd, short events, bool by_select) {
        *w = (Waiter){.fd = fd, .events = events, .ms = 600, .select = by_select};
        if (pthread_create(&w->thread, NULL, waiter_run, w) != 0)
                must(c, "pthread_create", -1);
        nap(50);
}

static void waiter_say(Ctx *c, Waiter *w, const char *what) {
        char buf[128];

        (void) pthread_join(w->thread, NULL);
        if (w->select)
                say(c, "%s %d", what, w->result);
        else
                say(c, "%s %s", what, poll_names((short) w->result, buf, sizeof(buf)));
}

/* poll of a fresh socket says HUP at once, so the waiter waits for what only the connection brings. */
static void thread_listener(Ctx *c) {
        int l = own_listener(c, 5);
        Waiter w;

        waiter_start(c, &w, l, POLLIN, false);
        (void) own_connection(c, l);
        waiter_say(c, &w, "poll in a thread");
}

static void thread_listener_select(Ctx *c) {
        int l = own_listener(c, 5);
        Waiter w;

        waiter_start(c, &w, l, POLLIN, true);
        (void) own_connection(c, l);
        waiter_say(c, &w, "select in a thread");
}

static void thread_select_before_connect(Ctx *c) {
        int fd = sock(c);
        Waiter w;

        far_listener(c);
        waiter_start(c, &w, fd, POLLIN, true);
        did(c, "connect", dial(c, fd));
        waiter_say(c, &w, "select for reading");
}

static void thread_select_before_listen(Ctx *c) {
        int l = sock(c);
        Waiter w;

        waiter_start(c, &w, l, POLLIN, true);
        did(c, "listen", listen(l, 5));
        waiter_say(c, &w, "select for reading");
}

static void thread_poll_refused(Ctx *c) {
        int a, b;
        Waiter w;

        own_pair(c, &a, &b);
        waiter_start(c, &w, a, POLLIN, false);
        close(b);
        waiter_say(c, &w, "poll in a thread");
}

static void thread_poll_shutdown(Ctx *c) {
        int l = own_listener(c, 5);
        Waiter w;

        waiter_start(c, &w, l, POLLIN, false);
        must(c, "shutdown", shutdown(l, SHUT_RDWR));
        waiter_say(c, &w, "poll of a listener that is shut down");
}

/* epoll */
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

/* SIGIO */
static void say_sig(Ctx *c, const char *what, sigset_t *set, int ms) {
        const struct timespec ts = {ms / 1000, (long) (ms % 1000) * 1000000};
        siginfo_t info;
        char buf[128];
        int n = sigtimedwait(set, &info, &ts);

        if (n < 0)
                did(c, what, -1);
        else if (info.si_code > 0 && info.si_code != SI_KERNEL)
                say(c, "%s SIG%s code %d %s", what, n >= SIGRTMIN ? "RT" : sigabbrev_np(n), info.si_code,
                    poll_names((short) info.si_band, buf, sizeof(buf)));
        else
                say(c, "%s SIG%s", what, n >= SIGRTMIN ? "RT" : sigabbrev_np(n));
}

static int block(sigset_t *set, int signal) {
        sigemptyset(set);
        sigaddset(set, signal);
        return sigprocmask(SIG_BLOCK, set, NULL);
}

static void drain(sigset_t *set) {
        const struct timespec none = {};

        while (sigtimedwait(set, NULL, &none) >= 0)
                ;
}

static void sigio_listener(Ctx *c, bool before) {
        int l = sock(c), fd;
        sigset_t set;

        (void) block(&set, SIGIO);
        if (!before)
                must(c, "listen", listen(l, 5));
        did(c, "F_SETOWN", fcntl(l, F_SETOWN, getpid()));
        did(c, "O_ASYNC", fcntl(l, F_SETFL, O_ASYNC));
        if (before)
                must(c, "listen", listen(l, 5));
        drain(&set);
        say(c, "owner is me: %d, O_ASYNC %d", fcntl(l, F_GETOWN) == getpid(),
            !!(fcntl(l, F_GETFL) & O_ASYNC));
        fd = sock(c);
        must(c, "connect", dial_who(c, fd, WHO_CLIENT, port_of(c, l)));
        say_sig(c, "a client comes", &set, 500);
}

static void sigio_listener_after(Ctx *c) {
        sigio_listener(c, false);
}

static void sigio_listener_before(Ctx *c) {
        sigio_listener(c, true);
}

static void sigio_data(Ctx *c, bool before) {
        int a = sock(c), b;
        sigset_t set;

        far_listener(c);
        (void) block(&set, SIGIO);
        if (!before)
                must(c, "connect", dial(c, a));
        did(c, "F_SETOWN", fcntl(a, F_SETOWN, getpid()));
        did(c, "FIOASYNC", ioctl(a, FIOASYNC, &(int){1}));
        if (before)
                must(c, "connect", dial(c, a));
        b = far_accept(c);
        nap(20);
        drain(&set);
        say(c, "owner is me: %d, O_ASYNC %d", fcntl(a, F_GETOWN) == getpid(),
            !!(fcntl(a, F_GETFL) & O_ASYNC));
        send_all(c, b, "x", 1);
        say_sig(c, "data comes", &set, 500);
}

static void sigio_data_after(Ctx *c) {
        sigio_data(c, false);
}

static void sigio_data_before(Ctx *c) {
        sigio_data(c, true);
}

static void sigio_rt(Ctx *c) {
        int a, b;
        sigset_t set;

        own_pair(c, &a, &b);
        (void) block(&set, SIGRTMIN);
        did(c, "F_SETSIG", fcntl(a, F_SETSIG, SIGRTMIN));
        did(c, "F_SETOWN", fcntl(a, F_SETOWN, getpid()));
        did(c, "O_ASYNC", fcntl(a, F_SETFL, O_ASYNC));
        nap(10);
        drain(&set);
        send_all(c, b, "x", 1);
        say_sig(c, "data comes", &set, 500);
        say(c, "F_GETSIG %d", fcntl(a, F_GETSIG) == SIGRTMIN);
}

static void sigio_rt_before(Ctx *c) {
        int a = sock(c);

        far_listener(c);
        did(c, "F_SETSIG", fcntl(a, F_SETSIG, SIGRTMIN));
        did(c, "F_SETOWN", fcntl(a, F_SETOWN, getpid()));
        must(c, "connect", dial(c, a));
        say(c, "F_GETSIG %d, F_GETOWN %d", fcntl(a, F_GETSIG) == SIGRTMIN, fcntl(a, F_GETOWN) == getpid());
}

static void sigurg(Ctx *c) {
        int a, b;
        sigset_t set;

        own_pair(c, &a, &b);
        (void) block(&set, SIGURG);
        did(c, "F_SETOWN", fcntl(b, F_SETOWN, getpid()));
        did(c, "send OOB", send(a, "x", 1, MSG_OOB));
        say_sig(c, "urgent data", &set, 500);
}

static void siocspgrp(Ctx *c) {
        int a, b, me = getpid(), got = 0;

        own_pair(c, &a, &b);
        did(c, "SIOCSPGRP", ioctl(a, 0x8902, &me));
        did(c, "SIOCGPGRP", ioctl(a, 0x8904, &got));
        say(c, "is me: %d", got == me);
}

#define P "poll(2), select(2): "
#define E "epoll(7): "

static const Case cases[] = {
                ALONE("multiplex/fresh", P "a socket that is not connected", states_fresh),
                ALONE_BOTH("multiplex/listener", "accept(2): a readable event will be delivered",
                           states_listener),
                ALONE_BOTH("multiplex/connected", P "there is data to read", states_connected),
                ALONE("multiplex/peer-shutdown", P "POLLRDHUP", states_peer_shutdown),
                ALONE("multiplex/peer-closed", P "POLLRDHUP", states_peer_closed),
                ALONE("multiplex/peer-closed-data", P "POLLRDHUP", states_peer_closed_data),
                ALONE("multiplex/reset", P "POLLERR", states_reset),
                ALONE("multiplex/shut-read", P "shutdown", states_shut_read),
                ALONE("multiplex/shut-write", P "shutdown", states_shut_write),
                ALONE("multiplex/shut-both", P "POLLHUP", states_shut_both),
                ALONE("multiplex/both-shut", P "POLLHUP", states_both_shut),
                ALONE("multiplex/full", P "POLLOUT", states_full),
                ALONE("multiplex/urgent", P "POLLPRI out-of-band data on a TCP socket", states_oob),
                ALONE("multiplex/refused", P "POLLERR|POLLHUP", states_refused),
                ALONE("multiplex/no-descriptor", P "POLLNVAL", poll_closed),
                ALONE("multiplex/ppoll", "ppoll(2)", ppoll_mask),
                ALONE("multiplex/two-listeners", P "the ready ones", poll_two),
                ALONE("multiplex/thread-poll-listener", P "in another thread", thread_listener),
                ALONE("multiplex/thread-select-listener", P "in another thread", thread_listener_select),
                ALONE("multiplex/thread-select-before-connect", P "begun before connect",
                      thread_select_before_connect),
                ALONE("multiplex/thread-select-before-listen", P "begun before listen",
                      thread_select_before_listen),
                ALONE("multiplex/thread-poll-close", P "in another thread", thread_poll_refused),
                ALONE("multiplex/thread-poll-shutdown", P "in another thread", thread_poll_shutdown),
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
                ALONE("multiplex/sigio-listener", "socket(7): SIGIO", sigio_listener_after),
                ALONE("multiplex/sigio-listener-before", "socket(7): SIGIO, set before listen",
                      sigio_listener_before),
                ALONE("multiplex/sigio-data", "ioctl: FIOASYNC", sigio_data_after),
                ALONE("multiplex/sigio-data-before", "ioctl: FIOASYNC, set before connect",
                      sigio_data_before),
                ALONE("multiplex/sigio-realtime", "fcntl(2): F_SETSIG", sigio_rt),
                ALONE("multiplex/sigio-realtime-before", "fcntl(2): F_SETSIG, set before connect",
                      sigio_rt_before),
                ALONE("multiplex/sigurg", "tcp(7): SIGURG when urgent data arrives", sigurg),
                ALONE("multiplex/owner", "socket(7): SIOCSPGRP, SIOCGPGRP", siocspgrp),
};

CaseTable multiplex_cases(void) {
        return TABLE(cases);
}
