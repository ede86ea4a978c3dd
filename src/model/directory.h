/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who is who and who serves what on this node: the table of identities by
 * name and by address, and the backends (listeners) of each.
 *
 * An `Identity` lives as long as a `Party` (an app) has it; apps of one name
 * share it and so become a distributed app with one port space. The first one
 * says which names and addresses there are, and how connections are balanced;
 * others join by any of them. A virtual service has an identity of its own,
 * which no app joins. A `Backend` is a listener of one party. The directory
 * owns identities only; parties and backends are embedded in what their owner
 * keeps (core/app, trap/listener).
 */

#include <sys/types.h>
#include <uthash.h>
#include "model/address.h"
#include "model/balance.h"
#include "model/permits.h"
#include "model/policy-bits.h"
#include "model/pool.h"
#include "model/tags.h"

enum {
        IDENTITY_ADDRESSES_MAX = 8,
        IDENTITY_NAMES_MAX = 8,
        PARTY_STARTS_MAX = 16,
};

typedef struct Directory Directory;
typedef struct Identity Identity;
typedef struct Party Party;
typedef struct Backend Backend;
typedef struct VirtualService VirtualService; /* model/virtual-service.h */
typedef struct Policy Policy;                 /* model/policy.h */
typedef struct Egress Egress;                 /* model/egress.h */

typedef struct NameEntry {
        char *name; /* the key */
        Identity *identity;
        UT_hash_handle hh;
} NameEntry;

typedef struct AddressEntry {
        Address address; /* the key */
        Identity *identity;
        UT_hash_handle hh;
} AddressEntry;

/* What listens on one port of an identity, at any of its addresses. */
typedef struct ServicePort {
        uint16_t port;     /* the key */
        Backend *backends; /* utlist; those of one party lie side by side */
        Round round;
        UT_hash_handle hh;
} ServicePort;

struct Identity {
        NameEntry names[IDENTITY_NAMES_MAX]; /* none: has addresses only */
        size_t n_names;
        AddressEntry addresses[IDENTITY_ADDRESSES_MAX];
        size_t n_addresses;
        uid_t owner; /* who claimed it first */
        Strategy strategy;
        VirtualService *service; /* whose it is; NULL: apps' */
        uint64_t number;         /* unique */
        struct ViewSet *seen_by; /* who may know of its names, NULL: everybody; core/fence.h */
        size_t n_parties;
        Party *parties;     /* utlist */
        ServicePort *ports; /* uthash */
};

/* An app in its quality of having an identity and tags. */
struct Party {
        const char *id; /* of the app, for messages; not owned */
        Identity *identity;
        Tags tags;
        uid_t uid;             /* that it runs as, for the policy */
        PolicyBits policy;     /* its owner's to free, as the tags */
        struct View *view;         /* of an app, NULL otherwise; model/visibility.h, core/fence.h */
        struct Exposure *exposure; /* the same of what has names */
        unsigned weight;       /* WEIGHT_MIN to WEIGHT_MAX; 0 is WEIGHT_DEFAULT */
        bool draining;         /* gets no new connections but its own */
        bool stopping;         /* the same, as it is being stopped: who connects has it started again */
        uint16_t starts[PARTY_STARTS_MAX]; /* ports: who connects there has it started, if nobody listens */
        size_t n_starts;
        bool listened4, listened6; /* for what it was seen to listen, if it is started so; neither: it is not known */
        const Egress *egress;  /* what of the outside it may connect to; NULL: nothing; its owner's */
        Permits permits;       /* its owner's to free, as the tags */
        Tally tally;           /* of connections to it */
        uint64_t key;          /* of its id, for STRATEGY_SOURCE_HASH */
        struct Membership *memberships; /* of virtual services: model/members.h */
        Party *prev, *next;
};

/* What listens for connections to an identity. */
struct Backend {
        Party *party;
        uint64_t id;    /* unique, and never used again */
        Endpoint bound; /* the address may be unspecified: all of the identity's */
        int family;     /* of the socket */
        bool v6only;
        Turn turn;       /* of its party in this service: those of one party have the same */
        uint64_t chosen; /* Round.n when it was last chosen itself */
        Rest rest;
        Backend *prev, *next;
};

struct Directory {
        NameEntry *by_name;
        AddressEntry *by_address;
        Pool pool4, pool6;            /* for names that come without an address */
        Strategy strategy;            /* of identities that choose none */
        unsigned names_per_user_max;  /* of users other than root */
        uint64_t random;              /* balance_random() */
        uint64_t n_identities;        /* so far */
        VirtualService *services;     /* uthash by id; model/virtual-service.h */
        struct Selected *selected;    /* uthash: whom services select */
        struct External *externals;   /* uthash by id: backends that are no apps */
        uint64_t n_externals;         /* so far */
        /* Apps became members of a service or are no longer. May be NULL. */
        void (*members_changed)(VirtualService *service, void *userdata);
        void *members_userdata;
        const Policy *policy;         /* NULL: shared tags alone decide */
        /* Whether an address of the outside is one of the host's own. NULL: none is. */
        bool (*is_of_host)(const Address *a, void *userdata);
        void *host_userdata;
};

void directory_init(Directory *d, const Pool *pool4, const Pool *pool6);

/* Forgets all; no party and no virtual service may be left. */
void directory_done(Directory *d);

typedef struct IdentityClaim {
        const char *const *names; /* valid and normalized */
        size_t n_names;
        const Address *addresses;
        size_t n_addresses;
        Strategy strategy; /* _STRATEGY_INVALID: whatever it is */
        uid_t uid;         /* who asks: may join what is his own, root anybody's */
        uid_t owner;       /* whose a new identity is, and whose may be joined, too: the user whom the app runs as */
        const uid_t *joins; /* whose may be joined, too, because that was authorized; or NULL */
        const char *id; /* of the app: an unnamed one's link-local addresses are hashed from it */
        bool had;       /* it is given back, so that nobody counts whether the owner may have it */
} IdentityClaim;

/*
 * Gives `party` the identity it claims: joins the one that has all these names
 * and addresses, or makes a new one if nobody has any of them, with addresses
 * from the pools for the families that were not chosen (by the first name).
 *
 * Returns 0, or with a sentence in `ret_message` (to be freed): -EEXIST if a
 * name, -EADDRINUSE if an address belongs to somebody else, or the claim mixes
 * what belongs to different apps or adds something to what one has; -EALREADY
 * if it asks for another strategy than the identity has; -EINVAL for an address
 * that may not be claimed; -E2BIG for too many addresses, -ENAMETOOLONG for too
 * many names; -EADDRNOTAVAIL if the pool is exhausted; -EDQUOT if the owner has
 * too many names; -ENOMEM.
 */
int directory_join(Directory *d, Party *party, const IdentityClaim *claim, char **ret_message);

/*
 * Makes the identity of a virtual service. Nobody else may have any of its names
 * and addresses. Errors as above.
 */
int directory_add_service(Directory *d, VirtualService *service, const IdentityClaim *claim, Identity **ret,
                          char **ret_message);
void directory_remove_service(Directory *d, Identity *identity);

/*
 * Gives `party` back the identity it had with an earlier daemon, which did the
 * checks: of the claim, names, addresses, strategy and owner count. Returns 0;
 * -EADDRINUSE if the records contradict each other; -E2BIG if they leave no room
 * for an address of each family; or -ENOMEM.
 */
int directory_restore(Directory *d, Party *party, const IdentityClaim *claim);

/* The party's identity is released, and forgotten with its last party. Backends must be gone. */
void directory_leave(Directory *d, Party *party);

Identity *directory_find_name(Directory *d, const char *name);
Identity *directory_find_address(Directory *d, const Address *address);

/* The identity's first name, or NULL. */
const char *identity_name(const Identity *identity);
bool identity_has_name(const Identity *identity, const char *name);

/* The identity's first address of this family, or NULL. */
const Address *identity_address(const Identity *identity, int family);
bool identity_has_address(const Identity *identity, const Address *address);

/* What listens on this port of the identity, or NULL. */
ServicePort *identity_find_port(const Identity *identity, uint16_t port);

/* Returns 0 or -ENOMEM. The backend's port must stay as it is until it is removed. */
int directory_add_backend(Directory *d, Backend *backend);
void directory_remove_backend(Directory *d, Backend *backend);

/* Whether a connection to `to`, an address of the backend's identity or loopback, is for this backend. */
bool backend_matches(const Backend *backend, const Endpoint *to);

/* Whether one that is started by connections is taken to listen for those of a family then. */
static inline bool party_would_listen(const Party *party, int family) {
        return party->listened4 == party->listened6 || (family == AF_INET ? party->listened4 : party->listened6);
}

/* Whether others' connections can be given to it. */
static inline bool party_is_open(const Party *party) {
        return !party->draining && !party->stopping;
}
