/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* accept(2), listen(2): who waits, in threads, and what ends the waiting. */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "cases.h"

#define ACC "accept(2): "

static void accept_empty(Ctx *c) {
        int l = own_listener(c, 5);

        set_nonblock(l, true);
        did_fd(c, "accept", accept(l, NULL, NULL));
        did_fd(c, "accept4", accept4(l, NULL, NULL, SOCK_NONBLOCK));
}

static void accept_until(Ctx *c) {
        int l = own_listener(c, 50), n = 0;

        set_nonblock(l, true);
        for (int i = 0; i < 30; i++)
                (void) own_connection(c, l);
        while (accept(l, NULL, NULL) >= 0)
                n++;
        did(c, "accept", -1);
        say(c, "after %d", n);
        did(c, "accept again", accept(l, NULL, NULL));
        (void) own_connection(c, l);
        (void) wait_events(l, POLLIN, 1000);
        did_fd(c, "accept of one more", accept(l, NULL, NULL));
}

static void accept_nonblock_before_listen(Ctx *c) {
        int l = sock_nonblock(c);

        must(c, "listen", listen(l, 5));
        did_fd(c, "accept", accept(l, NULL, NULL));
        say(c, "O_NONBLOCK %s", fcntl(l, F_GETFL) & O_NONBLOCK ? "is set" : "is not set");
}

static void accept_fionbio(Ctx *c) {
        int l = own_listener(c, 5), on = 1;

        did(c, "FIONBIO", ioctl(l, FIONBIO, &on));
        did_fd(c, "accept", accept(l, NULL, NULL));
}

static void accept_flags(Ctx *c) {
        static const int flags[] = {0, SOCK_NONBLOCK, SOCK_CLOEXEC, SOCK_NONBLOCK | SOCK_CLOEXEC};
        int l = own_listener(c, 10);

        for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
                int fd;

                (void) own_connection(c, l);
                fd = accept4(l, NULL, NULL, flags[i]);
                say(c, "O_NONBLOCK %d, FD_CLOEXEC %d", !!(fcntl(fd, F_GETFL) & O_NONBLOCK),
                    !!(fcntl(fd, F_GETFD) & FD_CLOEXEC));
        }
}

static void accept_flags_bad(Ctx *c) {
        int l = own_listener(c, 5);

        (void) own_connection(c, l);
        did_fd(c, "accept4", accept4(l, NULL, NULL, 0x40000));
        did_fd(c, "accept4", accept4(l, NULL, NULL, 1));
        did_fd(c, "accept4 well", accept4(l, NULL, NULL, 0));
}

static void accept_nonblock_not_inherited(Ctx *c) {
        int l = own_listener(c, 5), fd;

        set_nonblock(l, true);
        (void) own_connection(c, l);
        (void) wait_events(l, POLLIN, 1000);
        fd = accept(l, NULL, NULL);
        say(c, "O_NONBLOCK of the accepted: %d", !!(fcntl(fd, F_GETFL) & O_NONBLOCK));
        say(c, "access mode %d", fcntl(fd, F_GETFL) & O_ACCMODE);
}

static void accept_not_listening(Ctx *c) {
        int a, b;

        did(c, "fresh", accept(sock(c), NULL, NULL));
        did(c, "bound", accept(sock_bound(c, WHO_CLIENT, 0), NULL, NULL));
        own_pair(c, &a, &b);
        did(c, "connected", accept(a, NULL, NULL));
        did(c, "accepted", accept(b, NULL, NULL));
        did(c, "of datagrams", accept(socket(c->family, SOCK_DGRAM, 0), NULL, NULL));
}

static void listen_connected(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "listen of the client", listen(a, 5));
        did(c, "listen of the server", listen(b, 5));
        did(c, "listen of datagrams", listen(socket(c->family, SOCK_DGRAM, 0), 5));
}

static void listen_refused(Ctx *c) {
        int fd = sock(c);

        (void) dial_who(c, fd, WHO_CLIENT, 1);
        did(c, "listen after a refused connect", listen(fd, 5));
}

static void accept_timeout(Ctx *c) {
        const struct timeval tv = {0, 200000};
        int l = own_listener(c, 5);
        long start;

        must(c, "setsockopt", setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
        start = now_ms();
        did_fd(c, "accept", accept(l, NULL, NULL));
        say_elapsed(c, "ends", start, 200);
}

static void accept_timeout_before(Ctx *c) {
        const struct timeval tv = {0, 200000};
        int l = sock(c);
        long start;

        must(c, "setsockopt", setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
        must(c, "listen", listen(l, 5));
        start = now_ms();
        did_fd(c, "accept", accept(l, NULL, NULL));
        say_elapsed(c, "ends", start, 200);
}

static void accept_blocks_server(Ctx *c) {
        int l = listener(c, 5);
        long start = now_ms();

        barrier(c);
        did_fd(c, "accept", accept(l, NULL, NULL));
        say_elapsed(c, "ends", start, 150);
        barrier(c);
}

static void accept_blocks_client(Ctx *c) {
        int fd = sock(c);

        hear_listener(c);
        barrier(c);
        nap(150);
        did(c, "connect", dial(c, fd));
        barrier(c);
}

static void connect_before_accept_server(Ctx *c) {
        int l = listener(c, 5), fd;

        barrier(c);
        fd = accept(l, NULL, NULL);
        say_recv(c, "recv", fd, 0);
        barrier(c);
}

static void connect_before_accept_client(Ctx *c) {
        int fd = sock(c);

        hear_listener(c);
        did(c, "connect", dial(c, fd));
        did(c, "send", send(fd, "early", 5, 0));
        barrier(c);
        barrier(c);
}

/* Threads. */
typedef struct Acceptor {
        Ctx *c;
        int l, fd, error;
        pthread_t thread;
} Acceptor;

static void *accept_thread(void *p) {
        Acceptor *a = p;

        a->fd = accept(a->l, NULL, NULL);
        a->error = errno;
        return NULL;
}

static void acceptor_start(Ctx *c, Acceptor *a, int l) {
        *a = (Acceptor){.c = c, .l = l};
        if (pthread_create(&a->thread, NULL, accept_thread, a) != 0)
                must(c, "pthread_create", -1);
}

static bool acceptor_ends(Acceptor *a, int ms) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        ts.tv_nsec += (long) ms * 1000000;
        ts.tv_sec += ts.tv_nsec / 1000000000;
        ts.tv_nsec %= 1000000000;
        return pthread_timedjoin_np(a->thread, NULL, &ts) == 0;
}

static void two_threads(Ctx *c) {
        int l = own_listener(c, 5);
        Acceptor a, b;

        acceptor_start(c, &a, l);
        acceptor_start(c, &b, l);
        nap(50);
        (void) own_connection(c, l);
        (void) own_connection(c, l);
        say(c, "the first ends: %d", acceptor_ends(&a, 1000));
        say(c, "the second ends: %d", acceptor_ends(&b, 1000));
        say(c, "with different descriptors: %d", a.fd >= 0 && b.fd >= 0 && a.fd != b.fd);
}

static void two_threads_one_connection(Ctx *c) {
        int l = own_listener(c, 5), ended;
        Acceptor a, b;

        acceptor_start(c, &a, l);
        acceptor_start(c, &b, l);
        nap(50);
        (void) own_connection(c, l);
        nap(100);
        ended = (pthread_tryjoin_np(a.thread, NULL) == 0) + (pthread_tryjoin_np(b.thread, NULL) == 0);
        say(c, "%d of two threads has it", ended);
}

static void shutdown_wakes(Ctx *c) {
        int l = own_listener(c, 5);
        Acceptor a;

        acceptor_start(c, &a, l);
        nap(50);
        did(c, "shutdown", shutdown(l, SHUT_RDWR));
        say(c, "accept ends: %d", acceptor_ends(&a, 1000));
        say(c, "with %s", a.fd < 0 ? error_name(a.error) : "a descriptor");
}

static void shutdown_read_wakes(Ctx *c) {
        int l = own_listener(c, 5);
        Acceptor a;

        acceptor_start(c, &a, l);
        nap(50);
        did(c, "shutdown", shutdown(l, SHUT_RD));
        say(c, "accept ends: %d", acceptor_ends(&a, 1000));
        say(c, "with %s", a.fd < 0 ? error_name(a.error) : "a descriptor");
}

static void shutdown_wakes_two(Ctx *c) {
        int l = own_listener(c, 5);
        Acceptor a, b;

        acceptor_start(c, &a, l);
        acceptor_start(c, &b, l);
        nap(50);
        did(c, "shutdown", shutdown(l, SHUT_RDWR));
        say(c, "accepts end: %d %d", acceptor_ends(&a, 1000), acceptor_ends(&b, 1000));
}

static void shutdown_write_listener(Ctx *c) {
        int l = own_listener(c, 5), fd = sock(c);

        did(c, "shutdown", shutdown(l, SHUT_WR));
        did(c, "connect", dial(c, fd));
        set_nonblock(l, true);
        (void) wait_events(l, POLLIN, 300);
        did_fd(c, "accept", accept(l, NULL, NULL));
}

static void shutdown_listener_after(Ctx *c) {
        int l = own_listener(c, 5), fd = sock(c);

        did(c, "shutdown", shutdown(l, SHUT_RDWR));
        did(c, "accept", accept(l, NULL, NULL));
        did(c, "connect", dial(c, fd));
        say_name(c, l);
        say_poll(c, "poll", l, POLLIN | POLLOUT, 0);
}

static void shutdown_listener_again(Ctx *c) {
        int l = own_listener(c, 5);

        did(c, "shutdown", shutdown(l, SHUT_RDWR));
        did(c, "shutdown again", shutdown(l, SHUT_RDWR));
        did(c, "listen again", listen(l, 5));
        did(c, "connect", dial(c, sock(c)));
        set_nonblock(l, true);
        (void) wait_events(l, POLLIN, 300);
        did_fd(c, "accept", accept(l, NULL, NULL));
}

static void shutdown_listener_queue(Ctx *c) {
        int l = own_listener(c, 5), fd = own_connection(c, l);

        did(c, "shutdown", shutdown(l, SHUT_RDWR));
        say_poll(c, "the client in the queue", fd, POLLIN, 1000);
        say_recv(c, "recv", fd, MSG_DONTWAIT);
}

static void close_waiting(Ctx *c) {
        int l = own_listener(c, 5), port = c->port;
        Acceptor a;

        acceptor_start(c, &a, l);
        nap(50);
        did(c, "close", close(l));
        /* Whoever waits has the socket open: it goes on (close(2), NOTES). */
        say(c, "accept ends at once: %d", acceptor_ends(&a, 100));
        did(c, "connect", dial_who(c, sock(c), WHO_CLIENT, port));
        say(c, "accept ends then: %d", acceptor_ends(&a, 1000));
        say(c, "with %s", a.fd < 0 ? error_name(a.error) : "a descriptor");
}

static void close_reused(Ctx *c) {
        int l = own_listener(c, 5), k;
        Acceptor a;

        acceptor_start(c, &a, l);
        nap(50);
        close(l);
        k = own_listener(c, 5);
        say(c, "the number is used again: %d", k == l);
        (void) own_connection(c, k);
        set_nonblock(k, true);
        (void) wait_events(k, POLLIN, 500);
        did_fd(c, "accept of the new one", accept(k, NULL, NULL));
        say(c, "the waiting accept ends: %d", acceptor_ends(&a, 50));
}

static void close_queue(Ctx *c) {
        int l = own_listener(c, 5), fd = own_connection(c, l);

        send_all(c, fd, "x", 1);
        close(l);
        say_poll(c, "the client in the queue", fd, POLLIN, 1000);
        say_recv(c, "recv", fd, MSG_DONTWAIT);
        did(c, "send", send(fd, "x", 1, MSG_NOSIGNAL));
        did(c, "connect", dial(c, sock(c)));
}

static const Case cases[] = {
                ALONE_BOTH("blocking/accept-empty", ACC "EAGAIN", accept_empty),
                ALONE("blocking/accept-until-empty", ACC "EAGAIN", accept_until),
                ALONE("blocking/accept-nonblock-before", ACC "EAGAIN", accept_nonblock_before_listen),
                ALONE("blocking/accept-fionbio", "ioctl: FIONBIO", accept_fionbio),
                ALONE("blocking/accept4-flags", ACC "SOCK_NONBLOCK, SOCK_CLOEXEC", accept_flags),
                ALONE("blocking/accept4-flags-bad", ACC "EINVAL invalid value in flags", accept_flags_bad),
                ALONE("blocking/accept-flags-not-inherited",
                      ACC "the new socket does not inherit O_NONBLOCK", accept_nonblock_not_inherited),
                ALONE_BOTH("blocking/accept-not-listening", ACC "EINVAL, EOPNOTSUPP", accept_not_listening),
                ALONE("blocking/listen-connected", "listen(2): EINVAL, EOPNOTSUPP", listen_connected),
                ALONE("blocking/listen-after-refused", "listen(2)", listen_refused),
                ALONE("blocking/accept-rcvtimeo", "socket(7): SO_RCVTIMEO on accept", accept_timeout),
                ALONE("blocking/accept-rcvtimeo-before", "socket(7): SO_RCVTIMEO on accept",
                      accept_timeout_before),
                CASE("blocking/accept-blocks", ACC "blocks until a connection is present",
                     accept_blocks_server, accept_blocks_client),
                BOTH("blocking/connect-before-accept",
                     "listen(2): the queue of completely established sockets", connect_before_accept_server,
                     connect_before_accept_client),
                ALONE("blocking/two-threads", ACC "each takes a connection", two_threads),
                ALONE("blocking/two-threads-one-connection", ACC "one takes it", two_threads_one_connection),
                ALONE("blocking/shutdown-wakes-accept", "shutdown(2) of a listener wakes accept with EINVAL",
                      shutdown_wakes),
                ALONE("blocking/shutdown-read-wakes-accept", "shutdown(2) of a listener",
                      shutdown_read_wakes),
                ALONE("blocking/shutdown-wakes-two", "shutdown(2) of a listener", shutdown_wakes_two),
                ALONE("blocking/shutdown-write-listener", "shutdown(2) of a listener",
                      shutdown_write_listener),
                ALONE("blocking/shutdown-listener", "shutdown(2) of a listener", shutdown_listener_after),
                ALONE("blocking/shutdown-listener-listen", "shutdown(2), then listen(2) again",
                      shutdown_listener_again),
                ALONE("blocking/shutdown-listener-queue", "shutdown(2): connections of the queue are reset",
                      shutdown_listener_queue),
                ALONE("blocking/close-in-accept",
                      "close(2): another thread that blocks in a call holds the file", close_waiting),
                ALONE("blocking/close-in-accept-reused", "close(2): the descriptor is used again",
                      close_reused),
                ALONE("blocking/close-listener-queue", "close(2): connections of the queue are reset",
                      close_queue),
};

CaseTable accepting_cases(void) {
        return TABLE(cases);
}
