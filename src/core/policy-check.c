/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * All pairs are decided twice: by the policy in force, and then, with its bits
 * put in place of theirs for that long, by the other one.
 */

#include "core/app.h"
#include "core/policy-check.h"
#include "model/route.h"
#include "model/virtual-service.h"

typedef struct Check {
        Manager *manager;
        uint8_t *before; /* a bit for each pair */
        const Rule **rules; /* that decided each */
        bool second;
        PolicyChanged changed;
        void *userdata;
        size_t n_pairs, max_pairs, n_decisions, n_changes;
} Check;

/* Whether the service leads to somebody, and the rule that decided. */
static bool may_by_service(Check *c, const Party *client, const VirtualService *service, uint16_t port, PolicyDecision *ret) {
        const Directory *d = &c->manager->directory;
        const PortMapping *mapping = service_settings_find_port(&service->settings, port);
        bool any = false, may = false;

        if (!route_may_connect(d, client, &service->party, port, ret))
                return false;
        for (const Membership *m = service->members; mapping && m && !may; m = m->next) {
                PolicyDecision decision;

                any = true;
                c->n_decisions++;
                may = route_may_connect(d, &service->party, m->party, mapping->backend_port, &decision);
                if (!may)
                        *ret = decision;
        }
        return may || !any || service->n_externals > 0;
}

static bool may_by_backends(Check *c, const Party *client, const ServicePort *port, PolicyDecision *ret) {
        const Directory *d = &c->manager->directory;
        const Party *last = NULL;

        for (const Backend *b = port->backends; b; b = b->next) {
                if (b->party == last)
                        continue;
                last = b->party;
                c->n_decisions++;
                if (route_may_connect(d, client, last, port->port, ret))
                        return true;
        }
        return false;
}

/* Returns whether there is room for more. */
static bool check_pair(Check *c, const App *client, const Identity *identity, uint16_t number, const ServicePort *port) {
        const size_t i = c->n_pairs;
        PolicyDecision decision = {};
        bool may, did;

        if (client->party.identity == identity)
                return true;
        if (i == c->max_pairs || c->n_decisions >= POLICY_CHECK_DECISIONS_MAX)
                return false;
        c->n_pairs++;
        may = port ? may_by_backends(c, &client->party, port, &decision)
                   : may_by_service(c, &client->party, identity->service, number, &decision);
        if (!c->second) {
                c->before[i / 8] |= (uint8_t) (may << (i % 8));
                c->rules[i] = decision.rule;
                return true;
        }
        did = c->before[i / 8] >> (i % 8) & 1;
        if (did != may && ++c->n_changes <= POLICY_CHANGES_MAX)
                c->changed(&(PolicyChange){ client, identity, number, may, c->rules[i], decision.rule }, c->userdata);
        return true;
}

static bool check_port(Check *c, const Identity *identity, uint16_t number, const ServicePort *port) {
        for (const App *client = c->manager->apps; client; client = client->hh.next)
                if (client->state == APP_RUNNING && !check_pair(c, client, identity, number, port))
                        return false;
        return true;
}

static bool check_all(Check *c) {
        c->n_pairs = c->n_decisions = 0;
        for (const AddressEntry *e = c->manager->directory.by_address; e; e = e->hh.next) {
                const Identity *identity = e->identity;

                if (e != &identity->addresses[0])
                        continue;
                for (const ServicePort *port = identity->ports; port; port = port->hh.next)
                        if (!check_port(c, identity, port->port, port))
                                return false;
                for (size_t i = 0; identity->service && i < identity->service->settings.n_ports; i++)
                        if (!check_port(c, identity, identity->service->settings.ports[i].port, NULL))
                                return false;
        }
        return true;
}

/* The parties that can be in a pair, with the bits of the other policy, or while that decides, their own. */
typedef struct Other {
        Party *party;
        PolicyBits bits;
} Other;

static void swap(Manager *m, Other *others, size_t n, const Policy **policy) {
        const Policy *p = m->directory.policy;

        m->directory.policy = *policy;
        *policy = p;
        for (size_t i = 0; i < n; i++) {
                const PolicyBits bits = others[i].party->policy;

                others[i].party->policy = others[i].bits;
                others[i].bits = bits;
        }
}

static int find_others(Manager *m, const Policy *policy, Other **ret, size_t *ret_n) {
        size_t n = 0, max = HASH_COUNT(m->apps) + HASH_COUNT(m->directory.services);
        Other *others = calloc(max + 1, sizeof(*others));
        int r = 0;

        if (!others)
                return -ENOMEM;
        for (App *app = m->apps; app; app = app->hh.next)
                if (app->party.identity)
                        others[n++].party = &app->party;
        for (VirtualService *s = m->directory.services; s; s = s->hh.next)
                others[n++].party = &s->party;
        for (size_t i = 0; r >= 0 && i < n; i++) {
                const Party *p = others[i].party;

                r = policy_find_bits(policy, p->identity, &p->tags, p->uid, &others[i].bits);
        }
        *ret = others;
        *ret_n = n;
        return r;
}

int policy_check(Manager *m, const Policy *policy, PolicyChanged changed, void *userdata, size_t *ret_n, bool *ret_complete) {
        Check c = { .manager = m, .max_pairs = POLICY_CHECK_PAIRS_MAX, .changed = changed, .userdata = userdata };
        Other *others = NULL;
        size_t n = 0;
        int r;

        r = find_others(m, policy, &others, &n);
        c.before = calloc(POLICY_CHECK_PAIRS_MAX / 8, 1);
        c.rules = calloc(POLICY_CHECK_PAIRS_MAX, sizeof(*c.rules));
        if (r >= 0 && (!c.before || !c.rules))
                r = -ENOMEM;
        if (r >= 0) {
                *ret_complete = check_all(&c);
                c.second = true;
                c.max_pairs = c.n_pairs;
                swap(m, others, n, &policy);
                *ret_complete = check_all(&c) && *ret_complete;
                swap(m, others, n, &policy);
                *ret_n = c.n_changes;
        }
        for (size_t i = 0; i < n; i++)
                policy_bits_done(&others[i].bits);
        free(others);
        free(c.before);
        free(c.rules);
        return r;
}
