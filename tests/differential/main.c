/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * difftest: what a program sees of TCP, case by case, to be compared between a
 * native run and one under "ax run" (tests/integration/40-differential.sh).
 */

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "cases.h"
#include "native.h"
#include "run.h"

static void usage(FILE *out) {
        fprintf(out,
                "Usage: difftest --list\n"
                "       difftest --mode native|same|two [OPTION...]\n"
                "       difftest --serve PATH\n"
                "\n"
                "Modes: native makes network namespaces of its own (two if the addresses differ); same "
                "runs\n"
                "both halves of a case here; two runs the server's in another difftest, at --client PATH.\n"
                "\n"
                "  --server4, --server6, --client4, --client6 ADDRESS\n"
                "  --filter GLOB    run cases of these names only\n"
                "  --output FILE    where the records go (standard output)\n"
                "  --jobs N         so many cases at a time (1)\n"
                "  --limit MS       time for a case (5000)\n");
}

enum {
        ARG_LIST = 256,
        ARG_MODE,
        ARG_SERVE,
        ARG_CLIENT,
        ARG_SERVER4,
        ARG_SERVER6,
        ARG_CLIENT4,
        ARG_CLIENT6,
        ARG_FILTER,
        ARG_OUTPUT,
        ARG_JOBS,
        ARG_LIMIT,
};

typedef struct Arguments {
        bool list;
        const char *mode, *serve, *output;
        Run run;
} Arguments;

static const struct option options[] = {
                {"list", no_argument, NULL, ARG_LIST},
                {"mode", required_argument, NULL, ARG_MODE},
                {"serve", required_argument, NULL, ARG_SERVE},
                {"client", required_argument, NULL, ARG_CLIENT},
                {"server4", required_argument, NULL, ARG_SERVER4},
                {"server6", required_argument, NULL, ARG_SERVER6},
                {"client4", required_argument, NULL, ARG_CLIENT4},
                {"client6", required_argument, NULL, ARG_CLIENT6},
                {"filter", required_argument, NULL, ARG_FILTER},
                {"output", required_argument, NULL, ARG_OUTPUT},
                {"jobs", required_argument, NULL, ARG_JOBS},
                {"limit", required_argument, NULL, ARG_LIMIT},
                {"help", no_argument, NULL, 'h'},
                {},
};

static int parse_address(int family, const char *text, void *ret) {
        return inet_pton(family, text, ret) == 1 ? 0 : -EINVAL;
}

static int parse_one(Arguments *a, int option, const char *value) {
        switch (option) {
        case ARG_LIST:
                a->list = true;
                return 0;
        case ARG_MODE:
                a->mode = value;
                return 0;
        case ARG_SERVE:
                a->serve = value;
                return 0;
        case ARG_CLIENT:
                a->run.path = value;
                return 0;
        case ARG_SERVER4:
                return parse_address(AF_INET, value, &a->run.addresses.server4);
        case ARG_SERVER6:
                return parse_address(AF_INET6, value, &a->run.addresses.server6);
        case ARG_CLIENT4:
                return parse_address(AF_INET, value, &a->run.addresses.client4);
        case ARG_CLIENT6:
                return parse_address(AF_INET6, value, &a->run.addresses.client6);
        case ARG_FILTER:
                a->run.filter = value;
                return 0;
        case ARG_OUTPUT:
                a->output = value;
                return 0;
        case ARG_JOBS:
                a->run.jobs = atoi(value);
                return 0;
        case ARG_LIMIT:
                a->run.limit_ms = atoi(value);
                return 0;
        default:
                return -EINVAL;
        }
}

static int parse(Arguments *a, int argc, char **argv) {
        int o;

        while ((o = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
                if (o == 'h') {
                        usage(stdout);
                        exit(EXIT_SUCCESS);
                }
                if (parse_one(a, o, optarg) < 0)
                        return -EINVAL;
        }
        if (optind < argc || (!a->list && !a->serve && !a->mode))
                return -EINVAL;
        return 0;
}

static int list(void) {
        for (size_t i = 0; i < cases_count(); i++)
                printf("%s\t%s\n", cases_get(i)->name, cases_get(i)->text);
        return 0;
}

static int run(Arguments *a) {
        FILE *out = stdout;
        int r;

        if (a->output && !(out = fopen(a->output, "we")))
                return -errno;
        if (strcmp(a->mode, "native") == 0) {
                a->run.server_netns = native_set_up(&a->run.addresses);
                if (a->run.server_netns < 0)
                        return a->run.server_netns;
        } else if (strcmp(a->mode, "two") == 0 && !a->run.path)
                return -EINVAL;
        r = run_cases(&a->run, out);
        if (fflush(out) != 0 && r >= 0)
                r = -errno;
        return r;
}

int main(int argc, char **argv) {
        Arguments a = {.run = {.server_netns = -1, .jobs = 1, .limit_ms = 5000}};
        int r;

        if (parse(&a, argc, argv) < 0) {
                usage(stderr);
                return 2;
        }
        if (a.list)
                r = list();
        else if (a.serve)
                r = agent_listen(a.serve);
        else
                r = run(&a);
        if (r < 0)
                fprintf(stderr, "difftest: %s\n", strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
