/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sockets as the kernel lists them (sock_diag(7)), those of one network
 * namespace: that of the netlink socket that is asked with.
 *
 * It can take for ever. The byte counts of a TCP socket are read under its lock,
 * which an app can hold for as long as it likes (by a page fault in the middle
 * of a send(2)), and before Linux 6.9 everybody who asks waits for everybody
 * else who does. So this is for a thread that nobody waits for
 * (basic/errand.h).
 */

#include "model/address.h"
#include "transport/socket-name.h"

/* An end of a pair. */
typedef struct DiagPair {
        SocketName name;
        uint32_t inode, peer; /* 0: the other end is closed */
} DiagPair;

/* A TCP socket. */
typedef struct DiagTcp {
        Endpoint local, peer;
        uint32_t inode; /* 0: no descriptor leads to it: not accepted yet, or closed */
        int state;      /* TCP_ESTABLISHED … */
        bool counted;
        uint64_t acked, received; /* bytes, if counted */
} DiagTcp;

/* Takes one. Returns 0 to go on, or anything else to end it. */
typedef int (*DiagPairFunction)(const DiagPair *end, void *userdata);
typedef int (*DiagTcpFunction)(const DiagTcp *end, void *userdata);

/*
 * Go through all ends of pairs whose names are ours; all TCP sockets of a
 * family that are no listeners, with bytes counted or not; and all that have a
 * port, listeners included (and those that do not listen yet, since Linux 6.8).
 * Return 0; what the function returned; or a negative errno: -EOPNOTSUPP if the
 * kernel has no sock_diag for these.
 */
int diag_list_pairs(int netlink, DiagPairFunction function, void *userdata);
int diag_list_tcp(int netlink, int family, bool count, DiagTcpFunction function, void *userdata);
int diag_list_bound(int netlink, int family, DiagTcpFunction function, void *userdata);
