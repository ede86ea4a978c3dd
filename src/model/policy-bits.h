/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which rules of the policy (model/policy.h) can be about a party: what is
 * looked up when it comes, when its tags change and when rules are read, so
 * that a connect has bits to compare and no text.
 */

#include "basic/macro.h"

typedef struct PolicyBits {
        uint64_t *words; /* a bit for each rule whose From= it matches, then a bit for each whose To= it does */
        unsigned n_words; /* of each of the two */
        uint64_t from, to; /* a bit for each of their words that is not zero */
} PolicyBits;

void policy_bits_done(PolicyBits *bits);

bool policy_bits_equal(const PolicyBits *a, const PolicyBits *b);
