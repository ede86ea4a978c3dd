/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "exec/user.h"

enum { GROUPS_MAX = 65536 /* NGROUPS_MAX of Linux */ };

void user_done(User *user) {
        free(user->groups);
        free(user->name);
        free(user->home);
        free(user->shell);
        *user = (User){};
}

/* Why getpwnam(3) and its like found nothing: -ENXIO if there is nothing to find, or what kept them from looking. */
static int lookup_error(void) {
        return errno > 0 && errno != ENOENT && errno != ESRCH ? -errno : -ENXIO;
}

/* Returns 0 or -EINVAL. (uid_t) -1 means "no change" to setresuid(2) and is no user. */
static int parse_id(const char *s, uint32_t *ret) {
        char *end;
        unsigned long long v;

        if (*s < '0' || *s > '9')
                return -EINVAL;
        errno = 0;
        v = strtoull(s, &end, 10);
        if (*end || errno != 0 || v >= UINT32_MAX)
                return -EINVAL;
        *ret = (uint32_t) v;
        return 0;
}

static int read_groups(User *user) {
        int n = 64;

        for (;;) {
                gid_t *groups = reallocarray(user->groups, (size_t) n, sizeof(gid_t));
                int wanted = n;

                if (!groups)
                        return -ENOMEM;
                user->groups = groups;
                if (getgrouplist(user->name, user->gid, groups, &n) >= 0) {
                        user->n_groups = (size_t) n;
                        return 0;
                }
                n = MAX2(n, wanted * 2);
                if (n > GROUPS_MAX)
                        return -E2BIG;
        }
}

int user_lookup(const char *user, uid_t uid, User *ret) {
        _cleanup_(user_done) User u = {};
        struct passwd *pw;
        uint32_t id = uid;
        bool by_number;
        int r;

        /* A single-threaded process that forked for this: the static buffers of getpwnam(3) are ours. */
        errno = 0;
        by_number = !*user || parse_id(user, &id) >= 0;
        pw = by_number ? getpwuid(id) : getpwnam(user);
        if (!pw) {
                r = lookup_error();
                /* A user whose groups could not be looked up is none without groups. */
                if (!by_number || r != -ENXIO)
                        return r;
                u.uid = id;
                u.gid = GID_UNKNOWN;
                *ret = u;
                u = (User){};
                return 0;
        }
        u.uid = pw->pw_uid;
        u.gid = pw->pw_gid;
        u.name = strdup(pw->pw_name);
        u.home = strdup(pw->pw_dir && *pw->pw_dir ? pw->pw_dir : "/");
        u.shell = strdup(pw->pw_shell && *pw->pw_shell ? pw->pw_shell : "/bin/sh");
        if (!u.name || !u.home || !u.shell)
                return -ENOMEM;
        r = read_groups(&u);
        if (r < 0)
                return r;
        *ret = u;
        u = (User){};
        return 0;
}

int user_set_group(User *user, const char *group) {
        struct group *gr;
        uint32_t id;

        errno = 0;
        if (parse_id(group, &id) >= 0) {
                user->gid = id;
                return 0;
        }
        gr = getgrnam(group);
        if (!gr)
                return lookup_error();
        user->gid = gr->gr_gid;
        return 0;
}

int user_become(const User *user) {
        if (user->gid == GID_UNKNOWN) /* "no change" to setresgid(2) */
                return -ENXIO;
        if (setgroups(user->n_groups, user->groups) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
            setresuid(user->uid, user->uid, user->uid) < 0)
                return -errno;
        return 0;
}
