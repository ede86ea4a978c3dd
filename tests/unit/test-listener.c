/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Proves that behind a listening socket there is a queue that keeps
 * connections in order, is bounded as TCP's, outlives the daemon, and ends
 * with the app's last copy.
 */

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "basic/fd.h"
#include "transport/listener.h"
#include "unit.h"

/* A TCP socket as an app has it before listen(2). */
static int bound_socket(int family, const char *address, uint16_t port, bool v6only) {
        Endpoint e = unit_endpoint(address, port);
        int fd, yes = 1, only = v6only;
        socklen_t size;
        SockAddr sa;

        fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(setsockopt(fd, SOL_IP, IP_FREEBIND, &yes, sizeof(yes)), 0);
        ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
        if (family == AF_INET6)
                ck_assert_int_eq(setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &only, sizeof(only)), 0);
        size = endpoint_to_sockaddr(&e, family, &sa);
        ck_assert_int_eq(bind(fd, &sa.sa, size), 0);
        return fd;
}

static ListenerSockets listener = LISTENER_SOCKETS_NONE;
static int app_end = -EBADF;

static void open_listener(int backlog) {
        int native = bound_socket(AF_INET, "0.0.0.0", 8080, false);

        ck_assert_int_eq(listener_sockets_open(&listener, 7, native, backlog, false, &app_end), 0);
}

static void teardown(void) {
        listener_sockets_close(&listener);
        app_end = safe_close(app_end);
}

static bool is_readable(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        return poll(&p, 1, 0) > 0 && (p.revents & POLLIN);
}

static bool is_listening(int fd) {
        int accepting = 0;
        socklen_t size = sizeof(accepting);

        return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &size) >= 0 && accepting;
}

/* A connection whose other end tells by which number it is known. */
static int make_connection(const char *text) {
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        ck_assert_int_eq(write(fds[1], text, strlen(text)), (ssize_t) strlen(text));
        (void) close(fds[1]);
        return fds[0];
}

static int push(const char *text, uint16_t port) {
        _cleanup_close_ int connection = make_connection(text);
        Endpoint peer = unit_endpoint("198.18.0.10", port);

        return listener_sockets_push(&listener, connection, &peer);
}

static void assert_pop(const char *text, uint16_t port) {
        _cleanup_close_ int connection = -EBADF;
        char buf[16] = "";
        Endpoint peer;

        ck_assert_int_eq(listener_sockets_pop(&listener, app_end, &connection, &peer), 0);
        ck_assert(fcntl(connection, F_GETFD) & FD_CLOEXEC);
        ck_assert_int_eq(read(connection, buf, sizeof(buf) - 1), (ssize_t) strlen(text));
        ck_assert_str_eq(buf, text);
        ck_assert_uint_eq(peer.port, port);
        unit_assert_address(&peer.address, "198.18.0.10");
}

/* What the app bound is known, its socket listens, and its new end is named after it. */
START_TEST(test_open) {
        static const struct {
                int family;
                const char *address;
                bool v6only, nonblock;
        } table[] = {
                { AF_INET, "0.0.0.0", false, false },         { AF_INET, "198.18.0.10", false, true },
                { AF_INET6, "::", false, false },             { AF_INET6, "::", true, true },
                { AF_INET6, "198.18.0.10", false, false },    { AF_INET6, "0.0.0.0", false, false },
                /* The kernel takes IPV6_V6ONLY for granted here (__inet6_bind()). */
                { AF_INET6, "fd00::10", true, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                int native = bound_socket(table[i].family, table[i].address, 8080, table[i].v6only);
                Endpoint bound = unit_endpoint(table[i].address, 8080);
                struct sockaddr_storage sa;
                socklen_t size = sizeof(sa);
                SocketName name;

                ck_assert_int_eq(listener_sockets_open(&listener, i, native, 10, table[i].nonblock, &app_end), 0);
                ck_assert_uint_eq(listener.number, i);
                ck_assert_int_eq(listener.native, native);
                ck_assert_int_eq(listener.family, table[i].family);
                ck_assert_mem_eq(&listener.bound, &bound, sizeof(bound));
                ck_assert_int_eq(listener.v6only, table[i].v6only);
                ck_assert_uint_eq(listener.backlog, 10);
                ck_assert_uint_eq(listener.queued, 0);
                ck_assert(is_listening(native));
                ck_assert(!listener_sockets_hung_up(&listener));

                ck_assert(fcntl(listener.end, F_GETFD) & FD_CLOEXEC);
                ck_assert(fcntl(app_end, F_GETFD) & FD_CLOEXEC);
                ck_assert_int_eq(!!(fcntl(app_end, F_GETFL) & O_NONBLOCK), table[i].nonblock);
                ck_assert(!is_readable(app_end));

                ck_assert_int_eq(getsockname(app_end, (struct sockaddr *) &sa, &size), 0);
                ck_assert_int_eq(socket_name_parse((struct sockaddr *) &sa, size, &name), 0);
                ck_assert_int_eq(name.type, SOCKET_NAME_LISTENER);
                ck_assert_uint_eq(name.number, i);
                ck_assert_int_eq(name.family, table[i].family);
                ck_assert_mem_eq(&name.local, &bound, sizeof(bound));
                teardown();
        }
}
END_TEST

/* A socket that was not bound gets a port of the kernel's, which is told. */
START_TEST(test_open_unbound) {
        int native = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_eq(listener_sockets_open(&listener, 1, native, 1, false, &app_end), 0);
        ck_assert_uint_ne(listener.bound.port, 0);
        unit_assert_address(&listener.bound.address, "::");
}
END_TEST

/* A listen(2) that fails leaves the app's socket to the app, as it was, and nothing else. */
START_TEST(test_open_fails) {
        _cleanup_close_ int first = bound_socket(AF_INET, "0.0.0.0", 8080, false),
                            second = bound_socket(AF_INET, "0.0.0.0", 8080, false),
                            udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        unsigned n_fds = unit_count_fds();

        ck_assert_int_eq(listen(first, 1), 0);
        ck_assert_int_eq(listener_sockets_open(&listener, 1, second, 1, false, &app_end), -EADDRINUSE);
        ck_assert(!is_listening(second));
        ck_assert_int_eq(listener_sockets_open(&listener, 1, udp, 1, false, &app_end), -EOPNOTSUPP);
        ck_assert_int_eq(listener_sockets_open(&listener, 1, -EBADF, 1, false, &app_end), -EBADF);

        ck_assert_int_eq(listener.end, -EBADF);
        ck_assert_int_eq(listener.native, -EBADF);
        ck_assert_int_eq(app_end, -EBADF);
        ck_assert_uint_eq(unit_count_fds(), n_fds);
}
END_TEST

/* When listen(2) is asked for again after it failed half-way, the app's socket blocks as it did before. */
START_TEST(test_open_fails_late) {
        _cleanup_close_ int native = bound_socket(AF_INET, "0.0.0.0", 8081, false), holder = -EBADF;
        SocketName name = {
                .type = SOCKET_NAME_LISTENER,
                .family = AF_INET,
                .local = unit_endpoint("0.0.0.0", 8081),
                .number = 1,
        };

        /* Each type of sockets has names of its own. */
        holder = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(socket_name_bind(holder, &name), 0);
        ck_assert_int_eq(listener_sockets_open(&listener, 1, native, 1, false, &app_end), -EADDRINUSE);
        ck_assert(!(fcntl(native, F_GETFL) & O_NONBLOCK));
}
END_TEST

/* Connections come out as they went in, with the addresses of their clients; the app sees that some wait. */
START_TEST(test_queue) {
        Endpoint peer;
        int connection;

        open_listener(10);
        ck_assert_int_eq(listener_sockets_pop(&listener, app_end, &connection, &peer), -EAGAIN);
        ck_assert_int_eq(push("one", 1), 0);
        ck_assert_int_eq(push("two", 2), 0);
        ck_assert_uint_eq(listener.queued, 2);
        ck_assert(is_readable(app_end));
        assert_pop("one", 1);
        ck_assert(is_readable(app_end));
        ck_assert_int_eq(push("three", 65535), 0);
        assert_pop("two", 2);
        assert_pop("three", 65535);
        ck_assert_uint_eq(listener.queued, 0);
        ck_assert(!is_readable(app_end));
        ck_assert_int_eq(listener_sockets_pop(&listener, app_end, &connection, &peer), -EAGAIN);
}
END_TEST

/* Whichever copy of the app's end takes a connection (workers that were forked), each is taken once. */
START_TEST(test_copies) {
        _cleanup_close_ int first = -EBADF;

        open_listener(10);
        first = dup(app_end);
        ck_assert_int_eq(push("one", 1), 0);
        ck_assert_int_eq(push("two", 2), 0);
        assert_pop("one", 1);
        (void) dup2(first, app_end);
        assert_pop("two", 2);
        ck_assert(!is_readable(first));
}
END_TEST

/* As with TCP one more than the backlog fits. */
START_TEST(test_backlog) {
        open_listener(0);
        ck_assert_uint_eq(listener.backlog, 0);
        ck_assert(!listener_sockets_full(&listener));
        ck_assert_int_eq(push("one", 1), 0);
        ck_assert(listener_sockets_full(&listener));

        ck_assert_int_eq(listener_sockets_set_backlog(&listener, 2), 0);
        ck_assert(!listener_sockets_full(&listener));
        ck_assert_int_eq(push("two", 2), 0);
        ck_assert(!listener_sockets_full(&listener));
        ck_assert_int_eq(push("three", 3), 0);
        ck_assert(listener_sockets_full(&listener));
        assert_pop("one", 1);
        ck_assert(!listener_sockets_full(&listener));

        /* What waits stays when it becomes smaller. */
        ck_assert_int_eq(listener_sockets_set_backlog(&listener, 0), 0);
        ck_assert(listener_sockets_full(&listener));
        assert_pop("two", 2);
        assert_pop("three", 3);
        ck_assert(!listener_sockets_full(&listener));
}
END_TEST

/* A backlog is cut to the largest one; below zero it is meant as that (listen(2)). */
START_TEST(test_backlog_cut) {
        open_listener(-1);
        ck_assert_uint_eq(listener.backlog, LISTENER_BACKLOG_MAX);
        ck_assert_int_eq(listener_sockets_set_backlog(&listener, 65535), 0);
        ck_assert_uint_eq(listener.backlog, LISTENER_BACKLOG_MAX);
        ck_assert_int_eq(listener_sockets_set_backlog(&listener, LISTENER_BACKLOG_MAX - 1), 0);
        ck_assert_uint_eq(listener.backlog, LISTENER_BACKLOG_MAX - 1);
}
END_TEST

/* The kernel's queue has room for every connection that the largest backlog lets in. */
START_TEST(test_backlog_largest) {
        unsigned n = 0;

        open_listener(LISTENER_BACKLOG_MAX);
        for (; !listener_sockets_full(&listener); n++)
                ck_assert_msg(push("x", (uint16_t) n) == 0, "%u", n);
        ck_assert_uint_eq(n, LISTENER_BACKLOG_MAX + 1);
        for (unsigned i = 0; i < n; i++)
                assert_pop("x", (uint16_t) i);
        ck_assert(!is_readable(app_end));
}
END_TEST

/* The app's end is closed when its last copy is. Then nothing can be queued, and what waits is told so. */
START_TEST(test_hang_up) {
        _cleanup_close_ int copy = -EBADF, client = -EBADF;
        Endpoint peer = unit_endpoint("198.18.0.10", 1);
        int fds[2], r;
        char c;

        open_listener(10);
        copy = dup(app_end);
        app_end = safe_close(app_end);
        ck_assert(!listener_sockets_hung_up(&listener));

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        client = fds[0];
        ck_assert_int_eq(listener_sockets_push(&listener, fds[1], &peer), 0);
        (void) close(fds[1]);

        copy = safe_close(copy);
        ck_assert(listener_sockets_hung_up(&listener));
        ck_assert_int_eq(read(client, &c, 1), 0);
        r = push("late", 1);
        ck_assert_msg(r == -EPIPE || r == -ECONNRESET, "%i", r);
}
END_TEST

/* shutdown(2) wakes who waits, ends accept(2) with EINVAL as on TCP, and withdraws the service. */
START_TEST(test_shutdown) {
        Endpoint peer;
        int connection;

        open_listener(10);
        ck_assert_int_eq(shutdown(app_end, SHUT_RDWR), 0);
        ck_assert(is_readable(app_end));
        ck_assert_int_eq(listener_sockets_pop(&listener, app_end, &connection, &peer), -EINVAL);
        ck_assert(listener_sockets_hung_up(&listener));
}
END_TEST

/* A queue that somebody else wrote into is not believed, and its descriptors are closed. */
START_TEST(test_foreign_message) {
        _cleanup_close_ int fd = make_connection("x");
        Endpoint peer[2] = { unit_endpoint("198.18.0.10", 1), unit_endpoint("198.18.0.10", 1) };
        int two[] = { fd, fd }, connection = -EBADF;
        unsigned n_fds;

        open_listener(10);
        n_fds = unit_count_fds();
        ck_assert_int_eq(send_with_fds(listener.end, peer, sizeof(*peer), NULL, 0, 0), 0);
        ck_assert_int_eq(send_with_fds(listener.end, peer, sizeof(*peer) - 1, &fd, 1, 0), 0);
        ck_assert_int_eq(send_with_fds(listener.end, peer, sizeof(peer), &fd, 1, 0), 0);
        ck_assert_int_eq(send_with_fds(listener.end, peer, sizeof(*peer), two, 2, 0), 0);
        ck_assert_int_eq(push("good", 2), 0);
        for (int i = 0; i < 4; i++)
                ck_assert_int_eq(listener_sockets_pop(&listener, app_end, &connection, peer), -EBADMSG);
        ck_assert_int_eq(connection, -EBADF);
        ck_assert_uint_eq(unit_count_fds(), n_fds);
        assert_pop("good", 2);
        ck_assert_uint_eq(listener.queued, 0);
}
END_TEST

/* The next daemon knows all from the end alone; what waited waits on. */
START_TEST(test_adopt) {
        static const struct {
                int family;
                const char *address;
                bool v6only;
                int backlog;
        } table[] = {
                { AF_INET, "198.18.0.10", false, 5 },
                { AF_INET6, "::", true, 0 },
                { AF_INET6, "::", false, LISTENER_BACKLOG_MAX },
                { AF_INET6, "198.18.0.10", false, 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                int native = bound_socket(table[i].family, table[i].address, 8080, table[i].v6only);
                ListenerSockets before;
                int store;

                ck_assert_int_eq(listener_sockets_open(&listener, 9, native, table[i].backlog, false, &app_end), 0);
                ck_assert_int_eq(push("waits", 1), 0);
                before = listener;

                /* The daemon dies; the store has a copy of the end. */
                store = fcntl(before.end, F_DUPFD_CLOEXEC, 3);
                ck_assert_int_ge(store, 0);
                listener_sockets_leave(&listener);
                listener = (ListenerSockets) LISTENER_SOCKETS_NONE;
                ck_assert_int_eq(listener_sockets_adopt(&listener, 9, store), 0);
                ck_assert_uint_eq(listener.number, 9);
                ck_assert_int_eq(listener.end, store);
                ck_assert_int_ge(listener.native, 0);
                ck_assert_int_eq(listener.family, before.family);
                ck_assert_mem_eq(&listener.bound, &before.bound, sizeof(before.bound));
                ck_assert_int_eq(listener.v6only, before.v6only);
                /* None and one are the same to the native socket. */
                ck_assert_uint_eq(listener.backlog, MAX2(before.backlog, 1U));
                ck_assert_uint_eq(listener.netns, before.netns);
                ck_assert(fcntl(listener.native, F_GETFL) & O_NONBLOCK);
                ck_assert(!listener_sockets_hung_up(&listener));

                ck_assert_int_eq(push("new", 2), 0);
                assert_pop("waits", 1);
                assert_pop("new", 2);
                ck_assert_uint_eq(listener.queued, 0);
                teardown();
        }
}
END_TEST

/* What is no listener's end is not adopted, and stays the caller's. */
START_TEST(test_adopt_foreign) {
        _cleanup_close_ int end = -EBADF, other = -EBADF, udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        end = fds[0];
        other = fds[1];
        ck_assert_int_lt(listener_sockets_adopt(&listener, 1, end), 0);
        ck_assert_int_eq(send_with_fds(other, "n", 1, &udp, 1, 0), 0);
        ck_assert_int_lt(listener_sockets_adopt(&listener, 1, end), 0);
        ck_assert_int_lt(listener_sockets_adopt(&listener, 1, -EBADF), 0);
        ck_assert_int_eq(listener.native, -EBADF);
        ck_assert_int_ge(fcntl(end, F_GETFD), 0);
        ck_assert_int_ge(fcntl(udp, F_GETFD), 0);
}
END_TEST

/* Closed, the port is free at once, though somebody has a copy of the end still. */
START_TEST(test_close_frees_port) {
        _cleanup_close_ int copy = -EBADF;

        open_listener(1);
        copy = fcntl(listener.end, F_DUPFD_CLOEXEC, 3);
        ck_assert_int_ge(copy, 0);
        listener_sockets_close(&listener);
        app_end = safe_close(app_end);
        open_listener(1);
}
END_TEST

/* Closed once or twice, the sockets are gone and nobody else's are. */
START_TEST(test_close) {
        open_listener(1);
        listener_sockets_close(&listener);
        ck_assert_int_eq(listener.end, -EBADF);
        ck_assert_int_eq(listener.native, -EBADF);
        listener_sockets_close(&listener);
        ck_assert_int_eq(recv(app_end, &(char){ 0 }, 1, MSG_DONTWAIT), 0);
}
END_TEST

static void loopback_up(void) {
        struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
}

/* A connection that the app made to itself arrives at the native socket, and waiting for none does not block. */
START_TEST(test_accept_native) {
        _cleanup_close_ int client = -EBADF, connection = -EBADF;
        SockAddr sa, mine;
        socklen_t size;
        Endpoint peer;

        loopback_up();
        open_listener(10);
        ck_assert_int_eq(listener_sockets_accept_native(&listener, &connection, &peer), -EAGAIN);

        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        size = endpoint_to_sockaddr(&(Endpoint){ .address = unit_address("127.0.0.1"), .port = 8080 }, AF_INET, &sa);
        ck_assert_int_eq(connect(client, &sa.sa, size), 0);
        size = sizeof(mine);
        ck_assert_int_eq(getsockname(client, &mine.sa, &size), 0);

        ck_assert_int_eq(listener_sockets_accept_native(&listener, &connection, &peer), 0);
        unit_assert_address(&peer.address, "127.0.0.1");
        ck_assert_uint_eq(peer.port, ntohs(mine.in.sin_port));
        ck_assert(fcntl(connection, F_GETFD) & FD_CLOEXEC);
        ck_assert(!(fcntl(connection, F_GETFL) & O_NONBLOCK));
        ck_assert_int_eq(listener_sockets_accept_native(&listener, &(int){ 0 }, &peer), -EAGAIN);
}
END_TEST

int main(void) {
        if (!unit_has_net_admin()) {
                printf("SO_SNDBUFFORCE needs CAP_NET_ADMIN\n");
                return UNIT_SKIPPED;
        }
        return UNIT_RUN("listener", unit_unshare_network, teardown, test_open, test_open_unbound, test_open_fails,
                        test_open_fails_late, test_queue, test_copies, test_backlog, test_backlog_cut,
                        test_backlog_largest, test_hang_up, test_shutdown, test_foreign_message, test_adopt,
                        test_adopt_foreign, test_close, test_close_frees_port, test_accept_native);
}
