/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "basic/text.h"
#include "transport/guard-table.h"
#include "transport/nft.h"

#define CHAIN_INPUT "input"
#define REFUSED_SUFFIX "-refused"

enum { NAME_SIZE = ADDRESS_STRING_MAX + 24 };

static const struct {
        uint8_t protocol;
        const char *name, *map;
        uint32_t id; /* of the map */
} protocols[] = {
        { IPPROTO_TCP, "tcp", "tcp-ports", 1 },
        { IPPROTO_UDP, "udp", "udp-ports", 2 },
};

static size_t protocol_index(const GuardPort *p) {
        return p->protocol == IPPROTO_UDP;
}

static bool is_same_port(const GuardPort *a, const GuardPort *b) {
        return a->protocol == b->protocol && a->port == b->port;
}

/* Of one port those with an address of their own are first. */
int guard_compare_ports(const GuardPort *a, const GuardPort *b) {
        int c = (int) a->protocol - (int) b->protocol;

        c = c ?: (int) a->port - (int) b->port;
        c = c ?: (int) (a->address.family == AF_UNSPEC) - (int) (b->address.family == AF_UNSPEC);
        c = c ?: (int) address_is_unspecified(&a->address) - (int) address_is_unspecified(&b->address);
        return c ?: memcmp(&a->address, &b->address, sizeof(a->address));
}

/* All of one port are in one chain. */
static const char *chain_name(const GuardPort *p, char name[static NAME_SIZE]) {
        (void) snprintf(name, NAME_SIZE, "%s-%u", protocols[protocol_index(p)].name, p->port);
        return name;
}

/* "tcp-9999", "tcp4-9999" if it is for all of a family, "tcp-9999-192.0.2.1". nft(8) takes no colons in names. */
static const char *counter_name(const GuardPort *p, const char *suffix, char name[static NAME_SIZE]) {
        const bool is_family = p->address.family != AF_UNSPEC && address_is_unspecified(&p->address);
        const char *family = !is_family ? "" : p->address.family == AF_INET ? "4" : "6";
        char address[ADDRESS_STRING_MAX] = "";

        if (p->address.family != AF_UNSPEC && !is_family)
                (void) address_format(&p->address, address);
        for (char *c = address; *c; c++)
                if (*c == ':')
                        *c = '_';
        (void) snprintf(name, NAME_SIZE, "%s%s-%u%s%s%s", protocols[protocol_index(p)].name, family, p->port,
                        *address ? "-" : "", address, suffix);
        return name;
}

/* A rule that begins with what it takes to be about this one. */
static NftRule *rule_new(NftBatch *b, const GuardPort *p) {
        char chain[NAME_SIZE];
        NftRule *rule = nft_rule_new(b, chain_name(p, chain));
        const Network to = { p->address, address_bits(&p->address) };

        if (p->address.family == AF_UNSPEC)
                return rule;
        if (address_is_unspecified(&p->address))
                nft_match_family(b, rule, p->address.family);
        else
                nft_match_network(b, rule, NFT_TO, &to);
        return rule;
}

static bool takes_all(const GuardPort *p) {
        unsigned n = 0;

        for (size_t i = 0; i < p->from.n; i++)
                n += p->from.networks[i].prefix == 0;
        return n == 2; /* of both families */
}

static void add_who_may(NftBatch *b, const GuardPort *p) {
        NftRule *rule;

        if (p->protocol == IPPROTO_TCP) {
                rule = rule_new(b, p);
                nft_match_no_syn(b, rule);
                nft_return(b, rule);
                nft_rule_add(b, rule);
        }
        if (p->local) {
                rule = rule_new(b, p);
                nft_match_loopback_device(b, rule);
                nft_return(b, rule);
                nft_rule_add(b, rule);
                return;
        }
        for (size_t i = 0; i < p->from.n; i++) {
                /* It is about one family already, which the other one's networks have no part in. */
                if (p->address.family != AF_UNSPEC && p->from.networks[i].address.family != p->address.family)
                        continue;
                rule = rule_new(b, p);
                nft_match_network(b, rule, NFT_FROM, &p->from.networks[i]);
                nft_return(b, rule);
                nft_rule_add(b, rule);
        }
}

static void add_rules(NftBatch *b, const GuardPort *p) {
        const bool all = !p->local && takes_all(p);
        char name[NAME_SIZE];
        NftRule *rule;

        nft_add_counter(b, counter_name(p, "", name));
        rule = rule_new(b, p);
        nft_count(b, rule, name);
        if (all)
                nft_return(b, rule);
        nft_rule_add(b, rule);

        nft_add_counter(b, counter_name(p, REFUSED_SUFFIX, name));
        if (all)
                return;
        add_who_may(b, p);
        rule = rule_new(b, p);
        nft_count(b, rule, name);
        if (p->local)
                nft_drop(b, rule); /* it is no answer's business that there is something */
        else
                nft_reject(b, rule, p->protocol);
        nft_rule_add(b, rule);
}

static void add_frame(NftBatch *b) {
        nft_add_input_chain(b, CHAIN_INPUT);
        for (size_t i = 0; i < ELEMENTSOF(protocols); i++) {
                NftRule *rule;

                nft_add_port_map(b, protocols[i].map, protocols[i].id);
                nft_flush_port_map(b, protocols[i].map);
                rule = nft_rule_new(b, CHAIN_INPUT);
                nft_match_protocol(b, rule, protocols[i].protocol);
                nft_jump_by_port(b, rule, protocols[i].map, protocols[i].id);
                nft_rule_add(b, rule);
        }
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Names, sorted and each once. */
static size_t sort_names(char **names) {
        size_t n = 0, n_unique = 0;

        while (names && names[n])
                n++;
        if (n > 0)
                qsort(names, n, sizeof(*names), compare_strings);
        for (size_t i = 0; i < n; i++)
                if (i > 0 && strcmp(names[i], names[n_unique - 1]) == 0)
                        free(names[i]);
                else
                        names[n_unique++] = names[i];
        if (n > 0)
                names[n_unique] = NULL;
        return n_unique;
}

static bool has_name(char **names, size_t n, const char *name) {
        return n > 0 && bsearch(&name, names, n, sizeof(*names), compare_strings);
}

static int on_chain(const char *name, void *userdata) {
        return strv_append(userdata, name);
}

static int on_counter(const char *name, uint64_t packets, uint64_t bytes, void *userdata) {
        return strv_append(userdata, name);
}

static int list_wanted(const GuardPort *ports, size_t n, char ***chains, char ***counters) {
        char name[NAME_SIZE];
        int r;

        r = strv_append(chains, CHAIN_INPUT);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = strv_append(chains, chain_name(&ports[i], name));
                if (r >= 0)
                        r = strv_append(counters, counter_name(&ports[i], "", name));
                if (r >= 0)
                        r = strv_append(counters, counter_name(&ports[i], REFUSED_SUFFIX, name));
        }
        return r;
}

/* What an earlier time left and nobody wants any more. No rule leads to it by then. */
static int delete_rest(NftBatch *b, int netlink, const GuardPort *ports, size_t n) {
        _cleanup_strv_ char **chains = NULL, **counters = NULL, **wanted_chains = NULL, **wanted_counters = NULL;
        size_t n_chains, n_counters;
        int r;

        r = nft_list_chains(netlink, b->table, on_chain, &chains);
        if (r >= 0)
                r = nft_list_counters(netlink, b->table, on_counter, &counters);
        if (r >= 0)
                r = list_wanted(ports, n, &wanted_chains, &wanted_counters);
        if (r < 0)
                return r;
        n_chains = sort_names(wanted_chains);
        n_counters = sort_names(wanted_counters);
        for (size_t i = 0, found = sort_names(chains); i < found; i++)
                if (!has_name(wanted_chains, n_chains, chains[i]))
                        nft_delete_chain(b, chains[i]);
        for (size_t i = 0, found = sort_names(counters); i < found; i++)
                if (!has_name(wanted_counters, n_counters, counters[i]))
                        nft_delete_counter(b, counters[i]);
        return 0;
}

static void add_ports(NftBatch *b, const GuardPort *ports, size_t n) {
        char name[NAME_SIZE];

        for (size_t i = 0; i < n; i++) {
                const size_t protocol = protocol_index(&ports[i]);

                if (i == 0 || !is_same_port(&ports[i - 1], &ports[i]))
                        nft_add_chain(b, chain_name(&ports[i], name));
                add_rules(b, &ports[i]);
                if (i + 1 == n || !is_same_port(&ports[i], &ports[i + 1]))
                        nft_add_port(b, protocols[protocol].map, protocols[protocol].id, ports[i].port,
                                     chain_name(&ports[i], name));
        }
}

int guard_table_set(int netlink, const GuardPort *ports, size_t n) {
        _cleanup_nft_batch_ NftBatch b = { .table = GUARD_TABLE };
        uint32_t own, owner = 0;
        bool is_ours;
        int r;

        r = nft_get_id(netlink, &own);
        if (r >= 0)
                r = nft_find_table(netlink, GUARD_TABLE, &owner);
        if (r < 0)
                return r;
        is_ours = r > 0 && owner == own;
        /* One that somebody else made under this name is no guard: it could be changed behind our back. */
        if (r > 0 && (!is_ours || n == 0))
                nft_delete_table(&b);
        if (n == 0)
                return nft_commit(&b, netlink);
        if (is_ours)
                nft_flush_rules(&b);
        else
                nft_add_table(&b);
        add_frame(&b);
        if (is_ours) {
                r = delete_rest(&b, netlink, ports, n);
                if (r < 0)
                        return r;
        }
        add_ports(&b, ports, n);
        return nft_commit(&b, netlink);
}

/* What is wanted of the counters, by their names. */
typedef struct Wanted {
        struct WantedCounter {
                char name[NAME_SIZE];
                GuardCount *count;
                bool refused;
        } *counters;
        size_t n;
} Wanted;

static int compare_wanted(const void *a, const void *b) {
        return strcmp(((const struct WantedCounter *) a)->name, ((const struct WantedCounter *) b)->name);
}

static int on_count(const char *name, uint64_t packets, uint64_t bytes, void *userdata) {
        const Wanted *w = userdata;
        struct WantedCounter key, *found;

        if (strlen(name) >= sizeof(key.name))
                return 0;
        strcpy(key.name, name);
        found = bsearch(&key, w->counters, w->n, sizeof(*w->counters), compare_wanted);
        if (found && found->refused)
                found->count->refused = packets;
        else if (found) {
                found->count->packets = packets;
                found->count->bytes = bytes;
        }
        return 0;
}

int guard_table_count(int netlink, const GuardPort *ports, size_t n, GuardCount *counts) {
        _cleanup_free_ struct WantedCounter *counters = calloc(2 * n + 1, sizeof(*counters));
        Wanted w = { counters, 2 * n };

        if (!counters)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                counts[i].port = ports[i];
                counts[i].port.from = (Networks){};
                for (unsigned refused = 0; refused < 2; refused++) {
                        struct WantedCounter *c = &counters[2 * i + refused];

                        counter_name(&ports[i], refused ? REFUSED_SUFFIX : "", c->name);
                        c->count = &counts[i];
                        c->refused = refused;
                }
        }
        qsort(counters, w.n, sizeof(*counters), compare_wanted);
        return nft_list_counters(netlink, GUARD_TABLE, on_count, &w);
}
