/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "model/route-start.h"

enum { PORT_DOMAIN = 53 };

static const Address loopback4 = { AF_INET, { 127, 0, 0, 1 } };
static const Address loopback6 = { AF_INET6, { [15] = 1 } };

bool route_is_own(const Party *client, const Address *to) {
        return address_is_unspecified(to) || address_is_loopback(to) || identity_has_address(client->identity, to);
}

void route_tried_add(RouteTried *tried, uint64_t id) {
        if (tried->n < ELEMENTSOF(tried->ids))
                tried->ids[tried->n++] = id;
}

bool route_was_tried(const RouteTried *tried, uint64_t id) {
        for (unsigned i = 0; tried && i < tried->n; i++)
                if (tried->ids[i] == id)
                        return true;
        return false;
}

/* Of the listeners of one app. */
static bool is_better(const Backend *a, const Backend *b, uint64_t now) {
        const bool a_rests = rest_is(&a->rest, now), b_rests = rest_is(&b->rest, now);

        if (a_rests || b_rests)
                return a_rests && b_rests ? a->rest.until < b->rest.until : b_rests;
        return a->chosen < b->chosen;
}

Backend *route_best_of_party(const RouteRequest *q, Backend **list) {
        const Party *party = (*list)->party;
        Backend *best = NULL, *b;

        for (b = *list; b && b->party == party; b = b->next)
                if (backend_matches(b, &q->to) && !route_was_tried(q->tried, b->id) && (!best || is_better(b, best, q->now)))
                        best = b;
        *list = b;
        return best;
}

uint64_t route_hash_of_client(const Party *client) {
        const Address *a = identity_address(client->identity, AF_INET);

        return balance_hash(a->bytes, sizeof(a->bytes));
}

/* The choice counts: all listeners of the app share its turn, and this one had it. */
static void take(Balance *balance, const RouteRequest *q, ServicePort *port) {
        Backend *chosen = balance_choose(balance);

        balance_take(balance);
        chosen->chosen = port->round.n;
        chosen->party->tally.chosen++;
        for (Backend *b = port->backends; b; b = b->next)
                if (b->party == chosen->party && backend_matches(b, &q->to))
                        b->turn = chosen->turn;
}

bool route_may_connect(const Directory *d, const Party *client, const Party *server, uint16_t port,
                       PolicyDecision *ret) {
        *ret = (PolicyDecision){ .work = 1 };
        if (client->identity != server->identity && !tags_shared(&client->tags, &server->tags))
                return false;
        policy_decide(d->policy, client, server, port, ret);
        return ret->allowed;
}

bool route_may_see(const Directory *d, const Party *client, const Identity *identity) {
        PolicyDecision decision;

        if (identity == client->identity)
                return true;
        if (identity->service)
                return route_may_connect(d, client, &identity->service->party, 0, &decision);
        for (const Party *p = identity->parties; p; p = p->next)
                if (route_may_connect(d, client, p, 0, &decision))
                        return true;
        return false;
}

static void choose_backend(const RouteRequest *q, const Identity *identity, Route *route) {
        const bool loopback = address_is_loopback(&q->to.address);
        ServicePort *port = identity_find_port(identity, q->to.port);
        bool allowed = q->tried && q->tried->n > 0;
        const Rule *refusal = NULL;
        Balance balance;

        route->verdict = ROUTE_NO_BACKEND;
        if (!port || (q->tried && q->tried->n == ELEMENTSOF(q->tried->ids)))
                return;
        balance_begin(&balance, identity->strategy, &port->round, route_hash_of_client(q->client), q->now, q->random);
        for (Backend *list = port->backends; list;) {
                Party *party = list->party;
                Backend *b = route_best_of_party(q, &list);
                PolicyDecision decision;
                bool may;

                if (!b)
                        continue;
                may = route_may_connect(q->directory, q->client, party, q->to.port, &decision);
                route->work += 1 + decision.work;
                if (!may) {
                        /* A rule says more than the want of a tag. */
                        if (!route->refused_by || (decision.rule && !refusal)) {
                                route->refused_by = party;
                                refusal = decision.rule;
                        }
                        continue;
                }
                allowed = true;
                if (!party_is_open(party) && party != q->client)
                        continue;
                balance_offer(&balance,
                              &(Candidate){
                                              .weight = party->weight,
                                              .load = tally_load(&party->tally),
                                              .key = party->key,
                                              .turn = &b->turn,
                                              .rest = &b->rest,
                                              /* Loopback is the app itself before it is its fellows. */
                                              .preferred = loopback && party == q->client,
                              },
                              b);
                if (balance_choose(&balance) == b)
                        route->rule = decision.rule;
        }
        route->backend = balance_choose(&balance);
        if (route->backend)
                route->verdict = ROUTE_BACKEND;
        else if (route->refused_by && !allowed) {
                route->verdict = ROUTE_REFUSED;
                route->rule = refusal;
        }
        if (route->backend && q->counts)
                take(&balance, q, port);
}

static RouteVerdict verdict_of_nobodys(const Directory *d, const Address *to) {
        return network_contains(&d->pool4, to) || network_contains(&d->pool6, to) || address_is_link_local(to)
                        ? ROUTE_NO_HOST
                        : ROUTE_NO_ROUTE;
}

/* An address that is nobody's: outside, if it is not one that apps could have. */
static void leave(const RouteRequest *q, Route *route) {
        const Address *to = &q->to.address;
        EgressDecision *egress = &route->egress;

        route->verdict = verdict_of_nobodys(q->directory, to);
        if (route->verdict == ROUTE_NO_HOST && !address_is_link_local(to))
                return;
        *egress = egress_decide(q->directory, q->client, &q->to, q->now);
        if (egress->verdict == EGRESS_ALLOWED)
                route->verdict = ROUTE_OUTSIDE;
        /* Without a name it is what the kernel says, too. */
        else if (egress->verdict != EGRESS_NONE && (egress->verdict != EGRESS_RESERVED || egress->permit))
                route->verdict = ROUTE_NO_EGRESS;
}

static Route find_route(RouteRequest *q) {
        Directory *d = q->directory;
        Party *client = q->client;
        Identity *identity;
        Route route = {};

        if (q->to.port == PORT_DOMAIN) {
                route.verdict = ROUTE_NATIVE;
                return route;
        }
        if (address_is_unspecified(&q->to.address))
                q->to.address = q->to.address.family == AF_INET ? loopback4 : loopback6;
        route.to = q->to.address;
        route.target = q->to;

        if (address_is_loopback(&q->to.address)) {
                identity = client->identity;
                route.source = q->to.address.family == AF_INET ? loopback4 : loopback6;
        } else {
                identity = directory_find_address(d, &q->to.address);
                /* As the kernel does: who speaks to himself speaks from the address he speaks to. */
                route.source = identity == client->identity
                                ? q->to.address
                                : *identity_address(client->identity, q->to.address.family);
        }
        if (!identity)
                leave(q, &route);
        else if (identity->service)
                route_service(q, identity->service, &route);
        else
                choose_backend(q, identity, &route);
        if ((route.verdict == ROUTE_NO_BACKEND || route.verdict == ROUTE_REFUSED) && identity && !identity->service)
                route_start(q, identity, &route);
        return route;
}

Route route_connect(Directory *d, Party *client, const Endpoint *to, uint64_t now, const RouteTried *tried) {
        return find_route(&(RouteRequest){
                        .directory = d,
                        .client = client,
                        .to = *to,
                        .now = now,
                        .tried = tried,
                        .random = &d->random,
                        .counts = true,
        });
}

Route route_explain(Directory *d, Party *client, const Endpoint *to, uint64_t now) {
        uint64_t random = d->random;

        return find_route(&(RouteRequest){ .directory = d, .client = client, .to = *to, .now = now, .random = &random });
}

RouteVerdict route_echo(Directory *d, const Party *client, const Address *to) {
        Identity *identity;

        if (route_is_own(client, to))
                return ROUTE_NATIVE;
        identity = directory_find_address(d, to);
        if (!identity)
                return verdict_of_nobodys(d, to);
        if (identity->service)
                return route_service_echo(d, client, identity->service);
        return route_may_see(d, client, identity) ? ROUTE_BACKEND : ROUTE_REFUSED;
}

/* Of what a rule decided. */
static void rule_reason(const Rule *rule, char *buf, size_t size) {
        char place[600];

        if (rule->line > 0)
                (void) snprintf(place, sizeof(place), "the rule at %s:%u", rule->file, rule->line);
        else
                (void) snprintf(place, sizeof(place), "what %s was to say", rule->file);
        if (rule->broken)
                (void) snprintf(buf, size, "%s has an error, and so denies it (appswitch.policy(5))", place);
        else
                (void) snprintf(buf, size, "%s %s it%s%s%s", place, rule->allow ? "allows" : "denies",
                                *rule->description ? " (" : "", rule->description, *rule->description ? ")" : "");
}

const char *route_reason(const Route *route, char buf[static ROUTE_REASON_MAX]) {
        if (route->rule)
                rule_reason(route->rule, buf, ROUTE_REASON_MAX);
        else if (route->verdict == ROUTE_OUTSIDE || route->verdict == ROUTE_NO_EGRESS || route->verdict == ROUTE_NO_ROUTE)
                (void) egress_reason(&route->egress, &route->to, buf);
        else if (route->verdict != ROUTE_REFUSED)
                (void) snprintf(buf, ROUTE_REASON_MAX, "no rule is about it");
        else if (route->refused)
                (void) snprintf(buf, ROUTE_REASON_MAX, "the virtual service and it share no tag");
        else
                (void) snprintf(buf, ROUTE_REASON_MAX, "they share no tag");
        return buf;
}

int route_verdict_to_errno(RouteVerdict verdict) {
        static const int errors[_ROUTE_VERDICT_MAX] = {
                [ROUTE_REFUSED] = EACCES,
                [ROUTE_NO_BACKEND] = ECONNREFUSED,
                [ROUTE_NO_HOST] = EHOSTUNREACH,
                [ROUTE_NO_ROUTE] = ENETUNREACH,
                [ROUTE_NO_EGRESS] = EACCES,
        };

        return errors[verdict];
}
