/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * May an app connect to a destination that is outside of all that is virtual?
 *
 * Its Egress= says so: by an item that has the address, or by the name that a
 * destination was found by (model/permits.h). What no item leads to:
 *
 * - the host's own addresses, but by an item that is that address alone: they
 *   are what virtual services of the host are for. So it is with an address of
 *   IPv6 that stands for one of IPv4 which is the host's own (6to4, NAT64);
 * - link-local addresses (of them the one that tells of the secrets of a machine
 *   in a cloud), but by an item that is a part of those;
 * - what is no address of one machine.
 *
 * A name leads to neither of these, whoever says that it resolved to them.
 */

#include "model/directory.h"
#include "model/egress-match.h"

typedef enum EgressVerdict {
        EGRESS_ALLOWED,
        EGRESS_NONE,       /* nothing outside is permitted */
        EGRESS_NOT_LISTED, /* no item is about it */
        EGRESS_OTHER_PORT, /* one is, for other ports */
        EGRESS_LAPSED,     /* a name that is permitted resolved to it, but that is over */
        EGRESS_RESERVED,   /* no address of a machine (address_reserved_reason()) */
        EGRESS_LINK_LOCAL, /* see above */
        EGRESS_HOST,
        _EGRESS_VERDICT_MAX,
} EgressVerdict;

typedef struct EgressDecision {
        EgressVerdict verdict;
        const EgressItem *item; /* that is about it; NULL: none is, or all is permitted */
        const Permit *permit;   /* by which of the names that resolved to it, or NULL */
} EgressDecision;

/* `to` is neither loopback nor virtual; `now` is CLOCK_MONOTONIC in µs. Decides without a look at port 0. */
EgressDecision egress_decide(const Directory *d, const Party *client, const Endpoint *to, uint64_t now);

/* Room for a sentence with two names in it. */
enum { EGRESS_REASON_MAX = 700 };

/*
 * Why, as the end of a sentence about the app and the destination: "its Egress=
 * has 192.0.2.0/24", "it is link-local, …". Returns `buf`.
 */
const char *egress_reason(const EgressDecision *decision, const Address *to, char buf[static EGRESS_REASON_MAX]);
