/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files of the policy (appswitch.policy(5)): reading them, at start and again. */

#include "core/manager.h"

/* One file, as somebody sends it. */
typedef struct PolicyText {
        const char *name, *text;
        size_t size;
} PolicyText;

/*
 * Makes a policy of the files in the directories, or of texts. It need not be
 * right: policy_problems(). Returns 0, or a negative errno.
 */
int policy_read(const Policy *old, Policy **ret);
int policy_read_texts(const Policy *old, const PolicyText *texts, size_t n, Policy **ret);

/*
 * Puts it in force when the daemon starts, whatever is wrong with it: what is
 * broken denies. Returns 0 or a negative errno.
 */
int policy_start(Manager *m);

/*
 * Reads the files again and puts them in force, if nothing is wrong with them;
 * else the policy stays that was, as a whole. Logs what is wrong. Returns 0;
 * or, with a sentence in `ret_message` (to be freed, unless it is NULL),
 * -EBADMSG if there are errors, or another negative errno.
 */
int policy_load(Manager *m, char **ret_message);
