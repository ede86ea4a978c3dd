/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Proves who gets a connection by each strategy: exactly where turns are
 * counted, within bounds that chance leaves once in much more than 10^9 runs
 * where it decides (and as the state of the numbers is fixed, never), and the
 * same one for a client when others come and go.
 */

#include <stdio.h>
#include <string.h>

#include "model/balance.h"
#include "unit.h"

enum { BACKENDS_MAX = 64 };

/* A service as whoever owns one has it. */
typedef struct Fixture {
        unsigned weight;
        uint64_t load;
        uint64_t key;
        Turn turn;
        Rest rest;
        bool preferred;
        bool absent;
        unsigned count; /* how often it was chosen */
} Fixture;

static Fixture fixtures[BACKENDS_MAX];
static size_t n_fixtures;
static Round current_round;
static uint64_t random_state;

static void setup(void) {
        memset(fixtures, 0, sizeof(fixtures));
        n_fixtures = 0;
        current_round = (Round){};
        random_state = 42;
}

static Fixture *add(unsigned weight) {
        Fixture *b = &fixtures[n_fixtures++];
        char id[32];

        (void) snprintf(id, sizeof(id), "web_%zu", n_fixtures);
        b->weight = weight;
        b->key = balance_hash(id, strlen(id));
        return b;
}

static Fixture *choose_at(Strategy strategy, uint64_t source, uint64_t now) {
        Balance balance;
        Fixture *chosen;

        balance_begin(&balance, strategy, &current_round, source, now, &random_state);
        for (size_t i = 0; i < n_fixtures; i++)
                if (!fixtures[i].absent)
                        balance_offer(&balance,
                                      &(Candidate){
                                                      .weight = fixtures[i].weight,
                                                      .load = fixtures[i].load,
                                                      .key = fixtures[i].key,
                                                      .turn = &fixtures[i].turn,
                                                      .rest = &fixtures[i].rest,
                                                      .preferred = fixtures[i].preferred,
                                      },
                                      &fixtures[i]);
        chosen = balance_choose(&balance);
        balance_take(&balance);
        if (chosen)
                chosen->count++;
        return chosen;
}

static Fixture *choose(Strategy strategy) {
        return choose_at(strategy, 1, 0);
}

/* Sources as they are: hashes of addresses. */
static uint64_t source(uint32_t i) {
        return balance_hash(&i, sizeof(i));
}

/* Each strategy has a name and is found by it; nothing else is one. */
START_TEST(test_names) {
        for (Strategy s = 0; s < _STRATEGY_MAX; s++) {
                ck_assert_ptr_nonnull(strategy_to_string(s));
                ck_assert_int_eq(strategy_from_string(strategy_to_string(s)), s);
        }
        ck_assert_ptr_null(strategy_to_string(_STRATEGY_MAX));
        ck_assert_ptr_null(strategy_to_string(_STRATEGY_INVALID));
        ck_assert_int_eq(strategy_from_string(""), _STRATEGY_INVALID);
        ck_assert_int_eq(strategy_from_string("Random"), _STRATEGY_INVALID);
        ck_assert_int_eq(strategy_from_string("round-robin "), _STRATEGY_INVALID);
}
END_TEST

/* Of none, none is chosen, and that is no one's turn. */
START_TEST(test_none) {
        for (Strategy s = 0; s < _STRATEGY_MAX; s++)
                ck_assert_ptr_null(choose(s));
        ck_assert_uint_eq(current_round.n, 0);
        /* Of one, that one. */
        (void) add(WEIGHT_MIN);
        for (Strategy s = 0; s < _STRATEGY_MAX; s++)
                ck_assert_ptr_eq(choose(s), &fixtures[0]);
}
END_TEST

/* With equal weights the turns are those in which they were offered first, whatever the weight is. */
START_TEST(test_turns) {
        static const unsigned weights[] = { WEIGHT_MIN, 7, WEIGHT_DEFAULT, 997, WEIGHT_MAX };

        for (size_t w = 0; w < ELEMENTSOF(weights); w++) {
                setup();
                for (unsigned i = 0; i < 5; i++)
                        (void) add(weights[w]);
                for (unsigned i = 0; i < 100; i++)
                        ck_assert_ptr_eq(choose(STRATEGY_ROUND_ROBIN), &fixtures[i % 5]);
        }
}
END_TEST

/* As many choices as the weights are together give each exactly its weight, from the first ones on. */
START_TEST(test_turns_of_weights) {
        static const unsigned table[][4] = {
                { 100, 300 }, { 1, 1000 }, { 100, 200, 300, 400 }, { 5, 1, 1 }, { 997, 3 }, { 10, 15, 25 },
        };

        for (size_t t = 0; t < ELEMENTSOF(table); t++) {
                unsigned sum = 0;

                setup();
                for (size_t i = 0; i < ELEMENTSOF(table[t]) && table[t][i]; i++) {
                        (void) add(table[t][i]);
                        sum += table[t][i];
                }
                for (unsigned turns = 1; turns <= 20; turns++) {
                        for (unsigned i = 0; i < sum; i++)
                                (void) choose(STRATEGY_ROUND_ROBIN);
                        for (size_t i = 0; i < n_fixtures; i++)
                                ck_assert_uint_eq(fixtures[i].count, turns * fixtures[i].weight);
                }
        }
}
END_TEST

/* And as evenly as can be: of 3 to 1, no more than three in a row. */
START_TEST(test_turns_are_even) {
        unsigned in_a_row = 0;
        Fixture *heavy = add(300);

        (void) add(100);
        for (unsigned i = 0; i < 400; i++) {
                in_a_row = choose(STRATEGY_ROUND_ROBIN) == heavy ? in_a_row + 1 : 0;
                ck_assert_uint_le(in_a_row, 3);
        }
        ck_assert_uint_eq(heavy->count, 300);
}
END_TEST

/* Who was away has nothing to catch up on, and who comes new neither. */
START_TEST(test_turn_of_late) {
        Fixture *a = add(100), *b = add(100), *c;

        b->absent = true;
        for (unsigned i = 0; i < 1000; i++)
                ck_assert_ptr_eq(choose(STRATEGY_ROUND_ROBIN), a);
        b->absent = false;
        c = add(100);
        for (unsigned i = 0; i < 30; i++)
                (void) choose(STRATEGY_ROUND_ROBIN);
        ck_assert_uint_eq(a->count, 1010);
        ck_assert_uint_eq(b->count, 10);
        ck_assert_uint_eq(c->count, 10);
}
END_TEST

/* A pass that runs over does not disturb the turns. */
START_TEST(test_pass_runs_over) {
        Fixture *a = add(1), *b = add(2);

        current_round.pass = a->turn.pass = b->turn.pass = UINT64_MAX - UINT64_C(1000000000);
        for (unsigned i = 0; i < 300; i++)
                (void) choose(STRATEGY_ROUND_ROBIN);
        ck_assert_uint_lt(current_round.pass, UINT64_MAX / 2);
        ck_assert_uint_eq(a->count, 100);
        ck_assert_uint_eq(b->count, 200);
}
END_TEST

/* By chance, as likely as the weights say: within 7 standard deviations. */
START_TEST(test_random) {
        enum { N = 40000 };
        Fixture *a = add(100), *b = add(300), *c = add(400);

        for (unsigned i = 0; i < N; i++)
                (void) choose(STRATEGY_RANDOM);
        /* sqrt(N p (1 - p)): 66, 97, 100 */
        ck_assert_uint_ge(a->count, N / 8 - 7 * 66);
        ck_assert_uint_le(a->count, N / 8 + 7 * 66);
        ck_assert_uint_ge(b->count, 3 * N / 8 - 7 * 97);
        ck_assert_uint_le(b->count, 3 * N / 8 + 7 * 97);
        ck_assert_uint_ge(c->count, N / 2 - 7 * 100);
        ck_assert_uint_le(c->count, N / 2 + 7 * 100);
}
END_TEST

/* One choice says nothing of the next: the one before, two before and three before are as likely again. */
START_TEST(test_random_is_no_turn) {
        enum { N = 40000, LAGS = 3 };
        const Fixture *last[LAGS] = {};
        unsigned same[LAGS] = {};

        for (unsigned i = 0; i < 4; i++)
                (void) add(100);
        for (unsigned i = 0; i < N; i++) {
                const Fixture *b = choose(STRATEGY_RANDOM);

                for (unsigned lag = 0; lag < LAGS; lag++)
                        same[lag] += last[lag] == b;
                memmove(last + 1, last, (LAGS - 1) * sizeof(*last));
                last[0] = b;
        }
        for (unsigned lag = 0; lag < LAGS; lag++) {
                ck_assert_uint_ge(same[lag], N / 4 - 7 * 87);
                ck_assert_uint_le(same[lag], N / 4 + 7 * 87);
        }
}
END_TEST

/* The fewest connections for its weight; among equals in turn. */
START_TEST(test_least_connections) {
        Fixture *a = add(100), *b = add(100), *c = add(200);

        a->load = 3;
        b->load = 2;
        c->load = 4;
        for (unsigned i = 0; i < 10; i++)
                ck_assert_ptr_eq(choose(STRATEGY_LEAST_CONNECTIONS), i % 3 == 0 ? b : c);
        a->load = 1;
        ck_assert_ptr_eq(choose(STRATEGY_LEAST_CONNECTIONS), a);
        b->load = 0;
        ck_assert_ptr_eq(choose(STRATEGY_LEAST_CONNECTIONS), b);
        /* As much as there can be. */
        a->load = b->load = 2 * (uint64_t) UINT32_MAX;
        c->load = 4 * (uint64_t) UINT32_MAX - 1;
        ck_assert_ptr_eq(choose(STRATEGY_LEAST_CONNECTIONS), c);
}
END_TEST

/* When what is chosen counts at once, all end up with what their weight says, whatever they had to begin with. */
/* Counts `seen` while `meanwhile` are chosen. */
static uint64_t count(Tally *t, unsigned seen, unsigned meanwhile) {
        tally_begin(t);
        t->chosen += meanwhile;
        t->seen += seen;
        tally_end(t);
        return tally_load(t);
}

START_TEST(test_tally) {
        Tally t = {};

        ck_assert_uint_eq(tally_load(&t), 0);
        t.chosen = 3;
        ck_assert_uint_eq(tally_load(&t), 3);
        ck_assert_uint_eq(count(&t, 3, 0), 3);
        /* What is chosen meanwhile counts once, be it seen already, */
        ck_assert_uint_eq(count(&t, 5, 2), 5);
        /* or not yet, */
        ck_assert_uint_eq(count(&t, 5, 2), 7);
        ck_assert_uint_eq(count(&t, 7, 0), 7);
        /* or some of it. */
        ck_assert_uint_eq(count(&t, 8, 3), 10);
        ck_assert_uint_eq(count(&t, 10, 0), 10);
        /* What has ended is forgotten at the next count, also what was chosen last. */
        t.chosen = 2;
        ck_assert_uint_eq(count(&t, 4, 0), 4);
        ck_assert_uint_eq(count(&t, 0, 0), 0);
        /* One that ended hides one that was seen, until the next count. */
        t.chosen = 4;
        ck_assert_uint_eq(count(&t, 4, 1), 5);
        ck_assert_uint_eq(count(&t, 4, 0), 4);
        /* More than was ever chosen, as after a restart. */
        t = (Tally){};
        ck_assert_uint_eq(count(&t, 9, 1), 9);
        /* A count that came to nothing changes nothing. */
        t.chosen++;
        tally_begin(&t);
        t.seen = 5;
        t.chosen++;
        ck_assert_uint_eq(tally_load(&t), 11);
        ck_assert_uint_eq(count(&t, 11, 0), 11);
}
END_TEST

START_TEST(test_least_connections_fill) {
        Fixture *a = add(100), *b = add(100), *c = add(300);

        a->load = 50;
        for (unsigned i = 0; i < 450; i++)
                choose(STRATEGY_LEAST_CONNECTIONS)->load++;
        ck_assert_uint_eq(a->load, 100);
        ck_assert_uint_eq(b->load, 100);
        ck_assert_uint_eq(c->load, 300);
}
END_TEST

/* A client gets the same one each time, in whatever order they are offered; and clients are spread by weight. */
START_TEST(test_source_hash) {
        enum { N = 8000 };
        static const Fixture *of[N];
        Fixture *a = add(100), *b = add(100), *c = add(200), swapped;

        for (uint32_t i = 0; i < N; i++)
                of[i] = choose_at(STRATEGY_SOURCE_HASH, source(i), 0);
        ck_assert_uint_ge(a->count, N / 4 - 7 * 39);
        ck_assert_uint_le(a->count, N / 4 + 7 * 39);
        ck_assert_uint_ge(b->count, N / 4 - 7 * 39);
        ck_assert_uint_le(b->count, N / 4 + 7 * 39);
        ck_assert_uint_ge(c->count, N / 2 - 7 * 45);
        ck_assert_uint_le(c->count, N / 2 + 7 * 45);

        for (uint32_t i = 0; i < N; i++)
                ck_assert_ptr_eq(choose_at(STRATEGY_SOURCE_HASH, source(i), 0), of[i]);
        swapped = *a;
        *a = *c;
        *c = swapped;
        for (uint32_t i = 0; i < N; i++) {
                const Fixture *now = choose_at(STRATEGY_SOURCE_HASH, source(i), 0);

                ck_assert_ptr_eq(now, of[i] == a ? c : of[i] == c ? a : b);
        }
}
END_TEST

/* When one comes, only those clients move that it gets; when it goes they get back whom they had. */
START_TEST(test_source_hash_stays) {
        enum { N = 8000 };
        static const Fixture *of[N];
        unsigned moved = 0;
        Fixture *late;

        for (unsigned i = 0; i < 3; i++)
                (void) add(100);
        for (uint32_t i = 0; i < N; i++)
                of[i] = choose_at(STRATEGY_SOURCE_HASH, source(i), 0);
        late = add(100);
        for (uint32_t i = 0; i < N; i++) {
                const Fixture *now = choose_at(STRATEGY_SOURCE_HASH, source(i), 0);

                ck_assert(now == of[i] || now == late);
                moved += now == late;
        }
        ck_assert_uint_ge(moved, N / 4 - 7 * 39);
        ck_assert_uint_le(moved, N / 4 + 7 * 39);
        late->absent = true;
        for (uint32_t i = 0; i < N; i++)
                ck_assert_ptr_eq(choose_at(STRATEGY_SOURCE_HASH, source(i), 0), of[i]);
        /* And when one of the first goes, only its own ones move. */
        fixtures[1].absent = true;
        for (uint32_t i = 0; i < N; i++) {
                const Fixture *now = choose_at(STRATEGY_SOURCE_HASH, source(i), 0);

                ck_assert(now == of[i] || of[i] == &fixtures[1]);
        }
}
END_TEST

/* Whatever the strategy, the preferred are taken as long as one of them does not rest. */
START_TEST(test_preferred) {
        for (Strategy s = 0; s < _STRATEGY_MAX; s++) {
                Fixture *a, *b, *c;

                setup();
                a = add(1000);
                b = add(1);
                c = add(1);
                b->preferred = c->preferred = true;
                b->load = c->load = 1000;
                for (unsigned i = 0; i < 100; i++)
                        (void) choose_at(s, source(i), 0);
                ck_assert_uint_eq(a->count, 0);
                ck_assert_uint_eq(b->count + c->count, 100);
                ck_assert_uint_gt(b->count, 0);
                ck_assert_uint_gt(c->count, 0);
                rest_fail(&b->rest, 0);
                for (unsigned i = 0; i < 100; i++)
                        ck_assert_ptr_eq(choose_at(s, source(i), 0), c);
                rest_fail(&c->rest, 0);
                for (unsigned i = 0; i < 100; i++)
                        ck_assert_ptr_eq(choose_at(s, source(i), 0), a);
        }
}
END_TEST

/* Who rests is passed over until the rest is over; if all rest, the one whose rest ends first. */
START_TEST(test_rests) {
        for (Strategy s = 0; s < _STRATEGY_MAX; s++) {
                Fixture *a, *b, *c;

                setup();
                a = add(100);
                b = add(100);
                c = add(100);
                rest_fail(&b->rest, 500);
                for (unsigned i = 0; i < 100; i++)
                        ck_assert_ptr_ne(choose_at(s, source(i), 1000500 - 1), b);
                rest_fail(&a->rest, 600);
                rest_fail(&c->rest, 400);
                for (unsigned i = 0; i < 100; i++)
                        ck_assert_ptr_eq(choose_at(s, source(i), 700), c);
                a->preferred = true;
                for (unsigned i = 0; i < 100; i++)
                        ck_assert_ptr_eq(choose_at(s, source(i), 700), c);
                a->preferred = false;
                b->count = 0;
                for (unsigned i = 0; i < 100; i++)
                        (void) choose_at(s, source(i), 1000600);
                ck_assert_uint_gt(b->count, 0);
        }
}
END_TEST

/* A rest is of 1, 2, 4 … 60 seconds; what fails meanwhile counts once, and one success forgets all. */
START_TEST(test_back_off) {
        static const unsigned seconds[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };
        uint64_t now = 12345;
        Rest rest = {};

        ck_assert(!rest_is(&rest, 0));
        ck_assert(!rest_is(&rest, now));
        for (size_t i = 0; i < ELEMENTSOF(seconds); i++) {
                const uint64_t end = now + seconds[i] * USEC_PER_SEC;

                rest_fail(&rest, now);
                rest_fail(&rest, now);
                rest_fail(&rest, end - 1);
                ck_assert(rest_is(&rest, now));
                ck_assert(rest_is(&rest, end - 1));
                ck_assert(!rest_is(&rest, end));
                ck_assert_uint_eq(rest.failures, i + 1);
                now = end;
        }
        rest_ok(&rest);
        ck_assert(!rest_is(&rest, now));
        rest_fail(&rest, now);
        ck_assert_uint_eq(rest.until, now + USEC_PER_SEC);
        /* However often. */
        for (unsigned i = 0; i < 1000; i++) {
                now = rest.until;
                rest_fail(&rest, now);
        }
        ck_assert_uint_eq(rest.until, now + 60 * USEC_PER_SEC);
}
END_TEST

int main(void) {
        return UNIT_RUN("balance", setup, NULL, test_names, test_none, test_turns, test_turns_of_weights,
                        test_turns_are_even, test_turn_of_late, test_pass_runs_over, test_random,
                        test_random_is_no_turn, test_least_connections, test_tally, test_least_connections_fill,
                        test_source_hash, test_source_hash_stays, test_preferred, test_rests, test_back_off);
}
