/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/route-incoming.h"
#include "model/route-service.h"

/* The best listener of the next app in the list, and at which of its addresses it is reached. Goes on in the list. */
static Backend *best_of_party(const RouteRequest *q, const Identity *identity, Backend **list, Endpoint *ret_target) {
        Backend *best = NULL, *rest = NULL;
        RouteRequest sub = *q;

        for (size_t i = 0; !best && i < identity->n_addresses; i++) {
                sub.to.address = identity->addresses[i].address;
                if (sub.to.address.family != q->to.address.family)
                        continue;
                rest = *list;
                best = route_best_of_party(&sub, &rest);
                *ret_target = sub.to;
        }
        *list = rest;
        return best;
}

static RouteRequest make_request(const RouteIncoming *q, int family, uint64_t now, const RouteTried *tried) {
        return (RouteRequest){
                .directory = q->directory,
                .to = { { .family = (uint16_t) family }, q->port },
                .now = now,
                .tried = tried,
        };
}

Route route_incoming(const RouteIncoming *q, const Address *client, uint64_t now, const RouteTried *tried) {
        const RouteRequest request = make_request(q, client->family, now, tried);
        const uint64_t source = balance_hash(client->bytes, client->family == AF_INET ? 4 : 16);
        ServicePort *port = identity_find_port(q->identity, q->port);
        Route route = { .verdict = ROUTE_NO_BACKEND };
        bool refused = false;
        Balance balance;

        if (!port || (tried && tried->n == ELEMENTSOF(tried->ids)))
                return route;
        balance_begin(&balance, q->identity->strategy, &port->round, source, now, &q->directory->random);
        for (Backend *list = port->backends; list;) {
                Party *party = list->party;
                Endpoint target;
                Backend *b = best_of_party(&request, q->identity, &list, &target);

                if (!b || !party_is_open(party))
                        continue;
                if (!q->may(party, client, q->userdata)) {
                        refused = true;
                        continue;
                }
                balance_offer(&balance,
                              &(Candidate){
                                              .weight = party->weight,
                                              .load = tally_load(&party->tally),
                                              .key = party->key,
                                              .turn = &b->turn,
                                              .rest = &b->rest,
                              },
                              b);
                if (balance_choose(&balance) == b)
                        route.target = target;
        }
        route.backend = balance_choose(&balance);
        if (!route.backend) {
                route.verdict = refused ? ROUTE_REFUSED : ROUTE_NO_BACKEND;
                return route;
        }
        route.verdict = ROUTE_BACKEND;
        route.to = route.target.address;
        balance_take(&balance);
        route.backend->chosen = port->round.n;
        route.backend->party->tally.chosen++;
        for (Backend *b = port->backends; b; b = b->next)
                if (b->party == route.backend->party)
                        b->turn = route.backend->turn;
        return route;
}

bool route_incoming_is_possible(const RouteIncoming *q, int family, uint64_t except) {
        const RouteTried tried = { .ids = { except }, .n = 1 };
        const RouteRequest request = make_request(q, family, 0, &tried);
        const ServicePort *port = identity_find_port(q->identity, q->port);

        for (Backend *list = port ? port->backends : NULL; list;) {
                Party *party = list->party;
                Endpoint target;

                if (best_of_party(&request, q->identity, &list, &target) && party_is_open(party) &&
                    q->may(party, NULL, q->userdata))
                        return true;
        }
        return false;
}
