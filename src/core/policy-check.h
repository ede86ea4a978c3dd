/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A policy that is not in force: what would be decided otherwise, among those that are there now. */

#include "core/manager.h"
#include "model/policy.h"

enum {
        /* Clients and services that are looked at, and decisions about them: the loop must not look for long. */
        POLICY_CHECK_PAIRS_MAX = 1024 * 1024,
        POLICY_CHECK_DECISIONS_MAX = 4 * POLICY_CHECK_PAIRS_MAX,
        POLICY_CHANGES_MAX = 1000,            /* that are told */
};

typedef struct PolicyChange {
        const App *client;
        const Identity *service;
        uint16_t port;
        bool allowed;       /* then */
        const Rule *was, *is; /* that decide now and then, NULL for none */
} PolicyChange;

typedef void (*PolicyChanged)(const PolicyChange *change, void *userdata);

/*
 * Tells of each running app and each service (a port that apps or virtual
 * services have) whether the connection, allowed now, would be refused, or the
 * other way round. `ret_n` gets how many such there are, `ret_complete` whether
 * all were looked at. Returns 0 or -ENOMEM.
 */
int policy_check(Manager *m, const Policy *policy, PolicyChanged changed, void *userdata, size_t *ret_n, bool *ret_complete);
