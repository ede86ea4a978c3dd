/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A query in, its answer out, both as on the wire. Pure: the table of names is
 * all it knows. What is said about which name:
 *
 * - A name of the table, bare ("web") or with the domain ("web.ax.internal"):
 *   its A and AAAA. Names above it and above the domain exist, but are empty.
 * - The domain itself: SOA and NS, as has the root.
 * - "localhost" and what is below it: the loopback addresses (RFC 6761, 6.3).
 * - The reverse name of every address of the table: PTR to each name that has
 *   it, with the domain.
 * - Virtual addresses that nobody has, or not for the asker, have no names.
 * - Anything else is outside, as is what the asker may not know of (NameSight):
 *   not answered here if he may look it up there (Patterns; of addresses if he
 *   may look up all names), else it does not exist: NXDOMAIN, at once.
 *
 * The host itself is answered for the domain and for virtual addresses alone, by
 * all names; the rest is REFUSED.
 *
 * Every answer is authoritative, also on names outside the domain: for an app
 * that may not look up a name there is no other DNS, the whole tree is ours. So
 * a denial carries the SOA of the zone that encloses the name: of the domain, or
 * else of the root. RFC 2308 (section 5) lets it be cached only when the owner
 * of that SOA encloses the name, so the domain's SOA would do for nothing else.
 *
 * RA is always set: the answer is final, a resolver has nobody else to ask;
 * without it dig warns and some resolvers look for another server.
 */

#include <sys/types.h>

#include "dns/names.h"
#include "dns/patterns.h"

enum {
        ANSWER_SIZE_MAX = 65535,    /* octets of an answer over TCP (RFC 1035, 4.2.2) */
        ANSWER_UDP_SIZE_MAX = 4096, /* octets of an answer over UDP, if the asker takes as many */
        ANSWER_POINTERS_MAX = 64,   /* names in one answer for an address */
};

typedef enum AnswerTransport {
        ANSWER_UDP,
        ANSWER_TCP,
        _ANSWER_TRANSPORT_MAX,
        _ANSWER_TRANSPORT_INVALID = -EINVAL,
} AnswerTransport;

/* What became of a query besides its answer. */
typedef struct Answered {
        bool outside; /* it is to be asked outside: there is no answer */
        bool refused; /* it would be, if the asker might look the name up: it does not exist for him */
        size_t limit; /* octets that the transport and the asker take */
        char name[DNS_FEED_NAME_MAX + 1]; /* that was asked for, for the log, if one of the two */
} Answered;

/*
 * Writes the answer to the `size` octets of `query` to `ret`, which has room
 * for ANSWER_SIZE_MAX. An answer that does not fit into what the transport and
 * the asker take is sent empty with TC set; that happens to PTR answers alone,
 * DNS_FEED_ADDRESSES_MAX addresses fit even into 512 octets.
 *
 * Returns the size of the answer; 0 if none is due (query_parse(), -EBADMSG) or
 * it is to be had outside; -ENOMEM.
 */
ssize_t answer_query(const Names *names, const NameViewer *viewer, const Patterns *patterns, AnswerTransport transport,
                     const uint8_t *query, size_t size, Answered *ret_answered, uint8_t *ret);
