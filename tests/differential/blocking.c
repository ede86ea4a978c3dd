/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* connect(2), accept(2), O_NONBLOCK, calls on sockets in the wrong state, time-outs, threads in accept. */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "cases.h"

static void accepting_server(Ctx *c) {
        int l = listener(c, 5), fd = accept(l, NULL, NULL);

        did_fd(c, "accept", fd);
        barrier(c);
}

static void say_int_option(Ctx *c, const char *what, int fd, int option) {
        int v = 0;
        socklen_t size = sizeof(v);

        if (getsockopt(fd, SOL_SOCKET, option, &v, &size) < 0)
                did(c, what, -1);
        else
                say(c, "%s %s", what, v ? error_name(v) : "0");
}

static void nonblock_connect(Ctx *c) {
        int fd = sock_nonblock(c);

        hear_listener(c);
        did(c, "connect", dial(c, fd));
        say_poll(c, "poll", fd, POLLOUT, 1000);
        say_int_option(c, "SO_ERROR", fd, SO_ERROR);
        did(c, "connect again", dial(c, fd));
        did(c, "connect once more", dial(c, fd));
        barrier(c);
}

static void nonblock_connect_fcntl(Ctx *c) {
        int fd = sock(c);

        set_nonblock(fd, true);
        hear_listener(c);
        did(c, "connect", dial(c, fd));
        say_poll(c, "poll", fd, POLLOUT, 1000);
        say(c, "O_NONBLOCK %s", fcntl(fd, F_GETFL) & O_NONBLOCK ? "is set" : "is not set");
        barrier(c);
}

static void nonblock_connect_fionbio(Ctx *c) {
        int fd = sock(c), on = 1;

        did(c, "FIONBIO", ioctl(fd, FIONBIO, &on));
        hear_listener(c);
        did(c, "connect", dial(c, fd));
        say_poll(c, "poll", fd, POLLOUT, 1000);
        say(c, "O_NONBLOCK %s", fcntl(fd, F_GETFL) & O_NONBLOCK ? "is set" : "is not set");
        barrier(c);
}

static void nonblock_refused(Ctx *c) {
        int fd = sock_nonblock(c);

        did(c, "connect", dial_who(c, fd, WHO_CLIENT, 1));
        say_poll(c, "poll", fd, POLLIN | POLLOUT, 1000);
        say_int_option(c, "SO_ERROR", fd, SO_ERROR);
        say_int_option(c, "SO_ERROR", fd, SO_ERROR);
}

static void nonblock_refused_again(Ctx *c) {
        int fd = sock_nonblock(c);

        did(c, "connect", dial_who(c, fd, WHO_CLIENT, 1));
        (void) wait_events(fd, POLLOUT, 1000);
        did(c, "connect again", dial_who(c, fd, WHO_CLIENT, 1));
        (void) wait_events(fd, POLLOUT, 1000);
        did(c, "connect once more", dial_who(c, fd, WHO_CLIENT, 1));
}

static void nonblock_refused_read(Ctx *c) {
        int fd = sock_nonblock(c);
        char byte;

        did(c, "connect", dial_who(c, fd, WHO_CLIENT, 1));
        (void) wait_events(fd, POLLOUT, 1000);
        did(c, "read", read(fd, &byte, 1));
        did(c, "read", read(fd, &byte, 1));
        did(c, "send", send(fd, "x", 1, MSG_NOSIGNAL));
}

static void refused_write(Ctx *c) {
        int fd = sock(c);

        did(c, "connect", dial_who(c, fd, WHO_CLIENT, 1));
        did(c, "send", send(fd, "x", 1, MSG_NOSIGNAL));
        did(c, "recv", recv(fd, &(char){0}, 1, MSG_DONTWAIT));
        say_peer(c, fd);
}

static void refused(Ctx *c) {
        did(c, "connect", dial_who(c, sock(c), WHO_CLIENT, 1));
}

static void refused_then_well(Ctx *c) {
        int fd = sock(c);

        did(c, "connect", dial_who(c, fd, WHO_CLIENT, 1));
        far_listener(c);
        did(c, "connect to a listener", dial(c, fd));
        say_peer(c, fd);
}

static void refused_other(Ctx *c) {
        int l = listener(c, 5);

        close(l);
        barrier(c);
        barrier(c);
}

static void refused_other_client(Ctx *c) {
        hear_listener(c);
        barrier(c);
        did(c, "connect", dial(c, sock(c)));
        barrier(c);
}

static void refused_specific_server(Ctx *c) {
        int fd = sock_bound(c, WHO_SERVER, 0);

        /* Bound, not listening. */
        c->port = port_of(c, fd);
        tell(c, c->port);
        barrier(c);
}

static void refused_bound_client(Ctx *c) {
        hear_listener(c);
        did(c, "connect to who does not listen", dial(c, sock(c)));
        barrier(c);
}

static void connect_connected(Ctx *c) {
        int fd = sock(c);

        hear_listener(c);
        must(c, "connect", dial(c, fd));
        did(c, "connect again", dial(c, fd));
        did(c, "connect elsewhere", dial_who(c, fd, WHO_SERVER, 1));
        did(c, "connect to nobody", dial_who(c, fd, WHO_FOREIGN, 1));
        barrier(c);
}

static void connect_accepted(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "connect", dial(c, b));
}

static void connect_listener(Ctx *c) {
        int l = own_listener(c, 5), k = own_listener(c, 5);

        did(c, "connect", dial(c, l));
        say_name(c, l);
        set_nonblock(k, true);
        did_fd(c, "accept", accept(k, NULL, NULL));
}

static void connect_self(Ctx *c) {
        int fd = sock_bound(c, WHO_CLIENT, 0);

        /* Simultaneous open with itself. */
        c->port = port_of(c, fd);
        did(c, "connect to itself", dial(c, fd));
}

static void connect_closed(Ctx *c) {
        int fd = sock(c);

        close(fd);
        did(c, "connect", dial_who(c, fd, WHO_CLIENT, 1));
        did(c, "connect of -1", dial_who(c, -1, WHO_CLIENT, 1));
}

static void connect_not_socket(Ctx *c) {
        int fds[2];

        must(c, "pipe", pipe(fds));
        did(c, "connect of a pipe", dial_who(c, fds[0], WHO_CLIENT, 1));
        did(c, "listen of a pipe", listen(fds[0], 5));
        did(c, "accept of a pipe", accept(fds[0], NULL, NULL));
        say_name(c, fds[0]);
        say_peer(c, fds[0]);
        did(c, "shutdown of a pipe", shutdown(fds[0], SHUT_RD));
}

static void bad_fd(Ctx *c) {
        did(c, "listen", listen(77, 5));
        did(c, "accept", accept(77, NULL, NULL));
        did(c, "accept4", accept4(77, NULL, NULL, SOCK_CLOEXEC));
        say_name(c, 77);
        say_peer(c, 77);
        did(c, "shutdown", shutdown(77, SHUT_RD));
        did(c, "bind", bind(77, &(struct sockaddr){AF_INET}, 16));
}

static void connect_bad(Ctx *c) {
        SockAddr sa;
        socklen_t size = address_of(c, WHO_CLIENT, 1, &sa);
        int fd = sock(c);

        did(c, "NULL", connect(fd, NULL, size));
        did(c, "bad pointer", connect(fd, (void *) 8, size));
        did(c, "size 0", connect(fd, &sa.sa, 0));
        did(c, "size 1", connect(fd, &sa.sa, 1));
        did(c, "size 2", connect(fd, &sa.sa, 2));
        did(c, "size short", connect(fd, &sa.sa, c->family == AF_INET ? 15 : 23));
        did(c, "size negative", connect(fd, &sa.sa, (socklen_t) -1));
        did(c, "size large", connect(fd, &sa.sa, 1000));
        did(c, "size of storage", connect(fd, &sa.sa, sizeof(struct sockaddr_storage)));
}

static void connect_bad_connected(Ctx *c) {
        SockAddr sa;
        socklen_t size = address_of(c, WHO_CLIENT, 1, &sa);
        int a, b;

        own_pair(c, &a, &b);
        did(c, "NULL", connect(a, NULL, size));
        did(c, "size 0", connect(a, &sa.sa, 0));
        did(c, "size short", connect(a, &sa.sa, 10));
        sa.sa.sa_family = AF_UNIX;
        did(c, "of a Unix address", connect(a, &sa.sa, size));
}

static void connect_family(Ctx *c) {
        SockAddr sa;
        socklen_t size = address_for(c, c->family == AF_INET ? AF_INET6 : AF_INET, WHO_CLIENT, 1, &sa);
        int fd = sock(c);

        did(c, "other family", connect(fd, &sa.sa, size));
        sa.sa.sa_family = AF_UNIX;
        did(c, "AF_UNIX", connect(fd, &sa.sa, size));
        sa.sa.sa_family = 99;
        did(c, "unknown family", connect(fd, &sa.sa, size));
}

static void connect_port_zero(Ctx *c) {
        did(c, "connect to port 0", dial_who(c, sock(c), WHO_CLIENT, 0));
}

static void connect_broadcast(Ctx *c) {
        struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(80)};

        sa.sin_addr.s_addr = htonl(INADDR_BROADCAST);
        did(c, "broadcast", connect(sock(c), (struct sockaddr *) &sa, sizeof(sa)));
        sa.sin_addr.s_addr = htonl(0xe0000001);
        did(c, "multicast", connect(sock(c), (struct sockaddr *) &sa, sizeof(sa)));
}

static void connect_unspec(Ctx *c, int fd) {
        struct sockaddr sa = {.sa_family = AF_UNSPEC};

        did(c, "connect AF_UNSPEC", connect(fd, &sa, sizeof(sa)));
}

static void unspec_fresh(Ctx *c) {
        int fd = sock(c);

        connect_unspec(c, fd);
        say_name(c, fd);
}

static void unspec_connected(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        connect_unspec(c, a);
        say_peer(c, a);
        say_poll(c, "the peer's poll", b, POLLIN, 1000);
        say_recv(c, "the peer's recv", b, MSG_DONTWAIT);
}

static void unspec_connect_again(Ctx *c) {
        int l = own_listener(c, 5), a = own_connection(c, l), b;

        connect_unspec(c, a);
        did(c, "connect anew", dial(c, a));
        close(accept(l, NULL, NULL));
        set_nonblock(l, true);
        (void) wait_events(l, POLLIN, 500);
        b = accept(l, NULL, NULL);
        if (did_fd(c, "accept", b) < 0)
                return;
        send_all(c, a, "hello", 5);
        set_nonblock(b, false);
        say_recv(c, "recv", b, 0);
}

static void unspec_send(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        connect_unspec(c, a);
        did(c, "send", send(a, "x", 1, MSG_NOSIGNAL));
        did(c, "recv", recv(a, &(char){0}, 1, MSG_DONTWAIT));
}

static void unspec_listener(Ctx *c) {
        int l = own_listener(c, 5), v = 0;
        socklen_t size = sizeof(v);

        connect_unspec(c, l);
        (void) getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &v, &size);
        say(c, "SO_ACCEPTCONN %d", v);
        did(c, "connect", dial(c, sock(c)));
}

static void unspec_bound(Ctx *c) {
        int fd = sock_bound(c, WHO_CLIENT, 0);

        connect_unspec(c, fd);
        say_name(c, fd);
}

static void unspec_short(Ctx *c) {
        struct sockaddr sa = {.sa_family = AF_UNSPEC};
        int a, b;

        own_pair(c, &a, &b);
        did(c, "of 2 bytes", connect(a, &sa, 2));
        did(c, "of 1 byte", connect(a, &sa, 1));
}

/* accept */
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

static void nonblock_after_connect(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        set_nonblock(a, true);
        did(c, "recv", recv(a, &(char){0}, 1, 0));
        set_nonblock(a, false);
        did(c, "recv DONTWAIT", recv(a, &(char){0}, 1, MSG_DONTWAIT));
}

static void nonblock_established_again(Ctx *c) {
        int fd = sock_nonblock(c);

        far_listener(c);
        did(c, "connect", dial(c, fd));
        /* Established by now, but connect was not told so. */
        (void) wait_events(fd, POLLOUT, 1000);
        say_peer(c, fd);
        did(c, "send", send(fd, "x", 1, 0));
        did(c, "connect", dial(c, fd));
        did(c, "connect", dial(c, fd));
}

static void nonblock_then_blocking(Ctx *c) {
        int fd = sock_nonblock(c);

        far_listener(c);
        did(c, "connect", dial(c, fd));
        set_nonblock(fd, false);
        did(c, "connect, blocking", dial(c, fd));
}

static void many_nonblock(Ctx *c) {
        enum { N = 40 };
        int fds[N], in_progress = 0, ready = 0;

        far_listener(c);
        for (int i = 0; i < N; i++) {
                fds[i] = sock_nonblock(c);
                in_progress += dial(c, fds[i]) < 0 && errno == EINPROGRESS;
        }
        for (int i = 0; i < N; i++)
                ready += wait_events(fds[i], POLLOUT, 1000) == POLLOUT;
        say(c, "%d in progress, %d ready", in_progress, ready);
}

static void fresh_calls(Ctx *c) {
        int fd = sock(c);

        did(c, "send", send(fd, "x", 1, MSG_NOSIGNAL));
        did(c, "recv", recv(fd, &(char){0}, 1, MSG_DONTWAIT));
        did(c, "read", read(fd, &(char){0}, 1));
        did(c, "shutdown", shutdown(fd, SHUT_RDWR));
        say_poll(c, "poll", fd, POLLIN | POLLOUT, 0);
}

static void listener_calls(Ctx *c) {
        int l = own_listener(c, 5);

        did(c, "send", send(l, "x", 1, MSG_NOSIGNAL));
        did(c, "recv", recv(l, &(char){0}, 1, MSG_DONTWAIT));
        did(c, "read", read(l, &(char){0}, 1));
        did(c, "write", write(l, "x", 1));
}

static void listener_calls_waiting(Ctx *c) {
        int l = own_listener(c, 5);

        (void) own_connection(c, l);
        (void) wait_events(l, POLLIN, 1000);
        did(c, "recv", recv(l, &(char){0}, 1, MSG_DONTWAIT));
        did(c, "read", read(l, &(char){0}, 1));
        did_fd(c, "accept", accept(l, NULL, NULL));
}

static void connect_foreign_unspecified(Ctx *c) {
        SockAddr sa;
        socklen_t size = address_of(c, WHO_LOOPBACK, 1, &sa);

        did(c, "connect to loopback", connect(sock(c), &sa.sa, size));
}

#define CON "connect(2): "
#define ACC "accept(2): "

static const Case cases[] = {
                BOTH("blocking/nonblock-connect", CON "EINPROGRESS; EISCONN", accepting_server,
                     nonblock_connect),
                CASE("blocking/nonblock-by-fcntl", CON "EINPROGRESS", accepting_server,
                     nonblock_connect_fcntl),
                CASE("blocking/nonblock-by-fionbio", "ioctl: FIONBIO", accepting_server,
                     nonblock_connect_fionbio),
                ALONE_BOTH("blocking/nonblock-refused", CON "SO_ERROR explains the reason for the failure",
                           nonblock_refused),
                ALONE("blocking/nonblock-refused-again", CON "ECONNREFUSED", nonblock_refused_again),
                ALONE("blocking/nonblock-refused-read", "socket(7): SO_ERROR is returned by the next call",
                      nonblock_refused_read),
                ALONE_BOTH("blocking/refused", CON "ECONNREFUSED", refused),
                ALONE("blocking/refused-then-send", CON "the state of the socket is unspecified",
                      refused_write),
                ALONE("blocking/refused-then-well", CON "portable programs close; Linux lets one try again",
                      refused_then_well),
                BOTH("blocking/refused-closed", CON "ECONNREFUSED", refused_other, refused_other_client),
                CASE("blocking/refused-bound", CON "ECONNREFUSED no one listening", refused_specific_server,
                     refused_bound_client),
                BOTH("blocking/connect-connected", CON "EISCONN The socket is already connected",
                     accepting_server, connect_connected),
                ALONE("blocking/connect-accepted", CON "EISCONN", connect_accepted),
                ALONE("blocking/connect-listener", CON "of a listening socket", connect_listener),
                ALONE("blocking/connect-self", "RFC 9293: simultaneous open", connect_self),
                ALONE("blocking/connect-closed", CON "EBADF", connect_closed),
                ALONE("blocking/pipe", CON "ENOTSOCK", connect_not_socket),
                ALONE("blocking/no-descriptor", "listen(2), accept(2): EBADF", bad_fd),
                ALONE_BOTH("blocking/connect-sizes", CON "EINVAL, EFAULT", connect_bad),
                ALONE("blocking/connect-sizes-connected", CON "EINVAL, EISCONN", connect_bad_connected),
                ALONE_BOTH("blocking/connect-family", CON "EAFNOSUPPORT", connect_family),
                ALONE_BOTH("blocking/connect-port-0", CON "ECONNREFUSED", connect_port_zero),
                ALONE("blocking/connect-broadcast", CON "EACCES, ENETUNREACH", connect_broadcast),
                ALONE_BOTH("blocking/connect-loopback-refused", CON "ECONNREFUSED",
                           connect_foreign_unspecified),
                ALONE_BOTH("blocking/unspec-fresh", CON "AF_UNSPEC dissolves the association", unspec_fresh),
                ALONE_BOTH("blocking/unspec-connected", CON "AF_UNSPEC dissolves the association",
                           unspec_connected),
                ALONE("blocking/unspec-connect-again", CON "AF_UNSPEC dissolves the association",
                      unspec_connect_again),
                ALONE("blocking/unspec-send", CON "AF_UNSPEC dissolves the association", unspec_send),
                ALONE("blocking/unspec-listener", CON "AF_UNSPEC", unspec_listener),
                ALONE("blocking/unspec-bound", CON "AF_UNSPEC", unspec_bound),
                ALONE("blocking/unspec-short", CON "AF_UNSPEC", unspec_short),
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
                ALONE("blocking/nonblock-after", "recv(2): EAGAIN", nonblock_after_connect),
                ALONE("blocking/connect-established", CON "EISCONN", nonblock_established_again),
                ALONE("blocking/nonblock-then-blocking", CON "EALREADY", nonblock_then_blocking),
                ALONE("blocking/many-nonblock", CON "EINPROGRESS", many_nonblock),
                ALONE("blocking/fresh-calls", "tcp(7), send(2): EPIPE, ENOTCONN", fresh_calls),
                ALONE("blocking/listener-calls", "send(2), recv(2): ENOTCONN", listener_calls),
                ALONE("blocking/listener-read-waiting", "recv(2): ENOTCONN, and the connection is not lost",
                      listener_calls_waiting),
};

CaseTable blocking_cases(void) {
        return TABLE(cases);
}
