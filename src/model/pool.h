/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The networks that addresses come from when the user chooses none: the
 * address of a name is found by hashing the name, so that nodes agree without
 * talking. On a collision the hash is taken again with the number of the try,
 * so the n-th candidate of a name is the same everywhere, too.
 */

#include "model/network.h"

typedef Network Pool;

enum { POOL_TRIES_MAX = 64 };

/*
 * Parses "198.18.0.0/15" or "fd00::/64". Returns 0; -EINVAL if it is none, has
 * host bits set, is reserved, or is too small or too large (IPv4: /8 to /28, IPv6: /32 to /112).
 */
int pool_parse(const char *s, Pool *ret);

/* Takes one name. Returns 0 or a negative errno, which ends it. */
typedef int (*PoolZoneFunction)(const char *zone, void *userdata);

/*
 * The reverse zones (RFC 1035, 3.5; RFC 3596, 2.5) that together are just the
 * pool, up to 128, without a dot at the end. Returns 0 or what `add`
 * returned.
 */
int pool_reverse_zones(const Pool *pool, PoolZoneFunction add, void *userdata);

/*
 * The candidate number `try` (from 0) for a name. The first and the last
 * address of the pool (network and broadcast) are never given.
 */
Address pool_candidate(const Pool *pool, const char *name, unsigned try);
