/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What must fail does so cleanly, and what is no TCP is left alone. */

#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "cases.h"

static void as_nobody(Ctx *c) {
        must(c, "setgroups", syscall(SYS_setgroups, 0, NULL));
        must(c, "setresgid", setresgid(65534, 65534, 65534));
        must(c, "setresuid", setresuid(65534, 65534, 65534));
}

static void raw_nobody(Ctx *c) {
        as_nobody(c);
        did_fd(c, "AF_INET", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
        did_fd(c, "AF_INET6", socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
        did_fd(c, "AF_INET of TCP", socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
}

static void packet_nobody(Ctx *c) {
        as_nobody(c);
        did_fd(c, "SOCK_RAW", socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)));
        did_fd(c, "SOCK_DGRAM", socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL)));
}

static void families(Ctx *c) {
        static const int list[] = {AF_UNSPEC, AF_MAX + 1, -1, AF_AX25};

        for (size_t i = 0; i < ELEMENTSOF(list); i++)
                did_fd(c, "socket", socket(list[i], SOCK_STREAM, 0));
        did_fd(c, "of an unknown type", socket(AF_INET, 99, 0));
        did_fd(c, "of an unknown protocol", socket(AF_INET, SOCK_STREAM, 99));
        did_fd(c, "of a wrong protocol", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
        did_fd(c, "of packets", socket(AF_INET, SOCK_SEQPACKET, 0));
        did_fd(c, "of TCP by name", socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));
}

static void inet_pairs(Ctx *c) {
        int fds[2];

        did(c, "socketpair", socketpair(AF_INET, SOCK_STREAM, 0, fds));
        did(c, "socketpair of AF_INET6", socketpair(AF_INET6, SOCK_STREAM, 0, fds));
}

static void io_uring(Ctx *c) {
        char params[256] = {};

        did_fd(c, "io_uring_setup", (int) syscall(SYS_io_uring_setup, 4, params));
}

static void unix_path(Ctx *c) {
        struct sockaddr_un un = {.sun_family = AF_UNIX}, got = {};
        socklen_t size = sizeof(got);
        int l = socket(AF_UNIX, SOCK_STREAM, 0), fd = socket(AF_UNIX, SOCK_STREAM, 0), b;

        (void) snprintf(un.sun_path, sizeof(un.sun_path), "/tmp/difftest-%d", getpid());
        did(c, "bind", bind(l, (struct sockaddr *) &un, sizeof(un)));
        did(c, "listen", listen(l, 5));
        did(c, "connect", connect(fd, (struct sockaddr *) &un, sizeof(un)));
        b = accept(l, (struct sockaddr *) &got, &size);
        did_fd(c, "accept", b);
        say(c, "family %d, size %u", got.sun_family, size);
        size = sizeof(got);
        did(c, "getpeername", getpeername(fd, (struct sockaddr *) &got, &size));
        say(c, "its path is right: %d", strcmp(got.sun_path, un.sun_path) == 0);
        did(c, "connect again", connect(fd, (struct sockaddr *) &un, sizeof(un)));
        (void) unlink(un.sun_path);
        did(c, "connect to nobody",
            connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *) &un, sizeof(un)));
}

static void unix_abstract(Ctx *c) {
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        int l = socket(AF_UNIX, SOCK_STREAM, 0), fd = socket(AF_UNIX, SOCK_STREAM, 0), n;
        socklen_t size;

        n = snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "difftest-%d", getpid());
        size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + (size_t) n);
        did(c, "bind", bind(l, (struct sockaddr *) &un, size));
        did(c, "bind of another", bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *) &un, size));
        did(c, "listen", listen(l, 5));
        did(c, "connect", connect(fd, (struct sockaddr *) &un, size));
        did_fd(c, "accept", accept(l, NULL, NULL));
}

/* Names that look like the daemon's own are an app's to take. */
static void unix_lookalike(Ctx *c) {
        static const char name[] = "\0ax:198.18.40.1:80>198.18.40.2:40000";
        struct sockaddr_un un = {.sun_family = AF_UNIX}, got = {};
        socklen_t size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + sizeof(name) - 1);
        int fds[2], v = 0;
        socklen_t n = sizeof(v);

        memcpy(un.sun_path, name, sizeof(name) - 1);
        must(c, "socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
        did(c, "bind", bind(fds[0], (struct sockaddr *) &un, size));
        size = sizeof(got);
        did(c, "getsockname", getsockname(fds[0], (struct sockaddr *) &got, &size));
        say(c, "family %d", got.sun_family);
        size = sizeof(got);
        did(c, "getpeername", getpeername(fds[1], (struct sockaddr *) &got, &size));
        say(c, "family %d", got.sun_family);
        (void) getsockopt(fds[0], SOL_SOCKET, SO_DOMAIN, &v, &n);
        say(c, "SO_DOMAIN %d", v);
}

static void unix_peercred(Ctx *c) {
        struct ucred u = {};
        socklen_t size = sizeof(u);
        int fds[2];

        must(c, "socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
        did(c, "SO_PEERCRED", getsockopt(fds[0], SOL_SOCKET, SO_PEERCRED, &u, &size));
        say(c, "it is me: %d", u.pid == getpid());
}

static void unix_datagrams(Ctx *c) {
        int fds[2];

        must(c, "socketpair", socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds));
        did(c, "accept", accept(fds[0], NULL, NULL));
        did(c, "listen", listen(fds[0], 5));
        did(c, "connect", connect(fds[0], &(struct sockaddr){AF_UNSPEC}, 16));
        did(c, "send", send(fds[0], "hello", 5, 0));
        say_recv(c, "recv", fds[1], 0);
        close(fds[0]);
        say_poll(c, "poll", fds[1], POLLIN, 100);
}

static void netlink(Ctx *c) {
        struct sockaddr_nl nl = {.nl_family = AF_NETLINK};
        socklen_t size = sizeof(nl);
        int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

        did(c, "bind", bind(fd, (struct sockaddr *) &nl, sizeof(nl)));
        did(c, "getsockname", getsockname(fd, (struct sockaddr *) &nl, &size));
        say(c, "family %d, size %u", nl.nl_family, size);
        nl.nl_pid = 0;
        did(c, "connect", connect(fd, (struct sockaddr *) &nl, sizeof(nl)));
        did(c, "listen", listen(fd, 5));
}

static void datagrams_own(Ctx *c) {
        int a = socket(c->family, SOCK_DGRAM, 0), b = socket(c->family, SOCK_DGRAM, 0);
        SockAddr sa, from = {};
        socklen_t size = address_of(c, WHO_LOOPBACK, 0, &sa), n = sizeof(from);
        char buf[16];

        did(c, "bind", bind(a, &sa.sa, size));
        size = address_of(c, WHO_LOOPBACK, port_of(c, a), &sa);
        did(c, "connect", connect(b, &sa.sa, size));
        did(c, "send", send(b, "hello", 5, 0));
        did(c, "recvfrom", recvfrom(a, buf, sizeof(buf), 0, &from.sa, &n));
        know_port(c, port_of(c, b));
        c->port = port_of(c, a);
        say_address(c, "from", &from, n);
        say_name(c, b);
        say_peer(c, b);
        did(c, "connect AF_UNSPEC", connect(b, &(struct sockaddr){AF_UNSPEC}, sizeof(struct sockaddr)));
        say_peer(c, b);
}

static void ping_self(Ctx *c) {
        struct icmphdr echo = {.type = ICMP_ECHO};
        int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
        SockAddr sa;
        socklen_t size = address_of(c, WHO_CLIENT, 0, &sa);

        if (did_fd(c, "socket", fd) < 0)
                return;
        did(c, "sendto", sendto(fd, &echo, sizeof(echo), 0, &sa.sa, size));
        say_poll(c, "poll", fd, POLLIN, 500);
        did(c, "recv", recv(fd, &echo, sizeof(echo), MSG_DONTWAIT));
        say(c, "type %d", echo.type);
}

static void ping_server(Ctx *c) {
        barrier(c);
}

static void ping_client(Ctx *c) {
        union {
                struct icmphdr v4;
                struct icmp6_hdr v6;
        } echo = {};
        SockAddr sa;
        socklen_t size = address_of(c, WHO_SERVER, 0, &sa);
        int fd = socket(c->family, SOCK_DGRAM, c->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);

        if (did_fd(c, "socket", fd) >= 0) {
                echo.v4.type = c->family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
                did(c, "sendto", sendto(fd, &echo, 8, 0, &sa.sa, size));
                say_poll(c, "poll", fd, POLLIN, 500);
                did(c, "recv", recv(fd, &echo, 8, MSG_DONTWAIT));
                say(c, "answered: %d", echo.v4.type == ICMP_ECHOREPLY || echo.v4.type == ICMP6_ECHO_REPLY);
        }
        barrier(c);
}

static void unreachable(Ctx *c) {
        int fd = sock_nonblock(c);

        did(c, "connect to nobody's address", dial_who(c, fd, WHO_FOREIGN, 80));
        did(c, "blocking", dial_who(c, sock(c), WHO_FOREIGN, 80));
}

static void no_new_privs(Ctx *c) {
        say(c, "PR_GET_NO_NEW_PRIVS %d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static void listen_file(Ctx *c) {
        int fd = (int) must(c, "dup", dup(0));

        did(c, "listen of a file", listen(fd, 5));
        did(c, "accept of a file", accept4(fd, NULL, NULL, 0));
        did(c, "bind of a file", bind(fd, &(struct sockaddr){AF_INET}, 16));
        did(c, "connect of a file", connect(fd, &(struct sockaddr){AF_INET}, 16));
        did(c, "getsockopt of a file", getsockopt(fd, SOL_SOCKET, SO_TYPE, &(int){0}, &(socklen_t){4}));
}

static void path_fd(Ctx *c) {
        int fd = (int) syscall(SYS_openat, -100, "/", 010000000 /* O_PATH */);

        did(c, "connect of an O_PATH descriptor", connect(fd, &(struct sockaddr){AF_INET}, 16));
        did(c, "accept of it", accept(fd, NULL, NULL));
        say_name(c, fd);
}

static const Case cases[] = {
                ALONE("failing/raw-nobody", "raw(7): EPERM", raw_nobody),
                ALONE("failing/packet-nobody", "packet(7): EPERM", packet_nobody),
                ALONE("failing/families", "socket(2): EAFNOSUPPORT, EINVAL, EPROTONOSUPPORT", families),
                ALONE("failing/inet-pairs", "socketpair(2): EOPNOTSUPP", inet_pairs),
                ALONE("failing/io-uring", "io_uring_setup(2)", io_uring),
                ALONE("failing/unix-path", "unix(7)", unix_path),
                ALONE("failing/unix-abstract", "unix(7)", unix_abstract),
                ALONE("failing/unix-lookalike", "unix(7)", unix_lookalike),
                ALONE("failing/unix-peercred", "unix(7): SO_PEERCRED", unix_peercred),
                ALONE("failing/unix-packets", "unix(7): SOCK_SEQPACKET", unix_datagrams),
                ALONE("failing/netlink", "netlink(7)", netlink),
                ALONE_BOTH("failing/datagrams-loopback", "udp(7)", datagrams_own),
                ALONE("failing/ping-self", "icmp(7): ping sockets", ping_self),
                BOTH("failing/ping-server", "icmp(7): ping sockets", ping_server, ping_client),
                ALONE_BOTH("failing/unreachable", "connect(2): ENETUNREACH", unreachable),
                ALONE("failing/no-new-privs", "prctl(2): PR_SET_NO_NEW_PRIVS", no_new_privs),
                ALONE("failing/files", "connect(2), accept(2): ENOTSOCK", listen_file),
                ALONE("failing/path-descriptor", "open(2): O_PATH, EBADF", path_fd),
};

CaseTable failing_cases(void) {
        return TABLE(cases);
}
