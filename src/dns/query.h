/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A DNS query as it comes from an app: hostile bytes until query_parse() has
 * been through them. Only the header, the question and OPT are read; other
 * records are stepped over, their data is never looked at, and pointers of
 * compressed names are never followed (a question has nothing to point to, so
 * one there is an error). The cost is linear in the size of the message.
 *
 * Pure: no input, no output.
 */

#include <stdbool.h>
#include <stdint.h>
#include <ldns/ldns.h>

#include "dns/dns-feed.h"

enum {
        QUERY_SIZE_MAX = 4096,    /* octets of a query, over UDP and over TCP */
        QUERY_RCODE_BADVERS = 16, /* RFC 6891, 9: beyond the four bits of the header */
};

typedef struct Query {
        uint16_t id;
        uint8_t opcode;
        bool recursion_desired;
        bool checking_disabled;
        bool authentic_data; /* RFC 6840, 5.7: the asker understands the bit in an answer */

        ldns_rdf *qname; /* as it was sent, case included; NULL if there is no question that can be echoed */
        uint16_t qtype;
        uint16_t qclass;
        char name[DNS_FEED_NAME_MAX + 1]; /* the same as text: wire_name_to_text() */

        bool edns; /* there was a well-formed OPT record */
        uint8_t edns_version;
        uint16_t edns_size; /* of the UDP answers that the asker takes, in octets */
        bool edns_do;
} Query;

/*
 * Reads a query. Returns 0, or a positive RCODE (LDNS_RCODE_FORMERR, …,
 * QUERY_RCODE_BADVERS) that is to be answered with what `q` has by then; -EBADMSG
 * if no answer is due (no whole header, or a response: answering those makes
 * loops); -ENOMEM. `q` is to be freed with query_done() in any case.
 * Sources: RFC 1035 4.1, RFC 6891 6.1, RFC 9619 (one question).
 */
int query_parse(Query *q, const uint8_t *data, size_t size);

void query_done(Query *q);
