/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Networks in CIDR notation (RFC 4632, RFC 4291 section 2.3), and lists of them. */

#include "model/address.h"

typedef struct Network {
        Address address; /* without host bits */
        unsigned prefix; /* in bits */
} Network;

enum {
        NETWORK_STRING_MAX = ADDRESS_STRING_MAX + 4, /* "address/128" */
        NETWORKS_MAX = 64,                           /* in one list */
};

/*
 * Parses "192.0.2.0/24", "2001:db8::/32" or an address alone, which is the
 * network that has only it. Returns 0, or -EINVAL if it is neither or has host
 * bits set or is IPv4-mapped.
 */
int network_parse(const char *s, Network *ret);

/* Writes it with its prefix, an address alone without, and returns `buf`. */
const char *network_format(const Network *network, char buf[static NETWORK_STRING_MAX]);

bool network_contains(const Network *network, const Address *a);
bool network_equal(const Network *a, const Network *b);

/* Whether it is one address alone. */
bool network_is_address(const Network *network);

/* Sets the bits behind the prefix to zero. */
void address_mask(Address *a, unsigned prefix);

/* 32 or 128. */
unsigned address_bits(const Address *a);

/* A list; an empty one contains nothing. */
typedef struct Networks {
        Network *networks;
        size_t n;
} Networks;

void networks_done(Networks *networks);

/*
 * Adds what one word means: a network, an address, "any" (all of both
 * families) or "localhost" (127.0.0.0/8 and ::1). What is there already is
 * not added again. Returns 0; -EINVAL for another word; -E2BIG if there are
 * NETWORKS_MAX; -ENOMEM.
 */
int networks_add(Networks *networks, const char *word);

/* The same for each word of a list with commas, and spaces around them if wanted. -EINVAL also if it is empty. */
int networks_add_list(Networks *networks, const char *list);

bool networks_contain(const Networks *networks, const Address *a);

/* Copies it to `ret`, which may be uninitialized. Returns 0 or -ENOMEM. */
int networks_copy(const Networks *networks, Networks *ret);

/* Each as a word that networks_add() takes: "any" and "localhost" for what they mean. NULL: out of memory. */
char **networks_to_strv(const Networks *networks);
