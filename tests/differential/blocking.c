/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* connect(2), accept(2), O_NONBLOCK, calls on sockets in the wrong state, time-outs, threads in accept. */

#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <sys/ioctl.h>
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
