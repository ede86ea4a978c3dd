/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/un.h>

#include "transport/sock-diag.h"

enum {
        BUFFER_SIZE = 32768, /* as much as the kernel puts into one message */
        /* As the kernel numbers them (include/net/tcp_states.h); linux/tcp.h has no names for them. */
        STATE_ESTABLISHED = 1,
        STATE_TIME_WAIT = 6,
        STATE_CLOSE = 7,
        STATE_LISTEN = 10,
        STATE_BOUND_INACTIVE = 13,
};

/* What is done with each message. */
typedef struct Listing {
        int (*parse)(const struct Listing *l, const struct nlmsghdr *h);
        DiagPairFunction pair;
        DiagTcpFunction tcp;
        void *userdata;
} Listing;

static int send_request(int netlink, const void *request, size_t size) {
        struct nlmsghdr h = {
                .nlmsg_len = (uint32_t) (NLMSG_HDRLEN + size),
                .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
        };
        struct iovec iov[] = { { &h, NLMSG_HDRLEN }, { (void *) request, size } };
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        const struct msghdr m = {
                .msg_name = &kernel,
                .msg_namelen = sizeof(kernel),
                .msg_iov = iov,
                .msg_iovlen = ELEMENTSOF(iov),
        };

        return sendmsg(netlink, &m, 0) < 0 ? -errno : 0;
}

static int error_of(const struct nlmsghdr *h) {
        const struct nlmsgerr *e = NLMSG_DATA(h);

        if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
                return -EBADMSG;
        /* ENOENT: there is no handler for the family. */
        return e->error == -ENOENT ? -EOPNOTSUPP : e->error;
}

/* A dump that goes on while sockets come and go can be marked as inconsistent: it is as good as any. */
static int receive_all(int netlink, const Listing *l) {
        _cleanup_free_ uint8_t *buffer = malloc(BUFFER_SIZE);

        if (!buffer)
                return -ENOMEM;
        for (;;) {
                ssize_t n = recv(netlink, buffer, BUFFER_SIZE, 0);
                int left;

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                left = (int) n;
                for (const struct nlmsghdr *h = (const void *) buffer; NLMSG_OK(h, (unsigned) left); h = NLMSG_NEXT(h, left)) {
                        int r;

                        if (h->nlmsg_type == NLMSG_DONE)
                                return 0;
                        if (h->nlmsg_type == NLMSG_ERROR)
                                return error_of(h);
                        if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY)
                                continue;
                        r = l->parse(l, h);
                        if (r != 0)
                                return r;
                }
        }
}

static int parse_pair(const Listing *l, const struct nlmsghdr *h) {
        const struct unix_diag_msg *m = NLMSG_DATA(h);
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        int left = (int) h->nlmsg_len - (int) NLMSG_LENGTH(sizeof(*m));
        size_t name_size = 0;
        DiagPair end = {};

        if (left < 0)
                return -EBADMSG;
        if (m->udiag_type != SOCK_STREAM)
                return 0;
        end.inode = m->udiag_ino;
        for (const struct rtattr *a = (const void *) (m + 1); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
                const size_t size = RTA_PAYLOAD(a);

                if (a->rta_type == UNIX_DIAG_NAME && size <= sizeof(un.sun_path)) {
                        memcpy(un.sun_path, RTA_DATA(a), size);
                        name_size = size;
                } else if (a->rta_type == UNIX_DIAG_PEER && size >= sizeof(end.peer))
                        memcpy(&end.peer, RTA_DATA(a), sizeof(end.peer));
        }
        if (name_size == 0 ||
            socket_name_parse((struct sockaddr *) &un, (socklen_t) (offsetof(struct sockaddr_un, sun_path) + name_size), &end.name) < 0)
                return 0;
        return l->pair(&end, l->userdata);
}

static int read_endpoint(int family, const uint32_t *address, uint16_t port, Endpoint *ret) {
        SockAddr sa = {};

        if (family == AF_INET) {
                sa.in.sin_family = AF_INET;
                sa.in.sin_port = port;
                memcpy(&sa.in.sin_addr, address, sizeof(sa.in.sin_addr));
                return endpoint_from_sockaddr(&sa, sizeof(sa.in), ret);
        }
        sa.in6.sin6_family = AF_INET6;
        sa.in6.sin6_port = port;
        memcpy(&sa.in6.sin6_addr, address, sizeof(sa.in6.sin6_addr));
        return endpoint_from_sockaddr(&sa, sizeof(sa.in6), ret);
}

static void read_counts(const struct rtattr *a, DiagTcp *end) {
        struct tcp_info info = {};

        /* Since Linux 4.1; what is added later comes behind it. */
        if (RTA_PAYLOAD(a) < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received))
                return;
        memcpy(&info, RTA_DATA(a), MIN2(sizeof(info), (size_t) RTA_PAYLOAD(a)));
        end->counted = true;
        /* The SYN counts as one, once it is acknowledged. */
        end->acked = info.tcpi_bytes_acked > 0 ? info.tcpi_bytes_acked - 1 : 0;
        end->received = info.tcpi_bytes_received;
}

static int parse_tcp(const Listing *l, const struct nlmsghdr *h) {
        const struct inet_diag_msg *m = NLMSG_DATA(h);
        int left = (int) h->nlmsg_len - (int) NLMSG_LENGTH(sizeof(*m));
        DiagTcp end = {};

        if (left < 0)
                return -EBADMSG;
        if (read_endpoint(m->idiag_family, m->id.idiag_src, m->id.idiag_sport, &end.local) < 0 ||
            read_endpoint(m->idiag_family, m->id.idiag_dst, m->id.idiag_dport, &end.peer) < 0)
                return 0;
        end.inode = m->idiag_inode;
        end.state = m->idiag_state;
        for (const struct rtattr *a = (const void *) (m + 1); RTA_OK(a, left); a = RTA_NEXT(a, left))
                if (a->rta_type == INET_DIAG_INFO)
                        read_counts(a, &end);
        return l->tcp(&end, l->userdata);
}

int diag_list_pairs(int netlink, DiagPairFunction function, void *userdata) {
        const struct unix_diag_req request = {
                .sdiag_family = AF_UNIX,
                .udiag_states = 1U << STATE_ESTABLISHED,
                .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER,
        };
        int r;

        r = send_request(netlink, &request, sizeof(request));
        if (r < 0)
                return r;
        return receive_all(netlink, &(Listing){ .parse = parse_pair, .pair = function, .userdata = userdata });
}

static int list_tcp(int netlink, int family, uint32_t states, bool count, DiagTcpFunction function, void *userdata) {
        const struct inet_diag_req_v2 request = {
                .sdiag_family = (uint8_t) family,
                .sdiag_protocol = IPPROTO_TCP,
                .idiag_ext = count ? 1U << (INET_DIAG_INFO - 1) : 0,
                .idiag_states = states,
        };
        int r;

        r = send_request(netlink, &request, sizeof(request));
        if (r < 0)
                return r;
        return receive_all(netlink, &(Listing){ .parse = parse_tcp, .tcp = function, .userdata = userdata });
}

int diag_list_tcp(int netlink, int family, bool count, DiagTcpFunction function, void *userdata) {
        return list_tcp(netlink, family,
                        ~(1U << STATE_LISTEN | 1U << STATE_TIME_WAIT | 1U << STATE_CLOSE | 1U << STATE_BOUND_INACTIVE),
                        count, function, userdata);
}

int diag_list_bound(int netlink, int family, DiagTcpFunction function, void *userdata) {
        return list_tcp(netlink, family, ~(1U << STATE_TIME_WAIT), false, function, userdata);
}
