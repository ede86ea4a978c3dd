/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bind(2): which ports and addresses can be had, and which are in use. */

#include <unistd.h>

#include "cases.h"

#define BAD_POINTER ((void *) 8)
#define GSN "getsockname(2): returns the current address to which the socket is bound"
#define GPN "getpeername(2): returns the address of the peer connected to the socket"

static void ports_distinct(Ctx *c) {
        enum { N = 200 };
        int l = own_listener(c, N), ports[N], bad = 0;

        for (int i = 0; i < N; i++) {
                int fd = own_connection(c, l);

                ports[i] = port_of(c, fd);
                for (int k = 0; k < i; k++)
                        bad += ports[i] == ports[k];
                bad += ports[i] < 32768 || ports[i] > 60999;
        }
        say(c, "%d ports that are not as they should be", bad);
}

static void ports_match(Ctx *c) {
        enum { N = 20 };
        int l = own_listener(c, N), ports[N];

        for (int i = 0; i < N; i++)
                ports[i] = port_of(c, own_connection(c, l));
        for (int i = 0; i < N; i++) {
                int fd = accept(l, NULL, NULL);

                say(c, "connection %d has the port of the client: %s", i,
                    peer_port_of(c, fd) == ports[i] ? "yes" : "no");
        }
}

static void port_stable(Ctx *c) {
        int fd = connected(c), port = port_of(c, fd);

        for (int i = 0; i < 5; i++)
                say(c, "%s", port_of(c, fd) == port ? "the same" : "another");
        barrier(c);
}

static void port_stable_server(Ctx *c) {
        int fd = connected(c), port = peer_port_of(c, fd);

        for (int i = 0; i < 5; i++)
                say(c, "%s", peer_port_of(c, fd) == port ? "the same" : "another");
        barrier(c);
}

static void bind_foreign(Ctx *c) {
        int fd = sock(c);
        SockAddr sa;
        socklen_t size = address_of(c, WHO_FOREIGN, 0, &sa);

        did(c, "bind", bind(fd, &sa.sa, size));
        say_name(c, fd);
}

static void bind_twice(Ctx *c) {
        int fd = sock_bound(c, WHO_CLIENT, 0);
        SockAddr sa;
        socklen_t size = address_of(c, WHO_CLIENT, 0, &sa);

        did(c, "bind", bind(fd, &sa.sa, size));
        say_name(c, fd);
}

static void bind_listener(Ctx *c) {
        int fd = own_listener(c, 5);
        SockAddr sa;
        socklen_t size = address_of(c, WHO_CLIENT, 0, &sa);

        did(c, "bind", bind(fd, &sa.sa, size));
        say_name(c, fd);
}

static void bind_in_use_bound(Ctx *c) {
        int a = sock_bound(c, WHO_CLIENT, 0);

        did(c, "bind", bind_who(c, sock(c), WHO_CLIENT, port_of(c, a)));
}

static void bind_in_use_listening(Ctx *c) {
        int l = own_listener(c, 5);

        did(c, "bind", bind_who(c, sock(c), WHO_CLIENT, port_of(c, l)));
}

static void bind_in_use_reuseaddr(Ctx *c) {
        int l = sock(c), fd = sock(c);

        set_int(c, l, SOL_SOCKET, SO_REUSEADDR, 1);
        set_int(c, fd, SOL_SOCKET, SO_REUSEADDR, 1);
        must(c, "bind", bind_who(c, l, WHO_CLIENT, 0));
        must(c, "listen", listen(l, 5));
        did(c, "bind", bind_who(c, fd, WHO_CLIENT, port_of(c, l)));
}

static void bind_in_use_any(Ctx *c) {
        int l = own_listener(c, 5);

        did(c, "bind", bind_who(c, sock(c), WHO_ANY, port_of(c, l)));
}

static void bind_in_use_specific(Ctx *c) {
        int l = sock_bound(c, WHO_ANY, 0);

        must(c, "listen", listen(l, 5));
        did(c, "bind", bind_who(c, sock(c), WHO_CLIENT, port_of(c, l)));
}

static void bind_in_use_loopback(Ctx *c) {
        int l = own_listener(c, 5), fd = sock(c);

        did(c, "bind", bind_who(c, fd, WHO_LOOPBACK, port_of(c, l)));
        did(c, "listen", listen(fd, 5));
}

static void bind_again_after_close(Ctx *c) {
        int l = own_listener(c, 5), fd;

        close(l);
        fd = sock(c);
        did(c, "bind", bind_who(c, fd, WHO_CLIENT, c->port));
        did(c, "listen", listen(fd, 5));
}

static void rebind_listener(Ctx *c, bool reuse) {
        int l = sock(c), fd, a, b;

        if (reuse)
                set_int(c, l, SOL_SOCKET, SO_REUSEADDR, 1);
        must(c, "bind", bind_who(c, l, WHO_CLIENT, 0));
        must(c, "listen", listen(l, 5));
        c->port = port_of(c, l);
        a = own_connection(c, l);
        b = accept(l, NULL, NULL);
        close(l);
        fd = sock(c);
        if (reuse)
                set_int(c, fd, SOL_SOCKET, SO_REUSEADDR, 1);
        did(c, "bind", bind_who(c, fd, WHO_CLIENT, c->port));
        did(c, "listen", listen(fd, 5));
        close(a);
        close(b);
}

static void rebind_with_connections(Ctx *c) {
        rebind_listener(c, false);
}

static void rebind_reuse(Ctx *c) {
        rebind_listener(c, true);
}

static void rebind_time_wait(Ctx *c) {
        int l = own_listener(c, 5), a = own_connection(c, l), b = accept(l, NULL, NULL);
        char byte;

        /* Whoever closes first has to wait: the server's port is taken for a while (tcp(7), TIME_WAIT). */
        close(b);
        (void) read(a, &byte, 1);
        close(a);
        close(l);
        nap(20);
        did(c, "bind", bind_who(c, sock(c), WHO_CLIENT, c->port));
}

static void bind_short(Ctx *c) {
        int fd = sock(c);
        SockAddr sa;
        socklen_t size = address_of(c, WHO_CLIENT, 0, &sa);

        did(c, "bind size 0", bind(fd, &sa.sa, 0));
        did(c, "bind size 2", bind(fd, &sa.sa, 2));
        did(c, "bind size - 1", bind(fd, &sa.sa, size - 1));
        did(c, "bind large", bind(fd, &sa.sa, 1000));
        did(c, "bind NULL", bind(fd, NULL, size));
        did(c, "bind bad pointer", bind(fd, BAD_POINTER, size));
}

static void bind_family(Ctx *c) {
        SockAddr sa;
        socklen_t size = address_for(c, c->family == AF_INET ? AF_INET6 : AF_INET, WHO_CLIENT, 0, &sa);

        did(c, "bind", bind(sock(c), &sa.sa, size));
}

static void bind_unspec_family(Ctx *c) {
        SockAddr sa;
        socklen_t size = address_of(c, WHO_ANY, 0, &sa);

        sa.sa.sa_family = AF_UNSPEC;
        did(c, "bind to any", bind(sock(c), &sa.sa, size));
        size = address_of(c, WHO_CLIENT, 0, &sa);
        sa.sa.sa_family = AF_UNSPEC;
        did(c, "bind to an address", bind(sock(c), &sa.sa, size));
}

static void bind_low_port(Ctx *c) {
        int fd = sock(c);

        did(c, "bind", bind_who(c, fd, WHO_CLIENT, 81));
        did(c, "listen", listen(fd, 5));
        say_name(c, fd);
}

static void connect_same_port_twice(Ctx *c) {
        int l = own_listener(c, 5), a = sock(c), b = sock(c);

        set_int(c, a, SOL_SOCKET, SO_REUSEADDR, 1);
        set_int(c, b, SOL_SOCKET, SO_REUSEADDR, 1);
        must(c, "bind", bind_who(c, a, WHO_CLIENT, 0));
        must(c, "bind", bind_who(c, b, WHO_CLIENT, port_of(c, a)));
        (void) l;
        did(c, "connect", dial(c, a));
        did(c, "connect of the other", dial(c, b));
}

static void bind_while_connected(Ctx *c) {
        int l = own_listener(c, 5), a = own_connection(c, l);

        /* The port of a connection that was not bound is not in the way of SO_REUSEADDR alone. */
        did(c, "bind", bind_who(c, sock(c), WHO_CLIENT, port_of(c, a)));
}

static void v6only_listener_refuses(Ctx *c) {
        int l = sock(c), fd = socket(AF_INET, SOCK_STREAM, 0);
        SockAddr sa;
        socklen_t size;

        set_int(c, l, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        must(c, "bind", bind_who(c, l, WHO_ANY, 0));
        must(c, "listen", listen(l, 5));
        size = address_for(c, AF_INET, WHO_CLIENT, port_of(c, l), &sa);
        did(c, "connect", connect(fd, &sa.sa, size));
}

static void v6only_shares_port(Ctx *c) {
        int l = sock(c), fd = socket(AF_INET, SOCK_STREAM, 0), in, out;
        SockAddr sa;
        socklen_t size;

        set_int(c, l, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        must(c, "bind", bind_who(c, l, WHO_ANY, 0));
        must(c, "listen", listen(l, 5));
        c->port = port_of(c, l);
        size = address_for(c, AF_INET, WHO_ANY, c->port, &sa);
        did(c, "bind", bind(fd, &sa.sa, size));
        did(c, "listen", listen(fd, 5));
        out = socket(AF_INET, SOCK_STREAM, 0);
        size = address_for(c, AF_INET, WHO_CLIENT, c->port, &sa);
        did(c, "connect", connect(out, &sa.sa, size));
        in = accept(fd, NULL, NULL);
        did_fd(c, "accept", in);
        say_name(c, in);
}

static void dual_port_conflict(Ctx *c) {
        int l = sock_bound(c, WHO_ANY, 0);
        SockAddr sa;
        socklen_t size;

        must(c, "listen", listen(l, 5));
        size = address_for(c, AF_INET, WHO_ANY, port_of(c, l), &sa);
        did(c, "bind", bind(socket(AF_INET, SOCK_STREAM, 0), &sa.sa, size));
}

static const Case cases[] = {
                ALONE_BOTH("addresses/ports-distinct", "ip(7): ip_local_port_range", ports_distinct),
                ALONE("addresses/ports-match", GPN, ports_match),
                CASE("addresses/port-stable", GSN, port_stable_server, port_stable),
                ALONE_BOTH("addresses/bind-foreign",
                           "bind(2): EADDRNOTAVAIL the requested address was not local", bind_foreign),
                ALONE_BOTH("addresses/bind-twice",
                           "bind(2): EINVAL The socket is already bound to an address", bind_twice),
                ALONE_BOTH("addresses/bind-listener",
                           "bind(2): EINVAL The socket is already bound to an address", bind_listener),
                ALONE("addresses/in-use-bound", "bind(2): EADDRINUSE The given address is already in use",
                      bind_in_use_bound),
                ALONE_BOTH("addresses/in-use-listening",
                           "bind(2): EADDRINUSE The given address is already in use", bind_in_use_listening),
                ALONE("addresses/in-use-reuseaddr",
                      "socket(7): SO_REUSEADDR may bind, except when there is an active listening socket",
                      bind_in_use_reuseaddr),
                ALONE_BOTH("addresses/in-use-any",
                           "socket(7): listening with INADDR_ANY with a specific port: not possible to bind "
                           "to this port",
                           bind_in_use_any),
                ALONE_BOTH("addresses/in-use-specific", "socket(7): SO_REUSEADDR", bind_in_use_specific),
                ALONE("addresses/in-use-loopback", "bind(2): other addresses are free",
                      bind_in_use_loopback),
                ALONE_BOTH("addresses/bind-after-close", "bind(2): a closed listener gives its port back",
                           bind_again_after_close),
                ALONE("addresses/rebind-with-connections",
                      "tcp(7): a TCP local socket address that has been bound is unavailable while "
                      "connections have it",
                      rebind_with_connections),
                ALONE("addresses/rebind-reuseaddr", "tcp(7): unless the SO_REUSEADDR flag has been set",
                      rebind_reuse),
                ALONE("addresses/rebind-time-wait",
                      "tcp(7): unavailable for some time after closing, unless SO_REUSEADDR",
                      rebind_time_wait),
                ALONE_BOTH("addresses/bind-sizes", "bind(2): EINVAL addrlen is wrong, EFAULT", bind_short),
                ALONE_BOTH("addresses/bind-family", "bind(2): EAFNOSUPPORT", bind_family),
                ALONE_BOTH("addresses/bind-unspec",
                           "ip(7): AF_UNSPEC counts as AF_INET for INADDR_ANY alone", bind_unspec_family),
                ALONE("addresses/bind-low-port", "ip(7): ip_unprivileged_port_start", bind_low_port),
                ALONE("addresses/connect-same-four", "connect(2): EADDRNOTAVAIL for the same four-tuple",
                      connect_same_port_twice),
                ALONE("addresses/bind-port-of-connection", "bind(2): EADDRINUSE", bind_while_connected),
                {"addresses/v6only-refuses-v4", "ipv6(7): IPV6_V6ONLY", NULL, v6only_listener_refuses,
                 AF_INET6, NULL},
                {"addresses/v6only-shares-port",
                 "ipv6(7): with IPV6_V6ONLY an IPv4 socket can bind the same port", NULL, v6only_shares_port,
                 AF_INET6, NULL},
                {"addresses/dual-port-conflict", "ipv6(7): without IPV6_V6ONLY it cannot", NULL,
                 dual_port_conflict, AF_INET6, NULL},
};

CaseTable binding_cases(void) {
        return TABLE(cases);
}
