/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/route-start.h"

/* The best listener of a member, and at which of its addresses it is reached; NULL: none is good. */
static Backend *best_of_member(const RouteRequest *q, const MemberPort *port, uint16_t number, Endpoint *ret_target) {
        const Identity *identity = port->membership->party->identity;
        RouteRequest sub = *q;

        for (size_t i = 0; i < identity->n_addresses; i++) {
                Backend *list = port->backends, *best;

                sub.to = (Endpoint){ identity->addresses[i].address, number };
                if (sub.to.address.family != q->to.address.family)
                        continue;
                best = route_best_of_party(&sub, &list);
                if (best) {
                        *ret_target = sub.to;
                        return best;
                }
        }
        return NULL;
}

static void offer_externals(const RouteRequest *q, VirtualService *service, size_t i, Balance *balance, bool *any_left) {
        const ServiceSettings *s = &service->settings;

        for (size_t k = 0; k < service->n_externals; k++) {
                External *external = service->externals[k];

                if (!service_settings_serves(s, external->selector, &s->ports[i]) || route_was_tried(q->tried, external->id))
                        continue;
                *any_left = true;
                balance_offer(balance,
                              &(Candidate){
                                              .weight = WEIGHT_DEFAULT,
                                              .load = tally_load(&external->tally),
                                              .key = external->key,
                                              .turn = &external->turns[i],
                                              .rest = &external->rest,
                                              .preferred = s->prefer_local && external->selector->type == SELECTOR_HOST,
                              },
                              external);
        }
}

static void offer_members(const RouteRequest *q, VirtualService *service, size_t i, Balance *balance, bool *allowed,
                          Route *route, const Rule **ret_refusal) {
        const uint16_t number = service->settings.ports[i].backend_port;

        for (MemberPort *port = service->ready[i]; port; port = port->next) {
                Party *party = port->membership->party;
                Endpoint target;
                Backend *b = best_of_member(q, port, number, &target);
                PolicyDecision decision;
                bool may;

                if (!b)
                        continue;
                may = route_may_connect(q->directory, &service->party, party, number, &decision);
                route->work += 1 + decision.work;
                if (!may) {
                        /* A rule says more than the want of a tag. */
                        if (!route->refused_by || (decision.rule && !*ret_refusal)) {
                                route->refused_by = party;
                                *ret_refusal = decision.rule;
                        }
                        continue;
                }
                *allowed = true;
                if (!party_is_open(party) && party != q->client)
                        continue;
                balance_offer(balance,
                              &(Candidate){
                                              .weight = party->weight,
                                              .load = tally_load(&party->tally),
                                              .key = party->key,
                                              .turn = &port->turn,
                                              .rest = &b->rest,
                                              .preferred = service->settings.prefer_local,
                              },
                              port);
        }
}

static void choose_member(const RouteRequest *q, const MemberPort *port, uint16_t number, Route *route) {
        route->verdict = ROUTE_BACKEND;
        route->backend = best_of_member(q, port, number, &route->target);
        /* Who speaks to himself speaks from the address he speaks to, by whatever way. */
        if (route->backend->party->identity == q->client->identity)
                route->source = route->target.address;
        if (q->counts) {
                route->backend->chosen = ++identity_find_port(route->backend->party->identity, number)->round.n;
                route->backend->party->tally.chosen++;
        }
}

/* What was chosen if it is one of the backends outside, or NULL. */
static External *chosen_external(const VirtualService *service, const void *chosen) {
        for (size_t k = 0; k < service->n_externals; k++)
                if (service->externals[k] == chosen)
                        return service->externals[k];
        return NULL;
}

void route_service(const RouteRequest *q, VirtualService *service, Route *route) {
        const PortMapping *mapping = service_settings_find_port(&service->settings, q->to.port);
        bool allowed = q->tried && q->tried->n > 0;
        const Rule *refusal = NULL;
        External *external;
        PolicyDecision decision;
        Balance balance;
        void *chosen;
        bool may;
        size_t i;

        route->verdict = ROUTE_NO_BACKEND;
        if (!mapping || (q->tried && q->tried->n == ELEMENTSOF(q->tried->ids)))
                return;
        may = route_may_connect(q->directory, q->client, &service->party, q->to.port, &decision);
        route->work += 1 + decision.work;
        route->rule = decision.rule;
        if (!may) {
                route->verdict = ROUTE_REFUSED;
                route->refused_by = &service->party;
                return;
        }
        i = (size_t) (mapping - service->settings.ports);
        balance_begin(&balance, service->settings.strategy, &service->rounds[i], route_hash_of_client(q->client), q->now,
                      q->random);
        offer_members(q, service, i, &balance, &allowed, route, &refusal);
        offer_externals(q, service, i, &balance, &allowed);
        chosen = balance_choose(&balance);
        if (!chosen) {
                if (route->refused_by && !allowed) {
                        route->verdict = ROUTE_REFUSED;
                        route->refused = &service->party;
                        route->rule = refusal;
                }
                route_start_member(q, service, mapping->backend_port, route);
                return;
        }
        if (q->counts)
                balance_take(&balance);
        external = chosen_external(service, chosen);
        if (external) {
                route->verdict = ROUTE_EXTERNAL;
                route->external = external;
                if (q->counts)
                        external->tally.chosen++;
                route->target = external->selector->endpoint;
        } else
                choose_member(q, chosen, mapping->backend_port, route);
}

RouteVerdict route_service_echo(Directory *d, const Party *client, const VirtualService *service) {
        RouteVerdict verdict = ROUTE_NO_HOST;
        PolicyDecision decision;

        if (!route_may_connect(d, client, &service->party, 0, &decision))
                return ROUTE_REFUSED;
        if (service->n_externals > 0)
                return ROUTE_BACKEND;
        for (const Membership *m = service->members; m; m = m->next) {
                if (route_may_connect(d, &service->party, m->party, 0, &decision))
                        return ROUTE_BACKEND;
                verdict = ROUTE_REFUSED;
        }
        return verdict;
}
