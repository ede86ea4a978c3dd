/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves whose credentials an app gets, and that it gets no others with them. */

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "exec/user.h"
#include "unit.h"

/* Some number that the database does not know. */
static const char unknown_text[] = "3999999999";
static const uid_t unknown = 3999999999;

static User user;

static void teardown(void) {
        user_done(&user);
}

/* A user by name has what the database says, and supplementary groups with the primary one among them. */
START_TEST(test_name) {
        struct passwd *pw;
        bool primary = false;

        ck_assert_int_eq(user_lookup("root", 12345, &user), 0);
        pw = getpwuid(0);
        ck_assert_ptr_nonnull(pw);
        ck_assert_uint_eq(user.uid, 0);
        ck_assert_uint_eq(user.gid, pw->pw_gid);
        ck_assert_str_eq(user.name, "root");
        ck_assert_str_eq(user.home, pw->pw_dir);
        ck_assert_str_eq(user.shell, pw->pw_shell);
        ck_assert_uint_ge(user.n_groups, 1);
        for (size_t i = 0; i < user.n_groups; i++)
                primary = primary || user.groups[i] == user.gid;
        ck_assert(primary);
}
END_TEST

/* By number, and by the number of the caller, it is the same user. */
START_TEST(test_number) {
        ck_assert_int_eq(user_lookup("0", 12345, &user), 0);
        ck_assert_uint_eq(user.uid, 0);
        ck_assert_str_eq(user.name, "root");
        user_done(&user);
        ck_assert_int_eq(user_lookup("", 0, &user), 0);
        ck_assert_uint_eq(user.uid, 0);
        ck_assert_str_eq(user.name, "root");
}
END_TEST

/* A number that the database does not know is a user with that number, and no group: none that has it by chance. */
START_TEST(test_unknown_number) {
        ck_assert_ptr_null(getpwuid(unknown));
        for (int by_caller = 0; by_caller < 2; by_caller++) {
                ck_assert_int_eq(user_lookup(by_caller ? "" : unknown_text, unknown, &user), 0);
                ck_assert_uint_eq(user.uid, unknown);
                ck_assert_uint_eq(user.gid, GID_UNKNOWN);
                ck_assert_int_eq(user_become(&user), -ENXIO);
                ck_assert_uint_eq(user.n_groups, 0);
                ck_assert_ptr_null(user.name);
                ck_assert_ptr_null(user.home);
                ck_assert_ptr_null(user.shell);
                user_done(&user);
        }
}
END_TEST

/* Who cannot be looked up is not taken for somebody without an entry, whose group is his number. */
START_TEST(test_no_lookup) {
        struct rlimit old, none;

        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
        none = (struct rlimit){ .rlim_cur = 3, .rlim_max = old.rlim_max };
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
        ck_assert_int_eq(user_lookup(unknown_text, unknown, &user), -EMFILE);
        ck_assert_int_eq(user_lookup("", unknown, &user), -EMFILE);
        ck_assert_int_eq(user_lookup("root", unknown, &user), -EMFILE);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
}
END_TEST

/* What is neither name nor number is nobody; above all not root, and not "no change" (-1). */
START_TEST(test_unknown) {
        static const char *const bad[] = {
                "no-such-user-here", "4294967295", "4294967296", "18446744073709551616", "-1", "+0", " 0", "0 ", "0x0",
                "0root", "root ", "ROOT",
        };

        user.uid = 42;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(user_lookup(bad[i], 0, &user) == -ENXIO, "%s", bad[i]);
        ck_assert_uint_eq(user.uid, 42);
}
END_TEST

/* The group is another one by name or number; what is none changes nothing. */
START_TEST(test_group) {
        static const char *const bad[] = { "no-such-group", "4294967295", "-1", "", " 0" };
        struct group *gr = getgrgid(0);

        ck_assert_ptr_nonnull(gr);
        ck_assert_int_eq(user_lookup(unknown_text, 0, &user), 0);
        ck_assert_int_eq(user_set_group(&user, gr->gr_name), 0);
        ck_assert_uint_eq(user.gid, 0);
        ck_assert_int_eq(user_set_group(&user, unknown_text), 0);
        ck_assert_uint_eq(user.gid, unknown);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(user_set_group(&user, bad[i]) == -ENXIO, "%s", bad[i]);
        ck_assert_uint_eq(user.gid, unknown);
        ck_assert_uint_eq(user.uid, unknown);
}
END_TEST

/* Once become, all ids are the user's, and no group of root's is left, and there is no way back. */
START_TEST(test_become) {
        gid_t groups[64], rgid, egid, sgid;
        uid_t ruid, euid, suid;

        if (geteuid() != 0)
                return;
        ck_assert_int_eq(setgroups(2, (gid_t[]){ 0, 4 }), 0);
        ck_assert_int_eq(user_lookup(unknown_text, 0, &user), 0);
        ck_assert_int_eq(user_set_group(&user, "3999999998"), 0);
        ck_assert_int_eq(user_become(&user), 0);
        ck_assert_int_eq(getresuid(&ruid, &euid, &suid), 0);
        ck_assert(ruid == unknown && euid == unknown && suid == unknown);
        ck_assert_int_eq(getresgid(&rgid, &egid, &sgid), 0);
        ck_assert(rgid == 3999999998 && egid == 3999999998 && sgid == 3999999998);
        ck_assert_int_eq(getgroups(ELEMENTSOF(groups), groups), 0);
        ck_assert_int_eq(setresuid(0, 0, 0), -1);
        ck_assert_int_eq(user_become(&(User){}), -EPERM);
}
END_TEST

/* The user's own groups come along. */
START_TEST(test_become_groups) {
        gid_t groups[64];
        int n;

        if (geteuid() != 0)
                return;
        ck_assert_int_eq(user_lookup("root", 0, &user), 0);
        ck_assert_uint_le(user.n_groups, ELEMENTSOF(groups));
        ck_assert_int_eq(user_become(&user), 0);
        n = getgroups(ELEMENTSOF(groups), groups);
        ck_assert_int_eq(n, (int) user.n_groups);
        for (int i = 0; i < n; i++) {
                bool found = false;

                for (size_t j = 0; j < user.n_groups; j++)
                        found = found || user.groups[j] == groups[i];
                ck_assert(found);
        }
}
END_TEST

int main(void) {
        return UNIT_RUN("exec-user", NULL, teardown, test_name, test_number, test_unknown_number, test_no_lookup, test_unknown,
                        test_group, test_become, test_become_groups);
}
