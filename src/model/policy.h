/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The policy: rules that refine what tags permit (appswitch.policy(5)).
 *
 * Two apps of different identities may talk if they share a tag, and then the
 * first rule decides whose From= matches the client, To= the server and Ports=
 * the port; without one it is allowed. Instances of one identity may always.
 *
 * A policy is made from texts of files, one after the other, then sealed, and
 * not changed any more but for its counters: to change it is to make another
 * one. What is wrong with a file becomes a `PolicyProblem`, and the rule in
 * question a broken one: it denies whatever it might have been about, as far as
 * it can be understood, and what cannot be understood of it matches anything.
 * So a policy with errors can be put in force and never opens what was to be
 * shut. The rules before a broken one decide as ever.
 *
 * What a decision costs does not depend on the number of rules: for each party
 * there are the rules that match it, as bits (model/policy-bits.h), and for
 * each stretch of ports with the same rules those, too. A bit of a summary says
 * which words of these are worth a look, so what is looked at are the words
 * with a rule that matches all three, and the first such rule is the answer.
 */

#include <sys/types.h>
#include "model/directory.h"

enum {
        POLICY_RULES_MAX = 4096,
        POLICY_FILES_MAX = 256,
        POLICY_FILE_SIZE_MAX = 1024 * 1024,
        POLICY_WORDS_MAX = 256,         /* of From= and of To= of one rule */
        POLICY_ALL_WORDS_MAX = 32768,   /* of all rules */
        POLICY_RANGES_MAX = 256,        /* of Ports= of one rule */
        POLICY_ALL_RANGES_MAX = 16384,  /* of all rules */
        POLICY_DESCRIPTION_MAX = 200,   /* bytes */
        POLICY_PROBLEMS_MAX = 100,      /* that are told; further ones are counted */
};

/* Of nobody: no user: matches. */
#define POLICY_NO_UID ((uid_t) -1)

typedef struct PolicyWord PolicyWord;

typedef struct PortRange {
        uint16_t first, last;
} PortRange;

/* What changes of a rule while it is in force. */
typedef struct RuleCounters {
        uint64_t n_decided;
} RuleCounters;

typedef struct Rule {
        const char *file; /* where it is written */
        unsigned line;    /* of its [Rule]; 0: of the file as a whole */
        bool allow, log;
        bool broken;      /* denies because of an error */
        char *description;         /* "" for none */
        char *from, *to, *ports;   /* as written, in one line; `ports` is "" for any */
        PolicyWord **from_words, **to_words;
        size_t n_from_words, n_to_words;
        PortRange *ranges; /* sorted and apart; none: any port */
        size_t n_ranges;
        uint64_t digest;   /* of all that it says and of its file */
        RuleCounters *counters;
} Rule;

typedef struct PolicyProblem {
        bool is_error; /* else a warning */
        char *file;
        unsigned line;
        char *text;
} PolicyProblem;

typedef struct PolicyDecision {
        bool allowed;
        const Rule *rule; /* that decided, NULL: none matches */
        unsigned work;    /* how many steps it took, each of bounded time */
} PolicyDecision;

/* Says who a user is. Returns 0; -ESRCH if there is none of this name; or a negative errno. */
typedef int (*PolicyResolveUser)(const char *name, uid_t *ret, void *userdata);

Policy *policy_new(PolicyResolveUser resolve_user, void *userdata);
Policy *policy_free(Policy *policy);
DEFINE_CLEANUP(Policy *, policy_free)

/*
 * Takes the rules of one file, whose name is for messages. Returns 0 (also if
 * something is wrong with them: policy_problems()) or -ENOMEM.
 */
int policy_add_file(Policy *policy, const char *file, const char *text, size_t size);

/* A file that cannot be read, for this reason (the end of a sentence). Returns 0 or -ENOMEM. */
int policy_add_broken(Policy *policy, const char *file, const char *reason);

/*
 * Makes it ready to decide, and looks for rules that nothing gets to. Counters
 * of rules that are in `old` (or NULL), too, go on. Returns 0 or -ENOMEM.
 */
int policy_seal(Policy *policy, const Policy *old);

/* What is wrong, in order; errors beyond POLICY_PROBLEMS_MAX are only in the number. */
const PolicyProblem *policy_problems(const Policy *policy, size_t *ret_n, size_t *ret_n_errors);

const Rule *policy_rules(const Policy *policy, size_t *ret_n);

/*
 * Looks up which rules can be about who has this identity and these tags and
 * runs as `uid`. `policy` may be NULL. Returns 0, or -ENOMEM, and `bits` are as
 * they were.
 */
int policy_find_bits(const Policy *policy, const Identity *identity, const Tags *tags, uid_t uid, PolicyBits *bits);

/*
 * Whether the policy lets who has the bits `from` connect to port `port` of who
 * has the bits `to`. Bits that are not of this policy are refused.
 */
PolicyDecision policy_decide_bits(const Policy *policy, const PolicyBits *from, const PolicyBits *to, uint16_t port);

/* The same for whatever port is best: allowed, if it is for any. */
PolicyDecision policy_decide_any_port(const Policy *policy, const PolicyBits *from, const PolicyBits *to);

/*
 * Whether the policy (or NULL) lets `client` connect to this port of `server`,
 * of which all addresses are the same to it; port 0: to any. Tags are the
 * caller's affair.
 */
void policy_decide(const Policy *policy, const Party *client, const Party *server, uint16_t port,
                   PolicyDecision *ret);
