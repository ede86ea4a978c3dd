/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Proves which rule decides, that whatever is wrong is told and denies rather
 * than opens, and that what a decision costs does not grow with the rules.
 */

#include <string.h>

#include "model/policy.h"
#include "unit.h"

static Directory directory;
static Party web = { .id = "web_1" }, db = { .id = "db_2" }, client = { .id = "client_3" }, second = { .id = "web_4" };
static Policy *policy;
static char *text; /* of the file that is written */
static size_t text_size;
static FILE *out;

static int resolve_user(const char *name, uid_t *ret, void *userdata) {
        if (strcmp(name, "alice") != 0)
                return strcmp(name, "slow") == 0 ? -ETIMEDOUT : -ESRCH;
        *ret = 1000;
        return 0;
}

static void join(Party *party, const char *name, const char *address4, const char *address6, uid_t uid) {
        Address addresses[] = { unit_address(address4), unit_address(address6) };
        IdentityClaim claim = {
                .names = &name, .n_names = 1, .addresses = addresses, .n_addresses = 2, .strategy = _STRATEGY_INVALID, .id = party->id
        };
        _cleanup_free_ char *message = NULL;

        ck_assert_int_eq(directory_join(&directory, party, &claim, &message), 0);
        ck_assert_int_eq(tags_add(&party->tags, "zone=default"), 0);
        party->uid = uid;
}

static void begin(void) {
        policy = policy_free(policy);
        policy = policy_new(resolve_user, NULL);
        ck_assert_ptr_nonnull(policy);
        out = open_memstream(&text, &text_size);
        ck_assert_ptr_nonnull(out);
}

static void end_file(const char *name) {
        ck_assert_int_eq(fclose(out), 0);
        out = NULL;
        ck_assert_int_eq(policy_add_file(policy, name, text, text_size), 0);
        free(text);
        text = NULL;
}

static void find_bits(Party *party) {
        ck_assert_int_eq(policy_find_bits(policy, party->identity, &party->tags, party->uid, &party->policy), 0);
}

static void seal(void) {
        ck_assert_int_eq(policy_seal(policy, NULL), 0);
        find_bits(&web);
        find_bits(&db);
        find_bits(&client);
        find_bits(&second);
}

static void load(const char *s) {
        begin();
        ck_assert_int_ge(fputs(s, out), 0);
        end_file("/etc/p/a.conf");
        seal();
}

static void setup(void) {
        Pool four, six;

        ck_assert_int_eq(pool_parse("198.18.0.0/15", &four), 0);
        ck_assert_int_eq(pool_parse("fd00::/64", &six), 0);
        directory_init(&directory, &four, &six);
        join(&web, "web", "198.18.0.10", "fd00::10", 33);
        join(&second, "web", "198.18.0.10", "fd00::10", 33);
        join(&db, "db.shop", "198.18.1.20", "fd00::1:20", 26);
        join(&client, "client", "198.18.0.30", "fd00::30", 1000);
}

static void teardown(void) {
        Party *const parties[] = { &web, &db, &client, &second };

        for (size_t i = 0; i < ELEMENTSOF(parties); i++) {
                directory_leave(&directory, parties[i]);
                tags_done(&parties[i]->tags);
                policy_bits_done(&parties[i]->policy);
        }
        directory_done(&directory);
        policy = policy_free(policy);
}

/* `line` is that of the rule that is to decide; 0: none. */
static void assert_decision(const Party *from, const Party *to, uint16_t port, bool allowed, unsigned line) {
        PolicyDecision d;

        policy_decide(policy, from, to, port, &d);
        ck_assert_msg(d.allowed == allowed && (d.rule ? d.rule->line : 0) == line,
                      "%s to %s port %u: %s by line %u, not %s by line %u", from->id, to->id, port,
                      d.allowed ? "allowed" : "denied", d.rule ? d.rule->line : 0, allowed ? "allowed" : "denied", line);
}

static size_t n_problems(void) {
        size_t n;

        (void) policy_problems(policy, &n, NULL);
        return n;
}

static size_t n_errors(void) {
        size_t n, n_bad;

        (void) policy_problems(policy, &n, &n_bad);
        return n_bad;
}

/* Without rules all is allowed, and without a policy. */
START_TEST(test_empty) {
        PolicyDecision d;

        load("");
        assert_decision(&client, &web, 80, true, 0);
        load("# nothing\n\n; at all\n");
        assert_decision(&client, &web, 80, true, 0);
        ck_assert_uint_eq(n_problems(), 0);
        policy_decide(NULL, &client, &web, 80, &d);
        ck_assert(d.allowed && !d.rule);
        d = policy_decide_any_port(policy, &client.policy, &web.policy);
        ck_assert(d.allowed && !d.rule);
}
END_TEST

/* The first rule that matches decides, in the order of files and in each file. */
START_TEST(test_order) {
        begin();
        fputs("[Rule]\nFrom=app:client\nTo=app:web\nPorts=80\nAction=allow\n"
              "[Rule]\nFrom=*\nTo=app:web\nAction=deny\n",
              out);
        end_file("/etc/p/10-a.conf");
        out = open_memstream(&text, &text_size);
        fputs("\n\n\n\n\n\n\n\n\n\n\n[Rule]\nFrom=app:db.shop\nTo=app:web\nAction=allow\n"
              "[Rule]\nFrom=*\nTo=app:db.shop\nAction=deny\n",
              out);
        end_file("/etc/p/20-b.conf");
        seal();
        assert_decision(&client, &web, 80, true, 1);
        assert_decision(&client, &web, 81, false, 6);
        assert_decision(&db, &web, 80, false, 6);
        assert_decision(&client, &db, 5432, false, 16);
        assert_decision(&web, &client, 22, true, 0);
        ck_assert_uint_eq(n_errors(), 0);
        ck_assert_str_eq(policy_decide_bits(policy, &client.policy, &db.policy, 1).rule->file, "/etc/p/20-b.conf");
}
END_TEST

/* One identity is one app: its instances reach each other whatever the rules say. */
START_TEST(test_own) {
        load("[Rule]\nFrom=*\nTo=*\nAction=deny\n");
        assert_decision(&web, &second, 80, true, 0);
        assert_decision(&web, &web, 80, true, 0);
        assert_decision(&web, &db, 80, false, 1);
}
END_TEST

/* Each kind of word, as From= and as To=, matches whom it means and nobody else. */
START_TEST(test_words) {
        static const struct {
                const char *word;
                bool web, db, client;
        } cases[] = {
                { "*", true, true, true },
                { "app:web", true, false, false },
                { "app:WEB", true, false, false },
                { "app:db.shop", false, true, false },
                { "app:db", false, false, false },
                { "tag:zone=default", true, true, true },
                { "tag:zone=shop", false, true, false },
                { "tag:zone=none", false, false, false },
                { "user:alice", false, false, true },
                { "user:33", true, false, false },
                { "user:0", false, false, false },
                { "198.18.0.10", true, false, false },
                { "198.18.0.0/24", true, false, true },
                { "198.18.0.0/15", true, true, true },
                { "0.0.0.0/0", true, true, true },
                { "198.18.0.10/32", true, false, false },
                { "198.18.0.8/30", true, false, false },
                { "fd00::30", false, false, true },
                { "fd00::1:0/112", false, true, false },
                { "::/0", true, true, true },
                { "10.0.0.0/8", false, false, false },
                { "app:web user:alice", true, false, true },
                { "10.0.0.0/8\t 198.18.1.20  app:nobody", false, true, false },
        };

        ck_assert_int_eq(tags_add(&db.tags, "zone=shop"), 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char rule[256];

                (void) snprintf(rule, sizeof(rule), "[Rule]\nFrom=%s\nTo=*\nAction=deny\n", cases[i].word);
                load(rule);
                ck_assert_msg(n_problems() == 0, "%s", cases[i].word);
                assert_decision(&web, &db, 1, !cases[i].web, cases[i].web);
                assert_decision(&db, &web, 1, !cases[i].db, cases[i].db);
                assert_decision(&client, &web, 1, !cases[i].client, cases[i].client);
                (void) snprintf(rule, sizeof(rule), "[Rule]\nFrom=*\nTo=%s\nAction=deny\n", cases[i].word);
                load(rule);
                assert_decision(&db, &web, 1, !cases[i].web, cases[i].web);
                assert_decision(&web, &db, 1, !cases[i].db, cases[i].db);
                assert_decision(&web, &client, 1, !cases[i].client, cases[i].client);
        }
}
END_TEST

/* From= and To= can be repeated: any word of any line. */
START_TEST(test_repeated) {
        load("[Rule]\nFrom=app:web\nTo=app:client\nFrom=app:db.shop\nTo=app:web app:db.shop\nPorts=1 2\nPorts=3\nAction=deny\n");
        assert_decision(&web, &client, 1, false, 1);
        assert_decision(&db, &web, 3, false, 1);
        assert_decision(&client, &web, 1, true, 0);
        assert_decision(&web, &client, 4, true, 0);
}
END_TEST

/* Ports and ranges, overlapping and adjacent ones, and the ends of what there is. */
START_TEST(test_ports) {
        load("[Rule]\nFrom=*\nTo=*\nPorts=443 80 8000-8100 8050-8200 8201 1 65535\nAction=deny\n");
        static const struct {
                uint16_t port;
                bool denied;
        } cases[] = {
                { 1, true },     { 2, false },    { 79, false },   { 80, true },     { 81, false },
                { 443, true },   { 7999, false }, { 8000, true },  { 8060, true },   { 8100, true },
                { 8101, true },  { 8200, true },  { 8201, true },  { 8202, false },  { 65534, false },
                { 65535, true }, { 0, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_decision(&client, &web, cases[i].port, !cases[i].denied, cases[i].denied);
}
END_TEST

/* Against an answer found by looking at each rule in turn: many rules, with ranges that overlap. */
START_TEST(test_against_search) {
        const unsigned n = 1000;
        unsigned state = 1;

        begin();
        for (unsigned i = 0; i < n; i++) {
                unsigned first, last;

                state = state * 1103515245 + 12345;
                first = 1 + state / 65536 % 2000;
                state = state * 1103515245 + 12345;
                last = first + state / 65536 % 20;
                fprintf(out, "[Rule]\nFrom=%s\nTo=%s\nPorts=%u-%u\nAction=%s\n", i % 3 ? "*" : "app:web",
                        i % 5 ? "tag:zone=default" : "app:client", first, last, i % 2 ? "allow" : "deny");
        }
        end_file("/etc/p/many.conf");
        seal();
        ck_assert_uint_eq(n_errors(), 0);
        for (unsigned port = 1; port < 2100; port++) {
                const Rule *rules, *wanted = NULL;
                PolicyDecision d;
                size_t n_rules;

                rules = policy_rules(policy, &n_rules);
                ck_assert_uint_eq(n_rules, n);
                /* The client is not app:web, and `db` is not app:client. */
                for (unsigned i = 0; i < n && !wanted; i++)
                        if (i % 3 && i % 5 && rules[i].ranges[0].first <= port && rules[i].ranges[0].last >= port)
                                wanted = &rules[i];
                policy_decide(policy, &client, &db, (uint16_t) port, &d);
                ck_assert_ptr_eq(d.rule, wanted);
                ck_assert_int_eq(d.allowed, !wanted || wanted->allow);
        }
}
END_TEST

/*
 * What a decision costs: the steps that it counts. With the most rules there can be, of which all match but for
 * their port, they are no more than with one; where one of many decides, it is found in the first word with one.
 */
START_TEST(test_work) {
        PolicyDecision one, many;

        load("[Rule]\nFrom=app:client\nTo=app:web\nPorts=80\nAction=allow\n");
        policy_decide(policy, &client, &web, 80, &one);
        ck_assert(one.allowed && one.rule);

        begin();
        for (unsigned i = 1; i < POLICY_RULES_MAX; i++)
                fprintf(out, "[Rule]\nFrom=*\nTo=*\nPorts=%u\nAction=deny\n", 10000 + i);
        fputs("[Rule]\nFrom=app:client\nTo=app:web\nPorts=80\nAction=allow\n", out);
        end_file("/etc/p/many.conf");
        seal();
        ck_assert_uint_eq(n_problems(), 0);
        policy_decide(policy, &client, &web, 80, &many);
        ck_assert(many.allowed && many.rule);
        /* One word, and a search among twice as many stretches of ports as there are rules. */
        ck_assert_uint_ge(many.work, 1);
        ck_assert_uint_le(many.work, one.work + 14);
        policy_decide(policy, &client, &web, 81, &many);
        ck_assert(many.allowed && !many.rule);
        ck_assert_uint_le(many.work, one.work + 14);

        begin();
        for (unsigned i = 1; i < POLICY_RULES_MAX; i++)
                fprintf(out, "[Rule]\nFrom=app:other%u\nTo=tag:zone=default\nAction=deny\n", i);
        fputs("[Rule]\nFrom=*\nTo=app:web\nAction=deny\n", out);
        end_file("/etc/p/others.conf");
        seal();
        policy_decide(policy, &client, &web, 80, &many);
        ck_assert(!many.allowed && many.rule->from_words);
        ck_assert_uint_le(many.work, 1);
}
END_TEST

/* What pings and names ask: some port is allowed, unless rules deny them all. */
START_TEST(test_any_port) {
        static const struct {
                const char *rules;
                bool allowed;
        } cases[] = {
                { "[Rule]\nFrom=*\nTo=*\nAction=deny\n", false },
                { "[Rule]\nFrom=*\nTo=*\nPorts=80\nAction=deny\n", true },
                { "[Rule]\nFrom=*\nTo=*\nPorts=80\nAction=allow\n[Rule]\nFrom=*\nTo=*\nAction=deny\n", true },
                { "[Rule]\nFrom=*\nTo=*\nPorts=80\nAction=deny\n[Rule]\nFrom=*\nTo=*\nPorts=80\nAction=allow\n"
                  "[Rule]\nFrom=*\nTo=*\nAction=deny\n",
                  false },
                { "[Rule]\nFrom=*\nTo=*\nPorts=80\nAction=deny\n[Rule]\nFrom=*\nTo=*\nPorts=80-81\nAction=allow\n"
                  "[Rule]\nFrom=*\nTo=*\nAction=deny\n",
                  true },
                { "[Rule]\nFrom=*\nTo=*\nPorts=1-40000\nAction=deny\n[Rule]\nFrom=*\nTo=*\nPorts=30000-65535\nAction=deny\n",
                  false },
                { "[Rule]\nFrom=*\nTo=*\nPorts=1-40000\nAction=deny\n[Rule]\nFrom=*\nTo=*\nPorts=40002-65535\nAction=deny\n",
                  true },
                { "[Rule]\nFrom=app:db.shop\nTo=*\nAction=deny\n", true },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                load(cases[i].rules);
                ck_assert_msg(policy_decide_any_port(policy, &client.policy, &web.policy).allowed == cases[i].allowed,
                              "case %zu", i);
        }
}
END_TEST

/* Against an answer found by asking for each port: rules of all kinds, about few ports or many, and some that stop all. */
START_TEST(test_any_port_against_search) {
        unsigned state = 7, n_allowed = 0;

        for (unsigned round = 0; round < 200; round++) {
                const unsigned n = 1 + round % 12, size = round % 3 ? 65535 : 100;
                bool allowed = false;

                begin();
                for (unsigned i = 0; i < n; i++) {
                        unsigned first, last;

                        state = state * 1103515245 + 12345;
                        first = 1 + state / 65536 % MIN2(size, 30000U);
                        state = state * 1103515245 + 12345;
                        last = MIN2(first + 2 * (state / 65536) % size, 65535U);
                        fprintf(out, "[Rule]\nFrom=*\nTo=%s\nAction=%s\n", state / 65536 % 7 ? "*" : "app:db",
                                state / 4096 % 4 ? "deny" : "allow");
                        if (i + 1 < n || round % 2)
                                fprintf(out, "Ports=%u-%u\n", first, last);
                }
                end_file("/etc/p/a.conf");
                seal();
                ck_assert_uint_eq(n_errors(), 0);
                for (unsigned port = 1; port <= UINT16_MAX && !allowed; port++)
                        allowed = policy_decide_bits(policy, &client.policy, &web.policy, (uint16_t) port).allowed;
                ck_assert_msg(policy_decide_any_port(policy, &client.policy, &web.policy).allowed == allowed, "round %u", round);
                n_allowed += allowed;
        }
        /* Both are among them. */
        ck_assert_uint_gt(n_allowed, 20);
        ck_assert_uint_lt(n_allowed, 180);
}
END_TEST

/* What is asked for each pair of apps looks at words of rules, and not at each of thousands about one port. */
START_TEST(test_any_port_work) {
        PolicyDecision d;

        begin();
        for (unsigned i = 1; i < POLICY_RULES_MAX; i++)
                fprintf(out, "[Rule]\nFrom=*\nTo=*\nPorts=%u\nAction=deny\n", 10000 + i);
        fputs("[Rule]\nFrom=*\nTo=app:web\nAction=deny\n", out);
        end_file("/etc/p/many.conf");
        seal();
        d = policy_decide_any_port(policy, &client.policy, &db.policy);
        ck_assert(d.allowed && !d.rule);
        ck_assert_uint_le(d.work, 64);
        d = policy_decide_any_port(policy, &client.policy, &web.policy);
        ck_assert(!d.allowed && d.rule->n_ranges == 0);
        ck_assert_uint_le(d.work, 64);
}
END_TEST

static void assert_problem(size_t i, bool is_error, unsigned line, const char *part) {
        const PolicyProblem *problems;
        size_t n;

        problems = policy_problems(policy, &n, NULL);
        ck_assert_uint_lt(i, n);
        ck_assert_msg(problems[i].is_error == is_error && problems[i].line == line && strstr(problems[i].text, part),
                      "%s:%u: %s", problems[i].file, problems[i].line, problems[i].text);
        ck_assert_str_eq(problems[i].file, "/etc/p/a.conf");
}

/* Each mistake alone: it is told with its line and what is allowed; and it denies, as far as it is understood. */
START_TEST(test_errors) {
        static const struct {
                const char *rules;
                unsigned line;
                const char *part;
                bool denies_80, denies_81, denies_db; /* client to web, client to db */
        } cases[] = {
                /* The action: what the rule is about is known. */
                { "[Rule]\nFrom=app:client\nTo=app:web\nPorts=80\nAction=alow\n", 5, "Action= does not take 'alow'; allowed: allow or deny",
                  true, false, false },
                { "[Rule]\nFrom=app:client\nTo=app:web\nPorts=80\n", 1, "no Action=", true, false, false },
                { "[Rule]\nFrom=app:client\nTo=app:web\nPorts=80\nAction=allow\nAction=allow\n", 6, "Action= is there twice", true,
                  false, false },
                { "[Rule]\nFrom=app:client\nTo=app:web\nPorts=80\nAction=allow\nLog=maybe\n", 6, "yes or no", true, false, false },
                { "[Rule]\nFrom=app:client\nTo=app:web\nPorts=80\nAction=allow\nProtocol=udp\n", 6, "allowed: tcp", true, false,
                  false },
                /* The ports. */
                { "[Rule]\nFrom=app:client\nTo=app:web\nPorts=80,81\nAction=allow\n", 4, "'80,81'", true, true, false },
                { "[Rule]\nFrom=app:client\nTo=app:web\nPorts=0\nAction=allow\n", 4, "1 to 65535", true, true, false },
                { "[Rule]\nFrom=app:client\nTo=app:web\nPorts=65536\nAction=allow\n", 4, "1 to 65535", true, true, false },
                { "[Rule]\nFrom=app:client\nTo=app:web\nPorts=90-80\nAction=allow\n", 4, "ranges", true, true, false },
                { "[Rule]\nFrom=app:client\nTo=app:web\nPorts=-80\nAction=allow\n", 4, "ranges", true, true, false },
                { "[Rule]\nFrom=app:client\nTo=app:web\nPorts=80-\nAction=allow\n", 4, "ranges", true, true, false },
                { "[Rule]\nFrom=app:client\nTo=app:web\nPorts=\nAction=allow\n", 4, "ranges", true, true, false },
                /* Who is meant. */
                { "[Rule]\nFrom=app:client\nTo=app:web nonsense\nPorts=80\nAction=allow\n", 3, "'nonsense'; allowed: app:NAME", true,
                  false, true },
                { "[Rule]\nFrom=app:client\nTo=198.18.0.1/24\nPorts=80\nAction=allow\n", 3, "without host bits", true, false, true },
                { "[Rule]\nFrom=app:client\nTo=198.18.0.0/33\nPorts=80\nAction=allow\n", 3, "'198.18.0.0/33'", true, false, true },
                { "[Rule]\nFrom=app:client\nTo=app:-x\nPorts=80\nAction=allow\n", 3, "'app:-x'", true, false, true },
                { "[Rule]\nFrom=app:client\nTo=tag:zone\nPorts=80\nAction=allow\n", 3, "tag:KEY=VALUE", true, false, true },
                { "[Rule]\nFrom=app:client\nTo=user:bob\nPorts=80\nAction=allow\n", 3, "user 'bob'", true, false, true },
                { "[Rule]\nFrom=app:client\nTo=user:slow\nPorts=80\nAction=allow\n", 3, "could not be looked up", true, false, true },
                { "[Rule]\nFrom=app:client\nTo=user:4294967295\nPorts=80\nAction=allow\n", 3, "user:UID", true, false, true },
                { "[Rule]\nFrom=app:client\nTo=\nPorts=80\nAction=allow\n", 3, "does not take ''", true, false, true },
                { "[Rule]\nFrom=app:client\nPorts=80\nAction=allow\n", 1, "no To=", true, false, true },
                { "[Rule]\nFrom=app:nobody app:\nTo=app:web\nPorts=80\nAction=allow\n", 2, "'app:'", true, false, false },
                /* What could have been anything. */
                { "[Rule]\nForm=app:client\nTo=app:nobody\nPorts=80\nAction=allow\n", 2,
                  "Unknown key 'Form'; allowed: From=, To=, Ports=, Protocol=, Action=, Log= and Description=", true, true, true },
                { "[Rule]\nFrom=app:nobody\nTo=app:nobody\nPort=80\nAction=allow\n", 4, "Unknown key 'Port'", true, true, true },
                { "[Rule]\nFrom=app:nobody\nTo=app:nobody\nAction=allow\nnonsense\n", 5, "Neither a section nor", true, true, true },
                { "[Rules]\nFrom=app:nobody\nTo=app:nobody\nAction=allow\n", 1, "Unknown section 'Rules'; allowed: [Rule]", true, true,
                  true },
                { "From=app:nobody\n", 1, "Before the first section", true, true, true },
                { "[Rule\nFrom=app:nobody\nTo=app:nobody\nAction=allow\n", 1, "'[Rule", true, true, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const bool denied[] = { cases[i].denies_80, cases[i].denies_81, cases[i].denies_db };

                load(cases[i].rules);
                ck_assert_msg(n_errors() > 0, "case %zu", i);
                assert_problem(0, true, cases[i].line, cases[i].part);
                for (size_t k = 0; k < ELEMENTSOF(denied); k++) {
                        PolicyDecision d;

                        policy_decide(policy, &client, k == 2 ? &db : &web, k == 1 ? 81 : 80, &d);
                        ck_assert_msg(d.allowed == !denied[k] && (d.allowed || d.rule->broken), "case %zu, %zu", i, k);
                }
        }
}
END_TEST

/* The rules before a broken one decide as ever, and what it is not about those behind it. */
START_TEST(test_broken_place) {
        load("[Rule]\nFrom=app:client\nTo=app:web\nAction=allow\n"
             "[Rule]\nFrom=app:client\nTo=*\nAction=alow\n"
             "[Rule]\nFrom=app:db.shop\nTo=app:web\nAction=allow\n"
             "[Rule]\nFrom=app:client\nTo=app:db.shop\nAction=allow\n");
        assert_decision(&client, &web, 80, true, 1);
        assert_decision(&client, &db, 80, false, 5);
        assert_decision(&db, &web, 80, true, 9);
        ck_assert_uint_eq(n_errors(), 1);
}
END_TEST

/* A file that cannot be read, or not as text, denies all from its place on. */
START_TEST(test_broken_files) {
        static const char nul[] = "[Rule]\nFrom=*\nTo=*\nAction=allow\0\n";

        begin();
        fputs("[Rule]\nFrom=app:client\nTo=app:web\nAction=allow\n", out);
        end_file("/etc/p/1.conf");
        ck_assert_int_eq(policy_add_broken(policy, "/etc/p/a.conf", "cannot be read: No"), 0);
        seal();
        assert_decision(&client, &web, 80, true, 1);
        assert_decision(&client, &db, 80, false, 0);
        assert_problem(0, true, 0, "The file cannot be read: No");

        begin();
        ck_assert_int_eq(fclose(out), 0);
        free(text);
        ck_assert_int_eq(policy_add_file(policy, "/etc/p/a.conf", nul, sizeof(nul) - 1), 0);
        seal();
        assert_decision(&client, &web, 80, false, 0);
        assert_problem(0, true, 0, "NUL");

        begin();
        for (size_t i = 0; i <= POLICY_FILE_SIZE_MAX; i++)
                fputc('#', out);
        end_file("/etc/p/a.conf");
        seal();
        assert_decision(&client, &web, 80, false, 0);
        assert_problem(0, true, 0, "larger than 1 MiB");
}
END_TEST

/* One rule too many: what would come to it is denied. */
START_TEST(test_too_many_rules) {
        begin();
        for (unsigned i = 0; i <= POLICY_RULES_MAX; i++)
                fprintf(out, "[Rule]\nFrom=app:n%u\nTo=*\nAction=allow\n", i);
        fputs("[Rule]\nFrom=app:client\nTo=*\nAction=allow\n", out);
        end_file("/etc/p/a.conf");
        seal();
        ck_assert_uint_eq(n_errors(), 1);
        assert_problem(0, true, 4 * POLICY_RULES_MAX + 1, "allowed: 4096");
        assert_decision(&client, &web, 80, false, 0);
}
END_TEST

/* Bounds of words and of ports, of one rule and of all. */
START_TEST(test_too_many_words) {
        begin();
        fputs("[Rule]\nTo=app:web\nAction=allow\nFrom=", out);
        for (unsigned i = 0; i <= POLICY_WORDS_MAX; i++)
                fprintf(out, "app:n%u ", i);
        end_file("/etc/p/a.conf");
        seal();
        ck_assert_uint_eq(n_errors(), 1);
        assert_problem(0, true, 4, "From= has too many words; allowed: 256");
        assert_decision(&client, &web, 80, false, 1);

        begin();
        fputs("[Rule]\nTo=app:web\nFrom=app:client\nAction=allow\nPorts=", out);
        for (unsigned i = 0; i <= POLICY_RANGES_MAX; i++)
                fprintf(out, "%u ", 1000 + 2 * i);
        end_file("/etc/p/a.conf");
        seal();
        ck_assert_uint_eq(n_errors(), 1);
        assert_problem(0, true, 5, "too many ports");
        assert_decision(&client, &web, 80, false, 1);

        begin();
        for (unsigned i = 0; i * 250 <= POLICY_ALL_WORDS_MAX; i++) {
                fputs("[Rule]\nTo=app:web\nAction=allow\nFrom=", out);
                for (unsigned k = 0; k < 250; k++)
                        fprintf(out, "app:n%u ", k);
                fputc('\n', out);
        }
        end_file("/etc/p/a.conf");
        seal();
        ck_assert_uint_ge(n_errors(), 1);
        assert_decision(&client, &web, 80, false, 4 * (POLICY_ALL_WORDS_MAX / 251) + 1);
}
END_TEST

/* All that is wrong is counted, some of it told. */
START_TEST(test_too_many_errors) {
        begin();
        for (unsigned i = 0; i < 300; i++)
                fputs("[Rule]\nFrom=*\nTo=*\nAction=nonsense\n", out);
        end_file("/etc/p/a.conf");
        seal();
        ck_assert_uint_eq(n_errors(), 300);
        ck_assert_uint_eq(n_problems(), POLICY_PROBLEMS_MAX);
}
END_TEST

/* A rule that nothing gets to, as one before it matches all that it does, is worth a warning. */
START_TEST(test_shadows) {
        static const struct {
                const char *first, *second;
                bool shadowed;
        } cases[] = {
                { "From=*\nTo=*\n", "From=app:web\nTo=app:db\n", true },
                { "From=app:web\nTo=*\n", "From=*\nTo=*\n", false },
                { "From=app:web app:db\nTo=*\n", "From=app:db\nTo=tag:a=b\n", true },
                { "From=app:web\nTo=*\n", "From=app:db app:web\nTo=tag:a=b\n", false },
                { "From=10.0.0.0/8\nTo=*\n", "From=10.1.0.0/16\nTo=*\n", true },
                { "From=10.0.0.0/8\nTo=*\n", "From=10.1.2.3\nTo=*\n", true },
                { "From=10.1.0.0/16\nTo=*\n", "From=10.0.0.0/8\nTo=*\n", false },
                { "From=fd00::/8\nTo=::/0\n", "From=fd00::/64\nTo=fd01::1\n", true },
                { "From=*\nTo=*\nPorts=80-90\n", "From=*\nTo=*\nPorts=85 90 80\n", true },
                { "From=*\nTo=*\nPorts=80-90\n", "From=*\nTo=*\nPorts=85-91\n", false },
                { "From=*\nTo=*\nPorts=80-85 86-90\n", "From=*\nTo=*\nPorts=84-87\n", true },
                { "From=*\nTo=*\nPorts=1-65535\n", "From=*\nTo=*\n", false },
                { "From=*\nTo=*\n", "From=*\nTo=*\nPorts=1\n", true },
                { "From=user:alice\nTo=*\n", "From=user:1000\nTo=*\n", true },
                { "From=user:alice\nTo=*\n", "From=user:1001\nTo=*\n", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char rules[512];

                (void) snprintf(rules, sizeof(rules), "[Rule]\nAction=deny\n%s[Rule]\nAction=allow\n%s", cases[i].first,
                                cases[i].second);
                load(rules);
                ck_assert_uint_eq(n_errors(), 0);
                ck_assert_msg(n_problems() == (size_t) cases[i].shadowed, "case %zu", i);
                if (cases[i].shadowed)
                        assert_problem(0, false, policy_rules(policy, &(size_t){ 0 })[1].line,
                                       "that of /etc/p/a.conf:1 matches all");
        }
}
END_TEST

/* What is shown of a rule is what was written, in one line. */
START_TEST(test_shown) {
        const Rule *rules;
        size_t n;

        load("[Rule]\nFrom=app:Web  user:alice\nFrom=*\nTo=198.18.0.0/15\nPorts= 80  8000-8100\nAction=allow\nLog=yes\n"
             "Protocol=tcp\nDescription=what = it is \x01 for\n");
        rules = policy_rules(policy, &n);
        ck_assert_uint_eq(n, 1);
        ck_assert_str_eq(rules->from, "app:Web user:alice *");
        ck_assert_str_eq(rules->to, "198.18.0.0/15");
        ck_assert_str_eq(rules->ports, "80 8000-8100");
        ck_assert_str_eq(rules->description, "what = it is \\x01 for");
        ck_assert_str_eq(rules->file, "/etc/p/a.conf");
        ck_assert(rules->allow && rules->log && !rules->broken);
}
END_TEST

/* Counters of a rule that stays go on, wherever it moves in its file; a changed one begins anew. */
START_TEST(test_counters) {
        static const char same[] = "[Rule]\nFrom=app:web\nTo=*\nAction=deny\n";
        Policy *old;
        const Rule *rules;
        size_t n;

        begin();
        fprintf(out, "%s[Rule]\nFrom=app:db\nTo=*\nAction=deny\n", same);
        end_file("/etc/p/a.conf");
        seal();
        rules = policy_rules(policy, &n);
        rules[0].counters->n_decided = 5;
        rules[1].counters->n_decided = 7;
        old = TAKE_PTR(policy);

        begin();
        fprintf(out, "[Rule]\nFrom=app:db\nTo=*\nAction=allow\n\n%s", same);
        end_file("/etc/p/a.conf");
        ck_assert_int_eq(policy_seal(policy, old), 0);
        rules = policy_rules(policy, &n);
        ck_assert_uint_eq(rules[0].counters->n_decided, 0);
        ck_assert_uint_eq(rules[1].counters->n_decided, 5);
        policy_free(old);
}
END_TEST

/* Bits that were not looked up in this policy open nothing. */
START_TEST(test_stale_bits) {
        PolicyBits none = {};

        load("[Rule]\nFrom=app:nobody\nTo=*\nAction=deny\n");
        assert_decision(&client, &web, 80, true, 0);
        ck_assert(!policy_decide_bits(policy, &none, &web.policy, 80).allowed);
        ck_assert(!policy_decide_bits(policy, &client.policy, &none, 80).allowed);
        ck_assert(!policy_decide_any_port(policy, &none, &web.policy).allowed);
}
END_TEST

/* Parties with the same bits are the same to the policy, and a change of tags changes them. */
START_TEST(test_bits) {
        load("[Rule]\nFrom=tag:zone=shop\nTo=app:web\nAction=deny\n");
        ck_assert(policy_bits_equal(&db.policy, &client.policy));
        ck_assert(!policy_bits_equal(&db.policy, &web.policy));
        ck_assert_int_eq(tags_add(&db.tags, "zone=shop"), 0);
        find_bits(&db);
        ck_assert(!policy_bits_equal(&db.policy, &client.policy));
        assert_decision(&db, &web, 80, false, 1);
}
END_TEST

int main(void) {
        return UNIT_RUN("policy", setup, teardown, test_empty, test_order, test_own, test_words, test_repeated, test_ports,
                        test_against_search, test_work, test_any_port, test_any_port_against_search,
                        test_any_port_work, test_errors, test_broken_place, test_broken_files,
                        test_too_many_rules, test_too_many_words, test_too_many_errors, test_shadows, test_shown,
                        test_counters, test_stale_bits, test_bits);
}
