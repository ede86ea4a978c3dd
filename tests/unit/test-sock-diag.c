/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that the kernel's lists of sockets are read as they are: pairs that are ours, and TCP, with bytes. */

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "basic/fd.h"
#include "transport/pair.h"
#include "transport/sock-diag.h"
#include "unit.h"

enum { ENDS_MAX = 16 };

static DiagPair pairs[ENDS_MAX];
static DiagTcp tcp[ENDS_MAX];
static size_t n_pairs, n_tcp;
static int netlink = -EBADF;

static void setup(void) {
        _cleanup_close_ int fd = -EBADF;
        struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };

        unit_unshare_network();
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        (void) ioctl(fd, SIOCSIFFLAGS, &lo);
        netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        ck_assert_int_ge(netlink, 0);
}

static void teardown(void) {
        netlink = safe_close(netlink);
}

static int on_pair(const DiagPair *end, void *userdata) {
        ck_assert_ptr_eq(userdata, &n_pairs);
        ck_assert_uint_lt(n_pairs, ENDS_MAX);
        pairs[n_pairs++] = *end;
        return 0;
}

static int on_tcp(const DiagTcp *end, void *userdata) {
        ck_assert_uint_lt(n_tcp, ENDS_MAX);
        tcp[n_tcp++] = *end;
        return 0;
}

static int stop(const DiagTcp *end, void *userdata) {
        return 42;
}

static ino_t inode_of(int fd) {
        struct stat st;

        ck_assert_int_eq(fstat(fd, &st), 0);
        return st.st_ino;
}

static int make_pair(int *client, int *server) {
        return pair_new(&(PairEnds){
                .client = unit_endpoint("198.18.0.10", 40000),
                .server = unit_endpoint("198.18.0.20", 80),
                .service = unit_endpoint("198.18.0.20", 80),
                .client_family = AF_INET,
                .server_family = AF_INET,
                .client_app = 5,
                .server_app = 7,
        }, client, server);
}

/* Both ends of a pair are there, each with the inode of its descriptor and of its peer; other sockets are not. */
START_TEST(test_pairs) {
        int client = -EBADF, server = -EBADF, other[2];
        struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "\0ax:198.18.0.10:1>198.18.0.20:80#AAAAAAAA" };
        const DiagPair *c, *s;

        if (!unit_has_net_admin())
                return;
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
        ck_assert_int_eq(bind(other[0], (struct sockaddr *) &un, sizeof(un)), 0);
        ck_assert_int_eq(make_pair(&client, &server), 0);

        ck_assert_int_eq(diag_list_pairs(netlink, on_pair, &n_pairs), 0);
        ck_assert_uint_eq(n_pairs, 2);
        c = &pairs[pairs[0].name.type == SOCKET_NAME_CLIENT ? 0 : 1];
        s = &pairs[c == pairs ? 1 : 0];
        ck_assert_int_eq(s->name.type, SOCKET_NAME_SERVER);
        ck_assert_uint_eq(c->inode, inode_of(client));
        ck_assert_uint_eq(s->inode, inode_of(server));
        ck_assert_uint_eq(c->peer, s->inode);
        ck_assert_uint_eq(s->peer, c->inode);
        ck_assert_uint_eq(s->name.local_app, 7);
        ck_assert_uint_eq(s->name.peer_app, 5);
        ck_assert_uint_eq(c->name.local.port, 40000);

        /* When one end is closed the other one has no peer. */
        safe_close(client);
        n_pairs = 0;
        ck_assert_int_eq(diag_list_pairs(netlink, on_pair, &n_pairs), 0);
        ck_assert_uint_eq(n_pairs, 1);
        ck_assert_int_eq(pairs[0].name.type, SOCKET_NAME_SERVER);
        ck_assert_uint_eq(pairs[0].peer, 0);
        safe_close(server);
        safe_close(other[0]);
        safe_close(other[1]);
}
END_TEST

static const DiagTcp *find_tcp(uint16_t local) {
        for (size_t i = 0; i < n_tcp; i++)
                if (tcp[i].local.port == local)
                        return &tcp[i];
        ck_abort_msg("port %u is not there", local);
        return NULL;
}

/* A connection has two ends, listeners are not listed, and what was sent is counted if that is asked for. */
START_TEST(test_tcp) {
        _cleanup_close_ int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), client = -EBADF, server = -EBADF;
        Endpoint any = { .address = { AF_INET6, {} } }, here;
        SockAddr sa;
        socklen_t size = endpoint_to_sockaddr(&any, AF_INET6, &sa);
        uint16_t port, client_port;
        const DiagTcp *c, *s;
        char buf[16];

        ck_assert_int_eq(bind(listener, &sa.sa, size), 0);
        ck_assert_int_eq(listen(listener, 5), 0);
        size = sizeof(sa);
        ck_assert_int_eq(getsockname(listener, &sa.sa, &size), 0);
        port = ntohs(sa.in6.sin6_port);

        /* An IPv4 client of an IPv6 listener: the ends are in different lists, and have the same addresses. */
        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        here = unit_endpoint("127.0.0.1", port);
        size = endpoint_to_sockaddr(&here, AF_INET, &sa);
        ck_assert_int_eq(connect(client, &sa.sa, size), 0);
        size = sizeof(sa);
        ck_assert_int_eq(getsockname(client, &sa.sa, &size), 0);
        client_port = ntohs(sa.in.sin_port);

        ck_assert_int_eq(diag_list_tcp(netlink, AF_INET, false, on_tcp, NULL), 0);
        ck_assert_int_eq(diag_list_tcp(netlink, AF_INET6, false, on_tcp, NULL), 0);
        ck_assert_uint_eq(n_tcp, 2);
        c = find_tcp(client_port);
        s = find_tcp(port);
        ck_assert_mem_eq(&c->local, &s->peer, sizeof(c->local));
        ck_assert_mem_eq(&c->peer, &s->local, sizeof(c->peer));
        ck_assert_uint_eq(c->inode, inode_of(client));
        ck_assert_uint_eq(s->inode, 0); /* it waits to be accepted */
        ck_assert_int_eq(c->state, TCP_ESTABLISHED);
        ck_assert(!c->counted);

        server = accept(listener, NULL, NULL);
        ck_assert_int_ge(server, 0);
        ck_assert_int_eq(write(client, "hello", 5), 5);
        ck_assert_int_eq(read(server, buf, sizeof(buf)), 5);
        n_tcp = 0;
        ck_assert_int_eq(diag_list_tcp(netlink, AF_INET, true, on_tcp, NULL), 0);
        ck_assert_int_eq(diag_list_tcp(netlink, AF_INET6, true, on_tcp, NULL), 0);
        c = find_tcp(client_port);
        s = find_tcp(port);
        ck_assert_uint_eq(s->inode, inode_of(server));
        ck_assert(c->counted && s->counted);
        ck_assert_uint_eq(s->received, 5);
        ck_assert_uint_eq(c->received, 0);
        ck_assert_uint_eq(s->acked, 0);

        ck_assert_int_eq(diag_list_tcp(netlink, AF_INET, false, stop, NULL), 42);
}
END_TEST

/* What is no such socket says so. */
START_TEST(test_errors) {
        _cleanup_close_ int other = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        ck_assert_int_lt(diag_list_pairs(other, on_pair, &n_pairs), 0);
        ck_assert_int_lt(diag_list_tcp(-EBADF, AF_INET, true, on_tcp, NULL), 0);
        ck_assert_int_lt(diag_list_tcp(netlink, AF_NETLINK, true, on_tcp, NULL), 0);
}
END_TEST

int main(void) {
        return UNIT_RUN("sock-diag", setup, teardown, test_pairs, test_tcp, test_errors);
}
