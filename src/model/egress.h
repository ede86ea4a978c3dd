/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What of the outside an app may connect to. */

#include "model/network.h"

/* Either a network or a name. */
typedef struct EgressItem {
        char *name; /* "api.example.test", "*.example.test" (whatever is below it), in lower case; NULL: a network */
        Network network;
        uint16_t first, last; /* ports; 1 to 65535 for any */
} EgressItem;

/* Neither `all` nor an item: nothing. */
typedef struct Egress {
        bool all;
        EgressItem *items;
        size_t n;
} Egress;

enum { EGRESS_ITEMS_MAX = 64 };

void egress_done(Egress *egress);
#define _cleanup_egress_ _cleanup_(egress_done)

/*
 * Parses words, each a list with commas: "no", "yes", or items
 * "192.0.2.0/24", "192.0.2.7:443", "[2001:db8::]/32", "[2001:db8::7]:80-90",
 * "name:port", "*.domain:port", each with or without ports. Returns 0; -EINVAL
 * with the end of a sentence in `ret_reason` and the item that it is about (to
 * be freed) in `ret_item`; -E2BIG if there are more than EGRESS_ITEMS_MAX;
 * -ENOMEM.
 */
int egress_parse(char *const *words, Egress *ret, char **ret_item, const char **ret_reason);

/* As words that egress_parse() takes: "no", "yes", or the items. NULL: out of memory. */
char **egress_to_strv(const Egress *egress);

/* One of them. NULL: out of memory. */
char *egress_item_to_string(const EgressItem *item);

/* Whether they say the same, in the same order. */
bool egress_equal(const Egress *a, const Egress *b);

/* Copies it to `ret`, which may be uninitialized. Returns 0 or -ENOMEM. */
int egress_copy(const Egress *egress, Egress *ret);

/*
 * Writes the patterns of names of the outside that the app may look up, each
 * name of a rule and "*" for all, and returns how many there are. They stay those
 * of `egress`. With a network in it an app may look up whatever it likes: addresses
 * come from names. What is resolved is told for the names of rules alone.
 */
size_t egress_name_patterns(const Egress *egress, const char *ret[static EGRESS_ITEMS_MAX]);
