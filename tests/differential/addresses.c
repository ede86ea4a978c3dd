/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* getsockname(2), getpeername(2), accept(2), bind(2), connect(2): who is who. */

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases.h"

#define BAD_POINTER ((void *) 8)

static void name_fresh(Ctx *c) {
        int fd = sock(c);

        say_name(c, fd);
        say_peer(c, fd);
}

static void name_bound(Ctx *c) {
        say_name(c, sock_bound(c, WHO_CLIENT, 0));
}

static void name_bound_any(Ctx *c) {
        int fd = sock_bound(c, WHO_ANY, 0);

        say_name(c, fd);
        say_peer(c, fd);
}

static void name_bound_port(Ctx *c) {
        say_name(c, sock_bound(c, WHO_CLIENT, 4711));
}

static void name_listener(Ctx *c) {
        int fd = own_listener(c, 5);

        say_name(c, fd);
        say_peer(c, fd);
}

static void name_listener_any(Ctx *c) {
        int fd = sock_bound(c, WHO_ANY, 0);

        must(c, "listen", listen(fd, 5));
        say_name(c, fd);
        say_peer(c, fd);
}

static void name_listen_unbound(Ctx *c) {
        int fd = sock(c);

        did(c, "listen", listen(fd, 5));
        say_name(c, fd);
}

static void name_listen_again(Ctx *c) {
        int fd = sock(c);
        int port;

        must(c, "listen", listen(fd, 5));
        port = port_of(c, fd);
        did(c, "listen again", listen(fd, 7));
        say(c, "the port %s", port == port_of(c, fd) ? "stays" : "changes");
}

static void names_server(Ctx *c) {
        int fd = connected(c);

        know_port(c, hear(c));
        say_name(c, fd);
        say_peer(c, fd);
        barrier(c);
}

static void names_client(Ctx *c) {
        int fd = connected(c);

        tell(c, port_of(c, fd));
        say_name(c, fd);
        say_peer(c, fd);
        barrier(c);
}

static void accept_address_server(Ctx *c) {
        SockAddr sa = {};
        socklen_t size = sizeof(sa);
        int l = listener(c, 5), fd;

        know_port(c, hear(c));
        fd = accept(l, &sa.sa, &size);
        did_fd(c, "accept", fd);
        say_address(c, "from", &sa, size);
        say_peer(c, fd);
        barrier(c);
}

static void accept_address_client(Ctx *c) {
        int fd = sock(c);

        hear_listener(c);
        must(c, "connect", dial(c, fd));
        tell(c, port_of(c, fd));
        barrier(c);
}

static void connect_server(Ctx *c) {
        (void) connected(c);
        barrier(c);
}

static void client_any_port(Ctx *c) {
        int fd = sock_bound(c, WHO_ANY, 0), before = port_of(c, fd);

        hear_listener(c);
        know_port(c, before);
        did(c, "connect", dial(c, fd));
        say_name(c, fd);
        barrier(c);
        barrier(c);
}

static void client_own_address(Ctx *c) {
        int fd = sock_bound(c, WHO_CLIENT, 0);

        hear_listener(c);
        know_port(c, port_of(c, fd));
        did(c, "connect", dial(c, fd));
        say_name(c, fd);
        say_peer(c, fd);
        barrier(c);
        barrier(c);
}

static void client_own_port(Ctx *c) {
        int fd = sock_bound(c, WHO_CLIENT, 4712);

        hear_listener(c);
        did(c, "connect", dial(c, fd));
        say_name(c, fd);
        barrier(c);
        barrier(c);
}

static void bound_peer_server(Ctx *c) {
        int fd = connected(c);

        say_peer(c, fd);
        barrier(c);
}

/* What is left of the names when the peer is gone. */
static void peer_closed_server(Ctx *c) {
        int fd = connected(c);

        close(fd);
        barrier(c);
}

static void peer_closed_client(Ctx *c) {
        int fd = connected(c);

        know_port(c, port_of(c, fd));
        barrier(c);
        say_poll(c, "poll", fd, POLLIN, 1000);
        say_name(c, fd);
        say_peer(c, fd);
}

static void peer_reset_server(Ctx *c) {
        int fd = connected(c);

        reset_close(fd);
        barrier(c);
}

static void peer_reset_client(Ctx *c) {
        int fd = connected(c);

        know_port(c, port_of(c, fd));
        barrier(c);
        (void) wait_events(fd, POLLIN, 1000);
        say_name(c, fd);
        say_peer(c, fd);
}

static void shut_down_client(Ctx *c) {
        int fd = connected(c);

        know_port(c, port_of(c, fd));
        did(c, "shutdown", shutdown(fd, SHUT_RDWR));
        say_name(c, fd);
        say_peer(c, fd);
        barrier(c);
}

static void peer_of_closed_in_queue(Ctx *c) {
        SockAddr sa = {};
        socklen_t size = sizeof(sa);
        int l = own_listener(c, 5), fd;

        fd = own_connection(c, l);
        know_port(c, port_of(c, fd));
        close(fd);
        fd = accept(l, &sa.sa, &size);
        did_fd(c, "accept", fd);
        say_address(c, "from", &sa, size);
        say_name(c, fd);
}

/* Buffers of all sizes. */
static void buffer_sizes(Ctx *c, const char *what, int fd, int (*get)(int, struct sockaddr *, socklen_t *)) {
        static const int sizes[] = {0, 1, 2, 4, 8, 15, 16, 17, 28, 100};

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                unsigned char buf[128];
                socklen_t size = (socklen_t) sizes[i];
                int r, touched = 0;

                memset(buf, 0xa5, sizeof(buf));
                r = get(fd, (struct sockaddr *) buf, &size);
                for (int k = (int) sizeof(buf); k > 0 && !touched; k--)
                        if (buf[k - 1] != 0xa5)
                                touched = k;
                say(c, "%s of %d: %d, size %u, wrote within %s", what, sizes[i], r, size,
                    touched <= sizes[i] ? "the buffer" : "more than the buffer");
                if (sizes[i] >= 2)
                        say(c, "family %d", ((struct sockaddr *) buf)->sa_family == c->family);
        }
}

static void sizes_sockname_client(Ctx *c) {
        int fd = connected(c);

        buffer_sizes(c, "getsockname", fd, getsockname);
        barrier(c);
}

static void sizes_peername_client(Ctx *c) {
        int fd = connected(c);

        buffer_sizes(c, "getpeername", fd, getpeername);
        barrier(c);
}

static void sizes_listener(Ctx *c) {
        buffer_sizes(c, "getsockname", own_listener(c, 5), getsockname);
}

static void sizes_accept(Ctx *c) {
        static const int sizes[] = {0, 1, 2, 4, 8, 15, 16, 28, 100};
        int l = own_listener(c, 64);

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                unsigned char buf[128];
                socklen_t size = (socklen_t) sizes[i];
                int r, touched = 0;

                (void) own_connection(c, l);
                memset(buf, 0xa5, sizeof(buf));
                r = accept(l, (struct sockaddr *) buf, &size);
                for (int k = (int) sizeof(buf); k > 0 && !touched; k--)
                        if (buf[k - 1] != 0xa5)
                                touched = k;
                say(c, "accept of %d: %s, size %u, wrote within %s", sizes[i],
                    r >= 0 ? "well" : error_name(errno), size,
                    touched <= sizes[i] ? "the buffer" : "more than the buffer");
        }
}

typedef int Get(int, struct sockaddr *, socklen_t *);

static void bad_pointers(Ctx *c, int fd, Get *get) {
        SockAddr sa;
        socklen_t size = sizeof(sa), negative = (socklen_t) -1;

        did(c, "NULL address", get(fd, NULL, &size));
        size = sizeof(sa);
        did(c, "bad address", get(fd, BAD_POINTER, &size));
        did(c, "NULL size", get(fd, &sa.sa, NULL));
        did(c, "bad size pointer", get(fd, &sa.sa, BAD_POINTER));
        did(c, "negative size", get(fd, &sa.sa, &negative));
}

static void bad_sockname_client(Ctx *c) {
        int fd = connected(c);

        bad_pointers(c, fd, getsockname);
        barrier(c);
}

static void bad_peername_client(Ctx *c) {
        int fd = connected(c);

        bad_pointers(c, fd, getpeername);
        barrier(c);
}

static void bad_listener(Ctx *c) {
        bad_pointers(c, own_listener(c, 5), getsockname);
}

static void read_only_size(Ctx *c) {
        int fd = connected(c);
        SockAddr sa;
        socklen_t *size = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        *size = sizeof(sa);
        (void) mprotect(size, 4096, PROT_READ);
        did(c, "read-only size", getsockname(fd, &sa.sa, size));
        did(c, "read-only size of peer", getpeername(fd, &sa.sa, size));
        barrier(c);
}

/* A failed accept with a bad pointer takes the connection all the same, or not: as the kernel does. */
static void accept_bad(Ctx *c, void *address, void *size) {
        int l = own_listener(c, 5), first, second;

        first = own_connection(c, l);
        send_all(c, first, "1", 1);
        did_fd(c, "accept", accept(l, address, size));
        second = own_connection(c, l);
        send_all(c, second, "2", 1);
        set_nonblock(l, true);
        first = accept(l, NULL, NULL);
        if (did_fd(c, "accept again", first) >= 0)
                say_recv(c, "its data", first, 0);
}

static void accept_bad_address(Ctx *c) {
        socklen_t size = sizeof(SockAddr);

        accept_bad(c, BAD_POINTER, &size);
}

static void accept_bad_size(Ctx *c) {
        SockAddr sa;

        accept_bad(c, &sa, BAD_POINTER);
}

static void accept_null_size(Ctx *c) {
        SockAddr sa;

        accept_bad(c, &sa, NULL);
}

static void accept_negative_size(Ctx *c) {
        socklen_t size = (socklen_t) -1;
        SockAddr sa;

        accept_bad(c, &sa, &size);
}

static void accept_null_address(Ctx *c) {
        socklen_t size = 77;
        int l = own_listener(c, 5);

        (void) own_connection(c, l);
        did_fd(c, "accept", accept(l, NULL, &size));
        say(c, "size %u", size);
}

static void bind_after_connect(Ctx *c) {
        int fd = connected(c);
        SockAddr sa;
        socklen_t size = address_of(c, WHO_CLIENT, 0, &sa);

        know_port(c, port_of(c, fd));
        did(c, "bind", bind(fd, &sa.sa, size));
        say_name(c, fd);
        barrier(c);
}

static void bind_accepted(Ctx *c) {
        int fd = connected(c);
        SockAddr sa;
        socklen_t size = address_of(c, WHO_SERVER, 0, &sa);

        did(c, "bind", bind(fd, &sa.sa, size));
        barrier(c);
}

/* IPv6 and IPv4 together. */
static void dual_server(Ctx *c) {
        int l = sock_bound(c, WHO_ANY, 0), fd;
        SockAddr sa = {};
        socklen_t size = sizeof(sa);

        listen_on(c, l, 5);
        fd = accept(l, &sa.sa, &size);
        say_address(c, "from", &sa, size);
        say_name(c, fd);
        barrier(c);
}

static void dual_client4(Ctx *c) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        SockAddr sa;
        socklen_t size;

        hear_listener(c);
        size = address_for(c, AF_INET, WHO_SERVER, c->port, &sa);
        did(c, "connect", connect(fd, &sa.sa, size));
        say_name(c, fd);
        say_peer(c, fd);
        barrier(c);
}

static socklen_t mapped(Ctx *c, Who who, int port, SockAddr *ret) {
        SockAddr sa4;

        (void) address_for(c, AF_INET, who, port, &sa4);
        *ret = (SockAddr){.in6 = {.sin6_family = AF_INET6, .sin6_port = sa4.in.sin_port}};
        ret->in6.sin6_addr.s6_addr[10] = ret->in6.sin6_addr.s6_addr[11] = 0xff;
        memcpy(&ret->in6.sin6_addr.s6_addr[12], &sa4.in.sin_addr, 4);
        return sizeof(ret->in6);
}

static void mapped_client(Ctx *c) {
        int fd = socket(AF_INET6, SOCK_STREAM, 0);
        SockAddr sa;
        socklen_t size;

        hear_listener(c);
        size = mapped(c, WHO_SERVER, c->port, &sa);
        did(c, "connect", connect(fd, &sa.sa, size));
        say_name(c, fd);
        say_peer(c, fd);
        barrier(c);
}

static void accept_one(Ctx *c) {
        int l = listener(c, 5), fd;
        SockAddr sa = {};
        socklen_t size = sizeof(sa);

        fd = accept(l, &sa.sa, &size);
        say_address(c, "from", &sa, size);
        say_name(c, fd);
        barrier(c);
}

static void mapped_v6only(Ctx *c) {
        int l = own_listener(c, 5), fd = socket(AF_INET6, SOCK_STREAM, 0);
        SockAddr sa;
        socklen_t size = mapped(c, WHO_CLIENT, c->port, &sa);

        (void) l;
        set_int(c, fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        did(c, "connect", connect(fd, &sa.sa, size));
}

static void bind_mapped(Ctx *c) {
        int fd = sock(c);
        SockAddr sa;
        socklen_t size = mapped(c, WHO_CLIENT, 0, &sa);

        did(c, "bind", bind(fd, &sa.sa, size));
        say_name(c, fd);
        did(c, "listen", listen(fd, 5));
        say_name(c, fd);
}

static void bind_mapped_v6only(Ctx *c) {
        int fd = sock(c);
        SockAddr sa;
        socklen_t size = mapped(c, WHO_CLIENT, 0, &sa);

        set_int(c, fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        did(c, "bind", bind(fd, &sa.sa, size));
}

static void v6only_after_bind(Ctx *c) {
        int fd = sock_bound(c, WHO_ANY, 0), one = 1;

        did(c, "setsockopt", setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)));
}

static void connect_any_server(Ctx *c) {
        int l = sock_bound(c, WHO_ANY, 0), fd = sock(c), in;

        must(c, "listen", listen(l, 5));
        c->port = port_of(c, l);
        did(c, "connect to any", dial_who(c, fd, WHO_ANY, c->port));
        set_nonblock(l, true);
        (void) wait_events(l, POLLIN, 1000);
        in = accept(l, NULL, NULL);
        if (did_fd(c, "accept", in) >= 0) {
                say_name(c, in);
                say_peer(c, fd);
        }
}

static void listener_any_names_server(Ctx *c) {
        int l = sock_bound(c, WHO_ANY, 0), fd;

        listen_on(c, l, 5);
        fd = accept(l, NULL, NULL);
        say_name(c, fd);
        barrier(c);
        say_name(c, l);
}

static void plain_client(Ctx *c) {
        int fd = sock(c);

        hear_listener(c);
        did(c, "connect", dial(c, fd));
        say_name(c, fd);
        say_peer(c, fd);
        barrier(c);
}

static void flow_scope_client(Ctx *c) {
        int fd = sock(c);
        SockAddr sa;
        socklen_t size;

        hear_listener(c);
        size = address_of(c, WHO_SERVER, c->port, &sa);
        sa.in6.sin6_flowinfo = htonl(0x12345);
        sa.in6.sin6_scope_id = 7;
        did(c, "connect", connect(fd, &sa.sa, size));
        say_peer(c, fd);
        barrier(c);
        barrier(c);
}

static void self_server(Ctx *c) {
        int fd = connected(c);
        SockAddr a = {}, b = {};
        socklen_t size = sizeof(a);

        (void) getpeername(fd, &a.sa, &size);
        (void) recv_all(c, fd, &b, size);
        say(c, "the client's own name is the peer's: %s", memcmp(&a, &b, size) == 0 ? "yes" : "no");
        barrier(c);
}

static void self_client(Ctx *c) {
        int fd = connected(c);
        SockAddr a = {};
        socklen_t size = sizeof(a);

        (void) getsockname(fd, &a.sa, &size);
        send_all(c, fd, &a, size);
        barrier(c);
}

static void padding_zero(Ctx *c) {
        int fd = connected(c);
        struct sockaddr_in sa;
        socklen_t size = sizeof(sa);
        int n = 0;

        memset(&sa, 0xff, sizeof(sa));
        (void) getpeername(fd, (struct sockaddr *) &sa, &size);
        for (size_t i = 0; i < sizeof(sa.sin_zero); i++)
                n += sa.sin_zero[i] != 0;
        say(c, "%d bytes of sin_zero are not zero", n);
        barrier(c);
}

static void own_two_names(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        know_port(c, port_of(c, a));
        say_name(c, a);
        say_peer(c, a);
        say_name(c, b);
        say_peer(c, b);
}

static void source_loopback(Ctx *c) {
        int l = own_listener(c, 5), fd = sock(c);

        (void) l;
        must(c, "bind", bind_who(c, fd, WHO_LOOPBACK, 0));
        did(c, "connect from loopback to the own address", dial(c, fd));
}

#define GSN "getsockname(2): returns the current address to which the socket is bound"
#define GPN "getpeername(2): returns the address of the peer connected to the socket"
#define CUT "getsockname(2): the returned address is truncated if the buffer provided is too small"

static const Case cases[] = {
                ALONE_BOTH("addresses/fresh", "getpeername(2): ENOTCONN The socket is not connected",
                           name_fresh),
                ALONE_BOTH("addresses/bound", GSN, name_bound),
                ALONE_BOTH("addresses/bound-any",
                           "ip(7): INADDR_ANY in the bind call binds to all local interfaces",
                           name_bound_any),
                ALONE("addresses/bound-port", GSN, name_bound_port),
                ALONE_BOTH("addresses/listener", GSN, name_listener),
                ALONE_BOTH("addresses/listener-any", GSN, name_listener_any),
                ALONE_BOTH("addresses/listen-unbound",
                           "ip(7): listen on an unbound socket binds it to a random free port",
                           name_listen_unbound),
                ALONE("addresses/listen-again-port", GSN, name_listen_again),
                BOTH("addresses/connected", GPN, names_server, names_client),
                BOTH("addresses/accept", "accept(2): filled in with the address of the peer socket",
                     accept_address_server, accept_address_client),
                BOTH("addresses/bound-any-then-connect", "ip(7): ephemeral ports are stable", connect_server,
                     client_any_port),
                BOTH("addresses/bound-then-connect", GSN, connect_server, client_own_address),
                CASE("addresses/bound-port-then-connect", GPN, bound_peer_server, client_own_port),
                BOTH("addresses/peer-closed", "getpeername(2): of a socket whose peer closed",
                     peer_closed_server, peer_closed_client),
                CASE("addresses/peer-reset", "getpeername(2): ENOTCONN after a reset", peer_reset_server,
                     peer_reset_client),
                CASE("addresses/shut-down", "getpeername(2): after shutdown(SHUT_RDWR)", connect_server,
                     shut_down_client),
                ALONE("addresses/closed-in-queue",
                      "accept(2): takes the first connection of the queue, closed or not",
                      peer_of_closed_in_queue),
                BOTH("addresses/sizes-getsockname", CUT, connect_server, sizes_sockname_client),
                BOTH("addresses/sizes-getpeername", CUT, connect_server, sizes_peername_client),
                ALONE_BOTH("addresses/sizes-listener", CUT, sizes_listener),
                ALONE_BOTH("addresses/sizes-accept",
                           "accept(2): truncated if the buffer provided is too small", sizes_accept),
                CASE("addresses/pointers-getsockname", "getsockname(2): EFAULT, EINVAL addrlen is invalid",
                     connect_server, bad_sockname_client),
                CASE("addresses/pointers-getpeername", "getpeername(2): EFAULT, EINVAL addrlen is invalid",
                     connect_server, bad_peername_client),
                ALONE("addresses/pointers-listener", "getsockname(2): EFAULT, EINVAL addrlen is invalid",
                      bad_listener),
                CASE("addresses/read-only-size", "getsockname(2): EFAULT", connect_server, read_only_size),
                ALONE("addresses/accept-bad-address",
                      "accept(2): EFAULT addr is not in a writable part of the address space",
                      accept_bad_address),
                ALONE("addresses/accept-bad-size", "accept(2): EFAULT", accept_bad_size),
                ALONE("addresses/accept-null-size", "accept(2): EFAULT", accept_null_size),
                ALONE("addresses/accept-negative-size", "accept(2): EINVAL addrlen is invalid (is negative)",
                      accept_negative_size),
                ALONE("addresses/accept-null-address",
                      "accept(2): when addr is NULL, nothing is filled in; addrlen is not used",
                      accept_null_address),
                BOTH("addresses/bind-connected", "bind(2): EINVAL The socket is already bound to an address",
                     connect_server, bind_after_connect),
                CASE("addresses/bind-accepted", "bind(2): EINVAL The socket is already bound to an address",
                     bind_accepted, connect_server),
                CASE6("addresses/dual-stack-v4-client",
                      "ipv6(7): IPv4 connections are mapped on an IPv6 socket", dual_server, dual_client4),
                CASE6("addresses/mapped-to-v6-listener", "ipv6(7): v4-mapped addresses reach IPv4",
                      dual_server, mapped_client),
                CASE("addresses/mapped-to-v4-listener", "ipv6(7): v4-mapped addresses reach IPv4",
                     accept_one, mapped_client),
                ALONE("addresses/mapped-v6only", "ipv6(7): IPV6_V6ONLY restricts to IPv6 only",
                      mapped_v6only),
                {"addresses/bind-mapped", "ipv6(7): v4-mapped addresses", NULL, bind_mapped, AF_INET6, NULL},
                {"addresses/bind-mapped-v6only", "ipv6(7): IPV6_V6ONLY", NULL, bind_mapped_v6only, AF_INET6,
                 NULL},
                {"addresses/v6only-after-bind", "ipv6(7): IPV6_V6ONLY can only be changed before bind", NULL,
                 v6only_after_bind, AF_INET6, NULL},
                ALONE_BOTH("addresses/connect-any", "ip(7): INADDR_ANY as a destination is this host",
                           connect_any_server),
                BOTH("addresses/listener-any-accepted", GSN, listener_any_names_server, plain_client),
                CASE6("addresses/scope-and-flow", "ipv6(7): sin6_scope_id is for link-local addresses",
                      connect_server, flow_scope_client),
                BOTH("addresses/seen-by-both", GPN, self_server, self_client),
                CASE("addresses/sin-zero", "ip(7): sockaddr_in", connect_server, padding_zero),
                ALONE_BOTH("addresses/own-pair", GPN, own_two_names),
                ALONE("addresses/source-loopback", "ip(7): loopback addresses do not leave the host",
                      source_loopback),
};

CaseTable addresses_cases(void) {
        return TABLE(cases);
}
