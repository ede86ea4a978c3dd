/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * getsockopt(2), setsockopt(2): each option of the table in several scenes, so
 * that what is set is found again after the socket has been replaced, and what
 * is set on a listener in the sockets that it accepts.
 */

#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

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

static Case cases[ELEMENTSOF(table) * ELEMENTSOF(scenes) + ELEMENTSOF(get_only) +
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
        }
        return (CaseTable){cases, n};
}
