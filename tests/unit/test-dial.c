/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Proves that a connection can be begun in another namespace in the name of
 * whoever it is for, with sockets that the real appswitch-exec makes there, and
 * that one that was handed out leads nowhere else.
 */

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "basic/fd.h"
#include "exec/network.h"
#include "exec/sockets.h"
#include "transport/dial.h"
#include "transport/socket-name.h"
#include "transport/syn.h"
#include "unit.h"

#define APP4 "198.18.0.20"
#define APP6 "fd00::20"

static Dialer *dialer;
static pid_t server_pid;
static int member = -EBADF; /* a socket of the app's namespace */
static DialPool pool;

/* The test is the app: it is in a namespace as apps have it. */
static void setup(void) {
        ExecNetwork network = { .n_addresses = 2 };
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        server_pid = fork();
        if (server_pid == 0) {
                (void) close(fds[0]);
                sockets_serve(fds[1]);
        }
        ck_assert_int_gt(server_pid, 0);
        (void) close(fds[1]);
        ck_assert_int_eq(dialer_new(fds[0], &dialer), 0);

        network.addresses[0] = unit_address(APP4);
        network.addresses[1] = unit_address(APP6);
        ck_assert_int_eq(network_enter_new(&network), 0);
        member = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(member, 0);
}

static void teardown(void) {
        dial_pool_done(&pool);
        member = safe_close(member);
        dialer = dialer_free(dialer);
        ck_assert_int_eq(waitpid(server_pid, NULL, 0), server_pid);
}

static int listen_on(const char *address, uint16_t port, int family, int backlog) {
        const Endpoint at = unit_endpoint(address, port);
        SockAddr sa;
        socklen_t size = endpoint_to_sockaddr(&at, family, &sa);
        int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_eq(bind(fd, &sa.sa, size), 0);
        ck_assert_int_eq(listen(fd, backlog), 0);
        return fd;
}

/* Dials with a new socket; returns the state and the socket. */
static int dial_new(const char *from, uint16_t from_port, const char *to, uint16_t to_port, int family, int *ret) {
        const Endpoint source = unit_endpoint(from, from_port), target = unit_endpoint(to, to_port);
        int r;

        *ret = dialer_take(dialer, &pool, member, family);
        ck_assert_int_ge(*ret, 0);
        r = dial(*ret, &source, &target, family);
        /* A busy machine may leave the handshake for later, or drop its first segment. */
        if (r == DIAL_WAITS && poll(&(struct pollfd){ .fd = *ret, .events = POLLOUT }, 1, 5000) > 0)
                r = dial_state(*ret);
        return r;
}

static void assert_endpoint(int fd, bool peer, const char *address, uint16_t port) {
        const Endpoint expected = unit_endpoint(address, port);
        socklen_t size = sizeof(SockAddr);
        SockAddr sa;
        Endpoint e;

        ck_assert_int_eq((peer ? getpeername : getsockname)(fd, &sa.sa, &size), 0);
        ck_assert_int_eq(endpoint_from_sockaddr(&sa, size, &e), 0);
        ck_assert_mem_eq(&e, &expected, sizeof(e));
}

static void assert_connected(int client, int server) {
        char buf[8];

        ck_assert_int_eq(write(client, "ping", 4), 4);
        ck_assert_int_eq(read(server, buf, sizeof(buf)), 4);
        ck_assert_int_eq(write(server, "pong", 4), 4);
        ck_assert_int_eq(read(client, buf, sizeof(buf)), 4);
        ck_assert_mem_eq(buf, "pong", 4);
}

/* Who accepts sees the address that was dialed from, though nobody has it there; and both ways are open. */
START_TEST(test_names) {
        static const struct {
                const char *from, *to;
                int family, listener_family;
        } table[] = {
                { "198.18.0.10", APP4, AF_INET, AF_INET },  { "198.18.0.10", APP4, AF_INET, AF_INET6 },
                { "198.18.0.10", APP4, AF_INET6, AF_INET }, { "198.18.0.10", APP4, AF_INET6, AF_INET6 },
                { "fd00::10", APP6, AF_INET6, AF_INET6 },   { "203.0.113.1", APP4, AF_INET, AF_INET },
                { APP4, APP4, AF_INET, AF_INET },           { "127.0.0.1", "127.0.0.1", AF_INET, AF_INET },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                const uint16_t port = (uint16_t) (80 + i), from_port = (uint16_t) (40000 + i);
                const Endpoint from = unit_endpoint(table[i].from, from_port), to = unit_endpoint(table[i].to, port);
                _cleanup_close_ int client = -EBADF, server = -EBADF, listener = -EBADF;
                int r;

                listener = listen_on(table[i].listener_family == AF_INET ? "0.0.0.0" : "::", port,
                                     table[i].listener_family, 8);
                r = dial_new(table[i].from, from_port, table[i].to, port, table[i].family, &client);
                ck_assert_msg(r == DIAL_CONNECTED, "%zu: %i", i, r);
                server = accept(listener, NULL, NULL);
                ck_assert_int_ge(server, 0);
                ck_assert(dial_is_marked(client));
                ck_assert(dial_is_marked(server));
                ck_assert(!dial_is_marked(listener));
                ck_assert_int_eq(dial_hand_out(client, &from, &to, NULL), 0);
                ck_assert(!(fcntl(client, F_GETFL) & O_NONBLOCK));
                assert_endpoint(client, false, table[i].from, from_port);
                assert_endpoint(client, true, table[i].to, port);
                assert_endpoint(server, false, table[i].to, port);
                assert_endpoint(server, true, table[i].from, from_port);
                assert_connected(client, server);
        }
}
END_TEST

/* Accepts what is dialed with a socket from the pool, and returns the port that it came from. */
static uint16_t accept_used(int listener, const char *to, uint16_t to_port, const UsedSocket *used, int *ret) {
        const Endpoint target = unit_endpoint(to, to_port);
        socklen_t size = sizeof(SockAddr);
        SockAddr sa;
        Endpoint e;

        ck_assert_int_eq(dial_bound(used->fd, &target, used->family), DIAL_CONNECTED);
        *ret = accept(listener, &sa.sa, &size);
        ck_assert_int_ge(*ret, 0);
        ck_assert_int_eq(endpoint_from_sockaddr(&sa, size, &e), 0);
        ck_assert(address_equal(&e.address, &used->from.address));
        return e.port;
}

static bool was_reset(int fd) {
        char c;

        return read(fd, &c, 1) < 0 && errno == ECONNRESET;
}

/* One that was used is reset, and begins other connections of the same client to whatever listens there, at the same port. */
START_TEST(test_used) {
        static const struct {
                const char *from, *other, *to, *any;
                int family;
        } table[] = {
                { "198.18.0.10", "198.18.0.11", APP4, "0.0.0.0", AF_INET },
                { "198.18.0.10", "198.18.0.11", APP4, "::", AF_INET6 },
                { "fd00::10", "fd00::11", APP6, "::", AF_INET6 },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                const uint16_t port = (uint16_t) (80 + i), from_port = (uint16_t) (40000 + i);
                const Endpoint from = unit_endpoint(table[i].from, from_port), other = unit_endpoint(table[i].other, 1),
                               nobody = unit_endpoint(table[i].to, 9999);
                const int family = table[i].family, wrong = family == AF_INET ? AF_INET6 : AF_INET;
                _cleanup_close_ int a = listen_on(table[i].any, port, family, 8),
                                    b = listen_on(table[i].any, (uint16_t) (port + 100), family, 8), server = -EBADF;
                UsedSocket used;
                int client;

                ck_assert_int_eq(dial_new(table[i].from, from_port, table[i].to, port, family, &client), DIAL_CONNECTED);
                server = accept(a, NULL, NULL);
                ck_assert_int_ge(server, 0);
                dial_pool_keep(&pool, client, &from, family);
                ck_assert(was_reset(server));

                ck_assert(!dial_pool_take(&pool, &other.address, family, &used));
                ck_assert(!dial_pool_take(&pool, &from.address, wrong, &used));
                for (unsigned j = 0; j < 3; j++) {
                        ck_assert(dial_pool_take(&pool, &from.address, family, &used));
                        ck_assert_int_eq(used.fd, client);
                        ck_assert(!dial_pool_take(&pool, &from.address, family, &(UsedSocket){}));
                        safe_close(server);
                        ck_assert_uint_eq(accept_used(j % 2 ? a : b, table[i].to, (uint16_t) (j % 2 ? port : port + 100), &used, &server), from_port);
                        dial_pool_keep(&pool, used.fd, &used.from, used.family);
                        ck_assert(was_reset(server));
                }
                ck_assert(dial_pool_take(&pool, &from.address, family, &used));
                ck_assert_int_eq(dial_bound(used.fd, &nobody, family), DIAL_REFUSED);
                safe_close(used.fd);
        }
}
END_TEST

/* There is a bound to those that are kept, and the oldest is taken first; who finds them in use does not look for a while. */
START_TEST(test_used_many) {
        const Address client = unit_address("198.18.0.10");
        _cleanup_close_ int listener = listen_on("0.0.0.0", 80, AF_INET, 64);
        UsedSocket used;

        for (uint16_t i = 0; i < DIAL_USED_MAX + 3; i++) {
                const Endpoint from = { client, (uint16_t) (40000 + i) };
                int fd;

                ck_assert_int_eq(dial_new("198.18.0.10", from.port, APP4, 80, AF_INET, &fd), DIAL_CONNECTED);
                dial_pool_keep(&pool, fd, &from, AF_INET);
        }
        for (uint16_t i = 3; i < DIAL_USED_MAX; i++) {
                ck_assert(dial_pool_take(&pool, &client, AF_INET, &used));
                ck_assert_uint_eq(used.from.port, 40000 + i);
                safe_close(used.fd);
        }
        for (unsigned misses = 1; misses <= 12; misses++) {
                unsigned n = 0;

                dial_pool_missed(&pool);
                while (!dial_pool_take(&pool, &client, AF_INET, &used))
                        n++;
                ck_assert_uint_eq(n, 1U << (misses < 8 ? misses : 8));
                dial_pool_keep(&pool, used.fd, &used.from, used.family);
        }
        /* Their ports are free then; who made them has closed its copies when it makes another one. */
        dial_pool_forget(&pool);
        safe_close(dialer_take_plain(dialer, member, AF_INET));
        ck_assert(!dial_pool_take(&pool, &client, AF_INET, &used));
        for (uint16_t i = 0; i < DIAL_USED_MAX + 3; i++)
                safe_close(listen_on("0.0.0.0", (uint16_t) (40000 + i), AF_INET, 1));
}
END_TEST

/* A server that accepts by itself and closes at once has not refused; but it is in the queue no more. */
START_TEST(test_closed_at_once) {
        _cleanup_close_ int listener = listen_on("0.0.0.0", 80, AF_INET, 8), client = -EBADF, other = -EBADF;

        ck_assert_int_eq(dial_new("198.18.0.10", 1000, APP4, 80, AF_INET, &client), DIAL_CONNECTED);
        ck_assert(dial_is_queued(client));
        safe_close(accept(listener, NULL, NULL));
        ck_assert_int_eq(dial_state(client), DIAL_CONNECTED);
        ck_assert(!dial_is_queued(client));
        ck_assert_int_eq(dial_new("198.18.0.10", 1001, APP4, 81, AF_INET, &other), DIAL_REFUSED);
        ck_assert(!dial_is_queued(other));
        ck_assert(!dial_is_queued(-EBADF));
}
END_TEST

/* The kernel says what becomes of it: refused, in the queue, or waiting for room there. */
START_TEST(test_states) {
        _cleanup_close_ int refused = -EBADF, refused6 = -EBADF, first = -EBADF, waits = -EBADF, again = -EBADF;
        _cleanup_close_ int listener = listen_on("0.0.0.0", 80, AF_INET, 0);
        const Endpoint third = unit_endpoint("198.18.0.10", 1002), to = unit_endpoint(APP4, 80);

        ck_assert_int_eq(dial_new("198.18.0.10", 1000, APP4, 81, AF_INET, &refused), DIAL_REFUSED);
        ck_assert_int_eq(dial_new("fd00::10", 1000, APP6, 81, AF_INET6, &refused6), DIAL_REFUSED);
        ck_assert_int_eq(dial_new("198.18.0.10", 1001, APP4, 80, AF_INET, &first), DIAL_CONNECTED);
        waits = dialer_take(dialer, &pool, member, AF_INET);
        ck_assert_int_eq(dial(waits, &third, &to, AF_INET), DIAL_WAITS);
        ck_assert_int_eq(dial_new("198.18.0.10", 1001, APP4, 80, AF_INET, &again), -EADDRINUSE);
        /* Closed without a word: it is reset, and its port is free. */
        first = safe_close(first);
        safe_close(accept(listener, NULL, NULL));
        again = safe_close(again);
        ck_assert_int_eq(dial_new("198.18.0.10", 1001, APP4, 80, AF_INET, &again), DIAL_CONNECTED);
}
END_TEST

static int connect_to(int fd, const char *address, uint16_t port) {
        const Endpoint to = unit_endpoint(address, port);
        SockAddr sa;
        socklen_t size = endpoint_to_sockaddr(&to, AF_INET, &sa);

        return connect(fd, &sa.sa, size) < 0 ? -errno : 0;
}

/* Who gets one from us can connect it to where it was meant for, and to nothing else in that namespace. */
START_TEST(test_locked) {
        const Endpoint from = unit_endpoint("198.18.0.10", 40000), to = unit_endpoint(APP4, 80);
        const struct timeval moment = { .tv_usec = 100 * 1000 };
        const struct sockaddr unspec = { .sa_family = AF_UNSPEC };
        _cleanup_close_ int meant = listen_on("0.0.0.0", 80, AF_INET, 8), other = listen_on("0.0.0.0", 81, AF_INET, 8);
        _cleanup_close_ int client = -EBADF, server = -EBADF, plain = -EBADF;

        ck_assert_int_eq(dial_new("198.18.0.10", 40000, APP4, 80, AF_INET, &client), DIAL_CONNECTED);
        server = accept(meant, NULL, NULL);
        ck_assert_int_eq(dial_hand_out(client, &from, &to, NULL), 0);
        ck_assert_int_eq(setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &moment, sizeof(moment)), 0);

        ck_assert_int_eq(connect(client, &unspec, sizeof(unspec)), 0);
        ck_assert_int_eq(connect_to(client, APP4, 81), -EINPROGRESS);
        ck_assert_int_eq(connect(client, &unspec, sizeof(unspec)), 0);
        ck_assert_int_eq(connect_to(client, "127.0.0.1", 80), -EINPROGRESS);
        ck_assert_int_eq(connect(client, &unspec, sizeof(unspec)), 0);
        ck_assert_int_eq(setsockopt(client, SOL_SOCKET, SO_DETACH_FILTER, NULL, 0), -1);

        /* Nor can anybody connect to it. */
        ck_assert_int_eq(listen(client, 8), 0);
        plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(setsockopt(plain, SOL_SOCKET, SO_SNDTIMEO, &moment, sizeof(moment)), 0);
        ck_assert_int_lt(connect_to(plain, "198.18.0.10", 40000), 0);

        /* As an undone one can. */
        client = safe_close(client);
        ck_assert_int_eq(dial_new("198.18.0.10", 40000, APP4, 80, AF_INET, &client), DIAL_CONNECTED);
        ck_assert_int_eq(dial_undo(client), 0);
        ck_assert_int_eq(dial_hand_out(client, &from, &to, NULL), 0);
        ck_assert_int_eq(connect_to(client, APP4, 80), 0);
}
END_TEST

/* One that was handed out with a view shows that to who asks us, and the kernel's names to the server. */
START_TEST(test_view) {
        const Endpoint from = unit_endpoint("198.18.0.10", 40000), to = unit_endpoint(APP4, 80);
        const PeerView view = { AF_INET, from, unit_endpoint("198.18.0.30", 8080) };
        _cleanup_close_ int listener = listen_on("0.0.0.0", 80, AF_INET, 0), client = -EBADF, server = -EBADF;
        _cleanup_close_ int second = -EBADF;
        PeerView seen;

        ck_assert_int_eq(dial_new("198.18.0.10", 40000, APP4, 80, AF_INET, &client), DIAL_CONNECTED);
        ck_assert(!dial_may_have_view(client));
        ck_assert_int_eq(dial_hand_out(client, &from, &to, &view), 0);
        server = accept(listener, NULL, NULL);
        ck_assert(dial_is_marked(client));
        ck_assert(dial_may_have_view(client));
        ck_assert_int_eq(peer_lock_get_view(client, &from, &to, &seen), 0);
        ck_assert_mem_eq(&seen, &view, sizeof(view));
        ck_assert(dial_is_marked(server));
        ck_assert_int_eq(peer_lock_get_view(server, &to, &from, &seen), -ENODATA);
        assert_connected(client, server);

        /* Who connects himself, later, too. The server inherits the mark then, but nothing else. */
        client = safe_close(client);
        server = safe_close(server);
        ck_assert_int_eq(dial_new("198.18.0.10", 40001, APP4, 80, AF_INET, &second), DIAL_CONNECTED);
        ck_assert_int_eq(dial_undo(second), 0);
        safe_close(accept(listener, NULL, NULL));
        ck_assert_int_eq(dial_hand_out(second, &(Endpoint){ from.address, 40001 }, &to, &view), 0);
        ck_assert_int_eq(connect_to(second, APP4, 80), 0);
        server = accept(listener, NULL, NULL);
        ck_assert_int_eq(peer_lock_get_view(server, &to, &(Endpoint){ from.address, 40001 }, &seen), -ENODATA);
        ck_assert_int_eq(peer_lock_get_view(second, &(Endpoint){ from.address, 40001 }, &to, &seen), 0);
        ck_assert_mem_eq(&seen, &view, sizeof(view));
        assert_connected(second, server);
}
END_TEST

static bool becomes_writable(int fd) {
        return poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, 10000) > 0;
}

static int error_of(int fd) {
        int error = -1;
        socklen_t size = sizeof(error);

        ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
        return error;
}

/* One that is held waits where nobody listens, until somebody does or it is let go; after that it is as any other. */
START_TEST(test_held) {
        static const struct {
                const char *from, *to;
                int family;
        } table[] = {
                { "198.18.0.10", APP4, AF_INET }, { "198.18.0.10", APP4, AF_INET6 }, { "fd00::10", APP6, AF_INET6 },
        };
        const struct linger reset = { .l_onoff = 1 };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                const Endpoint from = unit_endpoint(table[i].from, 40000), from2 = unit_endpoint(table[i].from, 40001);
                const Endpoint to = unit_endpoint(table[i].to, (uint16_t) (80 + i));
                const PeerView view = { table[i].family, from2, unit_endpoint("198.18.0.30", 8080) };
                _cleanup_close_ int client = -EBADF, second = -EBADF, server = -EBADF, listener = -EBADF, copy = -EBADF;
                PeerView seen;
                char c;

                client = dialer_take(dialer, &pool, member, table[i].family);
                second = dialer_take(dialer, &pool, member, table[i].family);
                ck_assert_int_eq(dial_hold(client, &from, &to, NULL), 0);
                ck_assert_int_eq(dial_hold(second, &from2, &to, &view), 0);
                ck_assert_int_eq(dial(client, &from, &to, table[i].family), DIAL_WAITS);
                ck_assert_int_eq(dial(second, &from2, &to, table[i].family), DIAL_WAITS);
                ck_assert(dial_is_marked(client) && !dial_may_have_view(client));
                ck_assert(dial_is_marked(second) && dial_may_have_view(second));
                ck_assert_int_eq(peer_lock_get_view(second, &from2, &to, &seen), 0);
                ck_assert_mem_eq(&seen, &view, sizeof(view));

                copy = fcntl(second, F_DUPFD_CLOEXEC, 3);
                ck_assert_int_eq(dial_let_go(copy), 0);
                ck_assert(becomes_writable(second));
                ck_assert_int_eq(error_of(second), ECONNREFUSED);
                ck_assert_int_eq(dial_state(client), DIAL_WAITS);

                listener = listen_on(table[i].to[0] == 'f' ? "::" : "0.0.0.0", to.port, table[i].to[0] == 'f' ? AF_INET6 : AF_INET, 8);
                ck_assert(becomes_writable(client));
                ck_assert_int_eq(error_of(client), 0);
                server = accept(listener, NULL, NULL);
                ck_assert_int_eq(dial_held_done(client), 0);
                ck_assert(dial_is_marked(server));
                assert_connected(client, server);
                ck_assert_int_eq(setsockopt(server, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
                server = safe_close(server);
                ck_assert_int_eq(read(client, &c, 1), -1);
                ck_assert_int_eq(errno, ECONNRESET);
        }
}
END_TEST

/* The SYN of one that is held is seen, and sent once more it ends the wait at once, for good or ill. */
START_TEST(test_syn) {
        static const struct {
                const char *from, *to;
                int family;
        } table[] = {
                { "198.18.0.10", APP4, AF_INET }, { "198.18.0.10", APP4, AF_INET6 }, { "fd00::10", APP6, AF_INET6 },
                { "fe80::10", APP6, AF_INET6 },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                const Endpoint from = unit_endpoint(table[i].from, 41000), from2 = unit_endpoint(table[i].from, 41001);
                const Endpoint to = unit_endpoint(table[i].to, (uint16_t) (180 + i));
                const int family = to.address.family;
                _cleanup_close_ int client = -EBADF, second = -EBADF, server = -EBADF, listener = -EBADF, raw = -EBADF;
                Syn syn, syn2;
                SockAddr sa;
                socklen_t size = sizeof(sa);
                struct pollfd p;

                raw = dialer_take_raw(dialer, member, family);
                ck_assert_int_ge(raw, 0);
                ck_assert_int_eq(syn_catch(raw, family, DIAL_MARK_HELD, DIAL_MARK), 0);
                ck_assert_int_eq(syn_read(raw, family, &syn), -EAGAIN);
                client = dialer_take(dialer, &pool, member, table[i].family);
                second = dialer_take(dialer, &pool, member, table[i].family);
                ck_assert_int_eq(dial_hold(client, &from, &to, NULL), 0);
                ck_assert_int_eq(dial_hold(second, &from2, &to, NULL), 0);
                ck_assert_int_eq(dial(client, &from, &to, table[i].family), DIAL_WAITS);
                ck_assert_int_eq(dial(second, &from2, &to, table[i].family), DIAL_WAITS);
                ck_assert_int_eq(syn_read(raw, family, &syn), 0);
                ck_assert_int_eq(syn_read(raw, family, &syn2), 0);
                ck_assert_mem_eq(&syn.from, &from, sizeof(from));
                ck_assert_mem_eq(&syn2.from, &from2, sizeof(from2));
                ck_assert_mem_eq(&syn.to, &to, sizeof(to));

                /* Neither are its own seen again. */
                ck_assert_int_eq(syn_send(raw, &syn), 0);
                p = (struct pollfd){ .fd = client, .events = POLLOUT };
                ck_assert_int_eq(poll(&p, 1, 50), 1);
                ck_assert_int_eq(error_of(client), ECONNREFUSED);
                ck_assert_int_eq(dial_state(second), DIAL_WAITS);
                listener = listen_on(table[i].to[0] == 'f' ? "::" : "0.0.0.0", to.port, table[i].to[0] == 'f' ? AF_INET6 : AF_INET, 8);
                ck_assert_int_eq(syn_send(raw, &syn2), 0);
                p = (struct pollfd){ .fd = second, .events = POLLOUT };
                ck_assert_int_eq(poll(&p, 1, 50), 1);
                ck_assert_int_eq(error_of(second), 0);
                ck_assert_int_eq(syn_read(raw, family, &syn), -EAGAIN);
                server = accept(listener, &sa.sa, &size);
                ck_assert(dial_is_marked(server));
                assert_connected(second, server);
                /* One that is there already minds it as little as an old one of the network's. */
                ck_assert_int_eq(syn_send(raw, &syn2), 0);
                assert_connected(second, server);
        }
}
END_TEST

/* Sockets are in the namespace that was asked for; a plain one is as socket(2) makes it. */
START_TEST(test_namespace) {
        _cleanup_close_ int here = -EBADF, plain = -EBADF;
        uint64_t a, b, c;

        here = dialer_take(dialer, &pool, member, AF_INET6);
        plain = dialer_take_plain(dialer, member, AF_INET);
        ck_assert_int_eq(socket_netns_cookie(member, &a), 0);
        ck_assert_int_eq(socket_netns_cookie(here, &b), 0);
        ck_assert_int_eq(socket_netns_cookie(plain, &c), 0);
        ck_assert_uint_eq(a, b);
        ck_assert_uint_eq(a, c);
        ck_assert(!dial_is_marked(plain));
        ck_assert(!(fcntl(plain, F_GETFL) & O_NONBLOCK));
        ck_assert(fcntl(plain, F_GETFD) & FD_CLOEXEC);
        ck_assert_int_eq(dialer_take(dialer, &pool, -EBADF, AF_INET), -EBADF);
}
END_TEST

/* When the process is gone there is an error once its sockets are used up, and no wait. */
START_TEST(test_gone) {
        int r = 0;

        ck_assert_int_eq(dialer_fill(dialer, &pool, member, AF_INET), 0);
        safe_close(dialer_take(dialer, &pool, member, AF_INET));
        ck_assert_int_eq(kill(server_pid, SIGKILL), 0);
        for (int i = 0; i < 2 * FD_PASS_MAX && r >= 0; i++) {
                r = dialer_take(dialer, &pool, member, AF_INET);
                safe_close(r);
        }
        ck_assert_int_eq(r, -ENOTCONN);
        ck_assert_ptr_null(dialer_free(NULL));
}
END_TEST

int main(void) {
        if (geteuid() != 0 || !unit_has_net_admin()) {
                printf("A network namespace of our own needs root\n");
                return UNIT_SKIPPED;
        }
        return UNIT_RUN("dial", setup, teardown, test_names, test_used, test_used_many, test_closed_at_once, test_states, test_locked, test_view,
                        test_held, test_syn, test_namespace, test_gone);
}
