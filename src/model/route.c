/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/route.h"

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

static bool was_tried(const RouteTried *tried, const Backend *b) {
        for (unsigned i = 0; tried && i < tried->n; i++)
                if (tried->ids[i] == b->id)
                        return true;
        return false;
}

/* What is asked for, on its way through. */
typedef struct Request {
        Directory *directory;
        Party *client;
        Endpoint to; /* what is meant */
        uint64_t now;
        const RouteTried *tried;
        uint64_t *random;
        bool counts;
} Request;

/* Of the listeners of one app. */
static bool is_better(const Backend *a, const Backend *b, uint64_t now) {
        const bool a_rests = rest_is(&a->rest, now), b_rests = rest_is(&b->rest, now);

        if (a_rests || b_rests)
                return a_rests && b_rests ? a->rest.until < b->rest.until : b_rests;
        return a->chosen < b->chosen;
}

/* Goes on to the next app in the list, and finds the best listener of this one. NULL: none is good. */
static Backend *best_of_party(const Request *q, Backend **list) {
        const Party *party = (*list)->party;
        Backend *best = NULL, *b;

        for (b = *list; b && b->party == party; b = b->next)
                if (backend_matches(b, &q->to) && !was_tried(q->tried, b) && (!best || is_better(b, best, q->now)))
                        best = b;
        *list = b;
        return best;
}

static uint64_t hash_of_client(const Party *client) {
        const Address *a = identity_address(client->identity, AF_INET);

        return balance_hash(a->bytes, sizeof(a->bytes));
}

/* The choice counts: all listeners of the app share its turn, and this one had it. */
static void take(Balance *balance, const Request *q, ServicePort *port) {
        Backend *chosen = balance_choose(balance);

        balance_take(balance);
        chosen->chosen = port->round.n;
        chosen->party->chosen_since++;
        for (Backend *b = port->backends; b; b = b->next)
                if (b->party == chosen->party && backend_matches(b, &q->to))
                        b->turn = chosen->turn;
}

static bool may_connect(const Party *client, const Party *server) {
        return server->identity == client->identity || tags_shared(&client->tags, &server->tags);
}

static void choose_backend(const Request *q, const Identity *identity, Route *route) {
        const bool loopback = address_is_loopback(&q->to.address);
        ServicePort *port = identity_find_port(identity, q->to.port);
        bool allowed = q->tried && q->tried->n > 0;
        Balance balance;

        route->verdict = ROUTE_NO_BACKEND;
        if (!port || (q->tried && q->tried->n == ELEMENTSOF(q->tried->ids)))
                return;
        balance_begin(&balance, identity->strategy, &port->round, hash_of_client(q->client), q->now, q->random);
        for (Backend *list = port->backends; list;) {
                Party *party = list->party;
                Backend *b = best_of_party(q, &list);

                if (!b)
                        continue;
                if (!may_connect(q->client, party)) {
                        route->refused_by = party;
                        continue;
                }
                allowed = true;
                if (party->draining && party != q->client)
                        continue;
                balance_offer(&balance,
                              &(Candidate){
                                              .weight = party->weight,
                                              .load = party_load(party),
                                              .key = party->key,
                                              .turn = &b->turn,
                                              .rest = &b->rest,
                                              /* Loopback is the app itself before it is its fellows. */
                                              .preferred = loopback && party == q->client,
                              },
                              b);
        }
        route->backend = balance_choose(&balance);
        if (route->backend)
                route->verdict = ROUTE_BACKEND;
        else if (route->refused_by && !allowed)
                route->verdict = ROUTE_REFUSED;
        if (route->backend && q->counts)
                take(&balance, q, port);
}

static RouteVerdict verdict_of_nobodys(const Directory *d, const Address *to) {
        return pool_contains(&d->pool4, to) || pool_contains(&d->pool6, to) || address_is_link_local(to)
                        ? ROUTE_NO_HOST
                        : ROUTE_NO_ROUTE;
}

static Route find_route(Request *q) {
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
                route.verdict = verdict_of_nobodys(d, &q->to.address);
        else
                choose_backend(q, identity, &route);
        return route;
}

Route route_connect(Directory *d, Party *client, const Endpoint *to, uint64_t now, const RouteTried *tried) {
        return find_route(&(Request){
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

        return find_route(&(Request){ .directory = d, .client = client, .to = *to, .now = now, .random = &random });
}

RouteVerdict route_echo(Directory *d, const Party *client, const Address *to) {
        Identity *identity;

        if (route_is_own(client, to))
                return ROUTE_NATIVE;
        identity = directory_find_address(d, to);
        if (!identity)
                return verdict_of_nobodys(d, to);
        for (Party *p = identity->parties; p; p = p->next)
                if (tags_shared(&client->tags, &p->tags))
                        return ROUTE_BACKEND;
        return ROUTE_REFUSED;
}

int route_verdict_to_errno(RouteVerdict verdict) {
        static const int errors[_ROUTE_VERDICT_MAX] = {
                [ROUTE_REFUSED] = EACCES,
                [ROUTE_NO_BACKEND] = ECONNREFUSED,
                [ROUTE_NO_HOST] = EHOSTUNREACH,
                [ROUTE_NO_ROUTE] = ENETUNREACH,
        };

        return errors[verdict];
}
