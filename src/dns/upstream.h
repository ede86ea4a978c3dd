/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The host's name servers, as far as they are known here: how many there are,
 * which of them do not answer, and sockets that are connected to them. Those
 * come from appswitchd, one for each that is wanted (dns-feed.h); to take one,
 * use it for one question at a time and give it back is all that happens to
 * them here.
 *
 * A socket for UDP serves a few questions and not for long, so that the port
 * that a forged answer would have to hit is another one soon.
 *
 * While appswitchd is away who wants a socket waits, and it is wanted again
 * when it is back.
 */

#include "dns/dns-feed.h"
#include "basic/macro.h"

enum {
        UPSTREAM_POOL_MAX = 32, /* UDP sockets of a server that are kept for the next question */
        UPSTREAM_USES_MAX = 8,  /* questions asked by one of them */
};

#define UPSTREAM_AGE_MAX_USEC (30 * USEC_PER_SEC)

/* How long a server that does not answer is asked after the others. */
#define UPSTREAM_REST_USEC (10 * USEC_PER_SEC)

typedef struct UpstreamSocket {
        int fd;
        unsigned uses;
        uint64_t since; /* in µs */
} UpstreamSocket;

/* Who waits for a socket. Embed it. */
typedef struct UpstreamWaiter UpstreamWaiter;
struct UpstreamWaiter {
        unsigned server;
        bool stream;
        bool waits;
        bool asked; /* appswitchd knows */
        /* Has it now, or a negative errno. It does not wait any more when this is called. */
        void (*ready)(UpstreamWaiter *waiter, int error, const UpstreamSocket *s);
        UpstreamWaiter *prev, *next;
};

typedef struct UpstreamServer {
        UpstreamSocket pool[UPSTREAM_POOL_MAX];
        unsigned n_pool;
        unsigned failures; /* one after the other */
        uint64_t rests_until; /* in µs */
} UpstreamServer;

/* Asks appswitchd for a socket. Returns 0 or a negative errno (-ENOTCONN: it is away). */
typedef int (*UpstreamWanted)(uint64_t list, unsigned server, bool stream, void *userdata);

typedef struct Upstream {
        uint64_t list;
        unsigned n_servers;
        UpstreamServer servers[DNS_FEED_SERVERS_MAX];
        UpstreamWaiter *waiters; /* in the order they came */
        UpstreamWanted wanted;   /* NULL: appswitchd was never there */
        void *userdata;
} Upstream;

/* Closes the sockets. Nobody may wait. */
void upstream_done(Upstream *u);

/* There are other servers now, and none of the old sockets any more. Nobody may wait. */
void upstream_set(Upstream *u, uint64_t list, unsigned n_servers);

/* appswitchd hears again: asks it for what it was not asked for yet; if it is `anew`, for all that is waited for. */
void upstream_want_again(Upstream *u, bool anew);

/* Whether there is one that need not be made. */
bool upstream_has(Upstream *u, unsigned server, bool stream, uint64_t now);

/*
 * Gets a socket connected to the server. Returns 0 with it in `ret`; 1 if
 * `waiter->ready` will be called, unless upstream_cancel() comes first.
 */
int upstream_get(Upstream *u, UpstreamWaiter *waiter, uint64_t now, UpstreamSocket *ret);
void upstream_cancel(Upstream *u, UpstreamWaiter *waiter);

/* Gives a UDP socket back that answered, or closes it if it served long enough. */
void upstream_put(Upstream *u, unsigned server, UpstreamSocket *s, uint64_t now);

/* What appswitchd sent: a socket, which is taken over, or -errno for none. */
void upstream_receive(Upstream *u, uint64_t list, unsigned server, bool stream, int fd, uint64_t now);

/* How a server did. */
void upstream_answered(Upstream *u, unsigned server);
void upstream_failed(Upstream *u, unsigned server, uint64_t now);

/* The servers, those first that are to be asked first. */
void upstream_order(const Upstream *u, uint64_t now, unsigned ret[static DNS_FEED_SERVERS_MAX]);
