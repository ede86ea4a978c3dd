/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The names that are answered, and the addresses they have: one table by name,
 * one by address. Names are kept without the domain, in lower case.
 *
 * The table is filled in snapshots: names_begin() opens one, what is set from
 * then on is new, names_commit() forgets all that was not set since. Until the
 * commit the old names stay. Without a snapshot names come and go one by one.
 *
 * Pure: no input, no output, no clock. Nothing here is thread-safe.
 */

#include <stdbool.h>
#include <uthash.h>

#include "basic/macro.h"
#include "dns/dns-feed.h"

enum {
        NAMES_MAX = 65536,    /* names in the table */
        NAME_TTL_MAX = 86400, /* seconds */
};

typedef struct Name Name;
typedef struct NameAddress NameAddress;
typedef struct NameReverse NameReverse;
typedef struct NameParent NameParent;
typedef struct NameChild NameChild;

/* Who may know of a name: the apps whose it is, and those with one of these views. */
typedef struct NameSight {
        uint64_t identity;
        uint64_t views[DNS_FEED_VIEWS_MAX / 64];
} NameSight;

/* Who asks. */
typedef struct NameViewer {
        uint64_t identity;
        uint32_t view; /* less than DNS_FEED_VIEWS_MAX */
        bool host;     /* no app: knows of all names, whatever the rest says */
} NameViewer;

/* One address of a name; `next` leads to the other names with the same address, in the order they came. */
struct NameAddress {
        DnsFeedAddress address;
        Name *name;
        NameReverse *reverse;
        NameAddress *prev, *next;
};

struct Name {
        UT_hash_handle hh;
        uint64_t generation;
        size_t n_addresses;
        NameAddress *addresses;
        NameSight sight;
        NameChild *children; /* its places below other names */
        char name[];
};

typedef struct Names {
        char domain[DNS_FEED_NAME_MAX + 1]; /* empty before the first snapshot */
        uint32_t ttl;                       /* of every record, in seconds */
        DnsFeedPool pools[2];               /* where virtual addresses come from */
        uint64_t generation;
        Name *by_name;
        NameReverse *by_address;
        NameParent *parents;
} Names;

/* Makes an empty table. Returns NULL when out of memory. */
Names *names_new(void);
Names *names_free(Names *names);
DEFINE_CLEANUP(Names *, names_free)

/*
 * Is `name` one that can be served: lower-case letters, digits, '-' and '_' in
 * labels of 1 to 63 octets, at most 253 in all (RFC 1035, 2.3.4), no label
 * with '-' at an end (RFC 952)?
 */
bool name_is_valid(const char *name);

/*
 * Begins a snapshot. `domain` is that of all names, without dots at its ends;
 * `ttl` is in seconds. Both take effect at once. Errors: -EINVAL (domain not a
 * valid name, or ttl above NAME_TTL_MAX).
 */
int names_begin(Names *names, const char *domain, uint32_t ttl);

/* Where virtual addresses come from, IPv4 and IPv6. Errors: -EINVAL (another family, or a prefix that is too long). */
int names_set_pools(Names *names, const DnsFeedPool pools[static 2]);

/* Is it an address that only we give: of a pool, or of a name, whoever may know of it? */
bool names_is_virtual(const Names *names, const DnsFeedAddress *address);

/* Ends the snapshot: forgets every name that was not set since names_begin(). */
void names_commit(Names *names);

/*
 * Gives `name` these addresses and no others, for those to know that `sight`
 * has; an address that is listed twice
 * counts once, no address at all is allowed. Errors: -EINVAL (name not valid,
 * too long together with the domain, or a family that is neither AF_INET nor
 * AF_INET6), -ENOSPC (NAMES_MAX), -ENOMEM; the name is then unchanged.
 */
int names_set(Names *names, const char *name, const DnsFeedAddress *addresses, size_t n_addresses,
              const NameSight *sight);

/* Forgets `name`. Errors: -ENOENT. */
int names_unset(Names *names, const char *name);

/* Whether who asks may know of the name. */
bool name_is_seen(const Name *name, const NameViewer *viewer);

/* Returns the name, or NULL if there is none that the viewer may know of. */
const Name *names_find(const Names *names, const char *name, const NameViewer *viewer);

/*
 * Are there names below `name` ("b" with "a.b" in the table, RFC 4592 2.2.2,
 * empty non-terminal) that the viewer may know of?
 */
bool names_is_parent(const Names *names, const char *name, const NameViewer *viewer);

/*
 * Returns the first of the names with this address that the viewer may know of,
 * or NULL; name_next_seen() has the others.
 */
const NameAddress *names_find_address(const Names *names, const DnsFeedAddress *address, const NameViewer *viewer);
const NameAddress *name_next_seen(const NameAddress *address, const NameViewer *viewer);
