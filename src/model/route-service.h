/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of a route that leads through a virtual service; for route.c, which has the rest. */

#include "model/route.h"
#include "model/virtual-service.h"

/* What is asked for, on its way through. */
typedef struct RouteRequest {
        Directory *directory;
        Party *client;
        Endpoint to; /* what is meant */
        uint64_t now;
        const RouteTried *tried;
        uint64_t *random;
        bool counts;
} RouteRequest;

/* Chooses among the backends of the service for the port that is asked for. */
void route_service(const RouteRequest *q, VirtualService *service, Route *route);

/* Whether a ping is answered: by whoever is behind the service. */
RouteVerdict route_service_echo(Directory *d, const Party *client, const VirtualService *service);

/*
 * Of route.c: goes on to the next app in the list and finds the best listener
 * of this one, NULL if none is good; whether a backend was tried; what a client is for STRATEGY_SOURCE_HASH.
 */
Backend *route_best_of_party(const RouteRequest *q, Backend **list);
bool route_was_tried(const RouteTried *tried, uint64_t id);
uint64_t route_hash_of_client(const Party *client);
