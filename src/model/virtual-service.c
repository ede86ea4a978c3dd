/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "basic/text.h"
#include "model/members.h"
#include "model/virtual-service.h"
#include "model/visibility.h"

/* Ids of what is outside; those of backends are below. */
#define EXTERNAL_ID_FIRST (UINT64_C(1) << 63)

VirtualService *directory_find_service(Directory *d, const char *id) {
        VirtualService *service;

        HASH_FIND_STR(d->services, id, service);
        return service;
}

unsigned directory_count_services(const Directory *d, uid_t uid) {
        unsigned n = 0;

        for (const VirtualService *service = d->services; service; service = service->hh.next)
                n += service->uid == uid;
        return n;
}

External *directory_find_external(Directory *d, uint64_t id) {
        External *external;

        HASH_FIND(hh, d->externals, &id, sizeof(id), external);
        return external;
}

External *directory_find_external_at(const Directory *d, const Address *service, const Endpoint *at) {
        const Identity *identity = directory_find_address((Directory *) d, service);
        const VirtualService *s = identity ? identity->service : NULL;

        for (size_t i = 0; s && i < s->n_externals; i++)
                if (endpoint_equal(&s->externals[i]->selector->endpoint, at))
                        return s->externals[i];
        return NULL;
}

static void remove_externals(Directory *d, VirtualService *service) {
        while (service->n_externals > 0) {
                External *external = service->externals[--service->n_externals];

                HASH_DELETE(hh, d->externals, external);
                free(external);
        }
}

static int add_externals(Directory *d, VirtualService *service) {
        const ServiceSettings *s = &service->settings;

        for (size_t i = 0; i < s->n_selectors; i++) {
                const Selector *selector = &s->selectors[i];
                External *external;

                if (selector->type != SELECTOR_EXTERNAL && selector->type != SELECTOR_HOST)
                        continue;
                external = calloc(1, sizeof(*external) + s->n_ports * sizeof(external->turns[0]));
                if (!external) {
                        remove_externals(d, service);
                        return -ENOMEM;
                }
                external->service = service;
                external->selector = selector;
                external->id = EXTERNAL_ID_FIRST + d->n_externals++;
                external->key = balance_hash(selector->text, strlen(selector->text));
                service->externals[service->n_externals++] = external;
                HASH_ADD(hh, d->externals, id, sizeof(external->id), external);
        }
        return 0;
}

/* What makes the service work, but for its identity. */
static int service_link(Directory *d, VirtualService *service) {
        int r;

        r = add_externals(d, service);
        if (r >= 0)
                r = members_add_service(d, service);
        if (r < 0)
                remove_externals(d, service);
        return r;
}

static void service_unlink(Directory *d, VirtualService *service) {
        members_remove_service(d, service);
        remove_externals(d, service);
}

/* An app is selected by what it is called, or a change of its address would lose it. */
static int check_externals(Directory *d, const ServiceSettings *s, char **ret_message) {
        for (size_t i = 0; i < s->n_selectors; i++) {
                const Address *a = &s->selectors[i].endpoint.address;

                if (s->selectors[i].type != SELECTOR_EXTERNAL)
                        continue;
                if (!network_contains(&d->pool4, a) && !network_contains(&d->pool6, a) && !directory_find_address(d, a))
                        continue;
                if (asprintf(ret_message,
                             "Invalid backend '%s': the address is a virtual one; apps are chosen by app:NAME or tag:KEY=VALUE",
                             s->selectors[i].text) < 0)
                        *ret_message = NULL;
                return *ret_message ? -EINVAL : -ENOMEM;
        }
        return 0;
}

/*
 * Takes the names and addresses. Of the known addresses those are taken that
 * are free, in a family for which none was chosen.
 */
static int service_claim(Directory *d, VirtualService *service, const ServiceSettings *s, const Address *known,
                         size_t n_known, bool had, char **ret_message) {
        Address addresses[IDENTITY_ADDRESSES_MAX];
        size_t n = s->n_addresses;
        bool chosen4 = false, chosen6 = false;

        for (size_t i = 0; i < n; i++) {
                addresses[i] = s->addresses[i];
                chosen4 = chosen4 || addresses[i].family == AF_INET;
                chosen6 = chosen6 || addresses[i].family == AF_INET6;
        }
        for (size_t i = 0; i < n_known && n < IDENTITY_ADDRESSES_MAX - 2; i++)
                if (!(known[i].family == AF_INET ? chosen4 : chosen6) && !directory_find_address(d, &known[i]) &&
                    !address_reserved_reason(&known[i]))
                        addresses[n++] = known[i];
        return directory_add_service(d, service, &(IdentityClaim){
                .names = (const char *const *) s->names,
                .n_names = strv_length(s->names),
                .addresses = addresses,
                .n_addresses = n,
                .strategy = s->strategy,
                .uid = service->uid,
                .owner = service->uid,
                .id = service->id,
                .had = had,
        }, &service->party.identity, ret_message);
}

static void service_free(VirtualService *service) {
        service_settings_done(&service->settings);
        tags_done(&service->party.tags);
        policy_bits_done(&service->party.policy);
        exposure_release(service->party.exposure);
        free(service->path);
        free(service->id);
        free(service);
}

/* The tags of the party are a copy of those of the settings. */
static int copy_tags(const Tags *from, Tags *ret) {
        Tags tags = {};

        for (size_t i = 0; i < from->n; i++) {
                int r = tags_add(&tags, from->tags[i]);

                if (r < 0) {
                        tags_done(&tags);
                        return r;
                }
        }
        *ret = tags;
        return 0;
}

int virtual_service_add(Directory *d, const ServiceClaim *claim, ServiceSettings *settings, VirtualService **ret,
                        char **ret_message) {
        VirtualService *service;
        int r;

        *ret_message = NULL;
        r = check_externals(d, settings, ret_message);
        if (r < 0)
                return r;
        service = calloc(1, sizeof(*service));
        if (!service)
                return -ENOMEM;
        service->uid = claim->uid;
        service->persistent = claim->persistent;
        service->id = strdup(claim->id);
        r = service->id ? copy_tags(&settings->tags, &service->party.tags) : -ENOMEM;
        service->party.id = service->id;
        service->party.uid = POLICY_NO_UID;
        if (r >= 0)
                r = service_claim(d, service, settings, claim->known, claim->n_known, false, ret_message);
        if (r < 0) {
                service_free(service);
                return r;
        }
        service->settings = TAKE(*settings, (ServiceSettings){});
        r = service_link(d, service);
        if (r < 0) {
                *settings = TAKE(service->settings, (ServiceSettings){});
                directory_remove_service(d, service->party.identity);
                service_free(service);
                return r;
        }
        HASH_ADD_KEYPTR(hh, d->services, service->id, strlen(service->id), service);
        *ret = service;
        return 0;
}

/* How backends outside fared so far is of those, not of the settings. */
static void keep_rest(const VirtualService *service, const char *text, Rest *to) {
        for (size_t i = 0; i < service->n_externals; i++)
                if (strcmp(service->externals[i]->selector->text, text) == 0)
                        *to = service->externals[i]->rest;
}

static size_t get_addresses(const Identity *identity, Address addresses[static IDENTITY_ADDRESSES_MAX]) {
        for (size_t i = 0; i < identity->n_addresses; i++)
                addresses[i] = identity->addresses[i].address;
        return identity->n_addresses;
}

/*
 * Names and addresses go from one to the next in one step. What the first name
 * had from the pool it keeps.
 */
static int service_reclaim(Directory *d, VirtualService *service, const ServiceSettings *settings, char **ret_message) {
        Address had[IDENTITY_ADDRESSES_MAX];
        const size_t n_had = get_addresses(service->party.identity, had);
        const bool same = strcmp(service->settings.names[0], settings->names[0]) == 0;
        _cleanup_free_ char *message = NULL;
        Address from_pool[IDENTITY_ADDRESSES_MAX];
        size_t n_from_pool = 0;
        int r;

        for (size_t i = 0; i < n_had; i++) {
                bool chosen = false;

                for (size_t k = 0; k < service->settings.n_addresses; k++)
                        chosen = chosen || address_equal(&had[i], &service->settings.addresses[k]);
                if (!chosen)
                        from_pool[n_from_pool++] = had[i];
        }
        directory_remove_service(d, service->party.identity);
        r = service_claim(d, service, settings, from_pool, same ? n_from_pool : 0, false, ret_message);
        /* Nobody else can have taken them; and without memory for what was just freed, the next daemon has it all. */
        if (r < 0 && service_claim(d, service, &service->settings, from_pool, n_from_pool, true, &message) < 0)
                abort();
        return r;
}

int virtual_service_change(Directory *d, VirtualService *service, ServiceSettings *settings, char **ret_message) {
        Rest rests[SERVICE_SELECTORS_MAX] = {};
        ServiceSettings old;
        Tags tags = {};
        int r;

        *ret_message = NULL;
        r = check_externals(d, settings, ret_message);
        if (r >= 0)
                r = copy_tags(&settings->tags, &tags);
        if (r >= 0)
                r = service_reclaim(d, service, settings, ret_message);
        if (r < 0) {
                tags_done(&tags);
                return r;
        }
        for (size_t i = 0; i < settings->n_selectors; i++)
                keep_rest(service, settings->selectors[i].text, &rests[i]);
        service_unlink(d, service);
        old = service->settings;
        service->settings = TAKE(*settings, (ServiceSettings){});
        memset(service->rounds, 0, sizeof(service->rounds));
        r = service_link(d, service);
        if (r < 0) {
                *settings = service->settings;
                (void) service_reclaim(d, service, &old, ret_message);
                service->settings = old;
                (void) service_link(d, service);
                tags_done(&tags);
                return r;
        }
        for (size_t i = 0; i < service->n_externals; i++)
                service->externals[i]->rest = rests[service->externals[i]->selector - service->settings.selectors];
        tags_done(&service->party.tags);
        service->party.tags = tags;
        service_settings_done(&old);
        return 0;
}

void virtual_service_remove(Directory *d, VirtualService *service) {
        HASH_DELETE(hh, d->services, service);
        service_unlink(d, service);
        directory_remove_service(d, service->party.identity);
        service_free(service);
}
