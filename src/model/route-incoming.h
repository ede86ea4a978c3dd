/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a connection goes that comes from outside of the host to an exposed port: to one of those who expose it. */

#include "model/route.h"

typedef struct RouteIncoming {
        Directory *directory;
        const Identity *identity;
        uint16_t port; /* of the apps */
        /* Whether this app exposes it, and to the client. */
        bool (*may)(const Party *party, const Address *client, void *userdata);
        void *userdata;
} RouteIncoming;

/*
 * Finds the backend as route_connect() does, by the identity's strategy, for a
 * client that is no app: neither tags nor rules are about it. `target` of the
 * route is the address of the app that it is to connect to, in the client's
 * family. Choosing counts. ROUTE_REFUSED: only such listen as may not be
 * reached by the client.
 */
Route route_incoming(const RouteIncoming *q, const Address *client, uint64_t now, const RouteTried *tried);

/* Whether there is anybody to connect to by this family, but for the backend `except` (its id, or 0). */
bool route_incoming_is_possible(const RouteIncoming *q, int family, uint64_t except);
