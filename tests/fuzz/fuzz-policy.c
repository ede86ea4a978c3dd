/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as a file of rules. It is read, or told to be wrong, and what is
 * decided by its index is what a look at each rule in turn finds.
 *
 * With fuzz-dns-main.c it is a test that runs the files of its corpus,
 * fuzz-policy/. To look for new ones, compile it with -fsanitize=fuzzer and link
 * it with the static libraries of a build by clang.
 */

#include <string.h>

#include "model/policy-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int resolve_user(const char *name, uid_t *ret, void *userdata) {
        *ret = 1000;
        return strcmp(name, "alice") == 0 ? 0 : -ESRCH;
}

static bool word_matches(const PolicyWord *word, const Identity *identity, const Tags *tags, uid_t uid) {
        const WordKey *key = &word->key;

        if (key->kind == WORD_ANY)
                return true;
        if (key->kind == WORD_USER)
                return key->number == uid;
        if (key->kind == WORD_APP)
                return strcmp(identity->names[0].name, key->text) == 0;
        for (size_t i = 0; key->kind == WORD_TAG && i < tags->n; i++)
                if (strcmp(tags->tags[i], key->text) == 0)
                        return true;
        for (size_t i = 0; key->kind == WORD_NETWORK && i < identity->n_addresses; i++) {
                Address a = identity->addresses[i].address;

                address_mask(&a, key->number);
                if (address_equal(&a, &key->network))
                        return true;
        }
        return false;
}

static bool some_matches(PolicyWord *const *words, size_t n, const Identity *identity, const Tags *tags, uid_t uid) {
        for (size_t i = 0; i < n; i++)
                if (word_matches(words[i], identity, tags, uid))
                        return true;
        return false;
}

static bool has_port(const Rule *rule, uint16_t port) {
        for (size_t i = 0; i < rule->n_ranges; i++)
                if (rule->ranges[i].first <= port && port <= rule->ranges[i].last)
                        return true;
        return rule->n_ranges == 0;
}

static void check_rules(const Policy *p) {
        size_t n, n_problems, n_errors, n_broken = 0;
        const Rule *rules = policy_rules(p, &n);

        (void) policy_problems(p, &n_problems, &n_errors);
        for (size_t i = 0; i < n; i++) {
                if (!rules[i].from || !rules[i].to || !rules[i].ports || !rules[i].description || rules[i].n_from_words == 0 ||
                    rules[i].n_to_words == 0)
                        abort();
                if (rules[i].broken && rules[i].allow)
                        abort();
                n_broken += rules[i].broken;
                for (size_t k = 0; k < rules[i].n_ranges; k++)
                        if (rules[i].ranges[k].first == 0 || rules[i].ranges[k].last < rules[i].ranges[k].first ||
                            (k > 0 && rules[i].ranges[k].first <= rules[i].ranges[k - 1].last + 1))
                                abort();
        }
        /* Whatever is wrong denies something. */
        if ((n_errors > 0) != (n_broken > 0) || n_problems > POLICY_PROBLEMS_MAX)
                abort();
}

static void check_decisions(const Policy *p) {
        static const uint16_t ports[] = { 1, 22, 80, 81, 443, 8000, 8080, 65535 };
        Tags tags = {};
        Identity identity = {
                .names[0].name = (char *) "web",
                .n_names = 1,
                .addresses[0].address = { AF_INET, { 198, 18, 0, 1 } },
                .addresses[1].address = { AF_INET6, { 0xfd, [15] = 1 } },
                .n_addresses = 2,
        };
        PolicyBits bits = {};
        bool some = false;
        size_t n;
        const Rule *rules = policy_rules(p, &n);

        if (tags_add(&tags, "zone=default") < 0 || policy_find_bits(p, &identity, &tags, 1000, &bits) < 0)
                abort();
        for (size_t i = 0; i < ELEMENTSOF(ports); i++) {
                const Rule *wanted = NULL;
                PolicyDecision d = policy_decide_bits(p, &bits, &bits, ports[i]);

                for (size_t k = 0; k < n && !wanted; k++)
                        if (has_port(&rules[k], ports[i]) &&
                            some_matches(rules[k].from_words, rules[k].n_from_words, &identity, &tags, 1000) &&
                            some_matches(rules[k].to_words, rules[k].n_to_words, &identity, &tags, 1000))
                                wanted = &rules[k];
                if (d.rule != wanted || d.allowed != (!wanted || wanted->allow))
                        abort();
                some = some || d.allowed;
        }
        if (some && !policy_decide_any_port(p, &bits, &bits).allowed)
                abort();
        policy_bits_done(&bits);
        tags_done(&tags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Policy *p = policy_new(resolve_user, NULL);

        if (!p || policy_add_file(p, "/etc/fuzz.conf", (const char *) data, size) < 0 || policy_seal(p, NULL) < 0)
                abort();
        check_rules(p);
        check_decisions(p);
        policy_free(p);
        return 0;
}
