/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Requests to rtnetlink(7), one by one: each is sent and its answer waited for.
 * The kernel does them under a lock that others can hold, so they are not for a
 * loop that apps wait for.
 */

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "basic/macro.h"
#include "model/address.h"

typedef struct mnl_socket RtnlSocket;

/* Returns 0 or a negative errno. */
int rtnl_open(RtnlSocket **ret);
RtnlSocket *rtnl_close(RtnlSocket *nl);
DEFINE_CLEANUP(RtnlSocket *, rtnl_close)

typedef struct RtnlRequest {
        union {
                struct nlmsghdr header;
                char buf[512];
        };
        struct nlmsghdr *n;
} RtnlRequest;

/* Begins a request with `extra` bytes of the type's own header, which is returned, zeroed. */
void *rtnl_request_init(RtnlRequest *r, uint16_t type, uint16_t flags, size_t extra);

/* Returns 0, or the kernel's or sendmsg(2)'s negative errno. */
int rtnl_request_send(RtnlSocket *nl, RtnlRequest *r);

/* Bytes of an address. */
static inline size_t rtnl_address_size(const Address *a) {
        return a->family == AF_INET ? 4 : 16;
}

/*
 * The number of a network device, or 0. This one takes no lock, and does not
 * have the kernel load a module by the name, which it waits for.
 */
int rtnl_link_index(const char *name);

int rtnl_link_up(RtnlSocket *nl, int ifindex);

/* Gives a device an address, alone in its network, of a scope of rtnetlink(7). -EEXIST if it has it. */
int rtnl_add_address(RtnlSocket *nl, int ifindex, const Address *a, uint8_t scope);
