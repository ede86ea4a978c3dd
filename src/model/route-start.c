/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/route-start.h"

static bool listens_on(const Party *party, uint16_t number, uint64_t except) {
        const ServicePort *port = identity_find_port(party->identity, number);

        for (const Backend *b = port ? port->backends : NULL; b; b = b->next)
                if (b->party == party && b->id != except)
                        return true;
        return false;
}

/* Not one that listens and refuses; but one that listens for the last time. */
static bool is_started_by(const Party *party, uint16_t port, uint64_t except) {
        for (size_t i = 0; i < party->n_starts; i++)
                if (party->starts[i] == port)
                        return !party->draining && (party->stopping || !listens_on(party, port, except));
        return false;
}

/* `asks` is whose tags and rules count. Returns whether it is to be that one. */
static bool offer(const RouteRequest *q, const Party *asks, Party *party, uint16_t port, Route *route) {
        PolicyDecision decision;
        bool may;

        if (party == q->client || !is_started_by(party, port, 0) || !party_would_listen(party, q->to.address.family))
                return false;
        may = route_may_connect(q->directory, asks, party, port, &decision);
        route->work += 1 + decision.work;
        if (may) {
                route->verdict = ROUTE_STARTS;
                route->starts = party;
                route->refused = NULL;
                route->rule = decision.rule;
        } else if (route->verdict == ROUTE_NO_BACKEND) {
                route->verdict = ROUTE_REFUSED;
                route->refused_by = party;
                route->refused = asks == q->client ? NULL : asks;
                route->rule = decision.rule;
        }
        return may;
}

void route_start(const RouteRequest *q, const Identity *identity, Route *route) {
        for (Party *party = identity->parties; party; party = party->next)
                if (offer(q, q->client, party, q->to.port, route))
                        return;
}

void route_start_member(const RouteRequest *q, VirtualService *service, uint16_t port, Route *route) {
        for (const Membership *m = service->members; m; m = m->next) {
                const Identity *identity = m->party->identity;
                const Address *address = identity_address(identity, q->to.address.family);

                if (!address || !offer(q, &service->party, m->party, port, route))
                        continue;
                route->target = (Endpoint){ *address, port };
                /* As for a backend that runs. */
                if (identity == q->client->identity)
                        route->source = *address;
                return;
        }
}

Party *route_start_incoming(const RouteIncoming *q, const Address *client) {
        for (Party *party = q->identity->parties; party; party = party->next)
                if (is_started_by(party, q->port, 0) && q->may(party, client, q->userdata))
                        return party;
        return NULL;
}

bool route_start_is_possible(const RouteIncoming *q, int family, uint64_t except,
                             bool (*listens)(const Party *party, int family, void *userdata)) {
        for (const Party *party = q->identity->parties; party; party = party->next)
                if (is_started_by(party, q->port, except) && q->may(party, NULL, q->userdata) && listens(party, family, q->userdata))
                        return true;
        return false;
}
