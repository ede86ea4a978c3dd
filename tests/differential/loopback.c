/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ip(7), ipv6(7): loopback addresses are of this program's network, never of the host's. */

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <unistd.h>

#include "cases.h"

static int listen_at(Ctx *c, int family, Who who, int port) {
        int fd = (int) must(c, "socket", socket(family, SOCK_STREAM, 0));
        SockAddr sa;
        socklen_t size = address_for(c, family, who, port, &sa);

        must(c, "bind", bind(fd, &sa.sa, size));
        must(c, "listen", listen(fd, 8));
        c->port = port_of(c, fd);
        return fd;
}

static void connect_and_say(Ctx *c, int l, const SockAddr *to, socklen_t size) {
        SockAddr from = {};
        socklen_t n = sizeof(from);
        int fd = (int) must(c, "socket", socket(to->sa.sa_family, SOCK_STREAM, 0)), b;

        did(c, "connect", connect(fd, &to->sa, size));
        say_name(c, fd);
        say_peer(c, fd);
        if (!wait_events(l, POLLIN, 200)) {
                say(c, "nobody comes");
                return;
        }
        b = accept(l, &from.sa, &n);
        say_address(c, "from", &from, n);
        say_name(c, b);
}

static void to_loopback(Ctx *c, Who bound) {
        int l = listen_at(c, c->family, bound, 0);
        SockAddr to;
        socklen_t size = address_of(c, WHO_LOOPBACK, c->port, &to);

        connect_and_say(c, l, &to, size);
}

static void loopback_loopback(Ctx *c) {
        to_loopback(c, WHO_LOOPBACK);
}

static void any_loopback(Ctx *c) {
        to_loopback(c, WHO_ANY);
}

static void own_loopback(Ctx *c) {
        to_loopback(c, WHO_CLIENT);
}

static void loopback_own(Ctx *c) {
        int l = listen_at(c, c->family, WHO_LOOPBACK, 0);
        SockAddr to;
        socklen_t size = address_of(c, WHO_CLIENT, c->port, &to);

        connect_and_say(c, l, &to, size);
}

static void any_other(Ctx *c) {
        int l = listen_at(c, AF_INET, WHO_ANY, 0);
        SockAddr to;
        socklen_t size = address_for(c, AF_INET, WHO_ANY, c->port, &to);

        to.in.sin_addr.s_addr = htonl(0x7f010203);
        connect_and_say(c, l, &to, size);
}

static void bind_other(Ctx *c) {
        int l = sock(c);
        struct sockaddr_in sa = {.sin_family = AF_INET};
        SockAddr to = {};

        sa.sin_addr.s_addr = htonl(0x7f000005);
        did(c, "bind", bind(l, (struct sockaddr *) &sa, sizeof(sa)));
        did(c, "listen", listen(l, 5));
        c->port = port_of(c, l);
        say_name(c, l);
        sa.sin_port = htons((uint16_t) c->port);
        to.in = sa;
        connect_and_say(c, l, &to, sizeof(sa));
        to.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        did(c, "connect to 127.0.0.1", connect(sock(c), &to.sa, sizeof(to.in)));
}

static void two_loopbacks(Ctx *c) {
        int l = listen_at(c, AF_INET, WHO_LOOPBACK, 0), k = sock(c);
        struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t) c->port)};

        sa.sin_addr.s_addr = htonl(0x7f000002);
        did(c, "bind 127.0.0.2", bind(k, (struct sockaddr *) &sa, sizeof(sa)));
        did(c, "listen", listen(k, 5));
        did(c, "connect to it", connect(sock(c), (struct sockaddr *) &sa, sizeof(sa)));
        say_poll(c, "it", k, POLLIN, 200);
        say_poll(c, "the other", l, POLLIN, 20);
}

static void v6_to_v4_listener(Ctx *c) {
        int l = listen_at(c, AF_INET, WHO_LOOPBACK, 0);
        SockAddr to;
        socklen_t size = address_for(c, AF_INET6, WHO_LOOPBACK, c->port, &to);

        (void) l;
        did(c, "connect to ::1", connect(socket(AF_INET6, SOCK_STREAM, 0), &to.sa, size));
}

static void v4_to_v6_any(Ctx *c) {
        int l = listen_at(c, AF_INET6, WHO_ANY, 0);
        SockAddr to;
        socklen_t size = address_for(c, AF_INET, WHO_LOOPBACK, c->port, &to);

        connect_and_say(c, l, &to, size);
}

static void v4_to_v6_loopback(Ctx *c) {
        int l = listen_at(c, AF_INET6, WHO_LOOPBACK, 0);
        SockAddr to;
        socklen_t size = address_for(c, AF_INET, WHO_LOOPBACK, c->port, &to);

        (void) l;
        did(c, "connect to 127.0.0.1", connect(socket(AF_INET, SOCK_STREAM, 0), &to.sa, size));
}

static void mapped_loopback(Ctx *c) {
        int l = listen_at(c, AF_INET, WHO_LOOPBACK, 0);
        SockAddr to = {.in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t) c->port)}};

        (void) inet_pton(AF_INET6, "::ffff:127.0.0.1", &to.in6.sin6_addr);
        connect_and_say(c, l, &to, sizeof(to.in6));
}

static void refused(Ctx *c) {
        did(c, "connect", dial_who(c, sock(c), WHO_LOOPBACK, 22));
        did(c, "connect", dial_who(c, sock(c), WHO_LOOPBACK, 9));
}

static void localhost_name(Ctx *c) {
        struct addrinfo hints = {.ai_family = c->family, .ai_socktype = SOCK_STREAM}, *found;
        int l = listen_at(c, c->family, WHO_LOOPBACK, 0), r;
        SockAddr to = {};

        r = getaddrinfo("localhost", "1", &hints, &found);
        if (r != 0) {
                say(c, "getaddrinfo: %s", gai_strerror(r));
                return;
        }
        to.in6 = *(struct sockaddr_in6 *) found->ai_addr;
        to.in.sin_port = htons((uint16_t) c->port);
        connect_and_say(c, l, &to, found->ai_addrlen);
}

static void server_is_not_here(Ctx *c) {
        int l = sock_bound(c, WHO_LOOPBACK, 0);

        listen_on(c, l, 5);
        set_nonblock(l, true);
        barrier(c);
        did_fd(c, "accept", accept(l, NULL, NULL));
}

/* A listener on the server's loopback is not at its address. */
static void client_at_address(Ctx *c) {
        hear_listener(c);
        did(c, "connect to the server's address", dial(c, sock(c)));
        barrier(c);
}

static void bound_source(Ctx *c) {
        int l = listen_at(c, c->family, WHO_ANY, 0), fd = sock_bound(c, WHO_CLIENT, 0), b;

        know_port(c, port_of(c, fd));
        did(c, "connect", dial_who(c, fd, WHO_LOOPBACK, c->port));
        say_name(c, fd);
        if (!wait_events(l, POLLIN, 200))
                return;
        b = accept(l, NULL, NULL);
        say_peer(c, b);
        say_name(c, b);
}

static void loopback_source(Ctx *c) {
        int l = listen_at(c, c->family, WHO_LOOPBACK, 0), fd = sock_bound(c, WHO_LOOPBACK, 0), b;

        know_port(c, port_of(c, fd));
        did(c, "connect", dial_who(c, fd, WHO_LOOPBACK, c->port));
        say_name(c, fd);
        if (!wait_events(l, POLLIN, 200))
                return;
        b = accept(l, NULL, NULL);
        say_peer(c, b);
}

static void source_other_loopback(Ctx *c) {
        int l = listen_at(c, c->family, WHO_LOOPBACK, 0), fd = sock(c), b;
        struct sockaddr_in sa = {.sin_family = AF_INET};
        char name[64];
        socklen_t size = sizeof(sa);

        sa.sin_addr.s_addr = htonl(0x7f000007);
        did(c, "bind 127.0.0.7", bind(fd, (struct sockaddr *) &sa, sizeof(sa)));
        did(c, "connect", dial_who(c, fd, WHO_LOOPBACK, c->port));
        if (!wait_events(l, POLLIN, 200))
                return;
        b = accept(l, (struct sockaddr *) &sa, &size);
        (void) b;
        say(c, "from %s", inet_ntop(AF_INET, &sa.sin_addr, name, sizeof(name)));
}

static void nonblock(Ctx *c) {
        int l = listen_at(c, c->family, WHO_LOOPBACK, 0), fd = sock_nonblock(c);

        did(c, "connect", dial_who(c, fd, WHO_LOOPBACK, c->port));
        say_poll(c, "poll", fd, POLLOUT, 1000);
        did_fd(c, "accept", accept(l, NULL, NULL));
}

#define I "ip(7): INADDR_LOOPBACK always refers to the local host"

static const Case cases[] = {
                ALONE_BOTH("loopback/bound-there", I, loopback_loopback),
                ALONE_BOTH("loopback/bound-to-any", I, any_loopback),
                ALONE_BOTH("loopback/bound-to-own", "bind(2): a listener is at the address it was bound to",
                           own_loopback),
                ALONE_BOTH("loopback/own-not-there", "bind(2): a listener is at the address it was bound to",
                           loopback_own),
                ALONE("loopback/any-of-127", "ip(7): 127.0.0.0/8", any_other),
                ALONE("loopback/bind-127.0.0.5", "ip(7): 127.0.0.0/8", bind_other),
                ALONE("loopback/two-of-127", "ip(7): 127.0.0.0/8", two_loopbacks),
                ALONE("loopback/v6-to-v4", "ipv6(7)", v6_to_v4_listener),
                ALONE("loopback/v4-to-v6-any", "ipv6(7): IPV6_V6ONLY", v4_to_v6_any),
                ALONE("loopback/v4-to-v6", "ipv6(7)", v4_to_v6_loopback),
                ALONE("loopback/mapped", "ipv6(7): v4-mapped addresses", mapped_loopback),
                ALONE_BOTH("loopback/refused", "connect(2): ECONNREFUSED; the host's own is not here",
                           refused),
                ALONE_BOTH("loopback/localhost", "hosts(5): localhost", localhost_name),
                BOTH("loopback/not-at-the-address", "bind(2): a listener is at the address it was bound to",
                     server_is_not_here, client_at_address),
                ALONE_BOTH("loopback/source-own", "bind(2), connect(2)", bound_source),
                ALONE_BOTH("loopback/source-loopback", "bind(2), connect(2)", loopback_source),
                ALONE("loopback/source-127.0.0.7", "bind(2), connect(2)", source_other_loopback),
                ALONE_BOTH("loopback/nonblock", "connect(2): EINPROGRESS", nonblock),
};

CaseTable loopback_cases(void) {
        return TABLE(cases);
}
