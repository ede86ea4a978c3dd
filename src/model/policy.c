/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The rules in force: which can be about whom, and which one decides. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Out of memory is an error of one call here, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "model/policy-internal.h"

enum { WORD_BITS = 64 };

static_assert(POLICY_RULES_MAX <= WORD_BITS * WORD_BITS, "a summary has a bit for each word");

static void set_bit(uint64_t *words, size_t i) {
        words[i / WORD_BITS] |= UINT64_C(1) << (i % WORD_BITS);
}

static void clear_bit(uint64_t *words, size_t i) {
        words[i / WORD_BITS] &= ~(UINT64_C(1) << (i % WORD_BITS));
}

static uint64_t summarize(const uint64_t *words, unsigned n) {
        uint64_t summary = 0;

        for (unsigned i = 0; i < n; i++)
                summary |= (uint64_t) (words[i] != 0) << i;
        return summary;
}

/* The lowest bit that is set, which is taken out. */
static unsigned take_lowest(uint64_t *bits) {
        unsigned i = (unsigned) __builtin_ctzll(*bits);

        *bits &= *bits - 1;
        return i;
}

void policy_bits_done(PolicyBits *bits) {
        free(bits->words);
        *bits = (PolicyBits){};
}

bool policy_bits_equal(const PolicyBits *a, const PolicyBits *b) {
        return a->n_words == b->n_words && a->from == b->from && a->to == b->to &&
                        (a->n_words == 0 || memcmp(a->words, b->words, 2 * a->n_words * sizeof(uint64_t)) == 0);
}

Policy *policy_new(PolicyResolveUser resolve_user, void *userdata) {
        Policy *p = calloc(1, sizeof(*p));

        if (!p)
                return NULL;
        p->resolve_user = resolve_user;
        p->userdata = userdata;
        p->rules = calloc(POLICY_RULES_MAX, sizeof(Rule));
        if (!p->rules)
                return policy_free(p);
        return p;
}

static void rule_done(Rule *rule) {
        free(rule->description);
        free(rule->from);
        free(rule->to);
        free(rule->ports);
        free(rule->from_words);
        free(rule->to_words);
        free(rule->ranges);
        free(rule->counters);
}

Policy *policy_free(Policy *p) {
        PolicyWord *word, *tmp;

        if (!p)
                return NULL;
        for (size_t i = 0; p->rules && i < p->n_rules; i++)
                rule_done(&p->rules[i]);
        free(p->rules);
        HASH_ITER(hh, p->words, word, tmp) {
                HASH_DEL(p->words, word);
                free(word->from.rules);
                free(word->to.rules);
                free(word);
        }
        for (size_t i = 0; i < p->n_problems; i++) {
                free(p->problems[i].file);
                free(p->problems[i].text);
        }
        free(p->problems);
        for (size_t i = 0; i < p->n_files; i++)
                free(p->files[i]);
        free(p->files);
        free(p->stretches);
        free(p->stretch_words);
        free(p);
        return NULL;
}

int policy_add_problem(Policy *p, bool is_error, const char *file, unsigned line, const char *format, ...) {
        PolicyProblem problem = { .is_error = is_error, .line = line };
        PolicyProblem *grown;
        va_list ap;
        int r;

        p->n_errors += is_error;
        if (p->n_problems == POLICY_PROBLEMS_MAX)
                return 0;
        grown = reallocarray(p->problems, p->n_problems + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        p->problems = grown;
        va_start(ap, format);
        r = vasprintf(&problem.text, format, ap);
        va_end(ap);
        if (r < 0)
                return -ENOMEM;
        problem.file = strdup(file);
        if (!problem.file) {
                free(problem.text);
                return -ENOMEM;
        }
        p->problems[p->n_problems++] = problem;
        return 0;
}

const PolicyProblem *policy_problems(const Policy *p, size_t *ret_n, size_t *ret_n_errors) {
        *ret_n = p->n_problems;
        if (ret_n_errors)
                *ret_n_errors = p->n_errors;
        return p->problems;
}

const Rule *policy_rules(const Policy *p, size_t *ret_n) {
        *ret_n = p ? p->n_rules : 0;
        return p ? p->rules : NULL;
}

PolicyWord *policy_find_word(const Policy *p, const WordKey *key) {
        PolicyWord *word;

        HASH_FIND(hh, p->words, key, sizeof(*key), word);
        return word;
}

PolicyWord *policy_get_word(Policy *p, const WordKey *key) {
        PolicyWord *word = policy_find_word(p, key);

        if (word)
                return word;
        word = calloc(1, sizeof(*word));
        if (!word)
                return NULL;
        word->key = *key;
        HASH_ADD(hh, p->words, key, sizeof(word->key), word);
        if (!word->hh.tbl) {
                free(word);
                return NULL;
        }
        if (key->kind == WORD_NETWORK)
                *(key->network.family == AF_INET ? &p->prefixes4[key->number] : &p->prefixes6[key->number]) = true;
        return word;
}

/* Rules come in order, so a rule that has the word twice is the last one of the list. */
static int list_add(RuleList *list, size_t rule) {
        uint16_t *grown;

        if (list->n > 0 && list->rules[list->n - 1] == rule)
                return 0;
        /* Grown by doubling: at powers of two there is no room left. */
        if ((list->n & (list->n - 1)) == 0) {
                grown = reallocarray(list->rules, list->n ? list->n * 2 : 1, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                list->rules = grown;
        }
        list->rules[list->n++] = (uint16_t) rule;
        return 0;
}

static int index_words(Policy *p) {
        int r = 0;

        for (size_t i = 0; i < p->n_rules; i++) {
                for (size_t w = 0; r >= 0 && w < p->rules[i].n_from_words; w++)
                        r = list_add(&p->rules[i].from_words[w]->from, i);
                for (size_t w = 0; r >= 0 && w < p->rules[i].n_to_words; w++)
                        r = list_add(&p->rules[i].to_words[w]->to, i);
        }
        return r;
}

/* A rule begins (or ends, after its last port) to be for ports from here on. */
typedef struct PortEvent {
        unsigned port;
        uint16_t rule;
        bool begins;
} PortEvent;

static int compare_events(const void *a, const void *b) {
        const PortEvent *x = a, *y = b;

        return x->port < y->port ? -1 : x->port > y->port;
}

static int index_ports(Policy *p) {
        _cleanup_free_ PortEvent *events = NULL;
        uint64_t now[WORD_BITS] = {};
        size_t n = 0, n_starts = 1;

        events = calloc(2 * p->n_ranges + 1, sizeof(*events));
        if (!events)
                return -ENOMEM;
        for (size_t i = 0; i < p->n_rules; i++) {
                const Rule *rule = &p->rules[i];

                if (rule->n_ranges == 0)
                        set_bit(now, i);
                for (size_t k = 0; k < rule->n_ranges; k++) {
                        events[n++] = (PortEvent){ rule->ranges[k].first, (uint16_t) i, true };
                        if (rule->ranges[k].last < UINT16_MAX)
                                events[n++] = (PortEvent){ rule->ranges[k].last + 1U, (uint16_t) i, false };
                }
        }
        qsort(events, n, sizeof(*events), compare_events);
        for (size_t i = 0; i < n; i++)
                n_starts += i == 0 || events[i].port != events[i - 1].port;

        p->stretches = calloc(n_starts, sizeof(Stretch));
        p->stretch_words = calloc(n_starts * MAX2(p->n_bit_words, 1U), sizeof(uint64_t));
        if (!p->stretches || !p->stretch_words)
                return -ENOMEM;
        for (size_t i = 0, next;; i = next) {
                Stretch *stretch = &p->stretches[p->n_stretches];

                stretch->words = p->stretch_words + p->n_stretches * p->n_bit_words;
                memcpy(stretch->words, now, p->n_bit_words * sizeof(uint64_t));
                stretch->summary = summarize(now, p->n_bit_words);
                p->n_stretches++;
                if (i == n)
                        break;
                for (next = i; next < n && events[next].port == events[i].port; next++)
                        (events[next].begins ? set_bit : clear_bit)(now, events[next].rule);
                p->stretches[p->n_stretches].first = (uint16_t) events[i].port;
        }
        return 0;
}

/* Adds the rules that a word stands in. */
static void add_word(const Policy *p, const WordKey *key, uint64_t *from, uint64_t *to) {
        const PolicyWord *word = policy_find_word(p, key);

        for (size_t i = 0; word && from && i < word->from.n; i++)
                set_bit(from, word->from.rules[i]);
        for (size_t i = 0; word && to && i < word->to.n; i++)
                set_bit(to, word->to.rules[i]);
}

static void add_text(const Policy *p, WordKind kind, const char *text, uint64_t *from, uint64_t *to) {
        WordKey key = { .kind = kind };

        if (strlen(text) >= sizeof(key.text))
                return;
        strcpy(key.text, text);
        add_word(p, &key, from, to);
}

/* All networks of up to `prefix` bits that an address is in. */
static void add_networks(const Policy *p, const Address *a, unsigned prefix, uint64_t *from, uint64_t *to) {
        const bool *prefixes = a->family == AF_INET ? p->prefixes4 : p->prefixes6;

        for (unsigned i = 0; i <= prefix; i++) {
                WordKey key = { .kind = WORD_NETWORK, .number = i, .network = *a };

                if (!prefixes[i])
                        continue;
                address_mask(&key.network, i);
                add_word(p, &key, from, to);
        }
}

int policy_find_bits(const Policy *p, const Identity *identity, const Tags *tags, uid_t uid, PolicyBits *bits) {
        PolicyBits found = { .n_words = p ? p->n_bit_words : 0 };
        uint64_t *to;

        if (found.n_words == 0) {
                policy_bits_done(bits);
                return 0;
        }
        found.words = calloc(2 * found.n_words, sizeof(uint64_t));
        if (!found.words)
                return -ENOMEM;
        to = found.words + found.n_words;
        add_word(p, &(WordKey){ .kind = WORD_ANY }, found.words, to);
        for (size_t i = 0; i < identity->n_names; i++)
                add_text(p, WORD_APP, identity->names[i].name, found.words, to);
        for (size_t i = 0; i < identity->n_addresses; i++)
                add_networks(p, &identity->addresses[i].address, address_bits(&identity->addresses[i].address),
                             found.words, to);
        for (size_t i = 0; i < tags->n; i++)
                add_text(p, WORD_TAG, tags->tags[i], found.words, to);
        if (uid != POLICY_NO_UID)
                add_word(p, &(WordKey){ .kind = WORD_USER, .number = uid }, found.words, to);
        found.from = summarize(found.words, found.n_words);
        found.to = summarize(to, found.n_words);
        policy_bits_done(bits);
        *bits = found;
        return 0;
}

static unsigned count_ports(const Rule *rule) {
        unsigned n = 0;

        for (size_t i = 0; i < rule->n_ranges; i++)
                n += rule->ranges[i].last - rule->ranges[i].first + 1U;
        return rule->n_ranges ? n : UINT16_MAX; /* there is no port 0 */
}

static void find_decisive(Policy *p) {
        for (size_t i = 0; i < p->n_rules; i++)
                if (p->rules[i].allow || p->rules[i].n_ranges == 0)
                        set_bit(p->decisive, i);
                else
                        p->n_denied_ports += count_ports(&p->rules[i]);
}

/* The bits of all rules that match whatever this word matches. */
static void add_containers(const Policy *p, const PolicyWord *word, uint64_t *from, uint64_t *to) {
        add_word(p, &(WordKey){ .kind = WORD_ANY }, from, to);
        if (word->key.kind == WORD_NETWORK)
                add_networks(p, &word->key.network, word->key.number, from, to);
        else
                add_word(p, &word->key, from, to);
}

static bool ranges_contain(const Rule *a, const Rule *b) {
        size_t i = 0;

        if (a->n_ranges == 0)
                return true;
        if (b->n_ranges == 0)
                return false;
        for (size_t k = 0; k < b->n_ranges; k++) {
                while (i < a->n_ranges && a->ranges[i].last < b->ranges[k].first)
                        i++;
                if (i == a->n_ranges || a->ranges[i].first > b->ranges[k].first || a->ranges[i].last < b->ranges[k].last)
                        return false;
        }
        return true;
}

/* A rule before `i` that decides whatever it could decide, or NULL. */
static const Rule *find_shadow(const Policy *p, size_t i) {
        const Rule *rule = &p->rules[i];
        uint64_t all[WORD_BITS];

        memset(all, 0xff, sizeof(all));
        for (size_t w = 0; w < rule->n_from_words + rule->n_to_words; w++) {
                const bool is_from = w < rule->n_from_words;
                uint64_t some[WORD_BITS] = {};

                if (is_from)
                        add_containers(p, rule->from_words[w], some, NULL);
                else
                        add_containers(p, rule->to_words[w - rule->n_from_words], NULL, some);
                for (unsigned k = 0; k < p->n_bit_words; k++)
                        all[k] &= some[k];
        }
        for (unsigned k = 0; k <= i / WORD_BITS; k++)
                for (uint64_t bits = all[k]; bits;) {
                        size_t other = k * WORD_BITS + take_lowest(&bits);

                        if (other >= i)
                                return NULL;
                        if (ranges_contain(&p->rules[other], rule))
                                return &p->rules[other];
                }
        return NULL;
}

static int warn_of_shadows(Policy *p) {
        for (size_t i = 1; i < p->n_rules; i++) {
                const Rule *rule = &p->rules[i], *shadow;
                int r;

                if (rule->broken)
                        continue;
                shadow = find_shadow(p, i);
                if (!shadow || shadow->broken)
                        continue;
                r = policy_add_problem(p, false, rule->file, rule->line,
                                       "This rule never decides: that of %s:%u matches all that it matches, and comes first",
                                       shadow->file, shadow->line);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The same rule in the same file goes on counting. */
static void take_over_counters(Policy *p, const Policy *old) {
        size_t at = 0;

        for (size_t i = 0; i < p->n_rules && old->n_rules > 0; i++)
                for (size_t k = 0; k < old->n_rules; k++) {
                        const Rule *before = &old->rules[(at + k) % old->n_rules];

                        if (before->digest != p->rules[i].digest)
                                continue;
                        *p->rules[i].counters = *before->counters;
                        at = (at + k + 1) % old->n_rules;
                        break;
                }
}

int policy_seal(Policy *p, const Policy *old) {
        int r;

        p->n_bit_words = (unsigned) ((p->n_rules + WORD_BITS - 1) / WORD_BITS);
        for (size_t i = 0; i < p->n_rules; i++) {
                p->rules[i].counters = calloc(1, sizeof(RuleCounters));
                if (!p->rules[i].counters)
                        return -ENOMEM;
        }
        r = index_words(p);
        if (r >= 0)
                r = index_ports(p);
        find_decisive(p);
        if (r >= 0)
                r = warn_of_shadows(p);
        if (r >= 0 && old)
                take_over_counters(p, old);
        p->resolve_user = NULL;
        p->userdata = NULL;
        return r;
}

/* The stretch that a port is in. */
static const Stretch *find_stretch(const Policy *p, uint16_t port, unsigned *work) {
        size_t low = 0, high = p->n_stretches;

        while (high - low > 1) {
                size_t middle = low + (high - low) / 2;

                (*work)++;
                if (p->stretches[middle].first <= port)
                        low = middle;
                else
                        high = middle;
        }
        return &p->stretches[low];
}

static PolicyDecision decision_of(const Rule *rule, unsigned work) {
        return (PolicyDecision){ .allowed = !rule || rule->allow, .rule = rule, .work = work };
}

/* Bits of another policy would say anything: better nothing. */
static bool bits_are_of(const Policy *p, const PolicyBits *bits) {
        return bits->n_words == p->n_bit_words;
}

PolicyDecision policy_decide_bits(const Policy *p, const PolicyBits *from, const PolicyBits *to, uint16_t port) {
        const Stretch *stretch;
        unsigned work = 0;

        if (!p || p->n_rules == 0)
                return decision_of(NULL, 0);
        if (!bits_are_of(p, from) || !bits_are_of(p, to))
                return (PolicyDecision){ .allowed = false };
        stretch = find_stretch(p, port, &work);
        for (uint64_t summary = from->from & to->to & stretch->summary; summary;) {
                unsigned w = take_lowest(&summary);
                uint64_t bits = from->words[w] & to->words[to->n_words + w] & stretch->words[w];

                work++;
                if (bits)
                        return decision_of(&p->rules[w * WORD_BITS + take_lowest(&bits)], work);
        }
        return decision_of(NULL, work);
}

/* The ports that a rule is for and nothing before it was. Returns how many, and marks them. */
static unsigned take_ports(const Rule *rule, uint64_t *taken) {
        static const PortRange all = { 0, UINT16_MAX };
        const size_t n = rule->n_ranges ?: 1;
        unsigned got = 0;

        for (size_t i = 0; i < n; i++) {
                const PortRange *range = rule->n_ranges ? &rule->ranges[i] : &all;

                for (unsigned port = range->first; port <= range->last; port++) {
                        uint64_t *word = &taken[port / WORD_BITS], bit = UINT64_C(1) << (port % WORD_BITS);

                        got += !(*word & bit);
                        *word |= bit;
                }
        }
        return got;
}

/*
 * Of what is asked for each pair of views: as long as the rules that deny only
 * some ports cannot have taken all that another one is about, nobody needs to
 * look at them. Returns whether that decides it.
 */
static bool decide_by_decisive(const Policy *p, const PolicyBits *from, const PolicyBits *to, PolicyDecision *ret) {
        unsigned wanted = UINT16_MAX; /* by default all are allowed */
        const Rule *rule = NULL;
        unsigned work = 0;

        for (uint64_t summary = from->from & to->to; !rule && summary;) {
                unsigned w = take_lowest(&summary);
                uint64_t bits = from->words[w] & to->words[to->n_words + w] & p->decisive[w];

                work++;
                if (bits)
                        rule = &p->rules[w * WORD_BITS + take_lowest(&bits)];
        }
        if (rule)
                wanted = count_ports(rule);
        if (p->n_denied_ports >= wanted)
                return false;
        *ret = decision_of(rule, work);
        return true;
}

PolicyDecision policy_decide_any_port(const Policy *p, const PolicyBits *from, const PolicyBits *to) {
        PolicyDecision decision;
        uint64_t taken[(UINT16_MAX + 1) / WORD_BITS];
        bool some_taken = false;
        unsigned n_taken = 1; /* there is no port 0 */
        unsigned work = 0;

        if (!p || p->n_rules == 0)
                return decision_of(NULL, 0);
        if (!bits_are_of(p, from) || !bits_are_of(p, to))
                return (PolicyDecision){ .allowed = false };
        if (decide_by_decisive(p, from, to, &decision))
                return decision;
        for (uint64_t summary = from->from & to->to; summary;) {
                unsigned w = take_lowest(&summary);

                for (uint64_t bits = from->words[w] & to->words[to->n_words + w]; bits;) {
                        const Rule *rule = &p->rules[w * WORD_BITS + take_lowest(&bits)];
                        unsigned got;

                        work++;
                        /* Most are decided by their first rule, without a look at each port. */
                        if (!some_taken && (rule->allow || rule->n_ranges == 0))
                                return decision_of(rule, work);
                        if (!some_taken) {
                                memset(taken, 0, sizeof(taken));
                                set_bit(taken, 0);
                                some_taken = true;
                        }
                        got = take_ports(rule, taken);
                        if (got == 0)
                                continue;
                        n_taken += got;
                        if (rule->allow || n_taken == UINT16_MAX + 1)
                                return decision_of(rule, work);
                }
        }
        return decision_of(NULL, work);
}

void policy_decide(const Policy *p, const Party *client, const Party *server, uint16_t port, PolicyDecision *ret) {
        if (client->identity == server->identity)
                *ret = decision_of(NULL, 0);
        else if (port == 0)
                *ret = policy_decide_any_port(p, &client->policy, &server->policy);
        else
                *ret = policy_decide_bits(p, &client->policy, &server->policy, port);
}
