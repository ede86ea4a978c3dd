/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Proves that two apps that are joined by TCP have a connection of their own
 * addresses, out of a namespace where the real appswitch-exec makes the
 * sockets, and that its end is survived.
 */

#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "basic/fd.h"
#include "exec/sockets.h"
#include "transport/tcp-net.h"
#include "unit.h"

static TcpNet *net;
static pid_t server_pid;

static void setup(void) {
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        server_pid = fork();
        if (server_pid == 0) {
                (void) close(fds[0]);
                sockets_serve(fds[1]);
        }
        ck_assert_int_gt(server_pid, 0);
        (void) close(fds[1]);
        ck_assert_int_eq(tcp_net_new(fds[0], &net), 0);
}

static void teardown(void) {
        net = tcp_net_free(net);
        ck_assert_int_eq(waitpid(server_pid, NULL, 0), server_pid);
}

static PairEnds make_ends(const char *client, uint16_t client_port, const char *server, uint16_t server_port) {
        return (PairEnds){
                .client = unit_endpoint(client, client_port),
                .server = unit_endpoint(server, server_port),
                .client_family = unit_address(client).family,
                .server_family = unit_address(server).family,
        };
}

static void assert_endpoint(int fd, bool peer, int family, const Endpoint *expected) {
        socklen_t size = sizeof(SockAddr);
        SockAddr sa;
        Endpoint e;

        ck_assert_int_eq((peer ? getpeername : getsockname)(fd, &sa.sa, &size), 0);
        ck_assert_int_eq(sa.sa.sa_family, family);
        ck_assert_int_eq(endpoint_from_sockaddr(&sa, size, &e), 0);
        ck_assert_mem_eq(&e, expected, sizeof(e));
}

static void assert_connected(int client, int server) {
        char buf[8];

        ck_assert_int_eq(write(client, "ping", 4), 4);
        ck_assert_int_eq(read(server, buf, sizeof(buf)), 4);
        ck_assert_int_eq(write(server, "pong", 4), 4);
        ck_assert_int_eq(read(client, buf, sizeof(buf)), 4);
        ck_assert_mem_eq(buf, "pong", 4);
}

/* Both ends have the addresses of their apps in the family each side sees; they are TCP, and wait. */
START_TEST(test_names) {
        static const struct {
                const char *client, *server;
                int client_family, server_family;
        } table[] = {
                { "198.18.0.10", "198.18.0.20", AF_INET, AF_INET },   { "198.18.0.10", "198.18.0.21", AF_INET6, AF_INET },
                { "198.18.0.10", "198.18.0.22", AF_INET, AF_INET6 },  { "198.18.0.10", "198.18.0.23", AF_INET6, AF_INET6 },
                { "fd00::10", "2001:db8::20", AF_INET6, AF_INET6 },   { "203.0.113.1", "203.0.113.1", AF_INET, AF_INET },
                { "127.0.0.1", "127.0.0.1", AF_INET, AF_INET },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                PairEnds ends = {
                        .client = unit_endpoint(table[i].client, 40000),
                        .server = unit_endpoint(table[i].server, 80),
                        .client_family = table[i].client_family,
                        .server_family = table[i].server_family,
                };
                _cleanup_close_ int client = -EBADF, server = -EBADF;
                int nodelay;
                socklen_t size = sizeof(nodelay);
                uint64_t cookie;

                ck_assert_msg(tcp_net_connect(net, &ends, &client, &server) == 0, "%zu", i);
                assert_endpoint(client, false, ends.client_family, &ends.client);
                assert_endpoint(client, true, ends.client_family, &ends.server);
                assert_endpoint(server, false, ends.server_family, &ends.server);
                assert_endpoint(server, true, ends.server_family, &ends.client);
                assert_connected(client, server);
                ck_assert_int_eq(getsockopt(client, IPPROTO_TCP, TCP_NODELAY, &nodelay, &size), 0);
                ck_assert(!(fcntl(client, F_GETFL) & O_NONBLOCK));
                ck_assert(!(fcntl(server, F_GETFL) & O_NONBLOCK));
                ck_assert(fcntl(client, F_GETFD) & FD_CLOEXEC);
                ck_assert(fcntl(server, F_GETFD) & FD_CLOEXEC);
                ck_assert_int_eq(socket_netns_cookie(client, &cookie), 0);
                ck_assert_uint_eq(cookie, tcp_net_netns(net));
        }
}
END_TEST

/* The namespace is another one than ours. */
START_TEST(test_namespace) {
        _cleanup_close_ int here = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        uint64_t cookie;

        ck_assert_int_eq(socket_netns_cookie(here, &cookie), 0);
        ck_assert_uint_ne(cookie, tcp_net_netns(net));
        ck_assert_uint_ne(tcp_net_netns(net), 0);
}
END_TEST

/* There is one connection of the same four numbers; others beside it are as many as one likes. */
START_TEST(test_in_use) {
        enum { MANY = 100 };
        PairEnds ends = make_ends("198.18.0.10", 40000, "198.18.0.20", 80);
        int clients[MANY], servers[MANY], c = -EBADF, s = -EBADF;
        unsigned n_fds;

        for (int i = 0; i < MANY; i++) {
                ends.client.port = (uint16_t) (40000 + i);
                ck_assert_msg(tcp_net_connect(net, &ends, &clients[i], &servers[i]) == 0, "%i", i);
        }
        n_fds = unit_count_fds();
        ends.client.port = 40007;
        ck_assert_int_eq(tcp_net_connect(net, &ends, &c, &s), -EADDRINUSE);
        ck_assert_int_eq(c, -EBADF);
        ck_assert_int_eq(s, -EBADF);
        ck_assert_uint_le(unit_count_fds(), n_fds + FD_PASS_MAX);
        for (int i = 0; i < MANY; i++) {
                assert_connected(clients[i], servers[i]);
                safe_close(clients[i]);
                safe_close(servers[i]);
        }
}
END_TEST

/* More services than are kept ready are served all the same, again and again. */
START_TEST(test_many_services) {
        PairEnds ends = make_ends("198.18.0.10", 40000, "198.18.0.20", 80);

        for (int round = 0; round < 2; round++)
                for (uint16_t port = 1; port <= 300; port++) {
                        _cleanup_close_ int client = -EBADF, server = -EBADF;

                        ends.client.port = (uint16_t) (40000 + round);
                        ends.server.port = port;
                        ck_assert_msg(tcp_net_connect(net, &ends, &client, &server) == 0, "%i", port);
                }
}
END_TEST

/* When the process is gone there is an error once its sockets are used up, and no wait. */
START_TEST(test_gone) {
        PairEnds ends = make_ends("198.18.0.10", 40000, "198.18.0.20", 80);
        int r = 0;

        ck_assert_int_eq(kill(server_pid, SIGKILL), 0);
        for (int i = 0; i < 2 * FD_PASS_MAX && r == 0; i++) {
                _cleanup_close_ int client = -EBADF, server = -EBADF;

                ends.client.port++;
                r = tcp_net_connect(net, &ends, &client, &server);
        }
        ck_assert_int_eq(r, -ENOTCONN);
}
END_TEST

/* A process that does not answer is one that is gone. */
START_TEST(test_no_answer) {
        TcpNet *other = NULL;
        unsigned n_fds;
        int fds[2];

        n_fds = unit_count_fds();
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        (void) close(fds[1]);
        ck_assert_int_eq(tcp_net_new(fds[0], &other), -ENOTCONN);
        ck_assert_ptr_null(other);
        ck_assert_uint_eq(unit_count_fds(), n_fds);
        ck_assert_ptr_null(tcp_net_free(NULL));
}
END_TEST

int main(void) {
        if (geteuid() != 0 || !unit_has_net_admin()) {
                printf("A network namespace of our own needs root\n");
                return UNIT_SKIPPED;
        }
        return UNIT_RUN("tcp-net", setup, teardown, test_names, test_namespace, test_in_use, test_many_services,
                        test_gone, test_no_answer);
}
