/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * getsockopt(2), setsockopt(2): each option of the table in several scenes, so
 * that what is set is found again after the socket has been replaced, and what
 * is set on a listener in the sockets that it accepts. Then the odd ones.
 */

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "cases.h"

#define BAD_POINTER ((void *) 8)

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SO_TXREHASH
#define SO_TXREHASH 74
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73
#endif
#define ORIGINAL_DST 80 /* SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST */

typedef enum ValueType {
        VALUE_INT,
        VALUE_LINGER,
        VALUE_TIME,
        VALUE_STRING,
} ValueType;

typedef struct Option {
        int level, option;
        const char *name, *page;
        ValueType type;
        int value;        /* to set */
        bool vague;       /* the value is the kernel's affair: say only whether there is one */
        const char *text; /* to set, for VALUE_STRING */
} Option;

/* The last are the value and what else there is to say. */
#define OPTION(l, o, n, p, ...)                                                                             \
        { .level = (l), .option = (o), .name = (n), .page = (p), .value = __VA_ARGS__ }
#define O(n, ...) OPTION(SOL_SOCKET, n, #n, "socket(7): " #n, __VA_ARGS__)
#define T(n, ...) OPTION(IPPROTO_TCP, n, #n, "tcp(7): " #n, __VA_ARGS__)
#define I(n, ...) OPTION(IPPROTO_IP, n, #n, "ip(7): " #n, __VA_ARGS__)
#define I6(n, ...) OPTION(IPPROTO_IPV6, n, #n, "ipv6(7): " #n, __VA_ARGS__)
#define ORIGINAL(l, n) OPTION(l, ORIGINAL_DST, n, "iptables: SO_ORIGINAL_DST", 0)
#define UNKNOWN(l, o, n) OPTION(l, o, n, "getsockopt(2): ENOPROTOOPT", 0)

/* In all scenes. */
static const Option table[] = {
                O(SO_KEEPALIVE, 1),
                O(SO_BROADCAST, 1),
                O(SO_REUSEADDR, 1),
                O(SO_REUSEPORT, 1),
                O(SO_OOBINLINE, 1),
                O(SO_LINGER, 5, .type = VALUE_LINGER),
                O(SO_RCVBUF, 32768),
                O(SO_SNDBUF, 32768),
                O(SO_RCVLOWAT, 10),
                O(SO_RCVTIMEO, 1500, .type = VALUE_TIME),
                O(SO_SNDTIMEO, 2500, .type = VALUE_TIME),
                O(SO_PRIORITY, 5),
                O(SO_MARK, 17),
                O(SO_TIMESTAMP, 1),
                O(SO_TIMESTAMPNS, 1),
                O(SO_TIMESTAMPING, 8),
                O(SO_DONTROUTE, 1),
                O(SO_DEBUG, 1),
                O(SO_PASSCRED, 1),
                O(SO_PASSSEC, 1),
                O(SO_BUSY_POLL, 50),
                O(SO_MAX_PACING_RATE, 1000000000),
                O(SO_ZEROCOPY, 1),
                O(SO_TXREHASH, 0),
                O(SO_NO_CHECK, 1),
                O(SO_RXQ_OVFL, 1),
                O(SO_SELECT_ERR_QUEUE, 1),
                O(SO_PEEK_OFF, 3),
                O(SO_PREFER_BUSY_POLL, 1),
                T(TCP_NODELAY, 1),
                T(TCP_CORK, 1),
                T(TCP_MAXSEG, 1000, .vague = true),
                T(TCP_KEEPIDLE, 77),
                T(TCP_KEEPINTVL, 11),
                T(TCP_KEEPCNT, 4),
                T(TCP_SYNCNT, 3),
                T(TCP_LINGER2, 9),
                T(TCP_DEFER_ACCEPT, 0),
                T(TCP_WINDOW_CLAMP, 20000, .vague = true),
                T(TCP_QUICKACK, 1, .vague = true),
                T(TCP_CONGESTION, 0, .type = VALUE_STRING, .text = "reno"),
                T(TCP_USER_TIMEOUT, 12345),
                T(TCP_THIN_LINEAR_TIMEOUTS, 1),
                T(TCP_THIN_DUPACK, 1),
                T(TCP_FASTOPEN, 5),
                T(TCP_FASTOPEN_CONNECT, 0),
                T(TCP_NOTSENT_LOWAT, 16384),
                T(TCP_SAVE_SYN, 1),
                T(TCP_INQ, 1),
                T(TCP_REPAIR, 0),
                I(IP_TOS, 0x10),
                I(IP_TTL, 17),
                I(IP_MTU_DISCOVER, IP_PMTUDISC_DO),
                I(IP_RECVTTL, 1),
                I(IP_RECVTOS, 1),
                I(IP_PKTINFO, 1),
                I(IP_RECVERR, 1),
                I(IP_RETOPTS, 1),
                I(IP_FREEBIND, 1),
                I(IP_TRANSPARENT, 1),
                I(IP_BIND_ADDRESS_NO_PORT, 1),
                I(IP_MINTTL, 3),
                I(IP_MULTICAST_TTL, 4),
                I(IP_MULTICAST_LOOP, 0),
                I(IP_CHECKSUM, 1),
                I(IP_HDRINCL, 1),
                I6(IPV6_V6ONLY, 1),
                I6(IPV6_UNICAST_HOPS, 17),
                I6(IPV6_TCLASS, 0x10),
                I6(IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO),
                I6(IPV6_RECVPKTINFO, 1),
                I6(IPV6_RECVHOPLIMIT, 1),
                I6(IPV6_RECVTCLASS, 1),
                I6(IPV6_RECVERR, 1),
                I6(IPV6_DONTFRAG, 1),
                I6(IPV6_AUTOFLOWLABEL, 1),
                I6(IPV6_MULTICAST_HOPS, 4),
                I6(IPV6_FREEBIND, 1),
                I6(IPV6_TRANSPARENT, 1),
                I6(IPV6_MINHOPCOUNT, 3),
};

/* That cannot be set; read in one scene. */
static const Option get_only[] = {
                O(SO_TYPE, 0),
                O(SO_DOMAIN, 0),
                O(SO_PROTOCOL, 0),
                O(SO_ACCEPTCONN, 0),
                O(SO_ERROR, 0),
                O(SO_SNDLOWAT, 0),
                O(SO_PEERSEC, 0),
                O(SO_PEERPIDFD, 0),
                O(SO_PEERGROUPS, 0),
                O(SO_INCOMING_CPU, 0, .vague = true),
                O(SO_INCOMING_NAPI_ID, 0, .vague = true),
                I(IP_MTU, 0, .vague = true),
                I6(IPV6_MTU, 0, .vague = true),
                ORIGINAL(IPPROTO_IP, "SO_ORIGINAL_DST"),
                ORIGINAL(IPPROTO_IPV6, "IP6T_SO_ORIGINAL_DST"),
                T(TCP_CC_INFO, 0, .vague = true),
                T(TCP_SAVED_SYN, 0),
                T(TCP_ULP, 0),
                T(TCP_FASTOPEN_KEY, 0),
                T(TCP_TIMESTAMP, 0, .vague = true),
                UNKNOWN(SOL_SOCKET, 4242, "unknown"),
                UNKNOWN(IPPROTO_TCP, 4242, "unknown-tcp"),
                UNKNOWN(IPPROTO_IP, 4242, "unknown-ip"),
                UNKNOWN(IPPROTO_IPV6, 4242, "unknown-ipv6"),
                UNKNOWN(IPPROTO_UDP, 1, "of-udp"),
                UNKNOWN(4242, 1, "unknown-level"),
                UNKNOWN(SOL_RAW, 1, "of-raw"),
};

static const Option *option_of(const Ctx *c) {
        return c->what->arg;
}

static void say_get(Ctx *c, const char *where, int fd) {
        const Option *o = option_of(c);
        union {
                int number;
                struct linger linger;
                struct timeval time;
                char text[256];
        } v = {};
        socklen_t size = sizeof(v);

        if (o->type == VALUE_INT)
                size = sizeof(int);
        if (getsockopt(fd, o->level, o->option, &v, &size) < 0) {
                say(c, "%s: getsockopt -1 %s", where, error_name(errno));
                return;
        }
        switch (o->type) {
        case VALUE_INT:
                if (o->vague)
                        say(c, "%s: a value, size %u", where, size);
                else
                        say(c, "%s: %d, size %u", where, v.number, size);
                break;
        case VALUE_LINGER:
                say(c, "%s: %d, %d s, size %u", where, v.linger.l_onoff, v.linger.l_linger, size);
                break;
        case VALUE_TIME:
                say(c, "%s: %ld.%06ld s, size %u", where, (long) v.time.tv_sec, (long) v.time.tv_usec, size);
                break;
        case VALUE_STRING:
                say(c, "%s: \"%.*s\", size %u", where, (int) size, v.text, size);
                break;
        }
}

static void do_set(Ctx *c, int fd) {
        const Option *o = option_of(c);
        const struct linger linger = {1, o->value};
        const struct timeval time = {o->value / 1000, o->value % 1000 * 1000};
        int r = -1;

        switch (o->type) {
        case VALUE_INT:
                r = setsockopt(fd, o->level, o->option, &o->value, sizeof(int));
                break;
        case VALUE_LINGER:
                r = setsockopt(fd, o->level, o->option, &linger, sizeof(linger));
                break;
        case VALUE_TIME:
                r = setsockopt(fd, o->level, o->option, &time, sizeof(time));
                break;
        case VALUE_STRING:
                r = setsockopt(fd, o->level, o->option, o->text, (socklen_t) strlen(o->text));
                break;
        }
        did(c, "setsockopt", r);
}

/* The buffers of a connection grow as the kernel sees fit until they are set. */
static bool grows(const Ctx *c) {
        const Option *o = option_of(c);

        return o->level == SOL_SOCKET && (o->option == SO_RCVBUF || o->option == SO_SNDBUF);
}

/* The scenes. */
static void scene_default(Ctx *c) {
        int fd = sock(c), a, b;

        say_get(c, "fresh", fd);
        must(c, "listen", listen(fd, 5));
        say_get(c, "listening", fd);
        if (grows(c))
                return;
        own_pair(c, &a, &b);
        say_get(c, "connected", a);
        say_get(c, "accepted", b);
}

static void scene_before_connect(Ctx *c) {
        int fd = sock(c);

        far_listener(c);
        do_set(c, fd);
        say_get(c, "before connect", fd);
        did(c, "connect", dial(c, fd));
        say_get(c, "after connect", fd);
}

static void scene_after_connect(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        do_set(c, a);
        say_get(c, "client's", a);
        do_set(c, b);
        say_get(c, "server's", b);
}

/* The accept waits for its connection. */
static void scene_inherited(Ctx *c) {
        int l = sock(c);

        do_set(c, l);
        say_get(c, "before listen", l);
        must(c, "listen", listen(l, 5));
        say_get(c, "after listen", l);
        tell(c, port_of(c, l));
        say_get(c, "accepted", accept(l, NULL, NULL));
        barrier(c);
}

static void scene_inherited_client(Ctx *c) {
        hear_listener(c);
        nap(20);
        must(c, "connect", dial(c, sock(c)));
        barrier(c);
}

/* The connection waits for its accept. */
static void scene_listening(Ctx *c) {
        int l = sock(c);

        must(c, "listen", listen(l, 5));
        do_set(c, l);
        say_get(c, "the listener's", l);
        tell(c, port_of(c, l));
        barrier(c);
        say_get(c, "accepted", accept(l, NULL, NULL));
        barrier(c);
}

static void scene_listening_client(Ctx *c) {
        hear_listener(c);
        must(c, "connect", dial(c, sock(c)));
        barrier(c);
        barrier(c);
}

static void scene_get_only(Ctx *c) {
        int fd = sock(c), one = 1, a, b;

        say_get(c, "fresh", fd);
        did(c, "setsockopt", setsockopt(fd, option_of(c)->level, option_of(c)->option, &one, sizeof(one)));
        say_get(c, "listener's", own_listener(c, 5));
        own_pair(c, &a, &b);
        say_get(c, "client's", a);
        say_get(c, "server's", b);
        did(c, "setsockopt", setsockopt(a, option_of(c)->level, option_of(c)->option, &one, sizeof(one)));
}

/* Lengths and pointers, with the options that stand for their kind. */
static void lengths(Ctx *c, const char *what, int fd, int level, int option) {
        int value = 1;
        char large[512];
        socklen_t size;

        say(c, "%s", what);
        memset(large, 0, sizeof(large));
        memcpy(large, &value, sizeof(value));
        for (socklen_t n = 0; n < 6; n++)
                say(c, "set of %u: %s", n,
                    setsockopt(fd, level, option, large, n) < 0 ? error_name(errno) : "well");
        did(c, "set of many", setsockopt(fd, level, option, large, sizeof(large)));
        did(c, "set of -1", setsockopt(fd, level, option, large, (socklen_t) -1));
        did(c, "set of NULL", setsockopt(fd, level, option, NULL, sizeof(int)));
        did(c, "set of bad", setsockopt(fd, level, option, BAD_POINTER, sizeof(int)));
        for (socklen_t n = 0; n < 6; n++) {
                size = n;
                if (getsockopt(fd, level, option, large, &size) < 0)
                        say(c, "get of %u: %s", n, error_name(errno));
                else
                        say(c, "get of %u: size %u", n, size);
        }
        size = sizeof(large);
        say(c, "get of many: %d size %u", getsockopt(fd, level, option, large, &size), size);
        size = (socklen_t) -1;
        did(c, "get of -1", getsockopt(fd, level, option, large, &size));
        size = sizeof(int);
        did(c, "get to NULL", getsockopt(fd, level, option, NULL, &size));
        size = sizeof(int);
        did(c, "get to bad", getsockopt(fd, level, option, BAD_POINTER, &size));
        did(c, "get with NULL size", getsockopt(fd, level, option, large, NULL));
        did(c, "get with bad size", getsockopt(fd, level, option, large, BAD_POINTER));
}

static void scene_lengths_connected(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        lengths(c, "client", a, option_of(c)->level, option_of(c)->option);
}

static void scene_lengths_listener(Ctx *c) {
        lengths(c, "listener", own_listener(c, 5), option_of(c)->level, option_of(c)->option);
}

static const Option kinds[] = {
                O(SO_KEEPALIVE, 1),   O(SO_REUSEPORT, 1), O(SO_TYPE, 1),      O(SO_DOMAIN, 1),
                O(SO_ACCEPTCONN, 1),  O(SO_PEERCRED, 1),  O(SO_LINGER, 1),    T(TCP_NODELAY, 1),
                T(TCP_CONGESTION, 1), T(TCP_INFO, 1),     T(TCP_MAXSEG, 1),   T(TCP_USER_TIMEOUT, 1),
                I(IP_TOS, 1),         I(IP_TTL, 1),       I6(IPV6_V6ONLY, 1),
};

static void say_int(Ctx *c, const char *what, int fd, int level, int option) {
        int v = 0;
        socklen_t size = sizeof(v);

        if (getsockopt(fd, level, option, &v, &size) < 0)
                say(c, "%s -1 %s", what, error_name(errno));
        else
                say(c, "%s %d", what, v);
}

static void try_int(Ctx *c, const char *what, int fd, int level, int option, int value) {
        did(c, what, setsockopt(fd, level, option, &value, sizeof(value)));
}

/* Values that are not taken. */
static void values(Ctx *c, int fd) {
        static const struct {
                int level, option;
                const char *name;
                int value;
        } bad[] = {
                        {IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", 0},
                        {IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", 100000},
                        {IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL", 0},
                        {IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT", 0},
                        {IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT", 500},
                        {IPPROTO_TCP, TCP_SYNCNT, "TCP_SYNCNT", 0},
                        {IPPROTO_TCP, TCP_SYNCNT, "TCP_SYNCNT", 500},
                        {IPPROTO_TCP, TCP_MAXSEG, "TCP_MAXSEG", 1},
                        {IPPROTO_TCP, TCP_MAXSEG, "TCP_MAXSEG", 100000},
                        {IPPROTO_TCP, TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT", -1},
                        {IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, "TCP_THIN_LINEAR_TIMEOUTS", 2},
                        {IPPROTO_TCP, TCP_THIN_DUPACK, "TCP_THIN_DUPACK", 2},
                        {IPPROTO_TCP, TCP_CORK, "TCP_CORK", 2},
                        {IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY", 2},
                        {IPPROTO_TCP, TCP_INQ, "TCP_INQ", 2},
                        {IPPROTO_TCP, TCP_SAVE_SYN, "TCP_SAVE_SYN", 3},
                        {IPPROTO_IP, IP_TTL, "IP_TTL", 0},
                        {IPPROTO_IP, IP_TTL, "IP_TTL", 256},
                        {IPPROTO_IP, IP_TTL, "IP_TTL", -1},
                        {IPPROTO_IP, IP_TOS, "IP_TOS", 0x1ff},
                        {IPPROTO_IP, IP_MTU_DISCOVER, "IP_MTU_DISCOVER", 9},
                        {IPPROTO_IP, IP_MINTTL, "IP_MINTTL", 256},
                        {SOL_SOCKET, SO_PRIORITY, "SO_PRIORITY", -1},
                        {SOL_SOCKET, SO_ZEROCOPY, "SO_ZEROCOPY", 2},
                        {SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE", 2},
                        {SOL_SOCKET, SO_BUSY_POLL, "SO_BUSY_POLL", -1},
                        {SOL_SOCKET, SO_RCVLOWAT, "SO_RCVLOWAT", -1},
                        {SOL_SOCKET, SO_RCVLOWAT, "SO_RCVLOWAT", 0},
                        {SOL_SOCKET, SO_RCVBUF, "SO_RCVBUF", 0},
                        {SOL_SOCKET, SO_SNDBUF, "SO_SNDBUF", 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                socklen_t size = sizeof(int);
                int value = bad[i].value, r;

                r = setsockopt(fd, bad[i].level, bad[i].option, &value, sizeof(value));
                say(c, "%s %d: %s", bad[i].name, value, r < 0 ? error_name(errno) : "well");
                if (bad[i].option == TCP_MAXSEG && bad[i].level == IPPROTO_TCP)
                        continue;
                if (r >= 0 && getsockopt(fd, bad[i].level, bad[i].option, &value, &size) >= 0)
                        say(c, "is %d", value);
        }
}

static void values_fresh(Ctx *c) {
        values(c, sock(c));
}

static void values_connected(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        values(c, a);
}

static void values_listener(Ctx *c) {
        values(c, own_listener(c, 5));
}

static void time_values(Ctx *c) {
        const struct timeval bad[] = {{0, 1000000}, {0, -1}, {-1, 0}, {0, 0}, {0, 1}, {1, 999999}};
        int a, b;

        own_pair(c, &a, &b);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                struct timeval tv = {};
                socklen_t size = sizeof(tv);

                did(c, "set", setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &bad[i], sizeof(bad[i])));
                (void) getsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &tv, &size);
                say(c, "is %ld.%06ld", (long) tv.tv_sec, (long) tv.tv_usec);
        }
}

static void say_congestion(Ctx *c, int fd) {
        char name[16] = "";
        socklen_t size = sizeof(name);

        if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size) < 0)
                did(c, "getsockopt", -1);
        else
                say(c, "is \"%.16s\", size %u", name, size);
}

static void congestion(Ctx *c) {
        static const char *const names[] = {"no-such", "", "reno", "cubic",
                                            "a-name-that-is-too-long-for-it"};
        int a, b;

        own_pair(c, &a, &b);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                say(c, "%s", names[i]);
                did(c, "set",
                    setsockopt(a, IPPROTO_TCP, TCP_CONGESTION, names[i], (socklen_t) strlen(names[i])));
                say_congestion(c, a);
        }
        say_congestion(c, b);
}

static void buffers_set_after(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        set_int(c, a, SOL_SOCKET, SO_SNDBUF, 8192);
        set_int(c, b, SOL_SOCKET, SO_RCVBUF, 8192);
        say_int(c, "SO_SNDBUF", a, SOL_SOCKET, SO_SNDBUF);
        say_int(c, "SO_RCVBUF", b, SOL_SOCKET, SO_RCVBUF);
}

static void buffers_force(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        try_int(c, "SO_SNDBUFFORCE", a, SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20);
        try_int(c, "SO_RCVBUFFORCE", a, SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20);
        say_int(c, "SO_SNDBUF", a, SOL_SOCKET, SO_SNDBUF);
}

/* The default send buffer must not tell of the daemon's own doings. */
static void buffers_plausible(Ctx *c) {
        int a, b, size = 0;
        socklen_t n = sizeof(size);

        own_pair(c, &a, &b);
        (void) getsockopt(a, SOL_SOCKET, SO_SNDBUF, &size, &n);
        say(c, "SO_SNDBUF is %s", size > 16 * 1024 && size <= 6 << 20 ? "plausible" : "not plausible");
        (void) getsockopt(a, SOL_SOCKET, SO_RCVBUF, &size, &n);
        say(c, "SO_RCVBUF is %s", size > 16 * 1024 && size <= 8 << 20 ? "plausible" : "not plausible");
}

/* TCP_INFO */
static void say_info(Ctx *c, const char *what, int fd) {
        struct tcp_info i = {};
        socklen_t size = sizeof(i);

        if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &size) < 0) {
                did(c, "TCP_INFO", -1);
                return;
        }
        say(c, "%s: state %d, mss %d, cwnd %d, rto %d, rtt %d, pmtu %d, size %s", what, i.tcpi_state,
            i.tcpi_snd_mss >= 536 && i.tcpi_snd_mss <= 65535, i.tcpi_snd_cwnd > 0,
            i.tcpi_rto >= 10000 && i.tcpi_rto<5000000, i.tcpi_rtt<1000000, i.tcpi_pmtu> 0, size> 100
                            ? "full"
                            : "short");
}

static void info_states(Ctx *c) {
        int a, b;

        say_info(c, "fresh", sock(c));
        say_info(c, "listener", own_listener(c, 5));
        own_pair(c, &a, &b);
        say_info(c, "client", a);
        say_info(c, "server", b);
}

static int info_state(int fd) {
        struct tcp_info i = {};
        socklen_t size = sizeof(i);

        return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &size) < 0 ? -1 : i.tcpi_state;
}

static void info_closing(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        must(c, "shutdown", shutdown(a, SHUT_WR));
        (void) wait_events(b, POLLIN, 1000);
        nap(20);
        say(c, "half-closed: state %d, its peer's %d", info_state(a), info_state(b));
        must(c, "shutdown", shutdown(b, SHUT_WR));
        (void) wait_events(a, POLLIN, 1000);
        nap(20);
        say(c, "closed: its peer's %d", info_state(b));
}

static void info_bytes(Ctx *c) {
        struct tcp_info i = {};
        socklen_t size = sizeof(i);
        char data[1000] = "";
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, data, sizeof(data));
        (void) recv_all(c, b, data, sizeof(data));
        (void) getsockopt(a, IPPROTO_TCP, TCP_INFO, &i, &size);
        say(c, "bytes acked %s, unacked %u", i.tcpi_bytes_acked >= 1000 ? "1000" : "less", i.tcpi_unacked);
        size = sizeof(i);
        (void) getsockopt(b, IPPROTO_TCP, TCP_INFO, &i, &size);
        say(c, "bytes received %llu", (unsigned long long) i.tcpi_bytes_received);
}

static void info_listener_backlog(Ctx *c) {
        struct tcp_info i = {};
        socklen_t size = sizeof(i);
        int l = own_listener(c, 7);

        (void) own_connection(c, l);
        (void) own_connection(c, l);
        (void) getsockopt(l, IPPROTO_TCP, TCP_INFO, &i, &size);
        say(c, "unacked (waiting) %u, sacked (backlog) %u", i.tcpi_unacked, i.tcpi_sacked);
}

static void info_short(Ctx *c) {
        static const socklen_t sizes[] = {0, 1, 8, 104, 4096};
        int a, b;

        own_pair(c, &a, &b);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                char buf[4096];
                socklen_t size = sizes[i];
                int r = getsockopt(a, IPPROTO_TCP, TCP_INFO, buf, &size);

                say(c, "of %u: %d, size %s", sizes[i], r, size == sizes[i] ? "the same" : "less");
        }
}

/* Cookies, credentials. */
static uint64_t cookie(Ctx *c, int fd) {
        uint64_t v = 0;
        socklen_t size = sizeof(v);

        must(c, "SO_COOKIE", getsockopt(fd, SOL_SOCKET, SO_COOKIE, &v, &size));
        return v;
}

static void cookies(Ctx *c) {
        enum { N = 10 };
        uint64_t all[2 * N + 1];
        int same = 0, a, b;

        all[0] = cookie(c, own_listener(c, N));
        for (int i = 0; i < N; i++) {
                own_pair(c, &a, &b);
                all[1 + 2 * i] = cookie(c, a);
                all[2 + 2 * i] = cookie(c, b);
        }
        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                for (size_t k = 0; k < i; k++)
                        same += all[i] == all[k];
        say(c, "%d cookies are the same", same);
}

static void cookie_stays(Ctx *c) {
        int fd = sock(c);
        uint64_t before = cookie(c, fd);

        far_listener(c);
        must(c, "connect", dial(c, fd));
        say(c, "the cookie %s over connect", cookie(c, fd) == before ? "stays" : "changes");
}

static void cookie_listen(Ctx *c) {
        int fd = sock(c);
        uint64_t before = cookie(c, fd);

        must(c, "listen", listen(fd, 5));
        say(c, "the cookie %s over listen", cookie(c, fd) == before ? "stays" : "changes");
}

static void cookie_short(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        for (socklen_t n = 0; n < 12; n += 4) {
                uint64_t v = 0;
                socklen_t size = n;

                say(c, "of %u: %s", n,
                    getsockopt(a, SOL_SOCKET, SO_COOKIE, &v, &size) < 0 ? error_name(errno) : "well");
        }
}

/* One of each kind. */
static void make_kinds(Ctx *c, int fds[4]) {
        fds[0] = sock(c);
        fds[1] = own_listener(c, 5);
        own_pair(c, &fds[2], &fds[3]);
}

static void peercred(Ctx *c) {
        int fds[4];

        make_kinds(c, fds);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                struct ucred u = {1, 2, 3};
                socklen_t size = sizeof(u);
                int r = getsockopt(fds[i], SOL_SOCKET, SO_PEERCRED, &u, &size);

                say(c, "%d: pid %d, uid %d, gid %d, size %u", r, (int) u.pid, (int) u.uid, (int) u.gid,
                    size);
        }
}

static void peername_option(Ctx *c) {
        SockAddr sa = {};
        socklen_t size = sizeof(sa);
        int a, b, r;

        own_pair(c, &a, &b);
        r = getsockopt(a, SOL_SOCKET, SO_PEERNAME, &sa, &size);
        did(c, "SO_PEERNAME", r);
        if (r >= 0)
                say_address(c, "SO_PEERNAME", &sa, size);
}

static void original_dst_fresh(Ctx *c) {
        SockAddr sa;
        socklen_t size = sizeof(sa);
        int fd = sock(c), a, b;

        did(c, "fresh",
            getsockopt(fd, c->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, ORIGINAL_DST, &sa, &size));
        own_pair(c, &a, &b);
        size = sizeof(sa);
        did(c, "connected",
            getsockopt(b, c->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, ORIGINAL_DST, &sa, &size));
        did(c, "wrong level",
            getsockopt(b, c->family == AF_INET ? IPPROTO_IPV6 : IPPROTO_IP, ORIGINAL_DST, &sa, &size));
}

static void acceptconn(Ctx *c) {
        int fd = sock(c), l, a;

        say_int(c, "fresh", fd, SOL_SOCKET, SO_ACCEPTCONN);
        l = own_listener(c, 5);
        say_int(c, "listening", l, SOL_SOCKET, SO_ACCEPTCONN);
        a = own_connection(c, l);
        say_int(c, "connected", a, SOL_SOCKET, SO_ACCEPTCONN);
        must(c, "shutdown", shutdown(l, SHUT_RDWR));
        say_int(c, "shut down", l, SOL_SOCKET, SO_ACCEPTCONN);
}

static void identity(Ctx *c) {
        int fds[4];

        make_kinds(c, fds);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                say_int(c, "type", fds[i], SOL_SOCKET, SO_TYPE);
                say_int(c, "domain", fds[i], SOL_SOCKET, SO_DOMAIN);
                say_int(c, "protocol", fds[i], SOL_SOCKET, SO_PROTOCOL);
        }
}

static void bindtodevice(Ctx *c) {
        int a, b;
        char name[16] = "";
        socklen_t size = sizeof(name);

        own_pair(c, &a, &b);
        did(c, "get", getsockopt(a, SOL_SOCKET, SO_BINDTODEVICE, name, &size));
        say(c, "size %u", size);
        did(c, "set none", setsockopt(a, SOL_SOCKET, SO_BINDTODEVICE, "nonesuch", 8));
        did(c, "set lo", setsockopt(a, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2));
        size = sizeof(name);
        did(c, "get", getsockopt(a, SOL_SOCKET, SO_BINDTODEVICE, name, &size));
        say(c, "is \"%.*s\"", (int) size, name);
}

static void ulp(Ctx *c) {
        int fd = sock(c), a, b;

        did(c, "fresh", setsockopt(fd, IPPROTO_TCP, TCP_ULP, "no-such", 7));
        own_pair(c, &a, &b);
        did(c, "connected", setsockopt(a, IPPROTO_TCP, TCP_ULP, "no-such", 7));
}

static void addrform(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        try_int(c, "IPV6_ADDRFORM", a, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET);
        try_int(c, "of a fresh one", sock(c), IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET);
}

static void ipv6_on_ipv4(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        try_int(c, "fresh", sock(c), IPPROTO_IPV6, IPV6_V6ONLY, 1);
        try_int(c, "connected", a, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        say_int(c, "get", a, IPPROTO_IPV6, IPV6_V6ONLY);
}

static void ipv4_on_ipv6(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        try_int(c, "IP_TOS", a, IPPROTO_IP, IP_TOS, 0x10);
        say_int(c, "get", a, IPPROTO_IP, IP_TOS);
        say_int(c, "IPV6_TCLASS", a, IPPROTO_IPV6, IPV6_TCLASS);
}

static void v6only_connected(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        try_int(c, "set", a, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        try_int(c, "unset", a, IPPROTO_IPV6, IPV6_V6ONLY, 0);
        say_int(c, "get", a, IPPROTO_IPV6, IPV6_V6ONLY);
}

static void so_error(Ctx *c) {
        int fd = sock_nonblock(c);
        SockAddr sa;
        socklen_t size = address_of(c, WHO_CLIENT, 1, &sa);

        did(c, "connect", connect(fd, &sa.sa, size));
        (void) wait_events(fd, POLLOUT, 1000);
        say_int(c, "SO_ERROR", fd, SOL_SOCKET, SO_ERROR);
        say_int(c, "SO_ERROR again", fd, SOL_SOCKET, SO_ERROR);
}

static void so_error_reset(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "x", 1);
        wait_bytes(c, b, 1);
        close(b); /* with unread data, so it resets (RFC 1122, 4.2.2.13) */
        (void) wait_events(a, POLLIN, 1000);
        say_int(c, "SO_ERROR", a, SOL_SOCKET, SO_ERROR);
        say_int(c, "SO_ERROR again", a, SOL_SOCKET, SO_ERROR);
}

static void not_a_socket(Ctx *c) {
        int fds[2], v = 1;
        socklen_t size = sizeof(v);

        must(c, "pipe", pipe(fds));
        did(c, "set on a pipe", setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &v, sizeof(v)));
        did(c, "get on a pipe", getsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &v, &size));
        did(c, "set on nothing", setsockopt(77, IPPROTO_TCP, TCP_NODELAY, &v, sizeof(v)));
        did(c, "get on nothing", getsockopt(77, IPPROTO_TCP, TCP_NODELAY, &v, &size));
        did(c, "get on -1", getsockopt(-1, SOL_SOCKET, SO_TYPE, &v, &size));
}

static void tcp_on_unix(Ctx *c) {
        int fds[2];

        must(c, "socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
        try_int(c, "TCP_NODELAY", fds[0], IPPROTO_TCP, TCP_NODELAY, 1);
        say_int(c, "domain", fds[0], SOL_SOCKET, SO_DOMAIN);
        say_int(c, "type", fds[0], SOL_SOCKET, SO_TYPE);
        say_int(c, "protocol", fds[0], SOL_SOCKET, SO_PROTOCOL);
        try_int(c, "SO_REUSEPORT", fds[0], SOL_SOCKET, SO_REUSEPORT, 1);
}

static void tcp_on_udp(Ctx *c) {
        int fd = socket(AF_INET, SOCK_DGRAM, 0);

        try_int(c, "TCP_NODELAY", fd, IPPROTO_TCP, TCP_NODELAY, 1);
        say_int(c, "type", fd, SOL_SOCKET, SO_TYPE);
        say_int(c, "protocol", fd, SOL_SOCKET, SO_PROTOCOL);
}

/* What the options do. */
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

#define ALONE_O(n, t, f) ALONE("options/" n, t, f)

static const Case odd[] = {
                ALONE_O("values-fresh", "setsockopt(2): EINVAL", values_fresh),
                ALONE_O("values-connected", "setsockopt(2): EINVAL", values_connected),
                ALONE_O("values-listener", "setsockopt(2): EINVAL", values_listener),
                ALONE_O("timeout-values", "setsockopt(2): EDOM", time_values),
                ALONE_O("congestion-names", "tcp(7): TCP_CONGESTION", congestion),
                ALONE_O("buffers-after", "socket(7): SO_SNDBUF the kernel doubles this value",
                        buffers_set_after),
                ALONE_O("buffers-force", "socket(7): SO_SNDBUFFORCE", buffers_force),
                ALONE_O("buffers-plausible", "tcp(7): tcp_wmem, tcp_rmem", buffers_plausible),
                ALONE_O("info-states", "tcp(7): TCP_INFO", info_states),
                ALONE_O("info-closing", "tcp(7): TCP_INFO", info_closing),
                ALONE_O("info-bytes", "tcp(7): TCP_INFO", info_bytes),
                ALONE_O("info-listener", "tcp(7): TCP_INFO of a listener tells its queue",
                        info_listener_backlog),
                ALONE_O("info-sizes", "tcp(7): TCP_INFO", info_short),
                ALONE_O("cookies-unique", "socket(7): SO_COOKIE", cookies),
                ALONE_O("cookie-over-connect", "socket(7): SO_COOKIE", cookie_stays),
                ALONE_O("cookie-over-listen", "socket(7): SO_COOKIE", cookie_listen),
                ALONE_O("cookie-sizes", "socket(7): SO_COOKIE", cookie_short),
                ALONE_O("peercred", "socket(7): SO_PEERCRED is for AF_UNIX", peercred),
                ALONE_BOTH("options/peername", "socket(7): SO_PEERNAME", peername_option),
                ALONE_BOTH("options/original-dst", "SO_ORIGINAL_DST without address translation",
                           original_dst_fresh),
                ALONE_O("acceptconn", "socket(7): SO_ACCEPTCONN", acceptconn),
                ALONE_BOTH("options/identity", "socket(7): SO_TYPE, SO_DOMAIN, SO_PROTOCOL", identity),
                ALONE_O("bindtodevice", "socket(7): SO_BINDTODEVICE", bindtodevice),
                ALONE_O("ulp", "tcp(7): TCP_ULP", ulp),
                CASE6("options/addrform", "ipv6(7): IPV6_ADDRFORM", NULL, addrform),
                ALONE_O("ipv6-on-ipv4", "ipv6(7): options of IPv6 on IPv4 sockets", ipv6_on_ipv4),
                CASE6("options/ipv4-on-ipv6", "ip(7): options of IP on IPv6 sockets", NULL, ipv4_on_ipv6),
                CASE6("options/v6only-connected", "ipv6(7): IPV6_V6ONLY", NULL, v6only_connected),
                ALONE_BOTH("options/error-refused",
                           "socket(7): SO_ERROR get and clear the pending socket error", so_error),
                ALONE_O("error-reset", "socket(7): SO_ERROR", so_error_reset),
                ALONE_O("not-a-socket", "setsockopt(2): ENOTSOCK, EBADF", not_a_socket),
                ALONE_O("of-tcp-on-unix", "unix(7)", tcp_on_unix),
                ALONE_O("of-tcp-on-udp", "udp(7)", tcp_on_udp),
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

typedef struct Scene {
        const char *name;
        Half client, server;
} Scene;

static const Scene scenes[] = {
                {"default", scene_default, NULL},
                {"before-connect", scene_before_connect, NULL},
                {"after-connect", scene_after_connect, NULL},
                {"inherited", scene_inherited_client, scene_inherited},
                {"listening", scene_listening_client, scene_listening},
};

static const Scene get_scenes[] = {{"get", scene_get_only, NULL}};
static const Scene length_scenes[] = {
                {"lengths", scene_lengths_connected, NULL},
                {"lengths-listener", scene_lengths_listener, NULL},
};

static Case cases[ELEMENTSOF(odd) + ELEMENTSOF(table) * ELEMENTSOF(scenes) + ELEMENTSOF(get_only) +
                  ELEMENTSOF(kinds) * ELEMENTSOF(length_scenes)];

static size_t add(size_t n, const Option *options, size_t n_options, const Scene *s, size_t n_scenes) {
        for (size_t i = 0; i < n_options; i++)
                for (size_t k = 0; k < n_scenes; k++) {
                        char *name;

                        if (asprintf(&name, "options/%s-%s", options[i].name, s[k].name) < 0)
                                abort();
                        cases[n++] = (Case){
                                        .name = name,
                                        .text = options[i].page,
                                        .server = s[k].server,
                                        .client = s[k].client,
                                        .family = options[i].level == IPPROTO_IPV6 ? AF_INET6 : AF_INET,
                                        .arg = &options[i],
                        };
                }
        return n;
}

CaseTable options_cases(void) {
        static size_t n;

        if (n == 0) {
                n = add(0, table, ELEMENTSOF(table), scenes, ELEMENTSOF(scenes));
                n = add(n, get_only, ELEMENTSOF(get_only), get_scenes, ELEMENTSOF(get_scenes));
                n = add(n, kinds, ELEMENTSOF(kinds), length_scenes, ELEMENTSOF(length_scenes));
                for (size_t i = 0; i < ELEMENTSOF(odd); i++)
                        cases[n++] = odd[i];
        }
        return (CaseTable){cases, n};
}
