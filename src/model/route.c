/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/route.h"

enum { PORT_DOMAIN = 53 };

static const Address loopback4 = { AF_INET, { 127, 0, 0, 1 } };
static const Address loopback6 = { AF_INET6, { [15] = 1 } };

static bool waited_longer(const Backend *a, const Backend *b) {
        if (a->party->turn != b->party->turn)
                return a->party->turn < b->party->turn;
        return a->turn < b->turn;
}

bool route_is_own(const Party *client, const Address *to) {
        return address_is_unspecified(to) || address_is_loopback(to) || identity_has_address(client->identity, to);
}

/* Loopback is the app itself before it is its fellows; whose turn it is decides among equals. */
static bool is_better(const Backend *a, const Backend *b, const Party *client, bool loopback) {
        if (loopback && (a->party == client) != (b->party == client))
                return a->party == client;
        return waited_longer(a, b);
}

static void choose_backend(Directory *d, Party *client, Identity *identity, const Endpoint *to, Route *route) {
        bool loopback = address_is_loopback(&to->address);

        for (Backend *b = identity->backends; b; b = b->next) {
                if (!backend_matches(b, to))
                        continue;
                if (identity != client->identity && !tags_shared(&client->tags, &b->party->tags)) {
                        route->refused_by = b->party;
                        continue;
                }
                if (!route->backend || is_better(b, route->backend, client, loopback))
                        route->backend = b;
        }
        if (route->backend) {
                route->verdict = ROUTE_BACKEND;
                route->backend->turn = route->backend->party->turn = ++d->turn;
        } else
                route->verdict = route->refused_by ? ROUTE_REFUSED : ROUTE_NO_BACKEND;
}

static RouteVerdict verdict_of_nobodys(const Directory *d, const Address *to) {
        return pool_contains(&d->pool4, to) || pool_contains(&d->pool6, to) || address_is_link_local(to)
                        ? ROUTE_NO_HOST
                        : ROUTE_NO_ROUTE;
}

Route route_connect(Directory *d, Party *client, const Endpoint *to) {
        Endpoint meant = *to;
        Identity *identity;
        Route route = {};

        if (to->port == PORT_DOMAIN) {
                route.verdict = ROUTE_NATIVE;
                return route;
        }
        if (address_is_unspecified(&to->address))
                meant.address = to->address.family == AF_INET ? loopback4 : loopback6;
        route.to = meant.address;

        if (address_is_loopback(&meant.address)) {
                identity = client->identity;
                route.source = meant.address.family == AF_INET ? loopback4 : loopback6;
        } else {
                identity = directory_find_address(d, &meant.address);
                /* As the kernel does: who speaks to himself speaks from the address he speaks to. */
                route.source = identity == client->identity
                                ? meant.address
                                : *identity_address(client->identity, meant.address.family);
        }
        if (!identity)
                route.verdict = verdict_of_nobodys(d, &meant.address);
        else
                choose_backend(d, client, identity, &meant, &route);
        return route;
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
