/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that a pair is to both sides what a TCP connection would be: names, one of each, blocking, room. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "basic/fd.h"
#include "transport/pair.h"
#include "unit.h"

static PairEnds make_ends(const char *client, uint16_t client_port, const char *server, uint16_t server_port) {
        return (PairEnds){
                .client = unit_endpoint(client, client_port),
                .server = unit_endpoint(server, server_port),
                .service = unit_endpoint(server, server_port),
                .client_family = unit_address(client).family,
                .server_family = unit_address(server).family,
        };
}

static SocketName name_of(int fd, bool peer) {
        struct sockaddr_storage sa;
        socklen_t size = sizeof(sa);
        SocketName name;

        ck_assert_int_eq((peer ? getpeername : getsockname)(fd, (struct sockaddr *) &sa, &size), 0);
        ck_assert_int_eq(socket_name_parse((struct sockaddr *) &sa, size, &name), 0);
        return name;
}

static void assert_name(const SocketName *name, SocketNameType type, int family, const Endpoint *local,
                        const Endpoint *peer) {
        ck_assert_int_eq(name->type, type);
        ck_assert_int_eq(name->family, family);
        ck_assert_mem_eq(&name->local, local, sizeof(*local));
        ck_assert_mem_eq(&name->peer, peer, sizeof(*peer));
}

/* Each end tells its own address and its peer's, in the family that its side sees; the other end agrees. */
START_TEST(test_names) {
        static const struct {
                const char *client, *server;
                int client_family, server_family;
        } table[] = {
                { "198.18.0.10", "198.18.0.20", AF_INET, AF_INET },
                { "198.18.0.10", "198.18.0.20", AF_INET6, AF_INET },
                { "198.18.0.10", "198.18.0.20", AF_INET, AF_INET6 },
                { "198.18.0.10", "198.18.0.20", AF_INET6, AF_INET6 },
                { "fd00::10", "fd00::20", AF_INET6, AF_INET6 },
                { "127.0.0.1", "127.0.0.1", AF_INET, AF_INET },
                { "1111:2222:3333:4444:5555:6666:7777:8888", "1111:2222:3333:4444:5555:6666:7777:9999", AF_INET6,
                  AF_INET6 },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                PairEnds ends = {
                        .client = unit_endpoint(table[i].client, 65535),
                        .server = unit_endpoint(table[i].server, 80),
                        .service = unit_endpoint(table[i].server, 80),
                        .client_family = table[i].client_family,
                        .server_family = table[i].server_family,
                };
                _cleanup_close_ int client = -EBADF, server = -EBADF;
                SocketName name;

                ck_assert_int_eq(pair_new(&ends, &client, &server), 0);
                name = name_of(client, false);
                assert_name(&name, SOCKET_NAME_CLIENT, ends.client_family, &ends.client, &ends.server);
                name = name_of(server, true);
                assert_name(&name, SOCKET_NAME_CLIENT, ends.client_family, &ends.client, &ends.server);
                name = name_of(server, false);
                assert_name(&name, SOCKET_NAME_SERVER, ends.server_family, &ends.server, &ends.client);
                name = name_of(client, true);
                assert_name(&name, SOCKET_NAME_SERVER, ends.server_family, &ends.server, &ends.client);
        }
}
END_TEST

/* There is one connection of the same four numbers, as with TCP; it is free again when both ends are closed. */
START_TEST(test_in_use) {
        PairEnds ends = make_ends("198.18.0.10", 40000, "198.18.0.20", 80), other;
        _cleanup_close_ int client = -EBADF, server = -EBADF, c = -EBADF, s = -EBADF;
        unsigned n_fds;

        ck_assert_int_eq(pair_new(&ends, &client, &server), 0);
        n_fds = unit_count_fds();
        ck_assert_int_eq(pair_new(&ends, &c, &s), -EADDRINUSE);
        client = safe_close(client);
        ck_assert_int_eq(pair_new(&ends, &c, &s), -EADDRINUSE);
        ck_assert_int_eq(c, -EBADF);
        ck_assert_int_eq(s, -EBADF);
        ck_assert_uint_eq(unit_count_fds(), n_fds - 1);

        /* One number differs, or the direction. */
        other = make_ends("198.18.0.10", 40001, "198.18.0.20", 80);
        ck_assert_int_eq(pair_new(&other, &c, &s), 0);
        c = safe_close(c);
        s = safe_close(s);
        other = make_ends("198.18.0.20", 80, "198.18.0.10", 40000);
        ck_assert_int_eq(pair_new(&other, &c, &s), 0);
        c = safe_close(c);
        s = safe_close(s);

        server = safe_close(server);
        ck_assert_int_eq(pair_new(&ends, &client, &server), 0);
}
END_TEST

/* Behind a virtual service the client sees that, and the server itself; and there is one of each all the same. */
START_TEST(test_service) {
        PairEnds ends = make_ends("198.18.0.10", 40000, "198.18.0.20", 8080), other;
        _cleanup_close_ int client = -EBADF, server = -EBADF, c = -EBADF, s = -EBADF;
        SocketName name;

        ends.service = unit_endpoint("198.18.0.30", 80);
        ck_assert_int_eq(pair_new(&ends, &client, &server), 0);
        name = name_of(client, false);
        assert_name(&name, SOCKET_NAME_CLIENT, AF_INET, &ends.client, &ends.service);
        name = name_of(server, false);
        assert_name(&name, SOCKET_NAME_SERVER, AF_INET, &ends.server, &ends.client);

        /* The same to the client, though to another server; the same to the server, though straight. */
        other = make_ends("198.18.0.10", 40000, "198.18.0.21", 8080);
        other.service = ends.service;
        ck_assert_int_eq(pair_new(&other, &c, &s), -EADDRINUSE);
        other = make_ends("198.18.0.10", 40000, "198.18.0.20", 8080);
        ck_assert_int_eq(pair_new(&other, &c, &s), -EADDRINUSE);
        other = make_ends("198.18.0.10", 40000, "198.18.0.21", 8080);
        ck_assert_int_eq(pair_new(&other, &c, &s), 0);
}
END_TEST

/* The client's end blocks as its socket did, the server's always; neither is inherited over execve(2). */
START_TEST(test_flags) {
        PairEnds ends = make_ends("198.18.0.10", 40000, "198.18.0.20", 80);

        for (int nonblock = 0; nonblock < 2; nonblock++) {
                _cleanup_close_ int client = -EBADF, server = -EBADF;

                ends.client_nonblock = nonblock;
                ck_assert_int_eq(pair_new(&ends, &client, &server), 0);
                ck_assert_int_eq(!!(fcntl(client, F_GETFL) & O_NONBLOCK), nonblock);
                ck_assert(!(fcntl(server, F_GETFL) & O_NONBLOCK));
                ck_assert(fcntl(client, F_GETFD) & FD_CLOEXEC);
                ck_assert(fcntl(server, F_GETFD) & FD_CLOEXEC);
        }
}
END_TEST

/* Bytes arrive on the other side, and the end of the one is the end of the other. */
START_TEST(test_stream) {
        PairEnds ends = make_ends("198.18.0.10", 40000, "198.18.0.20", 80);
        _cleanup_close_ int client = -EBADF, server = -EBADF;
        char buf[16];

        ck_assert_int_eq(pair_new(&ends, &client, &server), 0);
        ck_assert_int_eq(write(client, "ping", 4), 4);
        ck_assert_int_eq(read(server, buf, sizeof(buf)), 4);
        ck_assert_int_eq(write(server, "po", 2), 2);
        ck_assert_int_eq(write(server, "ng", 2), 2);
        ck_assert_int_eq(read(client, buf, sizeof(buf)), 4);
        ck_assert_mem_eq(buf, "pong", 4);
        server = safe_close(server);
        ck_assert_int_eq(read(client, buf, sizeof(buf)), 0);
}
END_TEST

static size_t fill(int fd, size_t piece) {
        static char buf[65536];
        size_t total = 0;

        for (;;) {
                ssize_t n = send(fd, buf, piece, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0) {
                        ck_assert_int_eq(errno, EAGAIN);
                        return total;
                }
                total += (size_t) n;
        }
}

/*
 * Two peers that both write before they read do not hang any sooner than with
 * TCP, in pieces large or small; one direction takes no room from the other.
 */
START_TEST(test_room) {
        static const struct {
                size_t piece, least;
        } table[] = {
                { 65536, 4 * 1024 * 1024 },
                { 4096, 4 * 1024 * 1024 },
                { 64, 512 * 1024 }, /* each takes nearly 1 KiB of kernel memory */
        };
        PairEnds ends = make_ends("198.18.0.10", 40000, "198.18.0.20", 80);

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_close_ int client = -EBADF, server = -EBADF;

                ck_assert_int_eq(pair_new(&ends, &client, &server), 0);
                ck_assert_uint_ge(fill(client, table[i].piece), table[i].least);
                ck_assert_uint_ge(fill(server, table[i].piece), table[i].least);
        }
}
END_TEST

/* What is remembered of an end is kept with the socket, whoever asks through whichever copy of it. */
START_TEST(test_marks) {
        PairEnds ends = make_ends("198.18.0.10", 40000, "198.18.0.20", 80);
        _cleanup_close_ int client = -EBADF, server = -EBADF, copy = -EBADF;

        ck_assert_int_eq(pair_new(&ends, &client, &server), 0);
        copy = dup(client);
        ck_assert(pair_get_mark(client, PAIR_MARK_UNREPORTED));
        ck_assert(pair_get_mark(copy, PAIR_MARK_UNREPORTED));
        ck_assert_int_eq(pair_set_mark(client, PAIR_MARK_NODELAY, true), 0);
        ck_assert_int_eq(pair_set_mark(client, PAIR_MARK_UNREPORTED, false), 0);
        ck_assert(!pair_get_mark(copy, PAIR_MARK_UNREPORTED));
        ck_assert(pair_get_mark(copy, PAIR_MARK_NODELAY));

        /* The server was told by accept(2). Where nothing can be read nothing is set. */
        ck_assert(!pair_get_mark(server, PAIR_MARK_UNREPORTED | PAIR_MARK_NODELAY));
        ck_assert(!pair_get_mark(-EBADF, PAIR_MARK_UNREPORTED));
        ck_assert_int_eq(pair_set_mark(-EBADF, PAIR_MARK_CORK, true), -EBADF);
}
END_TEST

int main(void) {
        if (!unit_has_net_admin()) {
                printf("SO_SNDBUFFORCE and SO_MARK need CAP_NET_ADMIN\n");
                return UNIT_SKIPPED;
        }
        return UNIT_RUN("pair", unit_unshare_network, NULL, test_names, test_in_use, test_service, test_flags, test_stream, test_room,
                        test_marks);
}
