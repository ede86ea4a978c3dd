/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <time.h>

#include "transport/host-route.h"

struct HostRoutes {
        struct mnl_socket *socket;
        uint32_t seq;
};

int host_routes_new(HostRoutes **ret) {
        _cleanup_(host_routes_freep) HostRoutes *routes = NULL;

        routes = calloc(1, sizeof(*routes));
        if (!routes)
                return -ENOMEM;
        routes->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (!routes->socket || mnl_socket_bind(routes->socket, 0, MNL_SOCKET_AUTOPID) < 0)
                return -errno;
        *ret = TAKE_PTR(routes);
        return 0;
}

HostRoutes *host_routes_free(HostRoutes *routes) {
        if (!routes)
                return NULL;
        if (routes->socket)
                (void) mnl_socket_close(routes->socket);
        free(routes);
        return NULL;
}

/* An anycast address of IPv6 is one of the host's, too. */
static int on_route(const struct nlmsghdr *h, void *userdata) {
        const struct rtmsg *rt = mnl_nlmsg_get_payload(h);
        bool *local = userdata;

        if (mnl_nlmsg_get_payload_len(h) < sizeof(*rt)) {
                errno = EBADMSG;
                return MNL_CB_ERROR;
        }
        *local = rt->rtm_type == RTN_LOCAL || rt->rtm_type == RTN_ANYCAST;
        return MNL_CB_STOP;
}

/* That there is no way there, or none that may be taken: connect(2) will say so. */
static bool is_of_route(int error) {
        return error == ENETUNREACH || error == EHOSTUNREACH || error == EACCES || error == EINVAL || error == EPERM ||
                        error == ESRCH;
}

int host_routes_is_local(HostRoutes *routes, const Address *to) {
        uint8_t buf[MNL_SOCKET_BUFFER_SIZE];
        const uint8_t bytes = to->family == AF_INET ? 4 : 16;
        const unsigned port = mnl_socket_get_portid(routes->socket);
        struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
        bool local = false;
        struct rtmsg *rt;
        ssize_t n;
        int r;

        h->nlmsg_type = RTM_GETROUTE;
        h->nlmsg_flags = NLM_F_REQUEST;
        h->nlmsg_seq = ++routes->seq;
        rt = mnl_nlmsg_put_extra_header(h, sizeof(*rt));
        rt->rtm_family = (uint8_t) to->family;
        rt->rtm_dst_len = (uint8_t) (8 * bytes);
        mnl_attr_put(h, RTA_DST, bytes, to->bytes);
        if (mnl_socket_sendto(routes->socket, h, h->nlmsg_len) < 0)
                return -errno;
        /* EPROTO: the answer to an earlier question, whose memory was short. */
        do {
                n = mnl_socket_recvfrom(routes->socket, buf, sizeof(buf));
                r = n < 0 ? -1 : mnl_cb_run(buf, (size_t) n, routes->seq, port, on_route, &local);
        } while (n >= 0 && r < 0 && errno == EPROTO);
        if (r < 0)
                return n >= 0 && is_of_route(errno) ? 0 : -errno;
        return local;
}
