/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the suites share: running the tests of one, addresses from text, a network to be alone in. */

#include <check.h>
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "model/address.h"

enum {
        UNIT_SKIPPED = 77, /* exit status for meson */
        UNIT_TIMEOUT = 60, /* seconds for one test, on a busy machine under sanitizers */
};

/* Runs all tests of a suite, each between `setup` and `teardown` (or NULL) in a process of its own. */
static inline int unit_run(const char *name, void (*setup)(void), void (*teardown)(void),
                           const TTest *const *tests) {
        Suite *suite = suite_create(name);
        TCase *tcase = tcase_create(name);
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, UNIT_TIMEOUT);
        for (; *tests; tests++)
                tcase_add_test(tcase, *tests);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define UNIT_RUN(name, setup, teardown, ...)                                                        \
        unit_run(name, setup, teardown, (const TTest *const[]){ __VA_ARGS__, NULL })

static inline Address unit_address(const char *text) {
        Address a;

        ck_assert_msg(address_parse(text, &a) == 0, "%s", text);
        return a;
}

static inline Endpoint unit_endpoint(const char *address, uint16_t port) {
        return (Endpoint){ .address = unit_address(address), .port = port };
}

static inline void unit_assert_address(const Address *a, const char *text) {
        char buf[ADDRESS_STRING_MAX];

        ck_assert_ptr_nonnull(a);
        ck_assert_str_eq(address_format(a, buf), text);
}

/*
 * Leaves for a network namespace of its own, so that names and ports taken
 * here do not meet those of others. Without the rights for it the test goes on
 * where it is.
 */
static inline void unit_unshare_network(void) {
        (void) unshare(CLONE_NEWNET);
}

/* Whether SO_SNDBUFFORCE and SO_MARK will work (CAP_NET_ADMIN, not in a user namespace). */
static inline bool unit_has_net_admin(void) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), size = 65536, mark = 1;
        bool has = setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) >= 0 &&
                        setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) >= 0;

        (void) close(fd);
        return has;
}

/* How many descriptors are open: what fails must leave none behind. */
static inline unsigned unit_count_fds(void) {
        DIR *dir = opendir("/proc/self/fd");
        unsigned n = 0;

        ck_assert_ptr_nonnull(dir);
        while (readdir(dir))
                n++;
        (void) closedir(dir);
        return n;
}
