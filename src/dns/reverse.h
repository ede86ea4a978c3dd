/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names of addresses below in-addr.arpa (RFC 1035, 3.5) and ip6.arpa (RFC 3596, 2.5). Pure. */

#include "dns/dns-feed.h"

/* A name in one of the two trees that stands above those of whole addresses, such as "198.in-addr.arpa". */
enum { REVERSE_PARTIAL = 1 };

/*
 * Reads the address out of `name` (lower case, no dot at its end). Returns 0
 * with `*ret` set, REVERSE_PARTIAL, -ENOENT when the name is in neither tree,
 * or -EINVAL when it is in one but cannot be or lead to an address.
 */
int reverse_parse(const char *name, DnsFeedAddress *ret);
