/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * An answer of one of the host's name servers: hostile bytes until
 * response_parse() has been through them, and what they say is a stranger's
 * word afterwards. Nothing is decoded that is not needed: what goes on to an app
 * are the same octets, header, question, answer and authority, with the times
 * to live counted down. The additional section ends here: its OPT is about the
 * hop before, and nothing else in it is an answer to anything.
 *
 * Pure.
 */

#include "dns/dns-feed.h"
#include "dns/query.h"
#include "dns/wire.h"

enum {
        RESPONSE_TTL_MAX = 86400,      /* seconds that an answer is kept */
        RESPONSE_DENIAL_TTL_MAX = 3600, /* RFC 2308, 5: one to three hours */
        RESPONSE_ADDRESSES_MAX = 64,
};

/* What was asked: who asks for the same gets the same octets. */
typedef struct Question {
        uint8_t name[WIRE_NAME_MAX]; /* lower case */
        uint8_t name_size;
        uint16_t type;
        bool dnssec;            /* DO: DNSSEC records are wanted (RFC 3225) */
        bool checking_disabled; /* CD: also if they are wrong (RFC 4035, 3.2.2) */
} Question;

typedef struct Response {
        const uint8_t *data;
        size_t size; /* without the additional section */
        unsigned rcode; /* with the upper bits that an OPT has */
        bool edns;      /* there was one */
        bool truncated; /* nothing but the question is known to be whole then */
        bool is_lame;   /* it says who else to ask: not from a server that asks others itself */
        uint32_t ttl;   /* seconds that it may be kept; 0: not at all */
} Response;

/* What a name resolved to: the addresses at the end of its chain of aliases. */
typedef struct ResponseAddresses {
        DnsFeedAddress addresses[RESPONSE_ADDRESSES_MAX]; /* more are left out */
        size_t n;
        uint32_t ttl; /* the least of the chain, in seconds */
} ResponseAddresses;

/* The question of a query that query_parse() liked. */
void question_from_query(const Query *q, Question *ret);

/*
 * Reads the answer to the question that was asked with this id. Returns 0;
 * -EBADMSG if it is malformed or the answer to something else. `data` stays the
 * caller's and is pointed to.
 */
int response_parse(Response *r, const Question *question, uint16_t id, const uint8_t *data, size_t size);

/* Calls `f` for the address of each A and AAAA record, until it returns true, which is returned. */
bool response_any_address(const Response *r, bool (*f)(const DnsFeedAddress *address, const void *userdata),
                          const void *userdata);

/*
 * Follows the chain of aliases that begins with the name that was asked for,
 * among the first 256 records of the answer, which is `age` seconds old.
 */
void response_addresses(const Response *r, const Question *question, uint32_t age, ResponseAddresses *ret);

/*
 * Writes what `asker`, whose question it is, is answered to `ret`, which has
 * room for WIRE_MESSAGE_MAX: `r`, which is `age` seconds old; truncated if that
 * has more than `limit` octets. Returns its size.
 */
size_t response_write(const Response *r, uint32_t age, const Query *asker, size_t limit, uint8_t *ret);

/* The same without records: an error. */
size_t response_write_error(unsigned rcode, const Query *asker, uint8_t *ret);
