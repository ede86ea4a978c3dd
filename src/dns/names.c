/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>
#include <sys/socket.h>

/* Out of memory is an error of one call here, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "dns/names.h"

/* All the names that have one address. */
struct NameReverse {
        UT_hash_handle hh;
        DnsFeedAddress address; /* the key: unused bytes are 0 */
        NameAddress *first;
};

/* A name that may have no addresses of its own, but has names below it. */
struct NameParent {
        UT_hash_handle hh;
        NameChild *children; /* names in the table that end with "." and this one */
        char name[];
};

/* The place of one name below one of its parents; the name has one for each, in an array. */
struct NameChild {
        Name *name;
        NameParent *parent;
        NameChild *prev, *next; /* of the parent */
};

Names *names_new(void) {
        return calloc(1, sizeof(Names));
}

bool name_is_valid(const char *name) {
        size_t label = 0, size = strlen(name);

        if (size == 0 || size > DNS_FEED_NAME_MAX)
                return false;

        for (const char *p = name;; p++) {
                if (*p == '.' || *p == '\0') {
                        if (label == 0 || label > 63 || p[-1] == '-')
                                return false;
                        if (*p == '\0')
                                return true;
                        label = 0;
                        continue;
                }
                if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9') && *p != '_' &&
                    !(*p == '-' && label > 0))
                        return false;
                label++;
        }
}

static size_t address_size(uint32_t family) {
        return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

/* The same address with every unused byte 0, so that it is a key. Returns -EINVAL for other families. */
static int address_normalize(const DnsFeedAddress *address, DnsFeedAddress *ret) {
        size_t size = address_size(address->family);

        if (size == 0)
                return -EINVAL;
        memset(ret, 0, sizeof(*ret));
        ret->family = address->family;
        memcpy(ret->bytes, address->bytes, size);
        return 0;
}

static void address_unlink(Names *names, NameAddress *a) {
        NameReverse *reverse = a->reverse;

        if (!reverse)
                return;
        DL_DELETE(reverse->first, a);
        a->reverse = NULL;
        if (!reverse->first) {
                HASH_DEL(names->by_address, reverse);
                free(reverse);
        }
}

static int address_link(Names *names, NameAddress *a) {
        NameReverse *reverse;

        HASH_FIND(hh, names->by_address, &a->address, sizeof(a->address), reverse);
        if (!reverse) {
                reverse = calloc(1, sizeof(*reverse));
                if (!reverse)
                        return -ENOMEM;
                reverse->address = a->address;
                HASH_ADD(hh, names->by_address, address, sizeof(reverse->address), reverse);
                if (!reverse->hh.tbl) {
                        free(reverse);
                        return -ENOMEM;
                }
        }
        DL_APPEND(reverse->first, a);
        a->reverse = reverse;
        return 0;
}

static size_t count_parents(const char *name) {
        size_t n = 0;

        for (const char *p = strchr(name, '.'); p; p = strchr(p + 1, '.'))
                n++;
        return n;
}

/* The first `n` places. */
static void parents_unlink(Names *names, Name *name, size_t n) {
        for (size_t i = 0; i < n; i++) {
                NameParent *parent = name->children[i].parent;

                DL_DELETE(parent->children, &name->children[i]);
                if (!parent->children) {
                        HASH_DEL(names->parents, parent);
                        free(parent);
                }
        }
        free(name->children);
        name->children = NULL;
}

static NameParent *parent_get(Names *names, const char *name) {
        NameParent *parent;

        HASH_FIND_STR(names->parents, name, parent);
        if (parent)
                return parent;
        parent = calloc(1, sizeof(*parent) + strlen(name) + 1);
        if (!parent)
                return NULL;
        strcpy(parent->name, name);
        HASH_ADD_STR(names->parents, name, parent);
        if (!parent->hh.tbl) {
                free(parent);
                return NULL;
        }
        return parent;
}

static int parents_link(Names *names, Name *name) {
        size_t i = 0;

        name->children = calloc(count_parents(name->name) + 1, sizeof(NameChild));
        if (!name->children)
                return -ENOMEM;
        for (const char *p = strchr(name->name, '.'); p; p = strchr(p + 1, '.'), i++) {
                NameChild *child = &name->children[i];

                child->name = name;
                child->parent = parent_get(names, p + 1);
                if (!child->parent) {
                        parents_unlink(names, name, i);
                        return -ENOMEM;
                }
                DL_APPEND(child->parent->children, child);
        }
        return 0;
}

static NameAddress *addresses_free(Names *names, NameAddress *addresses, size_t n) {
        for (size_t i = 0; i < n; i++)
                address_unlink(names, addresses + i);
        free(addresses);
        return NULL;
}

static void name_free(Names *names, Name *n) {
        HASH_DEL(names->by_name, n);
        parents_unlink(names, n, count_parents(n->name));
        addresses_free(names, n->addresses, n->n_addresses);
        free(n);
}

Names *names_free(Names *names) {
        Name *n, *tmp;

        if (!names)
                return NULL;
        HASH_ITER(hh, names->by_name, n, tmp)
                name_free(names, n);
        free(names);
        return NULL;
}

int names_begin(Names *names, const char *domain, uint32_t ttl) {
        if (!name_is_valid(domain) || ttl > NAME_TTL_MAX)
                return -EINVAL;
        strcpy(names->domain, domain);
        names->ttl = ttl;
        names->generation++;
        return 0;
}

int names_set_pools(Names *names, const DnsFeedPool pools[static 2]) {
        static const uint32_t families[] = { AF_INET, AF_INET6 };

        for (size_t i = 0; i < ELEMENTSOF(families); i++)
                if (pools[i].network.family != families[i] || pools[i].prefix > 8 * address_size(families[i]))
                        return -EINVAL;
        memcpy(names->pools, pools, sizeof(names->pools));
        return 0;
}

static bool pool_has(const DnsFeedPool *pool, const DnsFeedAddress *address) {
        const size_t bytes = pool->prefix / 8, bits = pool->prefix % 8;
        const uint8_t *a = pool->network.bytes, *b = address->bytes;

        return pool->network.family == address->family && memcmp(a, b, bytes) == 0 &&
                        (bits == 0 || (a[bytes] ^ b[bytes]) >> (8 - bits) == 0);
}

bool names_is_virtual(const Names *names, const DnsFeedAddress *address) {
        NameReverse *reverse;
        DnsFeedAddress key;

        if (address_normalize(address, &key) < 0)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(names->pools); i++)
                if (pool_has(names->pools + i, &key))
                        return true;
        HASH_FIND(hh, names->by_address, &key, sizeof(key), reverse);
        return reverse;
}

void names_commit(Names *names) {
        Name *n, *tmp;

        HASH_ITER(hh, names->by_name, n, tmp)
                if (n->generation != names->generation)
                        name_free(names, n);
}

static Name *name_find(const Names *names, const char *name) {
        Name *n;

        HASH_FIND_STR(names->by_name, name, n);
        return n;
}

static int name_new(Names *names, const char *name, Name **ret) {
        Name *n;
        int r;

        if (HASH_COUNT(names->by_name) >= NAMES_MAX)
                return -ENOSPC;
        n = calloc(1, sizeof(*n) + strlen(name) + 1);
        if (!n)
                return -ENOMEM;
        strcpy(n->name, name);

        r = parents_link(names, n);
        if (r < 0) {
                free(n);
                return r;
        }
        HASH_ADD_STR(names->by_name, name, n);
        if (!n->hh.tbl) {
                parents_unlink(names, n, count_parents(n->name));
                free(n);
                return -ENOMEM;
        }
        *ret = n;
        return 0;
}

static bool address_is_among(const DnsFeedAddress *address, const DnsFeedAddress *all, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (memcmp(address, all + i, sizeof(*address)) == 0)
                        return true;
        return false;
}

int names_set(Names *names, const char *name, const DnsFeedAddress *addresses, size_t n_addresses,
              const NameSight *sight) {
        DnsFeedAddress wanted[DNS_FEED_ADDRESSES_MAX];
        NameAddress *linked = NULL;
        size_t n = 0, n_linked = 0;
        bool created = false;
        Name *found;
        int r = 0;

        if (n_addresses > ELEMENTSOF(wanted) || !name_is_valid(name) ||
            strlen(name) + 1 + strlen(names->domain) > DNS_FEED_NAME_MAX)
                return -EINVAL;
        for (size_t i = 0; i < n_addresses; i++) {
                r = address_normalize(addresses + i, wanted + n);
                if (r < 0)
                        return r;
                if (!address_is_among(wanted + n, wanted, n))
                        n++;
        }

        found = name_find(names, name);
        if (!found) {
                r = name_new(names, name, &found);
                if (r < 0)
                        return r;
                created = true;
        }

        if (n > 0) {
                linked = calloc(n, sizeof(*linked));
                r = linked ? 0 : -ENOMEM;
        }
        for (; r >= 0 && n_linked < n; n_linked++) {
                linked[n_linked].address = wanted[n_linked];
                linked[n_linked].name = found;
                r = address_link(names, linked + n_linked);
                if (r < 0)
                        break;
        }
        if (r < 0) {
                addresses_free(names, linked, n_linked);
                if (created)
                        name_free(names, found);
                return r;
        }

        addresses_free(names, found->addresses, found->n_addresses);
        found->addresses = linked;
        found->n_addresses = n;
        found->sight = *sight;
        found->generation = names->generation;
        return 0;
}

int names_unset(Names *names, const char *name) {
        Name *n = name_find(names, name);

        if (!n)
                return -ENOENT;
        name_free(names, n);
        return 0;
}

bool name_is_seen(const Name *name, const NameViewer *viewer) {
        return viewer->host || name->sight.identity == viewer->identity ||
                        (name->sight.views[viewer->view / 64] >> (viewer->view % 64) & 1);
}

const Name *names_find(const Names *names, const char *name, const NameViewer *viewer) {
        const Name *n = name_find(names, name);

        return n && name_is_seen(n, viewer) ? n : NULL;
}

bool names_is_parent(const Names *names, const char *name, const NameViewer *viewer) {
        NameParent *parent;

        HASH_FIND_STR(names->parents, name, parent);
        for (const NameChild *child = parent ? parent->children : NULL; child; child = child->next)
                if (name_is_seen(child->name, viewer))
                        return true;
        return false;
}

/* The first from here on. */
static const NameAddress *first_seen(const NameAddress *a, const NameViewer *viewer) {
        while (a && !name_is_seen(a->name, viewer))
                a = a->next;
        return a;
}

const NameAddress *name_next_seen(const NameAddress *a, const NameViewer *viewer) {
        return first_seen(a->next, viewer);
}

const NameAddress *names_find_address(const Names *names, const DnsFeedAddress *address, const NameViewer *viewer) {
        DnsFeedAddress key;
        NameReverse *reverse;

        if (address_normalize(address, &key) < 0)
                return NULL;
        HASH_FIND(hh, names->by_address, &key, sizeof(key), reverse);
        return reverse ? first_seen(reverse->first, viewer) : NULL;
}
