/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The guard in front of the ports that the daemon listens on for its apps: the
 * table `inet appswitch` of nftables. It lets only those reach a port who may,
 * and counts what comes.
 *
 * It is a second wall: whoever accepts connections looks himself who they are
 * from. So everything works without nf_tables, too; it is said once.
 *
 * The table belongs to a netlink socket (transport/nft.h) that is kept in the
 * descriptor store: it is there while no daemon is, it goes when the service is
 * stopped, and nobody else changes it. Should it be gone nevertheless, it is
 * made anew.
 *
 * Whoever changes what is wanted says all that is wanted. What the kernel has is
 * asked of it each time, so that an earlier daemon's table is taken over as it
 * is; counters go on. Changes are made in a thread (basic/errand.h), those of
 * one turn of the loop, and of the time that the last one takes, together.
 */

#include <systemd/sd-event.h>
#include "model/network.h"

/* The name of the socket in the descriptor store. */
#define GUARD_FD_NAME "guard"
#define GUARD_TABLE "appswitch"

enum {
        GUARD_PORTS_MAX = 4096,
        GUARD_WAITING_MAX = 256, /* who wait for counts */
};

typedef struct Guard Guard;

/* One that is listened on. */
typedef struct GuardPort {
        uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
        uint16_t port;
        Address address;  /* AF_UNSPEC: any; unspecified: any of its family */
        Networks from;    /* who may reach it */
        bool local;       /* only by the host's loopback device; `from` does not count then */
} GuardPort;

/* What came for one, as the kernel counted it. */
typedef struct GuardCount {
        GuardPort port; /* protocol, port, address */
        uint64_t packets, bytes; /* all that came */
        uint64_t refused;        /* packets of it that were refused: each the first of a connection */
} GuardCount;

/*
 * Begins. `fd` is what an earlier daemon left under GUARD_FD_NAME, or -EBADF;
 * it is taken in any case. Returns 0 or a negative errno.
 */
int guard_new(sd_event *event, int fd, Guard **ret);

/* Ends. The table stays. Those who wait are told -ECANCELED. Returns NULL. */
Guard *guard_free(Guard *guard);

/*
 * From now on these ports are guarded, and no others; with none there is no
 * table. Copies them. No two of them have the same protocol, port and address.
 * Returns 0; -E2BIG if there are more than GUARD_PORTS_MAX; -ENOMEM.
 */
int guard_set(Guard *guard, const GuardPort *ports, size_t n);

/* Whether the kernel has what was wanted last. */
bool guard_is_up(const Guard *guard);

/* `counts` are sorted for guard_find_count(). `error` is 0 or a negative errno. */
typedef void (*GuardCounted)(const GuardCount *counts, size_t n, int error, void *userdata);

/*
 * Asks for the counts of all ports. `done` is called once, later; after
 * changes that were made before. Returns 0; -EAGAIN if too many wait; -ENOMEM.
 */
int guard_count(Guard *guard, GuardCounted done, void *userdata);

/* The count for this protocol, port and address, or NULL. */
const GuardCount *guard_find_count(const GuardCount *counts, size_t n, const GuardPort *port);
