/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who is started by a connection, where nobody that listens can take it (StartOnConnect=). */

#include "model/route-incoming.h"
#include "model/route-service.h"

/* For a connection to one of these apps: makes it ROUTE_STARTS, or ROUTE_REFUSED, if there is such a one. */
void route_start(const RouteRequest *q, const Identity *identity, Route *route);

/* For one to a virtual service, that leads to `port` of its apps. The client may connect to the service. */
void route_start_member(const RouteRequest *q, VirtualService *service, uint16_t port, Route *route);

/* For one from outside, of `client`. NULL: there is nobody who could be started for him. */
Party *route_start_incoming(const RouteIncoming *q, const Address *client);

/*
 * Whether there is somebody to start for clients of this family, whoever they are, once the backend `except` (its id, or
 * 0) is gone. `listens` says for whom of them he is taken to.
 */
bool route_start_is_possible(const RouteIncoming *q, int family, uint64_t except,
                             bool (*listens)(const Party *party, int family, void *userdata));
