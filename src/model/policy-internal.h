/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parser (policy-parse.c) and the index (policy.c) of a policy share. */

#include "model/name.h"
#include "model/network.h"
#include "model/policy.h"

typedef enum WordKind {
        WORD_ANY,
        WORD_APP,
        WORD_TAG,
        WORD_USER,
        WORD_NETWORK,
        _WORD_KIND_MAX,
} WordKind;

/* The bytes of it are hashed: unused ones are zero, and there are none between the members. */
typedef struct WordKey {
        uint32_t kind;
        uint32_t number; /* user: uid; network: prefix in bits */
        Address network;
        char text[NAME_MAX_LENGTH + 4]; /* app: name; tag */
} WordKey;

static_assert(sizeof(WordKey) == 2 * sizeof(uint32_t) + sizeof(Address) + NAME_MAX_LENGTH + 4, "no padding");

typedef struct RuleList {
        uint16_t *rules; /* indexes, ascending, each once */
        size_t n;
} RuleList;

/* One word of From= and To=, and where it stands. */
struct PolicyWord {
        WordKey key;
        RuleList from, to;
        UT_hash_handle hh;
};

/* Ports from `first` up to the next stretch have the same rules. */
typedef struct Stretch {
        uint16_t first;
        uint64_t summary;
        uint64_t *words;
} Stretch;

struct Policy {
        PolicyResolveUser resolve_user;
        void *userdata;
        char **files; /* names that rules and problems point to */
        size_t n_files;
        Rule *rules; /* POLICY_RULES_MAX of them */
        size_t n_rules;
        size_t n_words, n_ranges; /* of all rules */
        PolicyWord *words; /* uthash */
        bool prefixes4[33], prefixes6[129]; /* lengths of networks that there are */
        PolicyProblem *problems;
        size_t n_problems, n_errors;

        /* When sealed: */
        unsigned n_bit_words;
        uint64_t decisive[POLICY_RULES_MAX / 64]; /* the rules that allow something, or deny all ports: policy_decide_any_port() */
        unsigned n_denied_ports; /* that all others deny together, counted as often as they are */
        Stretch *stretches;
        size_t n_stretches;
        uint64_t *stretch_words;
};

PolicyWord *policy_find_word(const Policy *policy, const WordKey *key);

/* A word of its own for each key. Returns NULL when out of memory. */
PolicyWord *policy_get_word(Policy *policy, const WordKey *key);

/* Notes what is wrong with a rule, or worth a warning. `file` stays the caller's. Returns 0 or -ENOMEM. */
int policy_add_problem(Policy *policy, bool is_error, const char *file, unsigned line, const char *format, ...)
                _printf_(5, 6);
