/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "basic/fd.h"
#include "exec/network.h"
#include "transport/dial.h"
#include "transport/rtnl.h"

enum {
        LOOPBACK_IFINDEX = 1, /* in a new namespace */
        PORT_DOMAIN = 53,
        PORT_PROBE = 1025, /* ping(8) asks for its own address by a connect(2) of UDP to this port */
        TABLE_DOMAIN = 53, /* the routing table for what goes to that port */
        TABLE_DIAL = 54,   /* and for what belongs to connections of other apps */
        TABLE_ECHO = 55,   /* and for ping */
        RULE_DIAL_PRIORITY = 99,
        RULE_DOMAIN_PRIORITY = 100,
        RULE_ECHO_PRIORITY = 101,
        TCP_BACKLOG = 128,
};

static struct fib_rule_hdr *rule_init(RtnlRequest *r, int family, uint8_t table, uint32_t priority) {
        struct fib_rule_hdr *rule;

        rule = rtnl_request_init(r, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*rule));
        rule->family = (uint8_t) family;
        rule->table = table;
        rule->action = FR_ACT_TO_TBL;
        mnl_attr_put_u32(r->n, FRA_PRIORITY, priority);
        return rule;
}

/*
 * Routing rule: what is of a protocol, and goes to a port if one is given, is looked up in a table of its own
 * (FRA_IP_PROTO and FRA_DPORT_RANGE, since Linux 4.17).
 */
static int add_protocol_rule(RtnlSocket *nl, int family, uint8_t protocol, uint16_t port, uint8_t table,
                             uint32_t priority) {
        RtnlRequest r;

        rule_init(&r, family, table, priority);
        mnl_attr_put_u8(r.n, FRA_IP_PROTO, protocol);
        if (port > 0)
                mnl_attr_put(r.n, FRA_DPORT_RANGE, sizeof(struct fib_rule_port_range),
                             &(struct fib_rule_port_range){ port, port });
        return rtnl_request_send(nl, &r);
}

/* Whatever has a mark: with one of its own (SO_MARK) a listener answers by that one, not by ours. */
static int add_dial_rule(RtnlSocket *nl, int family) {
        struct fib_rule_hdr *rule;
        RtnlRequest r;

        rule = rule_init(&r, family, TABLE_DIAL, RULE_DIAL_PRIORITY);
        rule->flags = FIB_RULE_INVERT;
        mnl_attr_put_u32(r.n, FRA_FWMARK, 0);
        mnl_attr_put_u32(r.n, FRA_FWMASK, UINT32_MAX);
        return rtnl_request_send(nl, &r);
}

/* Makes everything local in a table. The source, if there is one, is where answers find back to. */
static int add_local_route(RtnlSocket *nl, int family, uint8_t table, const Address *source) {
        struct rtmsg *route;
        RtnlRequest r;

        route = rtnl_request_init(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*route));
        route->rtm_family = (uint8_t) family;
        route->rtm_table = table;
        route->rtm_protocol = RTPROT_STATIC;
        route->rtm_scope = family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
        route->rtm_type = RTN_LOCAL;
        mnl_attr_put_u32(r.n, RTA_OIF, LOOPBACK_IFINDEX);
        if (source)
                mnl_attr_put(r.n, RTA_PREFSRC, rtnl_address_size(source), source->bytes);
        return rtnl_request_send(nl, &r);
}

static int route_dns(RtnlSocket *nl, const Address *source) {
        int r;

        r = add_protocol_rule(nl, source->family, IPPROTO_UDP, PORT_DOMAIN, TABLE_DOMAIN, RULE_DOMAIN_PRIORITY);
        if (r < 0)
                return r;
        r = add_protocol_rule(nl, source->family, IPPROTO_TCP, PORT_DOMAIN, TABLE_DOMAIN, RULE_DOMAIN_PRIORITY);
        if (r < 0)
                return r;
        return add_local_route(nl, source->family, TABLE_DOMAIN, source);
}

static int route_dialed(RtnlSocket *nl, int family) {
        int r;

        r = add_dial_rule(nl, family);
        return r < 0 ? r : add_local_route(nl, family, TABLE_DIAL, NULL);
}

/*
 * The kernel answers for the app's own addresses alone, which it finds in another table. (For IPv4, that is: see
 * network_open_sockets().) So what is left is for the raw sockets.
 */
static int route_echo_requests(RtnlSocket *nl, const Address *source) {
        uint8_t protocol = source->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
        int r;

        r = add_protocol_rule(nl, source->family, protocol, 0, TABLE_ECHO, RULE_ECHO_PRIORITY);
        if (r < 0)
                return r;
        r = add_protocol_rule(nl, source->family, IPPROTO_UDP, PORT_PROBE, TABLE_ECHO, RULE_ECHO_PRIORITY);
        return r < 0 ? r : add_local_route(nl, source->family, TABLE_ECHO, source);
}

typedef struct Sysctl {
        const char *path, *value;
} Sysctl;

/* Of the new namespace, through the process's own view of /proc/sys/net. */
static int set_sysctls(const Sysctl *sysctls, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int r = write_file(AT_FDCWD, sysctls[i].path, sysctls[i].value);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* A new namespace whose `lo` is up, and a socket to say more about it. */
static int enter_namespace(RtnlSocket **ret) {
        _cleanup_(rtnl_closep) RtnlSocket *nl = NULL;
        int r;

        if (unshare(CLONE_NEWNET) < 0)
                return -errno;
        r = rtnl_open(&nl);
        if (r < 0)
                return r;
        r = rtnl_link_up(nl, LOOPBACK_IFINDEX);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(nl);
        return 0;
}

int network_enter_new(const ExecNetwork *network) {
        static const Sysctl sysctls[] = {
                { "/proc/sys/net/ipv4/ip_unprivileged_port_start", "0" },
                { "/proc/sys/net/ipv4/ping_group_range", "0 2147483647" },
                /* Answers to who was dialed find their way by his mark, refusals, too. */
                { "/proc/sys/net/ipv4/tcp_fwmark_accept", "1" },
                { "/proc/sys/net/ipv4/fwmark_reflect", "1" },
        };
        static const Sysctl sysctls6[] = { { "/proc/sys/net/ipv6/fwmark_reflect", "1" } };
        _cleanup_(rtnl_closep) RtnlSocket *nl = NULL;
        bool routed4 = false, routed6 = false;
        int r;

        r = enter_namespace(&nl);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < network->n_addresses; i++) {
                const Address *a = &network->addresses[i];
                bool *routed = a->family == AF_INET ? &routed4 : &routed6;

                r = rtnl_add_address(nl, LOOPBACK_IFINDEX, a, address_is_link_local(a) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
                if (r >= 0 && !*routed) {
                        r = route_dns(nl, a);
                        if (r >= 0)
                                r = route_dialed(nl, a->family);
                        if (r >= 0)
                                r = route_echo_requests(nl, a);
                        *routed = true;
                }
                /* A kernel that was booted without IPv6 has apps without it. */
                if (r < 0 && a->family == AF_INET6 && (r == -EAFNOSUPPORT || r == -EOPNOTSUPP))
                        r = 0;
                if (r < 0)
                        return r;
        }
        r = set_sysctls(sysctls, ELEMENTSOF(sysctls));
        return r < 0 || !routed6 ? r : set_sysctls(sysctls6, ELEMENTSOF(sysctls6));
}

static int open_dns_socket(int type) {
        const int on = 1, off = 0;
        _cleanup_close_ int fd = -EBADF;
        SockAddr sa = { .in6 = { .sin6_family = AF_INET6, .sin6_port = htons(PORT_DOMAIN) } };
        socklen_t size = sizeof(sa.in6);

        fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0) {
                if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
                    setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof(on)) < 0)
                        return -errno;
                if (type == SOCK_DGRAM && setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0)
                        return -errno;
        } else if (errno == EAFNOSUPPORT) {
                fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                sa.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(PORT_DOMAIN) };
                size = sizeof(sa.in);
                if (fd < 0)
                        return -errno;
                if (type == SOCK_DGRAM && setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0)
                        return -errno;
        } else
                return -errno;

        if (setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on)) < 0)
                return -errno;
        if (bind(fd, &sa.sa, size) < 0)
                return -errno;
        if (type == SOCK_STREAM && listen(fd, TCP_BACKLOG) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int open_echo4(void) {
        const struct icmp_filter filter = { .data = ~(1U << ICMP_ECHO) };
        _cleanup_close_ int fd = -EBADF;
        const int on = 1;

        fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP);
        if (fd < 0 || setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter)) < 0 ||
            setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int open_echo6(void) {
        _cleanup_close_ int fd = -EBADF;
        struct icmp6_filter filter;
        const int on = 1;

        ICMP6_FILTER_SETBLOCKALL(&filter);
        ICMP6_FILTER_SETPASS(ICMP6_ECHO_REQUEST, &filter);
        fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
        if (fd < 0 || setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)) < 0 ||
            setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof(on)) < 0 ||
            setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/*
 * The kernel answers echo requests itself where it can. Of IPv4 it cannot answer from an address that is not in the
 * table "local", so own addresses are its business and the others are left to us; of IPv6 it could from all, so
 * it is told to leave them all to us.
 *
 * A machine that keeps us from raw sockets (a container, say) has apps without ping.
 */
static int open_echo_sockets(int ret[static 2], size_t *ret_n) {
        static const Sysctl leave[] = { { "/proc/sys/net/ipv6/icmp/echo_ignore_all", "1" } };
        int r;

        *ret_n = 0;
        ret[0] = open_echo4();
        if (ret[0] < 0)
                return ret[0] == -EPERM ? 0 : ret[0];
        (*ret_n)++;
        ret[1] = open_echo6();
        if (ret[1] < 0) {
                r = ret[1] == -EAFNOSUPPORT ? 0 : ret[1];
        } else {
                (*ret_n)++;
                r = set_sysctls(leave, ELEMENTSOF(leave));
        }
        if (r < 0)
                while (*ret_n > 0)
                        safe_close(ret[--*ret_n]);
        return r;
}

int network_open_sockets(int ret[static _NETWORK_SOCKET_MAX], size_t *ret_n) {
        _cleanup_close_ int udp = -EBADF, tcp = -EBADF;
        size_t n;
        int r;

        udp = open_dns_socket(SOCK_DGRAM);
        if (udp < 0)
                return udp;
        tcp = open_dns_socket(SOCK_STREAM);
        if (tcp < 0)
                return tcp;
        r = open_echo_sockets(ret + NETWORK_ECHO4, &n);
        if (r < 0)
                return r;
        ret[NETWORK_DNS_UDP] = TAKE_FD(udp);
        ret[NETWORK_DNS_TCP] = TAKE_FD(tcp);
        *ret_n = _NETWORK_SOCKET_MIN + n;
        return 0;
}
