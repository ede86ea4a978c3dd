/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* getifaddrs(3), getaddrinfo(3), netdevice(7), /proc/net: consistent with the identity. */

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cases.h"

static bool is_own(Ctx *c, const struct sockaddr *sa) {
        SockAddr own;

        (void) address_for(c, sa->sa_family, c->server ? WHO_SERVER : WHO_CLIENT, 0, &own);
        if (sa->sa_family == AF_INET)
                return ((const struct sockaddr_in *) sa)->sin_addr.s_addr == own.in.sin_addr.s_addr;
        return memcmp(&((const struct sockaddr_in6 *) sa)->sin6_addr, &own.in6.sin6_addr, 16) == 0;
}

static void interfaces(Ctx *c) {
        int own = 0, loopback = 0, other = 0, down = 0;
        struct ifaddrs *list;

        must(c, "getifaddrs", getifaddrs(&list));
        for (struct ifaddrs *i = list; i; i = i->ifa_next) {
                if (!i->ifa_addr || i->ifa_addr->sa_family != c->family)
                        continue;
                if (is_own(c, i->ifa_addr))
                        own++;
                else if (c->family == AF_INET ? ((struct sockaddr_in *) i->ifa_addr)->sin_addr.s_addr ==
                                                                htonl(INADDR_LOOPBACK)
                                              : IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *) i->ifa_addr)
                                                                                      ->sin6_addr))
                        loopback++;
                else
                        other++;
                down += !(i->ifa_flags & IFF_UP);
        }
        freeifaddrs(list);
        say(c, "own %d, loopback %d, others %d, down %d", own, loopback, other, down);
}

static void addrconfig(Ctx *c) {
        struct addrinfo hints = {
                        .ai_family = c->family,
                        .ai_socktype = SOCK_STREAM,
                        .ai_flags = AI_ADDRCONFIG | AI_NUMERICHOST,
        };
        struct addrinfo *found = NULL;
        char text[64];
        SockAddr sa;
        int r;

        (void) address_of(c, WHO_SERVER, 0, &sa);
        (void) inet_ntop(c->family,
                         c->family == AF_INET ? (void *) &sa.in.sin_addr : (void *) &sa.in6.sin6_addr, text,
                         sizeof(text));
        r = getaddrinfo(text, "80", &hints, &found);
        say(c, "getaddrinfo with AI_ADDRCONFIG: %s", r == 0 ? "well" : gai_strerror(r));
        for (; found; found = found->ai_next)
                say_address(c, "found", found->ai_addr, found->ai_addrlen);
}

static void addrconfig_localhost(Ctx *c) {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found = NULL;
        int r = getaddrinfo("localhost", "80", &hints, &found), v4 = 0, v6 = 0;

        for (; r == 0 && found; found = found->ai_next) {
                v4 += found->ai_family == AF_INET;
                v6 += found->ai_family == AF_INET6;
        }
        say(c, "getaddrinfo: %s, IPv4 %d", r == 0 ? "well" : gai_strerror(r), v4 > 0);
}

static void passive(Ctx *c) {
        struct addrinfo hints = {
                        .ai_family = c->family,
                        .ai_socktype = SOCK_STREAM,
                        .ai_flags = AI_PASSIVE | AI_ADDRCONFIG,
        };
        struct addrinfo *found = NULL;
        int r = getaddrinfo(NULL, "0", &hints, &found), fd;

        say(c, "getaddrinfo AI_PASSIVE: %s", r == 0 ? "well" : gai_strerror(r));
        if (r != 0)
                return;
        fd = socket(found->ai_family, SOCK_STREAM, 0);
        did(c, "bind", bind(fd, found->ai_addr, found->ai_addrlen));
        did(c, "listen", listen(fd, 5));
        say_name(c, fd);
}

static void siocgifconf(Ctx *c) {
        struct ifreq list[16];
        struct ifconf conf = {.ifc_len = sizeof(list), .ifc_req = list};
        int own = 0;

        did(c, "SIOCGIFCONF", ioctl(sock(c), SIOCGIFCONF, &conf));
        for (int i = 0; i < conf.ifc_len / (int) sizeof(list[0]); i++)
                own += is_own(c, &list[i].ifr_addr);
        say(c, "own %d", own);
}

static void udp_source(Ctx *c) {
        /* The way that programs find their own address. */
        int fd = socket(c->family, SOCK_DGRAM, 0);
        SockAddr sa, own = {};
        socklen_t size = address_of(c, WHO_SERVER, 9, &sa);

        did(c, "connect", connect(fd, &sa.sa, size));
        size = sizeof(own);
        (void) getsockname(fd, &own.sa, &size);
        say(c, "it is the own address: %d", is_own(c, &own.sa));
}

/* A listener and a connection in /proc/net/tcp. */
static int in_proc(Ctx *c, int port, int state) {
        FILE *f = fopen(c->family == AF_INET ? "/proc/net/tcp" : "/proc/net/tcp6", "re");
        char line[512];
        int n = 0;

        if (!f)
                return -1;
        while (fgets(line, sizeof(line), f)) {
                unsigned p, s;

                if (sscanf(line, "%*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x", &p, &s) == 2)
                        n += (int) p == port && (int) s == state;
        }
        (void) fclose(f);
        return n;
}

static void proc_listener(Ctx *c) {
        int l = own_listener(c, 5);

        say(c, "listeners %d", in_proc(c, c->port, 10));
        close(l);
        nap(20);
        say(c, "when it is closed %d", in_proc(c, c->port, 10));
}

static void proc_connection(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        say(c, "connections %d", in_proc(c, port_of(c, a), 1));
}

static void proc_files(Ctx *c) {
        static const char *const files[] = {
                        "/proc/net/tcp",
                        "/proc/net/tcp6",
                        "/proc/net/udp",
                        "/proc/net/unix",
                        "/proc/net/dev",
                        "/proc/net/route",
                        "/proc/net/if_inet6",
                        "/proc/net/snmp",
                        "/proc/net/sockstat",
                        "/proc/sys/net/core/somaxconn",
                        "/proc/sys/net/ipv4/ip_local_port_range",
                        "/proc/sys/net/ipv6/conf/all/disable_ipv6",
        };

        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                say(c, "%s %s", files[i], access(files[i], R_OK) < 0 ? error_name(errno) : "is there");
}

static void sysctls(Ctx *c) {
        static const char *const files[] = {
                        "/proc/sys/net/core/somaxconn",
                        "/proc/sys/net/ipv4/ip_local_port_range",
                        "/proc/sys/net/ipv4/ip_unprivileged_port_start",
                        "/proc/sys/net/ipv6/conf/all/disable_ipv6",
                        "/proc/sys/net/ipv6/bindv6only",
                        "/proc/sys/net/ipv4/tcp_fin_timeout",
                        "/proc/sys/net/ipv4/tcp_keepalive_time",
        };

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                char line[64] = "";
                FILE *f = fopen(files[i], "re");

                if (f) {
                        (void) !fgets(line, sizeof(line), f);
                        (void) fclose(f);
                }
                say(c, "%s: %s", files[i], line);
        }
}

static void loopback_device(Ctx *c) {
        struct ifreq r = {.ifr_name = "lo"};

        did(c, "SIOCGIFFLAGS", ioctl(sock(c), SIOCGIFFLAGS, &r));
        say(c, "up %d, loopback %d", !!(r.ifr_flags & IFF_UP), !!(r.ifr_flags & IFF_LOOPBACK));
        did(c, "SIOCGIFMTU", ioctl(sock(c), SIOCGIFMTU, &r));
        say(c, "mtu %d", r.ifr_mtu);
        say(c, "if_nametoindex %u", if_nametoindex("lo"));
}

static void bind_each(Ctx *c) {
        struct ifaddrs *list;
        int well = 0, n = 0;

        must(c, "getifaddrs", getifaddrs(&list));
        for (struct ifaddrs *i = list; i; i = i->ifa_next) {
                if (!i->ifa_addr || i->ifa_addr->sa_family != c->family)
                        continue;
                n++;
                well += bind(sock(c), i->ifa_addr,
                             c->family == AF_INET ? sizeof(struct sockaddr_in)
                                                  : sizeof(struct sockaddr_in6)) == 0;
        }
        freeifaddrs(list);
        say(c, "all can be bound to: %d", n > 0 && well == n);
}

static const Case cases[] = {
                ALONE_BOTH("inside/getifaddrs", "getifaddrs(3)", interfaces),
                ALONE_BOTH("inside/bind-each", "getifaddrs(3), bind(2)", bind_each),
                ALONE_BOTH("inside/addrconfig", "getaddrinfo(3): AI_ADDRCONFIG", addrconfig),
                ALONE("inside/addrconfig-localhost", "getaddrinfo(3): AI_ADDRCONFIG", addrconfig_localhost),
                ALONE_BOTH("inside/passive", "getaddrinfo(3): AI_PASSIVE", passive),
                ALONE("inside/siocgifconf", "netdevice(7): SIOCGIFCONF", siocgifconf),
                ALONE("inside/loopback-device", "netdevice(7)", loopback_device),
                ALONE_BOTH("inside/udp-source", "ip(7): the source address of a route", udp_source),
                ALONE_BOTH("inside/proc-listener", "proc(5): /proc/net/tcp", proc_listener),
                ALONE_BOTH("inside/proc-connection", "proc(5): /proc/net/tcp", proc_connection),
                ALONE("inside/proc-files", "proc(5): /proc/net", proc_files),
                ALONE("inside/sysctls", "ip(7), tcp(7): /proc/sys/net", sysctls),
};

CaseTable inside_cases(void) {
        return TABLE(cases);
}
