/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <linux/icmp.h> /* after net/if.h: both say what the flags of a device are */
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "basic/fd.h"
#include "exec/network.h"
#include "transport/dial.h"

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

typedef struct mnl_socket MnlSocket;

static inline MnlSocket *mnl_socket_closer(MnlSocket *nl) {
        (void) mnl_socket_close(nl);
        return NULL;
}
DEFINE_CLEANUP(MnlSocket *, mnl_socket_closer)

typedef struct Request {
        union {
                struct nlmsghdr header;
                char buf[512];
        };
        struct nlmsghdr *n;
} Request;

static void *request_init(Request *r, uint16_t type, uint16_t flags, size_t extra) {
        memset(r, 0, sizeof(*r));
        r->n = mnl_nlmsg_put_header(r->buf);
        r->n->nlmsg_type = type;
        r->n->nlmsg_flags = (uint16_t) (NLM_F_REQUEST | NLM_F_ACK | flags);
        return mnl_nlmsg_put_extra_header(r->n, extra);
}

/* One request, one answer: there are a dozen of them in the life of an app. */
static int request_send(MnlSocket *nl, Request *r) {
        char answer[1024];
        ssize_t n;

        if (mnl_socket_sendto(nl, r->n, r->n->nlmsg_len) < 0)
                return -errno;
        n = mnl_socket_recvfrom(nl, answer, sizeof(answer));
        if (n < 0)
                return -errno;
        if (mnl_cb_run(answer, (size_t) n, 0, mnl_socket_get_portid(nl), NULL, NULL) < 0)
                return -errno;
        return 0;
}

static size_t address_size(const Address *a) {
        return a->family == AF_INET ? 4 : 16;
}

static int link_up(MnlSocket *nl) {
        struct ifinfomsg *link;
        Request r;

        link = request_init(&r, RTM_NEWLINK, 0, sizeof(*link));
        link->ifi_index = LOOPBACK_IFINDEX;
        link->ifi_flags = IFF_UP;
        link->ifi_change = IFF_UP;
        return request_send(nl, &r);
}

static int add_address(MnlSocket *nl, const Address *a) {
        struct ifaddrmsg *address;
        Request r;

        address = request_init(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(*address));
        address->ifa_family = (uint8_t) a->family;
        address->ifa_prefixlen = (uint8_t) (address_size(a) * 8);
        /* No duplicate address detection: nobody else is on this link. */
        address->ifa_flags = IFA_F_PERMANENT | IFA_F_NODAD;
        address->ifa_scope = address_is_link_local(a) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
        address->ifa_index = LOOPBACK_IFINDEX;
        mnl_attr_put(r.n, IFA_LOCAL, address_size(a), a->bytes);
        mnl_attr_put(r.n, IFA_ADDRESS, address_size(a), a->bytes);
        return request_send(nl, &r);
}

static struct fib_rule_hdr *rule_init(Request *r, int family, uint8_t table, uint32_t priority) {
        struct fib_rule_hdr *rule;

        rule = request_init(r, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*rule));
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
static int add_protocol_rule(MnlSocket *nl, int family, uint8_t protocol, uint16_t port, uint8_t table,
                             uint32_t priority) {
        Request r;

        rule_init(&r, family, table, priority);
        mnl_attr_put_u8(r.n, FRA_IP_PROTO, protocol);
        if (port > 0)
                mnl_attr_put(r.n, FRA_DPORT_RANGE, sizeof(struct fib_rule_port_range),
                             &(struct fib_rule_port_range){ port, port });
        return request_send(nl, &r);
}

/* Whatever has a mark: with one of its own (SO_MARK) a listener answers by that one, not by ours. */
static int add_dial_rule(MnlSocket *nl, int family) {
        struct fib_rule_hdr *rule;
        Request r;

        rule = rule_init(&r, family, TABLE_DIAL, RULE_DIAL_PRIORITY);
        rule->flags = FIB_RULE_INVERT;
        mnl_attr_put_u32(r.n, FRA_FWMARK, 0);
        mnl_attr_put_u32(r.n, FRA_FWMASK, UINT32_MAX);
        return request_send(nl, &r);
}

/* Makes everything local in a table. The source, if there is one, is where answers find back to. */
static int add_local_route(MnlSocket *nl, int family, uint8_t table, const Address *source) {
        struct rtmsg *route;
        Request r;

        route = request_init(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*route));
        route->rtm_family = (uint8_t) family;
        route->rtm_table = table;
        route->rtm_protocol = RTPROT_STATIC;
        route->rtm_scope = family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
        route->rtm_type = RTN_LOCAL;
        mnl_attr_put_u32(r.n, RTA_OIF, LOOPBACK_IFINDEX);
        if (source)
                mnl_attr_put(r.n, RTA_PREFSRC, address_size(source), source->bytes);
        return request_send(nl, &r);
}

static int route_dns(MnlSocket *nl, const Address *source) {
        int r;

        r = add_protocol_rule(nl, source->family, IPPROTO_UDP, PORT_DOMAIN, TABLE_DOMAIN, RULE_DOMAIN_PRIORITY);
        if (r < 0)
                return r;
        r = add_protocol_rule(nl, source->family, IPPROTO_TCP, PORT_DOMAIN, TABLE_DOMAIN, RULE_DOMAIN_PRIORITY);
        if (r < 0)
                return r;
        return add_local_route(nl, source->family, TABLE_DOMAIN, source);
}

static int route_dialed(MnlSocket *nl, int family) {
        int r;

        r = add_dial_rule(nl, family);
        return r < 0 ? r : add_local_route(nl, family, TABLE_DIAL, NULL);
}

/*
 * The kernel answers for the app's own addresses alone, which it finds in another table. (For IPv4, that is: see
 * network_open_sockets().) So what is left is for the raw sockets.
 */
static int route_echo_requests(MnlSocket *nl, const Address *source) {
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
static int enter_namespace(MnlSocket **ret) {
        _cleanup_(mnl_socket_closerp) MnlSocket *nl = NULL;
        int r;

        if (unshare(CLONE_NEWNET) < 0)
                return -errno;
        nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
        if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
                return -errno;
        r = link_up(nl);
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
        _cleanup_(mnl_socket_closerp) MnlSocket *nl = NULL;
        bool routed4 = false, routed6 = false;
        int r;

        r = enter_namespace(&nl);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < network->n_addresses; i++) {
                const Address *a = &network->addresses[i];
                bool *routed = a->family == AF_INET ? &routed4 : &routed6;

                r = add_address(nl, a);
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
