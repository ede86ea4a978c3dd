/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/if_link.h>
#include <linux/veth.h>

#include "core/host-link.h"
#include "transport/rtnl.h"

#define LINK_NAME "ax-names"
#define PEER_NAME "ax-names-peer"

/* Not that of the name server: what is sent to an address of a device other than lo does not seem to come by lo. */
static const Address link_address = { AF_INET, { 127, 0, 0, 98 } };

static int link_add(RtnlSocket *nl, const char *kind) {
        struct nlattr *info, *data, *peer;
        RtnlRequest r;

        rtnl_request_init(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
        mnl_attr_put_strz(r.n, IFLA_IFNAME, LINK_NAME);
        info = mnl_attr_nest_start(r.n, IFLA_LINKINFO);
        mnl_attr_put_str(r.n, IFLA_INFO_KIND, kind);
        data = mnl_attr_nest_start(r.n, IFLA_INFO_DATA);
        peer = mnl_attr_nest_start(r.n, VETH_INFO_PEER);
        (void) mnl_nlmsg_put_extra_header(r.n, sizeof(struct ifinfomsg));
        mnl_attr_put_strz(r.n, IFLA_IFNAME, PEER_NAME);
        mnl_attr_nest_end(r.n, peer);
        mnl_attr_nest_end(r.n, data);
        mnl_attr_nest_end(r.n, info);
        return rtnl_request_send(nl, &r);
}

/* No address of its own making: nothing is ever to be sent there. A kernel without IPv6 makes none anyway. */
static void link_leave_alone(RtnlSocket *nl, int ifindex) {
        struct nlattr *spec, *inet6;
        struct ifinfomsg *link;
        RtnlRequest r;

        link = rtnl_request_init(&r, RTM_NEWLINK, 0, sizeof(*link));
        link->ifi_index = ifindex;
        spec = mnl_attr_nest_start(r.n, IFLA_AF_SPEC);
        inet6 = mnl_attr_nest_start(r.n, AF_INET6);
        mnl_attr_put_u8(r.n, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
        mnl_attr_nest_end(r.n, inet6);
        mnl_attr_nest_end(r.n, spec);
        (void) rtnl_request_send(nl, &r);
}

static int link_prepare(RtnlSocket *nl, const char *name, int *ret_ifindex) {
        const int ifindex = rtnl_link_index(name);

        if (ifindex == 0)
                return -ENODEV;
        link_leave_alone(nl, ifindex);
        *ret_ifindex = ifindex;
        return rtnl_link_up(nl, ifindex);
}

int host_link_make(void) {
        _cleanup_(rtnl_closep) RtnlSocket *nl = NULL;
        int r, peer, ifindex = 0;

        r = rtnl_open(&nl);
        if (r < 0)
                return r;
        r = link_add(nl, "dummy");
        if (r == -EOPNOTSUPP)
                r = link_add(nl, "veth");
        if (r < 0 && r != -EEXIST)
                return r;
        r = link_prepare(nl, PEER_NAME, &peer);
        if (r < 0 && r != -ENODEV)
                return r;
        r = link_prepare(nl, LINK_NAME, &ifindex);
        if (r < 0)
                return r;
        /* By its scope it is an address of more than the device, or it would not count. */
        r = rtnl_add_address(nl, ifindex, &link_address, RT_SCOPE_SITE);
        return r < 0 && r != -EEXIST ? r : ifindex;
}

bool host_link_exists(void) {
        return rtnl_link_index(LINK_NAME) > 0;
}

int host_link_remove(void) {
        _cleanup_(rtnl_closep) RtnlSocket *nl = NULL;
        RtnlRequest request;
        int r;

        r = rtnl_open(&nl);
        if (r < 0)
                return r;
        (void) rtnl_request_init(&request, RTM_DELLINK, 0, sizeof(struct ifinfomsg));
        mnl_attr_put_strz(request.n, IFLA_IFNAME, LINK_NAME);
        r = rtnl_request_send(nl, &request);
        return r == -ENODEV ? 0 : r;
}
