/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "basic/text.h"
#include "model/directory.h"
#include "model/members.h"

static const Pool link_local4 = { .address = { AF_INET, { 169, 254 } }, .prefix = 16 };
static const Pool link_local6 = { .address = { AF_INET6, { 0xfe, 0x80 } }, .prefix = 64 };

void directory_init(Directory *d, const Pool *pool4, const Pool *pool6) {
        *d = (Directory){ .pool4 = *pool4, .pool6 = *pool6, .names_per_user_max = UINT_MAX };
}

void directory_done(Directory *d) {
        assert(!d->by_name && !d->by_address && !d->services);
}

Identity *directory_find_name(Directory *d, const char *name) {
        NameEntry *entry;

        HASH_FIND_STR(d->by_name, name, entry);
        return entry ? entry->identity : NULL;
}

Identity *directory_find_address(Directory *d, const Address *address) {
        AddressEntry *entry;

        HASH_FIND(hh, d->by_address, address, sizeof(*address), entry);
        return entry ? entry->identity : NULL;
}

const char *identity_name(const Identity *identity) {
        return identity->n_names > 0 ? identity->names[0].name : NULL;
}

bool identity_has_name(const Identity *identity, const char *name) {
        for (size_t i = 0; i < identity->n_names; i++)
                if (strcmp(identity->names[i].name, name) == 0)
                        return true;
        return false;
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
        assert(!identity->ports);
        for (size_t i = 0; i < identity->n_addresses; i++)
                HASH_DELETE(hh, d->by_address, &identity->addresses[i]);
        for (size_t i = 0; i < identity->n_names; i++) {
                HASH_DELETE(hh, d->by_name, &identity->names[i]);
                free(identity->names[i].name);
        }
        free(identity->seen_by);
        free(identity);
}

static int identity_add_name(Directory *d, Identity *identity, const char *name) {
        NameEntry *entry = &identity->names[identity->n_names];

        entry->name = strdup(name);
        if (!entry->name)
                return -ENOMEM;
        entry->identity = identity;
        identity->n_names++;
        HASH_ADD_KEYPTR(hh, d->by_name, entry->name, strlen(entry->name), entry);
        return 0;
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

static int identity_new(Directory *d, const IdentityClaim *claim, Identity **ret, char **ret_message) {
        const char *key = claim->n_names > 0 ? claim->names[0] : claim->id;
        Identity *identity;
        int r = 0;

        identity = calloc(1, sizeof(*identity));
        if (!identity)
                return -ENOMEM;
        identity->number = ++d->n_identities;
        identity->owner = claim->owner;
        identity->strategy = claim->strategy >= 0 ? claim->strategy : d->strategy;
        for (size_t i = 0; r >= 0 && i < claim->n_names; i++)
                if (!identity_has_name(identity, claim->names[i]))
                        r = identity_add_name(d, identity, claim->names[i]);
        for (size_t i = 0; r >= 0 && i < claim->n_addresses; i++)
                if (!identity_has_address(identity, &claim->addresses[i]))
                        identity_add_address(d, identity, &claim->addresses[i]);
        if (r >= 0 && !identity_address(identity, AF_INET))
                r = identity_add_from_pool(d, identity, claim->n_names > 0 ? &d->pool4 : &link_local4, key);
        if (r >= 0 && !identity_address(identity, AF_INET6))
                r = identity_add_from_pool(d, identity, claim->n_names > 0 ? &d->pool6 : &link_local6, key);
        if (r < 0) {
                identity_forget(d, identity);
                return r == -ENOMEM ? r : say(r, ret_message, "No address is left in the pool for '%s'", key);
        }
        *ret = identity;
        return 0;
}

/* One thing that is claimed. */
typedef struct Item {
        const char *kind, *text;
        int error;        /* if it is somebody else's */
        Identity *holder; /* who has it, or NULL */
        char address[ADDRESS_STRING_MAX];
} Item;

enum { ITEMS_MAX = IDENTITY_NAMES_MAX + IDENTITY_ADDRESSES_MAX };

static size_t list_items(Directory *d, const IdentityClaim *claim, Item items[static ITEMS_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < claim->n_names; i++)
                items[n++] = (Item){ "Name", claim->names[i], -EEXIST, directory_find_name(d, claim->names[i]), {} };
        for (size_t i = 0; i < claim->n_addresses; i++) {
                Item *item = &items[n++];

                *item = (Item){ "Address", item->address, -EADDRINUSE,
                                directory_find_address(d, &claim->addresses[i]), {} };
                (void) address_format(&claim->addresses[i], item->address);
        }
        return n;
}

static int check_holder(const Item *item, const IdentityClaim *claim, char **ret_message) {
        if (item->holder->service)
                return say(item->error, ret_message, "%s %s belongs to the virtual service '%s' of user %u", item->kind,
                           item->text, item->holder->service->id, (unsigned) item->holder->owner);
        if (claim->uid != 0 && claim->uid != item->holder->owner && claim->owner != item->holder->owner &&
            !(claim->joins && *claim->joins == item->holder->owner))
                return say(item->error, ret_message, "%s %s belongs to an app of user %u", item->kind, item->text,
                           (unsigned) item->holder->owner);
        return 0;
}

/* The names or the addresses of an identity, for a sentence. To be freed. */
static char *list_own(const Identity *identity, bool names) {
        const size_t n = names ? identity->n_names : identity->n_addresses;
        char address[ADDRESS_STRING_MAX], *text;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return NULL;
        for (size_t i = 0; i < n; i++)
                (void) fprintf(f, "%s%s", i > 0 ? ", " : "",
                               names ? identity->names[i].name
                                     : address_format(&identity->addresses[i].address, address));
        return fclose(f) == 0 ? text : NULL;
}

/* `item` is not of the identity that `first` is of. */
static int refuse_mixture(const Item *first, const Item *item, char **ret_message) {
        const bool name = item->error == -EEXIST;
        _cleanup_free_ char *own = NULL;

        if (item->holder)
                return say(item->error, ret_message, "%s %s and %s %s belong to different apps", first->kind,
                           first->text, name ? "name" : "address", item->text);
        own = list_own(first->holder, name);
        if (!own)
                return -ENOMEM;
        if (!*own)
                return say(item->error, ret_message, "%s %s belongs to an app without a name, so that it cannot be named %s",
                           first->kind, first->text, item->text);
        return say(item->error, ret_message, "%s %s belongs to an app with the %s %s, and %s is none of them",
                   first->kind, first->text, name ? "names" : "addresses", own, item->text);
}

/* Finds the identity a claim joins, NULL for a new one. */
static int find_existing(Directory *d, const IdentityClaim *claim, Identity **ret, char **ret_message) {
        Item items[ITEMS_MAX];
        const Item *first = NULL;
        size_t n;
        int r;

        n = list_items(d, claim, items);
        for (size_t i = 0; i < n; i++) {
                if (!items[i].holder)
                        continue;
                r = check_holder(&items[i], claim, ret_message);
                if (r < 0)
                        return r;
                first = first ?: &items[i];
        }
        for (size_t i = 0; first && i < n; i++)
                if (items[i].holder != first->holder)
                        return refuse_mixture(first, &items[i], ret_message);
        *ret = first ? first->holder : NULL;
        return 0;
}

/* What can be said without looking at others. */
static int check_claim(const IdentityClaim *claim, char **ret_message) {
        if (claim->n_names > IDENTITY_NAMES_MAX)
                return say(-ENAMETOOLONG, ret_message, "More than %i names were given", IDENTITY_NAMES_MAX);
        /* Two places are kept for the families that come from the pools. */
        if (claim->n_addresses > IDENTITY_ADDRESSES_MAX - 2)
                return say(-E2BIG, ret_message, "More than %i addresses were given", IDENTITY_ADDRESSES_MAX - 2);
        for (size_t i = 0; i < claim->n_addresses; i++) {
                const char *reason = address_reserved_reason(&claim->addresses[i]);
                char text[ADDRESS_STRING_MAX];

                if (reason)
                        return say(-EINVAL, ret_message, "Address %s %s",
                                   address_format(&claim->addresses[i], text), reason);
        }
        return 0;
}

/* Whether the owner may have these names, too. */
static int check_quota(const Directory *d, const IdentityClaim *claim, char **ret_message) {
        size_t n = claim->n_names;

        if (claim->owner == 0 || n == 0 || claim->had)
                return 0;
        for (const NameEntry *e = d->by_name; e; e = e->hh.next)
                n += e->identity->owner == claim->owner;
        if (n <= d->names_per_user_max)
                return 0;
        return say(-EDQUOT, ret_message, "User %u would have %zu names, more than the %u that NamesPerUserMax= allows",
                   (unsigned) claim->owner, n, d->names_per_user_max);
}

static int identity_add_party(Directory *d, Identity *identity, Party *party) {
        int r;

        DL_APPEND(identity->parties, party);
        identity->n_parties++;
        party->identity = identity;
        party->key = balance_hash(party->id, strlen(party->id));
        if (party->weight == 0)
                party->weight = WEIGHT_DEFAULT;
        r = members_add_party(d, party);
        if (r < 0)
                directory_leave(d, party);
        return r;
}

int directory_join(Directory *d, Party *party, const IdentityClaim *claim, char **ret_message) {
        Identity *identity = NULL;
        int r;

        *ret_message = NULL;
        r = check_claim(claim, ret_message);
        if (r >= 0)
                r = find_existing(d, claim, &identity, ret_message);
        if (r >= 0 && identity && claim->strategy >= 0 && claim->strategy != identity->strategy)
                r = say(-EALREADY, ret_message, "Connections to %s are balanced by %s, as its first app has it, not by %s",
                        identity_name(identity) ?: "it", strategy_to_string(identity->strategy),
                        strategy_to_string(claim->strategy));
        if (r >= 0 && !identity) {
                r = check_quota(d, claim, ret_message);
                if (r >= 0)
                        r = identity_new(d, claim, &identity, ret_message);
        }
        if (r < 0)
                return r;
        return identity_add_party(d, identity, party);
}

int directory_add_service(Directory *d, VirtualService *service, const IdentityClaim *claim, Identity **ret,
                          char **ret_message) {
        Item items[ITEMS_MAX];
        Identity *identity;
        size_t n;
        int r;

        *ret_message = NULL;
        r = check_claim(claim, ret_message);
        if (r < 0)
                return r;
        n = list_items(d, claim, items);
        for (size_t i = 0; i < n; i++) {
                if (items[i].holder && items[i].holder->service)
                        return check_holder(&items[i], claim, ret_message);
                if (items[i].holder)
                        return say(items[i].error, ret_message, "%s %s belongs to an app of user %u", items[i].kind,
                                   items[i].text, (unsigned) items[i].holder->owner);
        }
        r = check_quota(d, claim, ret_message);
        if (r >= 0)
                r = identity_new(d, claim, &identity, ret_message);
        if (r < 0)
                return r;
        identity->service = service;
        *ret = identity;
        return 0;
}

void directory_remove_service(Directory *d, Identity *identity) {
        assert(identity->n_parties == 0);
        identity_forget(d, identity);
}

/* Whether this is the identity that a record tells of. */
static bool identity_matches(const Identity *identity, const IdentityClaim *claim) {
        if (identity->service || identity->n_names != claim->n_names)
                return false;
        for (size_t i = 0; i < claim->n_names; i++)
                if (!identity_has_name(identity, claim->names[i]))
                        return false;
        for (size_t i = 0; i < claim->n_addresses; i++)
                if (!identity_has_address(identity, &claim->addresses[i]))
                        return false;
        return true;
}

int directory_restore(Directory *d, Party *party, const IdentityClaim *claim) {
        Identity *identity = directory_find_address(d, &claim->addresses[0]);
        int r;

        if (!identity) {
                _cleanup_free_ char *message = NULL;
                IdentityClaim mine = *claim;

                for (size_t i = 0; i < claim->n_addresses; i++)
                        if (directory_find_address(d, &claim->addresses[i]))
                                return -EADDRINUSE;
                for (size_t i = 0; i < claim->n_names; i++)
                        if (directory_find_name(d, claim->names[i]))
                                return -EADDRINUSE;
                mine.id = party->id;
                r = identity_new(d, &mine, &identity, &message);
                if (r < 0)
                        return r;
        } else if (!identity_matches(identity, claim))
                return -EADDRINUSE;
        return identity_add_party(d, identity, party);
}

void directory_leave(Directory *d, Party *party) {
        Identity *identity = party->identity;

        if (!identity)
                return;
        members_remove_party(d, party);
        party->identity = NULL;
        DL_DELETE(identity->parties, party);
        if (--identity->n_parties > 0)
                return;
        identity_forget(d, identity);
}

ServicePort *identity_find_port(const Identity *identity, uint16_t port) {
        ServicePort *found;

        HASH_FIND(hh, identity->ports, &port, sizeof(port), found);
        return found;
}

int directory_add_backend(Directory *d, Backend *backend) {
        Identity *identity = backend->party->identity;
        ServicePort *port = identity_find_port(identity, backend->bound.port);
        Backend *fellow = NULL;

        if (!port) {
                port = calloc(1, sizeof(*port));
                if (!port)
                        return -ENOMEM;
                port->port = backend->bound.port;
                HASH_ADD(hh, identity->ports, port, sizeof(port->port), port);
        }
        for (Backend *b = port->backends; b; b = b->next)
                if (b->party == backend->party)
                        fellow = b;
        if (fellow)
                DL_APPEND_ELEM(port->backends, fellow, backend);
        else
                DL_APPEND(port->backends, backend);
        members_update_port(backend->party, port->port);
        return 0;
}

void directory_remove_backend(Directory *d, Backend *backend) {
        Identity *identity = backend->party->identity;
        ServicePort *port = identity_find_port(identity, backend->bound.port);

        DL_DELETE(port->backends, backend);
        members_update_port(backend->party, port->port);
        if (port->backends)
                return;
        HASH_DELETE(hh, identity->ports, port);
        free(port);
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
