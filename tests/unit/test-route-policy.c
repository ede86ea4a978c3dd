/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Proves how tags and rules together decide where connections go, and that a
 * decision takes as many instructions among many apps, services and rules as
 * among few.
 */

#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <signal.h>

#include "model/route.h"
#include "model/virtual-service.h"
#include "unit.h"

static Directory directory;
static Party web1 = { .id = "web_1" }, web2 = { .id = "web_2" }, client = { .id = "client_3" };
static Backend backend1, backend2;
static Policy *policy;

static void join(Party *party, const char *name, uid_t uid) {
        IdentityClaim claim = { .names = &name, .n_names = 1, .strategy = _STRATEGY_INVALID, .id = party->id };
        _cleanup_free_ char *message = NULL;

        ck_assert_int_eq(directory_join(&directory, party, &claim, &message), 0);
        ck_assert_int_eq(tags_add(&party->tags, "zone=default"), 0);
        party->uid = uid;
}

static void leave(Party *party) {
        directory_leave(&directory, party);
        tags_done(&party->tags);
        policy_bits_done(&party->policy);
}

static void listen_on(Backend *b, Party *party, uint16_t port) {
        *b = (Backend){ .party = party, .family = AF_INET, .bound = unit_endpoint("0.0.0.0", port) };
        ck_assert_int_eq(directory_add_backend(&directory, b), 0);
}

static void find_bits(Party *party) {
        ck_assert_int_eq(policy_find_bits(policy, party->identity, &party->tags, party->uid, &party->policy), 0);
}

static void load(const char *rules) {
        size_t n, n_errors;

        policy = policy_free(policy);
        policy = policy_new(NULL, NULL);
        ck_assert_int_eq(policy_add_file(policy, "/etc/rules.conf", rules, strlen(rules)), 0);
        ck_assert_int_eq(policy_seal(policy, NULL), 0);
        (void) policy_problems(policy, &n, &n_errors);
        ck_assert_uint_eq(n_errors, 0);
        find_bits(&web1);
        find_bits(&web2);
        find_bits(&client);
        directory.policy = policy;
}

static void setup(void) {
        Pool four, six;

        ck_assert_int_eq(pool_parse("198.18.0.0/15", &four), 0);
        ck_assert_int_eq(pool_parse("fd00::/64", &six), 0);
        directory_init(&directory, &four, &six);
        join(&web1, "web", 1000);
        join(&web2, "web", 1001);
        join(&client, "client", 1002);
        listen_on(&backend1, &web1, 80);
        listen_on(&backend2, &web2, 80);
}

static void teardown(void) {
        directory_remove_backend(&directory, &backend1);
        directory_remove_backend(&directory, &backend2);
        leave(&web1);
        leave(&web2);
        leave(&client);
        directory_done(&directory);
        policy = policy_free(policy);
}

static Route route_to(Party *from, const Party *to, uint16_t port) {
        return route_connect(&directory, from, &(Endpoint){ *identity_address(to->identity, AF_INET), port }, 0, NULL);
}

/* A rule refuses, and the route says which; what no rule is about goes on as without. */
START_TEST(test_deny) {
        Route r;

        load("[Rule]\nFrom=app:client\nTo=app:web\nPorts=80\nAction=deny\n");
        r = route_to(&client, &web1, 80);
        ck_assert_int_eq(r.verdict, ROUTE_REFUSED);
        ck_assert_ptr_nonnull(r.rule);
        ck_assert_uint_eq(r.rule->line, 1);
        ck_assert_ptr_nonnull(r.refused_by);
        r = route_to(&client, &web1, 81);
        ck_assert_int_eq(r.verdict, ROUTE_NO_BACKEND);
        ck_assert_ptr_null(r.rule);
}
END_TEST

/* A rule never opens what tags keep shut, and then it is the tags that are to blame. */
START_TEST(test_tags_first) {
        Route r;

        load("[Rule]\nFrom=*\nTo=*\nAction=allow\n");
        r = route_to(&client, &web1, 80);
        ck_assert_int_eq(r.verdict, ROUTE_BACKEND);
        ck_assert_uint_eq(r.rule->line, 1);
        tags_done(&client.tags);
        ck_assert_int_eq(tags_add(&client.tags, "zone=other"), 0);
        find_bits(&client);
        r = route_to(&client, &web1, 80);
        ck_assert_int_eq(r.verdict, ROUTE_REFUSED);
        ck_assert_ptr_null(r.rule);
}
END_TEST

/* Of instances that differ, those that the policy allows get the connections; the rule is that of the chosen one. */
START_TEST(test_some_instances) {
        load("[Rule]\nFrom=*\nTo=user:1000\nAction=deny\n[Rule]\nFrom=*\nTo=user:1001\nAction=allow\n");
        for (unsigned i = 0; i < 4; i++) {
                Route r = route_to(&client, &web1, 80);

                ck_assert_int_eq(r.verdict, ROUTE_BACKEND);
                ck_assert_ptr_eq(r.backend, &backend2);
                ck_assert_uint_eq(r.rule->line, 5);
        }
}
END_TEST

/* Instances of one identity reach each other whatever the rules say. */
START_TEST(test_own) {
        Route r;

        load("[Rule]\nFrom=*\nTo=*\nAction=deny\n");
        r = route_to(&web1, &web2, 80);
        ck_assert_int_eq(r.verdict, ROUTE_BACKEND);
        ck_assert_ptr_null(r.rule);
        r = route_connect(&directory, &web1, &(Endpoint){ unit_address("127.0.0.1"), 80 }, 0, NULL);
        ck_assert_ptr_eq(r.backend, &backend1);
        ck_assert_int_eq(route_to(&client, &web1, 80).verdict, ROUTE_REFUSED);
}
END_TEST

/* To ask where a connection would go says the same as making one. */
START_TEST(test_explain) {
        Endpoint to = { *identity_address(web1.identity, AF_INET), 80 };
        Route r;

        load("[Rule]\nFrom=app:client\nTo=*\nAction=allow\n");
        for (unsigned i = 0; i < 5; i++)
                ck_assert_ptr_eq(route_explain(&directory, &client, &to, 0).backend, &backend1);
        r = route_explain(&directory, &client, &to, 0);
        ck_assert_uint_eq(r.rule->line, 1);
        ck_assert_ptr_eq(route_to(&client, &web1, 80).backend, &backend1);
        ck_assert_ptr_eq(route_explain(&directory, &client, &to, 0).backend, &backend2);
}
END_TEST

/* Pings and names follow what is allowed for some port. */
START_TEST(test_see) {
        load("[Rule]\nFrom=app:client\nTo=app:web\nPorts=443\nAction=allow\n[Rule]\nFrom=app:client\nTo=*\nAction=deny\n");
        ck_assert_int_eq(route_echo(&directory, &client, identity_address(web1.identity, AF_INET)), ROUTE_BACKEND);
        ck_assert(route_may_see(&directory, &client, web1.identity));
        load("[Rule]\nFrom=app:client\nTo=*\nAction=deny\n");
        ck_assert_int_eq(route_echo(&directory, &client, identity_address(web1.identity, AF_INET)), ROUTE_REFUSED);
        ck_assert(!route_may_see(&directory, &client, web1.identity));
        ck_assert(route_may_see(&directory, &client, client.identity));
        ck_assert(route_may_see(&directory, &web1, client.identity));
        load("[Rule]\nFrom=*\nTo=user:1000\nAction=deny\n");
        ck_assert(route_may_see(&directory, &client, web1.identity));
        tags_done(&web2.tags);
        ck_assert(!route_may_see(&directory, &client, web1.identity));
}
END_TEST

/* A virtual service is a party between the two: of both connections a rule can refuse it. */
START_TEST(test_service) {
        _cleanup_(service_settings_done) ServiceSettings settings = {};
        _cleanup_free_ char *message = NULL;
        VirtualService *shop;
        Endpoint to;
        Route r;

        ck_assert_int_eq(service_settings_set(&settings, SERVICE_PORT, "8080:80", &message), 0);
        ck_assert_int_eq(service_settings_set(&settings, SERVICE_BACKEND, "app:web", &message), 0);
        ck_assert_int_eq(service_settings_complete(&settings, "shop", "zone=default", &message), 0);
        ck_assert_int_eq(virtual_service_add(&directory, &(ServiceClaim){ .id = "shop" }, &settings, &shop, &message), 0);
        shop->party.uid = POLICY_NO_UID;
        to = (Endpoint){ *identity_address(shop->party.identity, AF_INET), 8080 };

        load("[Rule]\nFrom=app:client\nTo=app:shop\nPorts=8080\nAction=allow\nLog=yes\n");
        find_bits(&shop->party);
        r = route_explain(&directory, &client, &to, 0);
        ck_assert_int_eq(r.verdict, ROUTE_BACKEND);
        ck_assert_uint_eq(r.rule->line, 1);
        ck_assert(route_may_see(&directory, &client, shop->party.identity));

        load("[Rule]\nFrom=*\nTo=app:shop\nAction=deny\n");
        find_bits(&shop->party);
        r = route_explain(&directory, &client, &to, 0);
        ck_assert_int_eq(r.verdict, ROUTE_REFUSED);
        ck_assert_ptr_eq(r.refused_by, &shop->party);
        ck_assert_uint_eq(r.rule->line, 1);
        ck_assert(!route_may_see(&directory, &client, shop->party.identity));

        load("[Rule]\nFrom=app:client\nTo=*\nAction=allow\n[Rule]\nFrom=app:shop\nTo=app:web\nPorts=80\nAction=deny\n");
        find_bits(&shop->party);
        r = route_explain(&directory, &client, &to, 0);
        ck_assert_int_eq(r.verdict, ROUTE_REFUSED);
        ck_assert_ptr_eq(r.refused, &shop->party);
        ck_assert_uint_eq(r.rule->line, 5);
        policy_bits_done(&shop->party.policy);
        virtual_service_remove(&directory, shop);
}
END_TEST

/* What a node has: apps that listen on some ports each, and rules. */
typedef struct Node {
        unsigned n_apps, n_ports, n_rules;
        Party *parties;
        Backend *backends;
        char (*names)[16];
} Node;

static void node_fill(Node *node) {
        char *rules = NULL;
        size_t size;
        FILE *f;

        node->parties = calloc(node->n_apps, sizeof(Party));
        node->backends = calloc((size_t) node->n_apps * node->n_ports, sizeof(Backend));
        node->names = calloc(node->n_apps, sizeof(*node->names));
        f = open_memstream(&rules, &size);
        /* All but the last are about others, or about ports that nobody uses. */
        for (unsigned i = 1; i < node->n_rules; i++)
                fprintf(f, "[Rule]\nFrom=%s\nTo=%s\nPorts=%u\nAction=deny\n", i % 2 ? "*" : "app:nobody",
                        i % 3 ? "tag:zone=default" : "198.18.0.0/15", 20000 + i);
        fputs("[Rule]\nFrom=*\nTo=*\nPorts=1-10000\nAction=allow\n", f);
        fclose(f);
        load(rules);
        free(rules);
        for (unsigned i = 0; i < node->n_apps; i++) {
                Party *p = &node->parties[i];

                (void) snprintf(node->names[i], sizeof(node->names[i]), "app%u", i);
                *p = (Party){ .id = node->names[i] };
                join(p, node->names[i], 1000);
                find_bits(p);
                for (unsigned k = 0; k < node->n_ports; k++)
                        listen_on(&node->backends[i * node->n_ports + k], p, (uint16_t) (100 + k));
        }
}

static void node_empty(Node *node) {
        for (unsigned i = 0; i < node->n_apps * node->n_ports; i++)
                directory_remove_backend(&directory, &node->backends[i]);
        for (unsigned i = 0; i < node->n_apps; i++)
                leave(&node->parties[i]);
        free(node->parties);
        free(node->backends);
        free(node->names);
}

enum { ROUTES = 20 };

static void many_routes(const Node *node) {
        for (unsigned i = 0; i < ROUTES; i++) {
                const Party *to = &node->parties[i * 7 % node->n_apps];
                Route r = route_to(&client, to, (uint16_t) (100 + i % node->n_ports));

                if (r.verdict != ROUTE_BACKEND || r.backend->party != to || !r.rule)
                        _exit(EXIT_FAILURE);
        }
}

/* The instructions between two signals that a child raises, one step at a time. Returns -1 where nobody may trace. */
static long count_instructions(const Node *node) {
        long n = 0;
        int status;
        pid_t pid;

        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
                        _exit(77);
                many_routes(node); /* what is bound lazily by the linker is now */
                (void) raise(SIGUSR1);
                many_routes(node);
                (void) raise(SIGUSR1);
                _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
                return -1;
        ck_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR1);
        for (;;) {
                ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
                ck_assert_int_eq(waitpid(pid, &status, 0), pid);
                ck_assert(WIFSTOPPED(status));
                if (WSTOPSIG(status) == SIGUSR1)
                        break;
                ck_assert_int_eq(WSTOPSIG(status), SIGTRAP);
                n++;
        }
        ck_assert_int_eq(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return n;
}

/*
 * 2 apps and one rule against 200 apps, 1,000 services and 500 rules. What grows is the length of chains in hash
 * tables, a little, and a search among stretches of ports, by its logarithm; a loop over any of them would
 * take many times as many instructions. How fast the machine is does not matter.
 */
START_TEST(test_scale) {
        Node few = { .n_apps = 2, .n_ports = 1, .n_rules = 1 }, many = { .n_apps = 200, .n_ports = 5, .n_rules = 500 };
        unsigned work_few, work_many;
        long n_few, n_many;

        node_fill(&few);
        work_few = route_to(&client, &few.parties[1], 100).work;
        n_few = count_instructions(&few);
        node_empty(&few);
        node_fill(&many);
        work_many = route_to(&client, &many.parties[111], 103).work;
        n_many = count_instructions(&many);
        node_empty(&many);

        /* One app, one word of rules, and the logarithm of 500 ports. */
        ck_assert_uint_ge(work_few, 2);
        ck_assert_uint_le(work_many, work_few + 10);
        printf("# instructions of a route: %li with 2 apps and 1 rule, %li with 200 apps, 1000 services and 500 rules\n",
               n_few / ROUTES, n_many / ROUTES);
        if (n_few < 0)
                return;
        ck_assert_int_gt(n_few, 0);
        ck_assert_int_le(2 * n_many, 3 * n_few);
}
END_TEST

int main(void) {
        return UNIT_RUN("route-policy", setup, teardown, test_deny, test_tags_first, test_some_instances, test_own,
                        test_explain, test_see, test_service, test_scale);
}
