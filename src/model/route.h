/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where does this connection go, and may it? */

#include "model/directory.h"
#include "model/egress-decide.h"
#include "model/policy.h"

typedef struct External External;  /* model/virtual-service.h */

typedef enum RouteVerdict {
        ROUTE_BACKEND,    /* to the backend */
        ROUTE_EXTERNAL,   /* to a backend outside */
        ROUTE_STARTS,     /* to an app that is started by that */
        ROUTE_NATIVE,     /* stays in the app's own namespace: its name service (port 53) */
        ROUTE_REFUSED,    /* there are backends, but none that shares a tag and that the policy allows: EACCES */
        ROUTE_NO_BACKEND, /* the address is there and nothing listens: ECONNREFUSED */
        ROUTE_NO_HOST,    /* a virtual address that nobody has: EHOSTUNREACH */
        ROUTE_NO_ROUTE,   /* the outside, where the app has no way to at all: ENETUNREACH */
        ROUTE_OUTSIDE,    /* to just this address, outside */
        ROUTE_NO_EGRESS,  /* outside, and not what the app may reach of it: EACCES */
        _ROUTE_VERDICT_MAX,
} RouteVerdict;

typedef struct Route {
        RouteVerdict verdict;
        Backend *backend;         /* ROUTE_BACKEND */
        const External *external; /* ROUTE_EXTERNAL */
        Party *starts;            /* ROUTE_STARTS */
        Party *refused_by;        /* ROUTE_REFUSED: a party that listens there */
        const Party *refused;     /* ROUTE_REFUSED: the virtual service between the two, if that is who is refused */
        const Rule *rule;         /* that decided; NULL: none did, and what is refused shares no tag */
        EgressDecision egress;    /* ROUTE_OUTSIDE, ROUTE_NO_EGRESS, ROUTE_NO_ROUTE: why */
        unsigned work;            /* how many steps it took, each of bounded time */
        Address to;               /* the address that is meant: 0.0.0.0 and :: are loopback (ip(7)) */
        Endpoint target;          /* what to dial: `to` and its port, unless a virtual service leads elsewhere */
        Address source;           /* what the client's end is called unless it is bound otherwise */
} Route;

/* Backends that a connect has found to be no good: it does not try them again. When it is full, that is enough. */
typedef struct RouteTried {
        uint64_t ids[32]; /* Backend.id */
        unsigned n;
} RouteTried;

void route_tried_add(RouteTried *tried, uint64_t id);

/*
 * Whether the app means itself: loopback, the unspecified address, or one of
 * its own.
 */
bool route_is_own(const Party *client, const Address *to);

/*
 * Finds the backend for a connection of `client` to `to`: of those that listen
 * there, may be reached by the client and do not drain, the app that the
 * identity's strategy chooses, and of its listeners the one that waited longest.
 * Loopback means the client's own identity: the client's own listeners first,
 * then those of its fellow instances. `now` is CLOCK_MONOTONIC in µs; `tried`
 * may be NULL. Choosing it counts as its turn.
 */
Route route_connect(Directory *d, Party *client, const Endpoint *to, uint64_t now, const RouteTried *tried);

/* The same as a question: what a connection would be given now. Nothing counts, nothing changes. */
Route route_explain(Directory *d, Party *client, const Endpoint *to, uint64_t now);

/*
 * Whether `client` may connect to this port of `server`, which can be a virtual
 * service: in one identity always, else by a shared tag and by the policy. Port
 * 0 is any: whether there is one. What decided is in `ret`: a rule, or none if
 * it is for want of a tag.
 */
bool route_may_connect(const Directory *d, const Party *client, const Party *server, uint16_t port, PolicyDecision *ret);

/* Whether it may connect to somebody of this identity, or to the virtual service, and so may know of its names. */
bool route_may_see(const Directory *d, const Party *client, const Identity *identity);

/*
 * Whether an echo request of `client` to `to` is answered: ROUTE_NATIVE if the
 * app means itself; ROUTE_BACKEND if an app has the address, whatever it
 * listens on; else why not, as for a connection.
 */
RouteVerdict route_echo(Directory *d, const Party *client, const Address *to);

/* Room for a sentence with a name of a file and a description in it. */
enum { ROUTE_REASON_MAX = 1600 };
static_assert((int) ROUTE_REASON_MAX >= (int) EGRESS_REASON_MAX, "either");

/*
 * Why it was refused or allowed, as the end of a sentence: "they share no tag",
 * "the rule at /etc/appswitch/policy.d/10-web.conf:3 denies it (only the shop)".
 * Returns `buf`. Of a verdict that is none of the policy's it says so.
 */
const char *route_reason(const Route *route, char buf[static ROUTE_REASON_MAX]);

/* The errno that connect(2) gives for a verdict, 0 for those that lead somewhere. */
int route_verdict_to_errno(RouteVerdict verdict);
