/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* select(2), poll(2), ppoll(2), epoll(7), SIGIO. */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
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
