/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who is who and who serves what on this node: the table of identities by
 * name and by address, and the backends (listeners) of each.
 *
 * An `Identity` lives as long as a `Party` (an app) has it; apps of one name
 * share it and so become a distributed app with one port space. A `Backend`
 * is a listener of one party. The directory owns identities only; parties and
 * backends are embedded in what their owner keeps (core/app, trap/listener).
 */

#include <sys/types.h>
#include <uthash.h>
#include "model/address.h"
#include "model/pool.h"
#include "model/tags.h"

enum { IDENTITY_ADDRESSES_MAX = 8 };

typedef struct Directory Directory;
typedef struct Identity Identity;
typedef struct Party Party;
typedef struct Backend Backend;

typedef struct AddressEntry {
        Address address; /* the key */
        Identity *identity;
        UT_hash_handle hh;
} AddressEntry;

struct Identity {
        char *name; /* NULL: has addresses only */
        AddressEntry addresses[IDENTITY_ADDRESSES_MAX];
        size_t n_addresses;
        uid_t owner; /* who claimed it first */
        size_t n_parties;
        Party *parties;    /* utlist */
        Backend *backends; /* utlist */
        UT_hash_handle hh; /* by name */
};

/* An app in its quality of having an identity and tags. */
struct Party {
        const char *id; /* of the app, for messages; not owned */
        Identity *identity;
        Tags tags;
        uint64_t turn; /* when it was last chosen */
        Party *prev, *next;
};

/* What listens for connections to an identity. */
struct Backend {
        Party *party;
        Endpoint bound; /* the address may be unspecified: all of the identity's */
        int family;     /* of the socket */
        bool v6only;
        uint64_t turn; /* when it was last chosen */
        Backend *prev, *next;
};

struct Directory {
        Identity *by_name;
        AddressEntry *by_address;
        Pool pool4, pool6; /* for names that come without an address */
        uint64_t turn;     /* counts choices, for balancing in turn */
};

void directory_init(Directory *d, const Pool *pool4, const Pool *pool6);

/* Forgets all; no party may be left. */
void directory_done(Directory *d);

typedef struct IdentityClaim {
        const char *name; /* valid and normalized, or NULL */
        const Address *addresses;
        size_t n_addresses;
        uid_t uid;   /* who asks: root may join anybody's */
        uid_t owner; /* whose a new identity is */
        const char *id; /* of the app: an unnamed one's link-local addresses are hashed from it */
} IdentityClaim;

/*
 * Gives `party` the identity it claims: joins the one of that name (or, with
 * addresses only, of those addresses), or makes a new one, with addresses from
 * the pools for the families that were not chosen.
 *
 * Returns 0, or with a sentence in `ret_message` (to be freed): -EEXIST if the
 * name, -EADDRINUSE if an address belongs to somebody else; -EINVAL for an
 * address that may not be claimed; -E2BIG for too many; -EADDRNOTAVAIL if the
 * pool is exhausted; -ENOMEM.
 */
int directory_join(Directory *d, Party *party, const IdentityClaim *claim, char **ret_message);

/*
 * Gives `party` back the identity it had with an earlier daemon, which did the
 * checks. Returns 0; -EADDRINUSE if the records contradict each other; -E2BIG
 * if they leave no room for an address of each family; or -ENOMEM.
 */
int directory_restore(Directory *d, Party *party, const char *name, const Address *addresses, size_t n_addresses,
                      uid_t owner);

/* The party's identity is released, and forgotten with its last party. Backends must be gone. */
void directory_leave(Directory *d, Party *party);

Identity *directory_find_name(Directory *d, const char *name);
Identity *directory_find_address(Directory *d, const Address *address);

/* The identity's first address of this family, or NULL. */
const Address *identity_address(const Identity *identity, int family);
bool identity_has_address(const Identity *identity, const Address *address);

void directory_add_backend(Directory *d, Backend *backend);
void directory_remove_backend(Directory *d, Backend *backend);

/* Whether a connection to `to`, an address of the backend's identity or loopback, is for this backend. */
bool backend_matches(const Backend *backend, const Endpoint *to);
