/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "model/directory.h"

static const Pool link_local4 = { .network = { AF_INET, { 169, 254 } }, .prefix = 16 };
static const Pool link_local6 = { .network = { AF_INET6, { 0xfe, 0x80 } }, .prefix = 64 };

void directory_init(Directory *d, const Pool *pool4, const Pool *pool6) {
        *d = (Directory){ .pool4 = *pool4, .pool6 = *pool6 };
}

void directory_done(Directory *d) {
        assert(!d->by_name && !d->by_address);
}

Identity *directory_find_name(Directory *d, const char *name) {
        Identity *identity;

        HASH_FIND_STR(d->by_name, name, identity);
        return identity;
}

Identity *directory_find_address(Directory *d, const Address *address) {
        AddressEntry *entry;

        HASH_FIND(hh, d->by_address, address, sizeof(*address), entry);
        return entry ? entry->identity : NULL;
}

const Address *identity_address(const Identity *identity, int family) {
        for (size_t i = 0; i < identity->n_addresses; i++)
                if (identity->addresses[i].address.family == family)
                        return &identity->addresses[i].address;
        return NULL;
}

bool identity_has_address(const Identity *identity, const Address *address) {
        for (size_t i = 0; i < identity->n_addresses; i++)
                if (address_equal(&identity->addresses[i].address, address))
                        return true;
        return false;
}

static void identity_forget(Directory *d, Identity *identity) {
        for (size_t i = 0; i < identity->n_addresses; i++)
                HASH_DELETE(hh, d->by_address, &identity->addresses[i]);
        if (identity->name)
                HASH_DELETE(hh, d->by_name, identity);
        free(identity->name);
        free(identity);
}

static void identity_add_address(Directory *d, Identity *identity, const Address *address) {
        AddressEntry *entry = &identity->addresses[identity->n_addresses++];

        entry->address = *address;
        entry->identity = identity;
        HASH_ADD(hh, d->by_address, address, sizeof(entry->address), entry);
}

/* RFC 3927, 2.1: the first and the last 256 addresses of 169.254.0.0/16 are reserved. */
static bool is_reserved_link_local(const Address *a) {
        return address_is_link_local(a) && a->family == AF_INET && (a->bytes[2] == 0 || a->bytes[2] == 255);
}

static int identity_add_from_pool(Directory *d, Identity *identity, const Pool *pool, const char *key) {
        if (identity->n_addresses == IDENTITY_ADDRESSES_MAX)
                return -E2BIG;
        for (unsigned try = 0; try < POOL_TRIES_MAX; try++) {
                Address a = pool_candidate(pool, key, try);

                if (is_reserved_link_local(&a) || directory_find_address(d, &a))
                        continue;
                identity_add_address(d, identity, &a);
                return 0;
        }
        return -EADDRNOTAVAIL;
}

static int check_owner(const Identity *identity, const IdentityClaim *claim, int error, const char *what,
                       const char *which, char **ret_message) {
        if (claim->uid == 0 || claim->uid == identity->owner)
                return 0;
        if (asprintf(ret_message, "%s %s belongs to an app of user %u", what, which,
                     (unsigned) identity->owner) < 0)
                return -ENOMEM;
        return error;
}

static int identity_new(Directory *d, const IdentityClaim *claim, Identity **ret, char **ret_message) {
        const char *key = claim->name ?: claim->id;
        Identity *identity;
        int r = 0;

        identity = calloc(1, sizeof(*identity));
        if (!identity)
                return -ENOMEM;
        identity->owner = claim->owner;
        if (claim->name) {
                identity->name = strdup(claim->name);
                if (!identity->name) {
                        free(identity);
                        return -ENOMEM;
                }
                HASH_ADD_KEYPTR(hh, d->by_name, identity->name, strlen(identity->name), identity);
        }
        for (size_t i = 0; i < claim->n_addresses; i++)
                if (!identity_has_address(identity, &claim->addresses[i]))
                        identity_add_address(d, identity, &claim->addresses[i]);
        if (!identity_address(identity, AF_INET))
                r = identity_add_from_pool(d, identity, claim->name ? &d->pool4 : &link_local4, key);
        if (r >= 0 && !identity_address(identity, AF_INET6))
                r = identity_add_from_pool(d, identity, claim->name ? &d->pool6 : &link_local6, key);
        if (r < 0) {
                identity_forget(d, identity);
                if (asprintf(ret_message, "No address is left in the pool for '%s'", key) < 0)
                        return -ENOMEM;
                return r;
        }
        *ret = identity;
        return 0;
}

/* Finds the identity a claim joins, NULL for a new one. */
static int find_existing(Directory *d, const IdentityClaim *claim, Identity **ret, char **ret_message) {
        Identity *existing = claim->name ? directory_find_name(d, claim->name) : NULL;
        int r;

        if (existing) {
                r = check_owner(existing, claim, -EEXIST, "Name", claim->name, ret_message);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < claim->n_addresses; i++) {
                char text[ADDRESS_STRING_MAX], mine[ADDRESS_STRING_MAX];
                const Address *a = &claim->addresses[i];
                const char *reason = address_reserved_reason(a);
                Identity *holder;

                (void) address_format(a, text);
                if (reason) {
                        r = asprintf(ret_message, "Address %s %s", text, reason);
                        return r < 0 ? -ENOMEM : -EINVAL;
                }
                holder = directory_find_address(d, a);
                if (existing && holder == existing)
                        continue;
                if (existing && existing->name && !holder) {
                        r = asprintf(ret_message, "Name %s already has the address %s, not %s",
                                     existing->name,
                                     address_format(identity_address(existing, a->family), mine), text);
                        return r < 0 ? -ENOMEM : -EADDRINUSE;
                }
                if (!holder) {
                        if (!existing)
                                continue;
                        r = asprintf(ret_message, "Address %s is not one of those of the other address's app",
                                     text);
                        return r < 0 ? -ENOMEM : -EADDRINUSE;
                }
                r = check_owner(holder, claim, -EADDRINUSE, "Address", text, ret_message);
                if (r < 0)
                        return r;
                if (claim->name || holder->name || (existing && holder != existing) || i > 0) {
                        r = holder->name ? asprintf(ret_message, "Address %s belongs to the app named %s",
                                                    text, holder->name)
                                         : asprintf(ret_message, "Address %s belongs to another app", text);
                        return r < 0 ? -ENOMEM : -EADDRINUSE;
                }
                existing = holder;
        }
        *ret = existing;
        return 0;
}

static void identity_add_party(Identity *identity, Party *party) {
        DL_APPEND(identity->parties, party);
        identity->n_parties++;
        party->identity = identity;
}

int directory_join(Directory *d, Party *party, const IdentityClaim *claim, char **ret_message) {
        Identity *identity;
        int r;

        *ret_message = NULL;
        /* Two places are kept for the families that come from the pools. */
        if (claim->n_addresses > IDENTITY_ADDRESSES_MAX - 2) {
                if (asprintf(ret_message, "More than %i addresses were given",
                             IDENTITY_ADDRESSES_MAX - 2) < 0)
                        return -ENOMEM;
                return -E2BIG;
        }
        r = find_existing(d, claim, &identity, ret_message);
        if (r < 0)
                return r;
        if (!identity) {
                r = identity_new(d, claim, &identity, ret_message);
                if (r < 0)
                        return r;
        }
        identity_add_party(identity, party);
        return 0;
}

/* Whether this is the identity that a record tells of. */
static bool identity_matches(const Identity *identity, const char *name, const Address *addresses,
                             size_t n_addresses) {
        if (name && identity->name ? strcmp(identity->name, name) != 0 : name != identity->name)
                return false;
        for (size_t i = 0; i < n_addresses; i++)
                if (!identity_has_address(identity, &addresses[i]))
                        return false;
        return true;
}

int directory_restore(Directory *d, Party *party, const char *name, const Address *addresses, size_t n_addresses,
                      uid_t owner) {
        Identity *identity = directory_find_address(d, &addresses[0]);
        int r;

        if (!identity) {
                _cleanup_free_ char *message = NULL;
                IdentityClaim claim = {
                        .name = name,
                        .addresses = addresses,
                        .n_addresses = n_addresses,
                        .owner = owner,
                        .id = party->id,
                };

                for (size_t i = 0; i < n_addresses; i++)
                        if (directory_find_address(d, &addresses[i]))
                                return -EADDRINUSE;
                if (name && directory_find_name(d, name))
                        return -EADDRINUSE;
                r = identity_new(d, &claim, &identity, &message);
                if (r < 0)
                        return r;
        } else if (!identity_matches(identity, name, addresses, n_addresses))
                return -EADDRINUSE;
        identity_add_party(identity, party);
        return 0;
}

void directory_leave(Directory *d, Party *party) {
        Identity *identity = TAKE_PTR(party->identity);

        if (!identity)
                return;
        DL_DELETE(identity->parties, party);
        if (--identity->n_parties > 0)
                return;
        assert(!identity->backends);
        identity_forget(d, identity);
}

void directory_add_backend(Directory *d, Backend *backend) {
        DL_APPEND(backend->party->identity->backends, backend);
}

void directory_remove_backend(Directory *d, Backend *backend) {
        DL_DELETE(backend->party->identity->backends, backend);
}

bool backend_matches(const Backend *backend, const Endpoint *to) {
        const Address *bound = &backend->bound.address;

        if (backend->bound.port != to->port)
                return false;
        if (!address_is_unspecified(bound))
                return address_equal(bound, &to->address);
        /* All addresses of a family; those of both for an AF_INET6 socket that was not told otherwise. */
        if (backend->family == AF_INET)
                return to->address.family == AF_INET;
        if (bound->family == AF_INET) /* bound to ::ffff:0.0.0.0 */
                return to->address.family == AF_INET;
        return to->address.family == AF_INET6 || !backend->v6only;
}
