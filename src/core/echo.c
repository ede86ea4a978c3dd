/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include "basic/fd.h"
#include "core/echo.h"
#include "model/route.h"

enum {
        /* Of one socket, before all others get their turn. What does not fit into its buffer is lost. */
        REQUESTS_PER_TURN = 16,
        /* After all that makes connections. */
        PRIORITY = SD_EVENT_PRIORITY_NORMAL + 10,
        PACKET_MAX = 65536,
        HEADER_SIZE = 8, /* of ICMP and ICMPv6 */
        /* How long an error may be with what it quotes, without its IP header (RFC 1812, 4.3.2.3; RFC 4443, 2.4). */
        ERROR4_MAX = 576 - 20,
        ERROR6_MAX = 1280 - 40,
        HOP_LIMIT = 64,
};

struct Echo {
        Directory *directory;
        const Party *party;
        int fds[2]; /* IPv4, IPv6 */
        sd_event_source *sources[2];
};

/* What is answered: one at a time, so all share the room. */
static uint8_t packet[PACKET_MAX];

/* Where from, where to, and on which interface. */
typedef union ControlBuffer {
        struct cmsghdr header;
        uint8_t v4[CMSG_SPACE(sizeof(struct in_pktinfo))];
        uint8_t v6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
} ControlBuffer;

/* Of RFC 1071. All pieces but the last are of an even size. */
static uint16_t checksum(const struct iovec *iov, size_t n) {
        uint32_t sum = 0;

        for (size_t i = 0; i < n; i++) {
                const uint8_t *p = iov[i].iov_base;
                size_t size = iov[i].iov_len;

                for (; size > 1; p += 2, size -= 2) {
                        uint16_t word;

                        memcpy(&word, p, sizeof(word));
                        sum += word;
                        sum = (sum & 0xffff) + (sum >> 16);
                }
                if (size > 0) {
                        uint8_t last[2] = { *p, 0 };
                        uint16_t word;

                        memcpy(&word, last, sizeof(word));
                        sum += word;
                        sum = (sum & 0xffff) + (sum >> 16);
                }
        }
        return (uint16_t) ~sum;
}

/* Multicast, broadcast, and what is reserved: errors are never said of such an address (RFC 1122, 3.2.2). */
static bool is_for_many(const Address *to) {
        return to->family == AF_INET ? to->bytes[0] >= 224 : to->bytes[0] == 0xff;
}

/* With one control message, which says where from. An answer that does not fit into the buffers of its asker is lost. */
static void send_from(int fd, struct msghdr *msg, int level, int type, const void *from, size_t size) {
        ControlBuffer control = {};
        struct cmsghdr *cmsg = &control.header;

        msg->msg_control = &control;
        msg->msg_controllen = CMSG_SPACE(size);
        cmsg->cmsg_level = level;
        cmsg->cmsg_type = type;
        cmsg->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(cmsg), from, size);
        (void) sendmsg(fd, msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void send_from4(int fd, struct in_addr from, struct in_addr to, struct iovec *iov, size_t n_iov) {
        const struct in_pktinfo info = { .ipi_spec_dst = from };
        struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = to };
        struct msghdr msg = { .msg_name = &sa, .msg_namelen = sizeof(sa), .msg_iov = iov, .msg_iovlen = n_iov };

        send_from(fd, &msg, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
}

static void refuse4(const Echo *echo, const struct iphdr *ip, size_t size, RouteVerdict verdict) {
        struct icmphdr header = {
                .type = ICMP_DEST_UNREACH,
                .code = verdict == ROUTE_NO_ROUTE ? ICMP_NET_UNREACH : ICMP_HOST_UNREACH,
        };
        struct iovec iov[] = {
                { &header, sizeof(header) },
                { packet, MIN2(size, (size_t) (ERROR4_MAX - HEADER_SIZE)) },
        };
        const Address *own = identity_address(echo->party->identity, AF_INET);
        struct in_addr from;

        memcpy(&from, own->bytes, sizeof(from));
        header.checksum = checksum(iov, ELEMENTSOF(iov));
        send_from4(echo->fds[0], from, (struct in_addr){ ip->saddr }, iov, ELEMENTSOF(iov));
}

/* A raw socket of IPv4 gets the IP header, too. The kernel has looked at that, but not at the rest. */
static void answer4(const Echo *echo, size_t size) {
        Address to = { .family = AF_INET };
        RouteVerdict verdict;
        struct icmphdr header;
        struct iphdr ip;
        struct iovec iov;

        if (size < sizeof(ip))
                return;
        memcpy(&ip, packet, sizeof(ip));
        if (ip.ihl < 5 || size < ip.ihl * 4U + HEADER_SIZE)
                return;
        iov = (struct iovec){ packet + ip.ihl * 4U, size - ip.ihl * 4U };
        memcpy(&header, iov.iov_base, sizeof(header));
        if (header.type != ICMP_ECHO || checksum(&iov, 1) != 0)
                return;
        memcpy(to.bytes, &ip.daddr, sizeof(ip.daddr));
        verdict = route_echo(echo->directory, echo->party, &to);
        if (verdict == ROUTE_NATIVE || is_for_many(&to))
                return; /* the kernel answers for what is the app's own */
        if (verdict != ROUTE_BACKEND) {
                refuse4(echo, &ip, size, verdict);
                return;
        }
        header.type = ICMP_ECHOREPLY;
        header.checksum = 0;
        memcpy(iov.iov_base, &header, sizeof(header));
        header.checksum = checksum(&iov, 1);
        memcpy(iov.iov_base, &header, sizeof(header));
        send_from4(echo->fds[0], (struct in_addr){ ip.daddr }, (struct in_addr){ ip.saddr }, &iov, 1);
}

static int receive4(const Echo *echo) {
        ssize_t n = recv(echo->fds[0], packet, sizeof(packet), MSG_DONTWAIT);

        if (n < 0)
                return -errno;
        answer4(echo, (size_t) n);
        return 0;
}

/* The checksum is the kernel's business, which also has checked that of the request. */
static void send_from6(int fd, const struct in6_pktinfo *from, struct sockaddr_in6 *to, struct iovec *iov,
                       size_t n_iov) {
        struct msghdr msg = { .msg_name = to, .msg_namelen = sizeof(*to), .msg_iov = iov, .msg_iovlen = n_iov };

        send_from(fd, &msg, IPPROTO_IPV6, IPV6_PKTINFO, from, sizeof(*from));
}

/* The IP header that is to be quoted did not come with the request, but all is known that matters. */
static void refuse6(const Echo *echo, struct sockaddr_in6 *asker, const struct in6_pktinfo *asked, size_t size,
                    RouteVerdict verdict) {
        struct icmp6_hdr header = {
                .icmp6_type = ICMP6_DST_UNREACH,
                .icmp6_code = verdict == ROUTE_NO_ROUTE ? ICMP6_DST_UNREACH_NOROUTE : ICMP6_DST_UNREACH_ADDR,
        };
        struct ip6_hdr ip = {
                .ip6_flow = htonl(6U << 28),
                .ip6_plen = htons((uint16_t) size),
                .ip6_nxt = IPPROTO_ICMPV6,
                .ip6_hlim = HOP_LIMIT,
                .ip6_src = asker->sin6_addr,
                .ip6_dst = asked->ipi6_addr,
        };
        struct iovec iov[] = {
                { &header, sizeof(header) },
                { &ip, sizeof(ip) },
                { packet, MIN2(size, ERROR6_MAX - sizeof(header) - sizeof(ip)) },
        };
        const Address *own = identity_address(echo->party->identity, AF_INET6);
        struct in6_pktinfo from = { .ipi6_ifindex = asked->ipi6_ifindex };

        memcpy(&from.ipi6_addr, own->bytes, sizeof(from.ipi6_addr));
        send_from6(echo->fds[1], &from, asker, iov, ELEMENTSOF(iov));
}

static void answer6(const Echo *echo, struct sockaddr_in6 *asker, const struct in6_pktinfo *asked, size_t size) {
        struct iovec iov = { packet, size };
        Address to = { .family = AF_INET6 };
        RouteVerdict verdict;

        if (size < HEADER_SIZE || packet[0] != ICMP6_ECHO_REQUEST)
                return;
        memcpy(to.bytes, &asked->ipi6_addr, sizeof(asked->ipi6_addr));
        if (is_for_many(&to))
                return;
        verdict = route_echo(echo->directory, echo->party, &to);
        if (verdict != ROUTE_BACKEND && verdict != ROUTE_NATIVE) {
                refuse6(echo, asker, asked, size, verdict);
                return;
        }
        packet[0] = ICMP6_ECHO_REPLY;
        send_from6(echo->fds[1], asked, asker, &iov, 1);
}

static int receive6(const Echo *echo) {
        struct iovec iov = { packet, sizeof(packet) };
        struct sockaddr_in6 asker;
        struct in6_pktinfo asked;
        ControlBuffer control;
        struct msghdr msg = {
                .msg_name = &asker,
                .msg_namelen = sizeof(asker),
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.v6,
                .msg_controllen = sizeof(control.v6),
        };
        struct cmsghdr *cmsg;
        ssize_t n;

        n = recvmsg(echo->fds[1], &msg, MSG_DONTWAIT);
        if (n < 0)
                return -errno;
        cmsg = CMSG_FIRSTHDR(&msg);
        if (!cmsg || cmsg->cmsg_level != IPPROTO_IPV6 || cmsg->cmsg_type != IPV6_PKTINFO ||
            cmsg->cmsg_len < CMSG_LEN(sizeof(asked)))
                return 0;
        memcpy(&asked, CMSG_DATA(cmsg), sizeof(asked));
        answer6(echo, &asker, &asked, (size_t) n);
        return 0;
}

static int echo_on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        const Echo *echo = userdata;
        int (*receive)(const Echo *echo) = fd == echo->fds[0] ? receive4 : receive6;

        /* An error is that of one request (its checksum, say), unless there is none left. */
        for (unsigned i = 0; i < REQUESTS_PER_TURN; i++)
                if (receive(echo) == -EAGAIN)
                        break;
        return 0;
}

int echo_new(sd_event *event, Directory *directory, const Party *party, int v4, int v6, Echo **ret) {
        _cleanup_(echo_freep) Echo *echo = NULL;
        int r = 0;

        *ret = NULL;
        if (v4 >= 0)
                echo = calloc(1, sizeof(*echo));
        if (!echo) {
                safe_close(v6);
                if (v4 < 0)
                        return 0;
                safe_close(v4);
                return -ENOMEM;
        }
        *echo = (Echo){ .directory = directory, .party = party, .fds = { v4, v6 } };
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(echo->fds); i++) {
                if (echo->fds[i] < 0)
                        continue;
                r = sd_event_add_io(event, &echo->sources[i], echo->fds[i], EPOLLIN, echo_on_io, echo);
                if (r >= 0)
                        r = sd_event_source_set_priority(echo->sources[i], PRIORITY);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(echo);
        return 0;
}

Echo *echo_free(Echo *echo) {
        if (!echo)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(echo->fds); i++) {
                sd_event_source_disable_unref(echo->sources[i]);
                safe_close(echo->fds[i]);
        }
        free(echo);
        return NULL;
}

int echo_get_fd(const Echo *echo, int family) {
        return echo ? echo->fds[family == AF_INET6] : -EBADF;
}
