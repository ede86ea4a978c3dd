/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which of several backends gets a connection.
 *
 * A choice is made by one look at each candidate, in any order, and keeps
 * nothing but the best so far:
 *
 *         Balance b;
 *         balance_begin(&b, STRATEGY_RANDOM, &round, source, now, &random);
 *         for each backend:
 *                 balance_offer(&b, &(Candidate){ ... }, backend);
 *         backend = balance_choose(&b);
 *         balance_take(&b);
 *
 * Whatever the strategy, one that does not rest is better than one that rests,
 * and of those one that is preferred better than one that is not. If all rest,
 * the one whose rest ends first is chosen: it is tried rather than none.
 *
 * Nothing here knows what a backend is, nor what time it is: `now` is in µs of
 * whatever clock the caller has, the same one each time.
 */

#include "basic/macro.h"

typedef enum Strategy {
        STRATEGY_ROUND_ROBIN,       /* in turn: as often as its weight says, and as evenly as can be */
        STRATEGY_RANDOM,            /* as likely as its weight says */
        STRATEGY_LEAST_CONNECTIONS, /* the one with the fewest for its weight; among equals in turn */
        STRATEGY_SOURCE_HASH,       /* always the same one for a client, as long as it is there */
        _STRATEGY_MAX,
        _STRATEGY_INVALID = -EINVAL,
} Strategy;

const char *strategy_to_string(Strategy strategy);
Strategy strategy_from_string(const char *s);

enum {
        WEIGHT_MIN = 1,
        WEIGHT_DEFAULT = 100,
        WEIGHT_MAX = 1000,
};

/* A backend that failed is left alone for a while. Zero to begin with. */
typedef struct Rest {
        uint64_t until;
        unsigned failures; /* since it last was good */
} Rest;

/* For a second at first, then for twice as long each time, up to a minute. A failure while it rests does not count. */
void rest_fail(Rest *rest, uint64_t now);
void rest_ok(Rest *rest);
bool rest_is(const Rest *rest, uint64_t now);

/* How far the turns of one service are. Zero to begin with. */
typedef struct Round {
        uint64_t pass; /* that the last one chosen had then */
        uint64_t n;    /* choices */
} Round;

/* Where one backend stands in them. Zero to begin with. */
typedef struct Turn {
        uint64_t pass;   /* grows by 1/weight each time it is chosen; the lowest is next */
        uint64_t chosen; /* Round.n when it was last chosen; 0: never */
} Turn;

/*
 * How many connections one backend has: as the kernel told when it was last
 * asked, and what was chosen since. To ask takes its time, and what is chosen
 * meanwhile may be in the answer, or not. Zero to begin with.
 */
typedef struct Tally {
        unsigned connections; /* open ones, as they were last counted */
        unsigned chosen;      /* since that was begun */
        unsigned before;      /* `chosen` when the count that is under way was begun */
        unsigned seen;        /* in it, so far */
} Tally;

/* A count begins; what is found is added to `seen`. */
void tally_begin(Tally *t);

/* It has been made. */
void tally_end(Tally *t);

static inline uint64_t tally_load(const Tally *t) {
        return (uint64_t) t->connections + t->chosen;
}

typedef struct Candidate {
        unsigned weight;  /* WEIGHT_MIN to WEIGHT_MAX */
        uint64_t load;    /* its open connections */
        uint64_t key;     /* balance_hash() of what it is and stays */
        Turn *turn;       /* in this service */
        const Rest *rest; /* or NULL */
        bool preferred;   /* on this node, say */
} Candidate;

typedef struct Balance {
        Strategy strategy;
        Round *round;
        uint64_t source, now;
        uint64_t *random;
        void *what; /* the best so far, NULL: none */
        Candidate best;
        bool rests;      /* `best` does */
        uint64_t weight; /* of all that are as good as it, so far */
        double score;    /* its rank for this client */
} Balance;

/*
 * `source` is balance_hash() of the client's address, `random` the state of
 * balance_random(), `round` that of the service.
 */
void balance_begin(Balance *b, Strategy strategy, Round *round, uint64_t source, uint64_t now, uint64_t *random);
void balance_offer(Balance *b, const Candidate *candidate, void *what);

/* What was offered with the chosen one, or NULL if nothing was. May be asked before all are offered. */
void *balance_choose(const Balance *b);

/* It is its turn: the next choice knows. Nothing if nothing was offered. */
void balance_take(Balance *b);

/* The same for the same bytes everywhere, and evenly spread; no secret hangs on it. */
uint64_t balance_hash(const void *data, size_t size);

/* The next number of a sequence of 64 bits that is even, but not unpredictable. Any state will do to begin with. */
uint64_t balance_random(uint64_t *state);
