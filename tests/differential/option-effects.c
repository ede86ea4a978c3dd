/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* setsockopt(2): what calls do differently when an option is set. */

#include <linux/tcp.h>
#include <poll.h>
#include <sys/time.h>
#include <unistd.h>

#include "cases.h"

#define ALONE_O(n, t, f) ALONE("options/" n, t, f)

static void rcvtimeo_recv(Ctx *c) {
        const struct timeval tv = {0, 200000};
        int fd = sock(c);
        long start;
        char byte;

        far_listener(c);
        must(c, "setsockopt", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
        must(c, "connect", dial(c, fd));
        start = now_ms();
        did(c, "recv", recv(fd, &byte, 1, 0));
        say_elapsed(c, "ends", start, 200);
}

static void rcvtimeo_inherited(Ctx *c) {
        const struct timeval tv = {0, 200000};
        int l = own_listener(c, 5), fd;
        long start;
        char byte;

        must(c, "setsockopt", setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
        (void) own_connection(c, l);
        fd = accept(l, NULL, NULL);
        start = now_ms();
        did(c, "recv", recv(fd, &byte, 1, MSG_DONTWAIT));
        did(c, "recv", recv(fd, &byte, 1, 0));
        say_elapsed(c, "ends", start, 200);
}

static void sndtimeo_send(Ctx *c) {
        const struct timeval tv = {0, 200000};
        static char data[1 << 20];
        long start = 0, n = 0;
        int a, b;

        own_pair(c, &a, &b);
        must(c, "setsockopt", setsockopt(a, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
        for (int i = 0; i < 64 && n >= 0; i++) {
                start = now_ms();
                n = send(a, data, sizeof(data), 0);
                if (n >= 0 && n < (long) sizeof(data))
                        n = send(a, data, sizeof(data), 0);
        }
        did(c, "send at last", n);
        say(c, "it took %s", now_ms() - start >= 190 ? "its time" : "no time");
}

static void rcvlowat(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        set_int(c, b, SOL_SOCKET, SO_RCVLOWAT, 10);
        send_all(c, a, "12345", 5);
        wait_bytes(c, b, 5);
        say_poll(c, "poll of 5 bytes", b, POLLIN, 50);
        send_all(c, a, "67890", 5);
        say_poll(c, "poll of 10 bytes", b, POLLIN, 1000);
}

static void oobinline(Ctx *c) {
        int l = sock(c), a, b;

        set_int(c, l, SOL_SOCKET, SO_OOBINLINE, 1);
        must(c, "listen", listen(l, 5));
        a = sock(c);
        must(c, "connect", dial_who(c, a, WHO_CLIENT, port_of(c, l)));
        b = accept(l, NULL, NULL);
        send_all(c, a, "ab", 2);
        did(c, "send OOB", send(a, "c", 1, MSG_OOB));
        wait_bytes(c, b, 3);
        say_recv(c, "recv", b, 0);
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void cork(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        try_int(c, "cork", a, IPPROTO_TCP, TCP_CORK, 1);
        send_all(c, a, "one", 3);
        try_int(c, "uncork", a, IPPROTO_TCP, TCP_CORK, 0);
        wait_bytes(c, b, 3);
        say_recv(c, "recv", b, 0);
}

static void cork_close(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        set_int(c, a, IPPROTO_TCP, TCP_CORK, 1);
        send_all(c, a, "one", 3);
        close(a);
        say_poll(c, "poll", b, POLLIN, 1000);
        say_recv(c, "recv", b, 0);
        say_recv(c, "recv", b, 0);
}

static void reuseport_two(Ctx *c) {
        int l = sock(c), k = sock(c), n = 0;
        SockAddr sa;
        socklen_t size = address_of(c, WHO_CLIENT, 0, &sa);

        set_int(c, l, SOL_SOCKET, SO_REUSEPORT, 1);
        set_int(c, k, SOL_SOCKET, SO_REUSEPORT, 1);
        did(c, "bind", bind(l, &sa.sa, size));
        did(c, "listen", listen(l, 64));
        c->port = port_of(c, l);
        size = address_of(c, WHO_CLIENT, c->port, &sa);
        did(c, "bind of the other", bind(k, &sa.sa, size));
        did(c, "listen of the other", listen(k, 64));
        for (int i = 0; i < 40; i++)
                (void) own_connection(c, l);
        set_nonblock(l, true);
        set_nonblock(k, true);
        nap(20);
        while (accept(l, NULL, NULL) >= 0)
                n++;
        say(c, "the first has %s", n == 0 ? "none" : n == 40 ? "all" : "some");
        while (accept(k, NULL, NULL) >= 0)
                n++;
        say(c, "together %d", n);
}

static void reuseport_one_without(Ctx *c) {
        int l = sock(c), k = sock(c);
        SockAddr sa;
        socklen_t size = address_of(c, WHO_CLIENT, 0, &sa);

        set_int(c, l, SOL_SOCKET, SO_REUSEPORT, 1);
        must(c, "bind", bind(l, &sa.sa, size));
        must(c, "listen", listen(l, 64));
        size = address_of(c, WHO_CLIENT, port_of(c, l), &sa);
        did(c, "bind of one without", bind(k, &sa.sa, size));
}

static void reuseport_closes(Ctx *c) {
        int l = sock(c), k = sock(c), fd;
        SockAddr sa;
        socklen_t size = address_of(c, WHO_CLIENT, 0, &sa);

        set_int(c, l, SOL_SOCKET, SO_REUSEPORT, 1);
        set_int(c, k, SOL_SOCKET, SO_REUSEPORT, 1);
        must(c, "bind", bind(l, &sa.sa, size));
        must(c, "listen", listen(l, 64));
        c->port = port_of(c, l);
        size = address_of(c, WHO_CLIENT, c->port, &sa);
        must(c, "bind", bind(k, &sa.sa, size));
        must(c, "listen", listen(k, 64));
        close(l);
        for (int i = 0; i < 10; i++) {
                fd = own_connection(c, k);
                close(fd);
        }
        set_nonblock(k, true);
        fd = 0;
        while (accept(k, NULL, NULL) >= 0)
                fd++;
        say(c, "the one that stays has %d", fd);
}

static void defer_accept(Ctx *c) {
        int l = own_listener(c, 5), a, b;

        try_int(c, "set", l, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
        say_int(c, "is", l, IPPROTO_TCP, TCP_DEFER_ACCEPT);
        a = own_connection(c, l);
        set_nonblock(l, true);
        nap(20);
        did_fd(c, "accept before data", accept(l, NULL, NULL));
        send_all(c, a, "x", 1);
        say_poll(c, "poll", l, POLLIN, 1000);
        b = accept(l, NULL, NULL);
        did_fd(c, "accept after data", b);
        say_recv(c, "recv", b, 0);
}

static void fastopen_connect(Ctx *c) {
        int l = own_listener(c, 5), a = sock(c), b;

        try_int(c, "set", a, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
        did(c, "connect", dial(c, a));
        did(c, "send", send(a, "hello", 5, MSG_NOSIGNAL));
        say_poll(c, "poll", l, POLLIN, 1000);
        set_nonblock(l, true);
        b = accept(l, NULL, NULL);
        if (did_fd(c, "accept", b) < 0)
                return;
        set_nonblock(b, false);
        say_recv(c, "recv", b, 0);
}

static void save_syn(Ctx *c) {
        int l = own_listener(c, 5), b;
        char syn[256];
        socklen_t size = sizeof(syn);

        try_int(c, "set", l, IPPROTO_TCP, TCP_SAVE_SYN, 1);
        (void) own_connection(c, l);
        b = accept(l, NULL, NULL);
        did(c, "TCP_SAVED_SYN", getsockopt(b, IPPROTO_TCP, TCP_SAVED_SYN, syn, &size));
        say(c, "%s", size > 0 ? "it has a SYN" : "it has none");
}

static void zerocopy_send(Ctx *c) {
        static char data[65536];
        int a, b;

        own_pair(c, &a, &b);
        try_int(c, "SO_ZEROCOPY", a, SOL_SOCKET, SO_ZEROCOPY, 1);
        did(c, "send", send(a, data, sizeof(data), MSG_ZEROCOPY));
        say(c, "%zu bytes come", recv_all(c, b, data, sizeof(data)));
        say_poll(c, "poll", a, 0, 500);
}

static void timestamp_none(Ctx *c) {
        struct timeval tv;
        socklen_t size = sizeof(tv);
        int a, b;

        own_pair(c, &a, &b);
        did(c, "SO_TIMESTAMP", getsockopt(a, SOL_SOCKET, SO_TIMESTAMP, &tv, &size));
        say(c, "size %u", size);
}

static void maxseg_before(Ctx *c) {
        int a = sock(c), v = 0;
        socklen_t size = sizeof(v);

        far_listener(c);
        say_int(c, "fresh", a, IPPROTO_TCP, TCP_MAXSEG);
        try_int(c, "set", a, IPPROTO_TCP, TCP_MAXSEG, 1000);
        must(c, "connect", dial(c, a));
        (void) getsockopt(a, IPPROTO_TCP, TCP_MAXSEG, &v, &size);
        say(c, "TCP_MAXSEG %s", v > 0 && v <= 1000 ? "is as set or less" : "is more than set");
}

static const Case cases[] = {
                ALONE_O("rcvtimeo-kept", "socket(7): SO_RCVTIMEO", rcvtimeo_recv),
                ALONE_O("rcvtimeo-inherited", "socket(7): SO_RCVTIMEO", rcvtimeo_inherited),
                ALONE_O("sndtimeo-send", "socket(7): SO_SNDTIMEO", sndtimeo_send),
                ALONE_O("rcvlowat-poll", "socket(7): SO_RCVLOWAT select, poll, epoll respect it", rcvlowat),
                ALONE_O("oobinline", "tcp(7): SO_OOBINLINE", oobinline),
                ALONE_O("cork", "tcp(7): TCP_CORK", cork),
                ALONE_O("cork-close", "tcp(7): TCP_CORK", cork_close),
                ALONE_BOTH("options/reuseport-two", "socket(7): SO_REUSEPORT connections are distributed",
                           reuseport_two),
                ALONE_O("reuseport-one-without", "socket(7): SO_REUSEPORT must be set on each socket",
                        reuseport_one_without),
                ALONE_O("reuseport-one-closes", "socket(7): SO_REUSEPORT", reuseport_closes),
                ALONE_O("defer-accept", "tcp(7): TCP_DEFER_ACCEPT awakened only when data arrives",
                        defer_accept),
                ALONE_O("fastopen-connect", "tcp(7): TCP_FASTOPEN_CONNECT", fastopen_connect),
                ALONE_O("save-syn", "tcp(7): TCP_SAVE_SYN", save_syn),
                ALONE_O("zerocopy-send", "socket(7): SO_ZEROCOPY", zerocopy_send),
                ALONE_O("timestamp-get", "socket(7): SO_TIMESTAMP", timestamp_none),
                ALONE_O("maxseg-before", "tcp(7): TCP_MAXSEG", maxseg_before),
};

CaseTable option_effects_cases(void) {
        return TABLE(cases);
}
