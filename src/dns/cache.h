/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Answers of the host's name servers, as octets, for as long as they say
 * (RFC 2308 for denials). All apps share them; who may not look a name up does
 * not ask here.
 *
 * The memory is bounded, and what an app had looked up is on its share: when
 * there is no room, what nobody is charged for goes first, then the oldest of
 * the largest share, so that who looks up much pushes out his own.
 *
 * Pure: the caller says what time it is.
 */

#include <uthash.h>

#include "basic/macro.h"
#include "dns/response.h"

enum { CACHE_SIZE_MAX = 16 * 1024 * 1024 }; /* octets, with what an entry costs besides */

typedef struct CacheEntry CacheEntry;
typedef struct CacheShare CacheShare;

/* Embed it in who looks up, zeroed; it is in the cache's list while it has entries. */
struct CacheShare {
        CacheEntry *entries; /* the one not used for longest first */
        size_t size;
        CacheShare *prev, *next;
};

typedef struct Cache {
        CacheEntry *entries;
        CacheShare *shares; /* of those who have entries, but not `nobody` */
        CacheShare nobody;  /* of those who are gone */
        size_t size;
        size_t size_max;
} Cache;

Cache *cache_new(size_t size_max);

/* No share may be left in use: cache_leave(). */
Cache *cache_free(Cache *cache);
DEFINE_CLEANUP(Cache *, cache_free)

/*
 * Keeps an answer that came now; nothing if its ttl is 0 or there is no memory
 * for it. `now` is in µs, of a clock that only goes forward.
 */
void cache_put(Cache *cache, CacheShare *share, const Question *question, const Response *response, uint64_t now);

/*
 * The answer that is kept: it points into the cache, up to the next call that
 * changes it. `ret_age` gets its age in seconds. Returns whether there is one.
 */
bool cache_get(Cache *cache, const Question *question, uint64_t now, Response *ret, uint32_t *ret_age);

/* Forgets everything: other servers say other things. */
void cache_clear(Cache *cache);

/* Who looked up is gone; what it had looked up stays for the others. */
void cache_leave(Cache *cache, CacheShare *share);
