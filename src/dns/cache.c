/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

/* Out of memory is an error of one call here, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "dns/cache.h"

struct CacheEntry {
        UT_hash_handle hh;
        CacheShare *share;
        CacheEntry *prev, *next; /* of the share */
        Question question;       /* the key: unused octets are 0 */
        uint64_t since;          /* in µs */
        Response response;       /* of the octets below */
        uint8_t data[];
};

Cache *cache_new(size_t size_max) {
        Cache *cache = calloc(1, sizeof(*cache));

        if (cache)
                cache->size_max = size_max;
        return cache;
}

static size_t entry_size(const CacheEntry *e) {
        return sizeof(*e) + e->response.size;
}

static void entry_charge(Cache *cache, CacheEntry *e, CacheShare *share) {
        e->share = share;
        DL_APPEND(share->entries, e);
        if (share->size == 0 && share != &cache->nobody)
                DL_APPEND(cache->shares, share);
        share->size += entry_size(e);
}

static void entry_discharge(Cache *cache, CacheEntry *e) {
        CacheShare *share = e->share;

        DL_DELETE(share->entries, e);
        share->size -= entry_size(e);
        if (share->size == 0 && share != &cache->nobody)
                DL_DELETE(cache->shares, share);
}

static void entry_drop(Cache *cache, CacheEntry *e) {
        entry_discharge(cache, e);
        HASH_DEL(cache->entries, e);
        cache->size -= entry_size(e);
        free(e);
}

void cache_clear(Cache *cache) {
        CacheEntry *e, *tmp;

        HASH_ITER(hh, cache->entries, e, tmp)
                entry_drop(cache, e);
}

Cache *cache_free(Cache *cache) {
        if (!cache)
                return NULL;
        cache_clear(cache);
        free(cache);
        return NULL;
}

void cache_leave(Cache *cache, CacheShare *share) {
        while (share->entries) {
                CacheEntry *e = share->entries;

                entry_discharge(cache, e);
                entry_charge(cache, e, &cache->nobody);
        }
}

static CacheEntry *entry_find(Cache *cache, const Question *question) {
        CacheEntry *e;

        HASH_FIND(hh, cache->entries, question, sizeof(*question), e);
        return e;
}

static void make_room(Cache *cache, size_t size) {
        while (cache->entries && cache->size + size > cache->size_max) {
                CacheShare *largest = &cache->nobody, *share;

                if (!largest->entries)
                        DL_FOREACH(cache->shares, share)
                                if (share->size > largest->size)
                                        largest = share;
                entry_drop(cache, largest->entries);
        }
}

void cache_put(Cache *cache, CacheShare *share, const Question *question, const Response *response, uint64_t now) {
        CacheEntry *e = entry_find(cache, question);
        const size_t size = sizeof(*e) + response->size;

        if (e)
                entry_drop(cache, e);
        if (response->ttl == 0 || size > cache->size_max)
                return;
        make_room(cache, size);
        e = calloc(1, size);
        if (!e)
                return;
        e->question = *question;
        e->since = now;
        e->response = *response;
        e->response.data = e->data;
        memcpy(e->data, response->data, response->size);
        HASH_ADD(hh, cache->entries, question, sizeof(e->question), e);
        if (!e->hh.tbl) {
                free(e);
                return;
        }
        cache->size += size;
        entry_charge(cache, e, share);
}

bool cache_get(Cache *cache, const Question *question, uint64_t now, Response *ret, uint32_t *ret_age) {
        CacheEntry *e = entry_find(cache, question);
        uint64_t age;

        if (!e)
                return false;
        age = (now - e->since) / USEC_PER_SEC;
        if (age >= e->response.ttl) {
                entry_drop(cache, e);
                return false;
        }
        DL_DELETE(e->share->entries, e);
        DL_APPEND(e->share->entries, e);
        *ret = e->response;
        *ret_age = (uint32_t) age;
        return true;
}
