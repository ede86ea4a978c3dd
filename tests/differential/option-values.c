/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* getsockopt(2), setsockopt(2): values that are refused or changed, and what options tell of a socket. */

#include <linux/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "cases.h"

#define ORIGINAL_DST 80 /* SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST */
#define ALONE_O(n, t, f) ALONE("options/" n, t, f)

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

static const Case cases[] = {
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
};

CaseTable option_values_cases(void) {
        return TABLE(cases);
}
