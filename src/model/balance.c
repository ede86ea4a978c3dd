/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * In turn, with weights: stride scheduling (Waldspurger and Weihl, 1995). Each
 * backend has a pass, which grows by STRIDE/weight when it is chosen; the one
 * with the lowest is next, and among equals the one that waited longest. One
 * that was away (new, resting, draining, not for this client) begins again at
 * the pass of the last one chosen, as in start-time fair queueing: it has
 * nothing to catch up on.
 *
 * Source hash: rendezvous hashing with weights (Schindelhauer and Schomaker,
 * 2005). A client gets the backend with the best score for it; when one comes
 * or goes, only those clients move that it gets or had.
 */

#include <math.h>
#include <string.h>

#include "model/balance.h"

/* Divisible by the weights that people choose, so that their turns come round exactly. */
#define STRIDE UINT64_C(720720000)

#define REST_MIN_USEC (1 * USEC_PER_SEC)
#define REST_MAX_USEC (60 * USEC_PER_SEC)

const char *strategy_to_string(Strategy strategy) {
        static const char *const strings[_STRATEGY_MAX] = {
                [STRATEGY_ROUND_ROBIN] = "round-robin",
                [STRATEGY_RANDOM] = "random",
                [STRATEGY_LEAST_CONNECTIONS] = "least-connections",
                [STRATEGY_SOURCE_HASH] = "source-hash",
        };

        return strategy >= 0 && strategy < _STRATEGY_MAX ? strings[strategy] : NULL;
}

Strategy strategy_from_string(const char *s) {
        for (Strategy i = 0; i < _STRATEGY_MAX; i++)
                if (strcmp(s, strategy_to_string(i)) == 0)
                        return i;
        return _STRATEGY_INVALID;
}

void tally_begin(Tally *t) {
        t->before = t->chosen;
        t->seen = 0;
}

void tally_end(Tally *t) {
        /* What is more than there was and had been chosen by then can only have been chosen meanwhile. */
        const unsigned expected = t->connections + t->before;
        const unsigned meanwhile = t->seen - MIN2(t->seen, expected);

        t->chosen -= MIN2(t->chosen, t->before);
        t->chosen -= MIN2(t->chosen, meanwhile);
        t->connections = t->seen;
}

void rest_fail(Rest *rest, uint64_t now) {
        uint64_t usec = REST_MIN_USEC;

        /* Connects that were under way together have seen the same failure. */
        if (rest_is(rest, now))
                return;
        for (unsigned i = 0; i < rest->failures && usec < REST_MAX_USEC; i++)
                usec *= 2;
        rest->failures++;
        rest->until = now + MIN2(usec, REST_MAX_USEC);
}

void rest_ok(Rest *rest) {
        *rest = (Rest){};
}

bool rest_is(const Rest *rest, uint64_t now) {
        return now < rest->until;
}

/* The finalizer of MurmurHash3. */
static uint64_t stir(uint64_t h) {
        h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
        h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
        return h ^ (h >> 33);
}

/* FNV-1a with 64 bits, stirred. */
uint64_t balance_hash(const void *data, size_t size) {
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        for (const uint8_t *p = data; size > 0; p++, size--)
                h = (h ^ *p) * UINT64_C(0x100000001b3);
        return stir(h);
}

/* SplitMix64 (Steele, Lea and Flood, 2014). */
uint64_t balance_random(uint64_t *state) {
        uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

/* Passes run over in time: what counts is how far they are apart. */
static bool is_before(uint64_t a, uint64_t b) {
        return (int64_t) (a - b) < 0;
}

static uint64_t current_pass(const Turn *turn, const Round *round) {
        return is_before(turn->pass, round->pass) ? round->pass : turn->pass;
}

/* The lower the better: an exponentially distributed number of this pair, scaled by the weight. */
static double rendezvous_score(uint64_t source, const Candidate *c) {
        /* From the upper 53 bits, as many as a double has: above 0 and below 1. */
        const double u = ((double) (stir(source ^ stir(c->key)) >> 11) + 0.5) / 9007199254740992.0;

        return -log(u) / c->weight;
}

static bool is_next(const Balance *b, const Candidate *c) {
        const uint64_t mine = current_pass(c->turn, b->round), best = current_pass(b->best.turn, b->round);

        if (mine != best)
                return is_before(mine, best);
        return c->turn->chosen < b->best.turn->chosen;
}

static bool is_better(Balance *b, const Candidate *c, double score) {
        const uint64_t mine = c->load * b->best.weight, best = b->best.load * c->weight;

        switch (b->strategy) {
        case STRATEGY_RANDOM:
                /* Of all that came so far each is the best with the probability of its weight. */
                b->weight += c->weight;
                return balance_random(b->random) % b->weight < c->weight;
        case STRATEGY_LEAST_CONNECTIONS:
                return mine != best ? mine < best : is_next(b, c);
        case STRATEGY_SOURCE_HASH:
                return score < b->score;
        case STRATEGY_ROUND_ROBIN:
        default:
                return is_next(b, c);
        }
}

void balance_begin(Balance *b, Strategy strategy, Round *round, uint64_t source, uint64_t now, uint64_t *random) {
        *b = (Balance){ .strategy = strategy, .round = round, .source = source, .now = now, .random = random };
}

static void set_best(Balance *b, const Candidate *c, void *what, bool rests, double score) {
        b->what = what;
        b->best = *c;
        b->rests = rests;
        b->score = score;
}

void balance_offer(Balance *b, const Candidate *c, void *what) {
        const bool rests = c->rest && rest_is(c->rest, b->now);
        const double score = b->strategy == STRATEGY_SOURCE_HASH ? rendezvous_score(b->source, c) : 0;

        if (!b->what || (b->rests && !rests) || (!b->rests && !rests && c->preferred && !b->best.preferred)) {
                b->weight = c->weight;
                set_best(b, c, what, rests, score);
        } else if (rests ? b->rests && c->rest->until < b->best.rest->until
                         : c->preferred == b->best.preferred && is_better(b, c, score))
                set_best(b, c, what, rests, score);
}

void *balance_choose(const Balance *b) {
        return b->what;
}

void balance_take(Balance *b) {
        Round *round = b->round;
        Turn *turn = b->best.turn;

        if (!b->what)
                return;
        round->pass = current_pass(turn, round);
        turn->pass = round->pass + STRIDE / b->best.weight;
        turn->chosen = ++round->n;
}
