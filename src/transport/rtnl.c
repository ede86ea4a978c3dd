/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <string.h>

#include "basic/caps.h"
#include "transport/rtnl.h"

int rtnl_open(RtnlSocket **ret) {
        _cleanup_(rtnl_closep) RtnlSocket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

        if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
                return -errno;
        *ret = TAKE_PTR(nl);
        return 0;
}

RtnlSocket *rtnl_close(RtnlSocket *nl) {
        if (nl)
                (void) mnl_socket_close(nl);
        return NULL;
}

void *rtnl_request_init(RtnlRequest *r, uint16_t type, uint16_t flags, size_t extra) {
        memset(r, 0, sizeof(*r));
        r->n = mnl_nlmsg_put_header(r->buf);
        r->n->nlmsg_type = type;
        r->n->nlmsg_flags = (uint16_t) (NLM_F_REQUEST | NLM_F_ACK | flags);
        return mnl_nlmsg_put_extra_header(r->n, extra);
}

int rtnl_request_send(RtnlSocket *nl, RtnlRequest *r) {
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

/* It does so for who may set up devices (dev_load() of Linux). */
int rtnl_link_index(const char *name) {
        int index;
        Caps caps;

        if (caps_suspend(&caps) < 0)
                return 0;
        index = (int) if_nametoindex(name);
        caps_resume(&caps);
        return index;
}

int rtnl_link_up(RtnlSocket *nl, int ifindex) {
        struct ifinfomsg *link;
        RtnlRequest r;

        link = rtnl_request_init(&r, RTM_NEWLINK, 0, sizeof(*link));
        link->ifi_index = ifindex;
        link->ifi_flags = IFF_UP;
        link->ifi_change = IFF_UP;
        return rtnl_request_send(nl, &r);
}

int rtnl_add_address(RtnlSocket *nl, int ifindex, const Address *a, uint8_t scope) {
        struct ifaddrmsg *address;
        RtnlRequest r;

        address = rtnl_request_init(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(*address));
        address->ifa_family = (uint8_t) a->family;
        address->ifa_prefixlen = (uint8_t) (rtnl_address_size(a) * 8);
        /* No duplicate address detection: nobody else is on this link. */
        address->ifa_flags = IFA_F_PERMANENT | IFA_F_NODAD;
        address->ifa_scope = scope;
        address->ifa_index = (uint32_t) ifindex;
        mnl_attr_put(r.n, IFA_LOCAL, rtnl_address_size(a), a->bytes);
        mnl_attr_put(r.n, IFA_ADDRESS, rtnl_address_size(a), a->bytes);
        return rtnl_request_send(nl, &r);
}
