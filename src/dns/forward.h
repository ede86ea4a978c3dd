/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Names of the outside: asks the host's name servers for apps that may look
 * them up, and remembers what they said (dns/cache.h).
 *
 * A lookup is one question under way, whoever asked it: more who ask the same
 * wait with the first. It asks one server after the other (dns/try.h), in good
 * time and again, and takes the first answer of any; a server that refuses,
 * fails or is not there is passed over at once. It ends FORWARD_USEC after it
 * began, which is before resolvers lose patience (resolv.conf(5): 5 seconds):
 * nobody who asks is left without an answer, whatever the servers do. It ends
 * at once when nobody waits for it any more, so that what there is of it is
 * always somebody's, and has a bound.
 *
 * What an app hears:
 *
 * - It is not authoritative, and has the records as they came (dns/response.h).
 * - Virtual addresses are ours to give. An answer from outside that has one is
 *   a mistake or an attack, and a server failure to whoever asked: to leave only
 *   that record out would make another answer of it that nobody signed.
 * - If the app is permitted to connect to the name, appswitchd hears of the
 *   addresses first. While appswitchd is away, or too busy to hear, such an answer
 *   is held back, until it hears again or the time is over.
 */

#include <systemd/sd-event.h>

#include "basic/budget.h"
#include "dns/cache.h"
#include "dns/names.h"
#include "dns/patterns.h"
#include "dns/stream.h"
#include "dns/try.h"

enum {
        FORWARD_LOOKUPS_MAX = 1024,   /* one more ends the oldest */
        FORWARD_CLIENT_ASKERS_MAX = 256, /* of an app, if there is room for as many lookups again; else as there is room, */
        FORWARD_CLIENT_ASKERS_MIN = 8,   /* but these in any case */
        FORWARD_STREAMS_MAX = 256,    /* TCP connections to servers: an app may have as many as it leaves for others */
        FORWARD_HELD_MAX = 64,        /* lookups that wait for appswitchd: an app may have as many as it leaves for others */
        /* Sockets that an app may cause to be made: as long as it asks no more than it may, enough for all tries of it. */
        FORWARD_CLIENT_SOCKETS_PER_SEC = DNS_FEED_SOCKETS_PER_SEC / 4,
        FORWARD_CLIENT_SOCKETS_BURST = DNS_FEED_SOCKETS_BURST / 4,
        FORWARD_TRIES_MAX = 6,        /* of a lookup, over UDP, and as many over TCP */
        FORWARD_LONE_TRIES = 3,       /* if there is one server */
};

#define FORWARD_USEC (4500 * USEC_PER_MSEC)

typedef struct Forward Forward;
typedef struct Asker Asker;

/* An app, as far as it looks up names outside. Embed it, zeroed but for `id`. */
typedef struct ForwardClient {
        const char *id;
        Patterns patterns;
        CacheShare share;
        Asker *askers;
        unsigned n_askers;
        Budget sockets; /* FORWARD_CLIENT_SOCKETS_PER_SEC */
        uint64_t looked_at;
} ForwardClient;

/* Where an answer goes. */
typedef struct ForwardPeer {
        Stream *stream; /* or NULL: a datagram, */
        struct sockaddr_in6 from; /* that came from here */
        struct in6_addr to;       /* and went there */
} ForwardPeer;

typedef struct ForwardHooks {
        /*
         * Sends an answer that was not there at once. There is room for
         * STREAM_LENGTH_SIZE octets before `data`. A stream may be freed in here, the client not.
         */
        void (*reply)(ForwardClient *client, const ForwardPeer *peer, uint8_t *data, size_t size);
} ForwardHooks;

/*
 * What appswitchd is told. Both return 0, or a negative errno (-ENOTCONN: it is
 * away; -EAGAIN: it is busy): forward_resume() says when it hears again.
 */
typedef struct ForwardReports {
        UpstreamWanted wanted;
        int (*resolved)(const char *app_id, const char *name, const ResponseAddresses *addresses, void *userdata);
} ForwardReports;

/* `names` and `hooks` stay the caller's. Returns NULL when out of memory. */
Forward *forward_new(sd_event *event, const Names *names, const ForwardHooks *hooks);

/* No client may be left: forward_leave(). */
Forward *forward_free(Forward *f);
DEFINE_CLEANUP(Forward *, forward_free)

/* appswitchd is told by these, from now on. */
void forward_set_reports(Forward *f, const ForwardReports *reports, void *userdata);

/* The host's name servers. If they are others than before, what the old ones said is forgotten. */
void forward_set_servers(Forward *f, uint64_t list, unsigned n_servers);

/* appswitchd hears again; `anew`: it is another one, and has told all. */
void forward_resume(Forward *f, bool anew);

/* A socket that was wanted, which is taken over, or a negative errno. */
void forward_receive(Forward *f, uint64_t list, unsigned server, bool stream, int fd);

/*
 * Looks up what the client asks: a query that query_parse() likes, about a name
 * that it may look up. An answer of at most `limit` octets that is there at
 * once goes to `ret` (as response_write()), its size is returned; 0 if it will
 * go to `peer`. Errors: -ENOMEM.
 */
ssize_t forward_ask(Forward *f, ForwardClient *client, const uint8_t *query, size_t size, size_t limit,
                    const ForwardPeer *peer, uint8_t *ret);

/* The stream of the client is gone, and waits for nothing any more. */
void forward_forget_stream(ForwardClient *client, const Stream *stream);

/* What `from` waits for goes to `to` from now on, which is the same app, with what it has used: all but streams. */
void forward_move(ForwardClient *from, ForwardClient *to);

/* The client is gone. */
void forward_leave(Forward *f, ForwardClient *client);
