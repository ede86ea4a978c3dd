/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The credentials an app runs with. */

#include <sys/types.h>
#include "basic/macro.h"

#define GID_UNKNOWN ((gid_t) -1)

typedef struct User {
        uid_t uid;
        gid_t gid; /* GID_UNKNOWN: of a user who is not in the database, and nobody said which */
        gid_t *groups; /* supplementary ones */
        size_t n_groups;
        char *name, *home, *shell; /* NULL if the user is not in the database */
} User;

void user_done(User *user);

/*
 * Looks a user up by name or number ("" means number `uid`). A number without
 * an entry is a user whose group is not known either: the one of the same
 * number may be anybody's, shadow's say. Asks the name service switch, so
 * it may block. Returns 0; -ENXIO if there is no such user; or another
 * negative errno.
 */
int user_lookup(const char *user, uid_t uid, User *ret);

/* Replaces the primary group by name or number. Returns as user_lookup(). */
int user_set_group(User *user, const char *group);

/* Becomes that user, for good. Returns 0 or a negative errno of setgroups(2), setresgid(2), setresuid(2). */
int user_become(const User *user);
