/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What forward.h is made of: the questions under way, and who waits for their answers. Nobody else includes it. */

#include <uthash.h>

#include "basic/clock.h"
#include "dns/forward.h"

typedef struct Lookup Lookup;

/* One who waits for the answer. */
struct Asker {
        Lookup *lookup;
        ForwardClient *client;
        ForwardPeer peer;
        Query query;
        size_t limit;
        bool reports; /* appswitchd is to hear of it, too */
        Asker *prev, *next;               /* of the lookup */
        Asker *client_prev, *client_next; /* of the client */
};

struct Lookup {
        UT_hash_handle hh;
        Lookup *prev, *next; /* of all, the oldest first */
        Forward *forward;
        Question question; /* the key */
        bool is_shared;    /* who asks the same joins it: it is in the table */
        Asker *askers;
        uint64_t deadline;
        sd_event_source *timer;

        Try *tries; /* under way */
        unsigned order[DNS_FEED_SERVERS_MAX];
        unsigned n_tries, n_streams; /* begun */
        bool plain; /* a server did not understand EDNS */
        unsigned rcode; /* that the last server had for an answer */

        /* The answer, while it is held back. */
        uint8_t *held;
        Response response;
        uint64_t since;
};

struct Forward {
        sd_event *event;
        const Names *names;
        const ForwardHooks *hooks;
        ForwardReports reports;
        void *userdata;
        Upstream upstream;
        Cache *cache;
        Lookup *lookups; /* by question */
        Lookup *all;
        unsigned n_lookups, n_streams, n_held;
        uint64_t n_looks; /* at what clients have: ForwardClient.looked_at is the last one */
        uint64_t warned; /* of an answer with a virtual address, in µs */
        uint8_t scratch[WIRE_MESSAGE_MAX];
        uint8_t answer[STREAM_LENGTH_SIZE + WIRE_MESSAGE_MAX];
};

static inline uint64_t forward_now(void) {
        return now_usec(CLOCK_BOOTTIME);
}

/* He does not wait any more. */
Asker *asker_free(Asker *asker);
DEFINE_CLEANUP(Asker *, asker_free)

/*
 * Tells appswitchd what the asker is about to hear, if there is a rule about
 * the name. Returns 0, or a negative errno if it could not be told.
 */
int asker_report(Forward *f, const Asker *asker, const ResponseAddresses *addresses);

/* Makes one that asks nobody yet, and fails at its deadline. Ends the oldest if there are too many. Errors: -ENOMEM, or of sd-event. */
int lookup_new(Forward *f, const Question *question, Lookup **ret);
Lookup *lookup_free(Lookup *l);

/* Who asks the same joins it from now on. Errors: -ENOMEM. */
int lookup_share(Lookup *l);

/* Asks the servers, from the first to be asked on. It goes on by itself, and is not over when this returns. */
void lookup_begin(Lookup *l);
void lookup_drop_tries(Lookup *l);

/* Answers all that may hear it now; the others stay. */
void lookup_answer(Lookup *l, const Response *response, uint32_t age);

/* Whether an answer may be held back for this client: FORWARD_HELD_MAX. */
bool forward_may_hold(const Forward *f, const ForwardClient *client);

/* Keeps the answer for those who may not hear it yet. Errors: -ENOMEM. */
int lookup_hold(Lookup *l, const Response *response, uint32_t age);
