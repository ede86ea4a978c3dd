/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <check.h>
#include <linux/capability.h>
#include <string.h>

#include "unit.h"
#include "basic/text.h"
#include "unit/exec-line.h"
#include "unit/run-options.h"
#include "unit/sandbox.h"
#include "unit/settings.h"

/* A command keeps its prefixes, and its words as they were written. */
START_TEST(lines) {
        static const struct {
                const char *line, *wrapped;
        } cases[] = {
                { "/bin/a", "/w -x -- /bin/a" },
                { "-:/bin/a  $B 'c  d' \"e\\\" f\"", "-:/w -x -- /bin/a $B 'c  d' \"e\\\" f\"" },
                { "+/bin/a", "+/w -- /bin/a" },
                { "!!@/bin/a b c", "!!/w -x --argv0 -- /bin/a b c" },
                { "/bin/$a $B", "/w -x -- /bin/$$a $B" },
                { ":/bin/$a", ":/w -x -- /bin/$a" },
                { "/bin/a ; -/bin/b ';' \\;", "/w -x -- /bin/a ; -/w -x -- /bin/b ';' \\;" },
                { "", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *wrapped = NULL;

                ck_assert_int_eq(exec_line_wrap(cases[i].line, "/w", "-x", &wrapped), 0);
                ck_assert_str_eq(wrapped, cases[i].wrapped);
        }
}
END_TEST

/* As the service manager names what has no SyslogIdentifier=. */
START_TEST(identifiers) {
        static const struct {
                const char *line, *name;
        } names[] = {
                { "/bin/a b", "a" },
                { " -!@/usr/lib/x/b-c.d /e", "b-c.d" },
                { "/opt/%i/d-%i --x ; /bin/e", "d-%i" },
                { "f", "f" },
                { "/bin/", NULL },
                { "\"/opt/a b/c d\" x", NULL },
                { "", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *name = NULL;

                ck_assert_int_eq(exec_line_identifier(names[i].line, &name), 0);
                if (names[i].name)
                        ck_assert_str_eq(name, names[i].name);
                else
                        ck_assert_ptr_null(name);
        }
}
END_TEST

/* Those of each command of a line count, and what looks like one inside of a word does not. */
START_TEST(prefixes) {
        ck_assert_int_eq(exec_line_find_prefix("-:/bin/a @b !c", "@+!"), '\0');
        ck_assert_int_eq(exec_line_find_prefix("-@/bin/a b", "@+!"), '@');
        ck_assert_int_eq(exec_line_find_prefix("/bin/a ; -!!/bin/b", "@+!"), '!');
        ck_assert_int_eq(exec_line_find_prefix("/bin/a ';' +b", "@+!"), '\0');
        ck_assert_int_eq(exec_line_find_prefix("", "@+!"), '\0');
}
END_TEST

/* A section as the command line of `ax run`, which stops what is left where the service manager would. */
START_TEST(run_options) {
        static const struct {
                const char *mode;
                bool service;
                const char *wanted;
        } cases[] = {
                { "mixed", true, "run --quiet --stop-rest --ip=198.18.0.9 --tag=a=b --tag=c=d --name=%i" },
                { "process", true, "run --quiet --ip=198.18.0.9 --tag=a=b --tag=c=d --name=%i" },
                { "mixed", false, "run --quiet --ip=198.18.0.9 --tag=a=b --tag=c=d --name=%i" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(unit_file_done) UnitFile unit = {};
                _cleanup_strv_ char **words = NULL;
                _cleanup_free_ char *text = NULL;

                ck_assert_int_eq(unit_file_assign(&unit, "Service", "KillMode", cases[i].mode), 0);
                ck_assert_int_eq(unit_file_assign(&unit, UNIT_SECTION, "Name", "other"), 0);
                ck_assert_int_eq(unit_file_assign(&unit, UNIT_SECTION, "Address", "198.18.0.9"), 0);
                ck_assert_int_eq(unit_file_assign(&unit, UNIT_SECTION, "Tag", "a=b, c=d"), 0);
                ck_assert_int_eq(unit_file_assign(&unit, UNIT_SECTION, "Name", ""), 0);
                ck_assert_int_eq(unit_file_assign(&unit, UNIT_SECTION, "name", "%i"), 0);
                ck_assert_int_eq(run_options_format(&unit, cases[i].service, &words), 0);
                text = strv_join(words, " ");
                ck_assert_str_eq(text, cases[i].wanted);
        }
}
END_TEST

/* Specifiers are those of the unit's name; others are an error that names those that are known. */
START_TEST(specifiers) {
        _cleanup_free_ char *value = NULL, *message = NULL, *none = NULL;

        ck_assert_int_eq(unit_expand_specifiers("%n %N %p %i %I %j %%", "a-b@c\\x2dd-e.service", &value, &message), 0);
        ck_assert_str_eq(value, "a-b@c\\x2dd-e.service a-b@c\\x2dd-e a-b c\\x2dd-e c-d/e b %");
        ck_assert_int_eq(unit_expand_specifiers("%H", "a.service", &none, &message), -EINVAL);
        ck_assert_ptr_nonnull(strstr(message, "'%H'"));
}
END_TEST

/* An empty value takes back; keys go by either name; what is wrong is said with what is allowed. */
START_TEST(settings) {
        _cleanup_free_ char *message = NULL;
        UnitSettings s;

        unit_settings_init(&s);
        ck_assert_int_eq(unit_settings_set(&s, "Name", "A b, c", &message), 0);
        ck_assert_int_eq((int) strv_length(s.names), 3);
        ck_assert_str_eq(s.names[0], "a");
        ck_assert_int_eq(unit_settings_set(&s, "name", "", &message), 0);
        ck_assert_ptr_null(s.names);
        ck_assert_int_eq(unit_settings_set(&s, "ip", "198.18.0.1", &message), 0);
        ck_assert_int_eq(unit_settings_set(&s, "Address", "198.18.0.1 198.18.0.2", &message), 0);
        ck_assert_int_eq((int) s.n_addresses, 2);
        ck_assert_int_eq(unit_settings_set(&s, "Name", "a Host", &message), -EINVAL);
        ck_assert_ptr_nonnull(strstr(message, "ax create host"));
        free(TAKE_PTR(message));
        ck_assert_int_eq(unit_settings_set(&s, "Weight", "1001", &message), -EINVAL);
        ck_assert_ptr_nonnull(strstr(message, "1 to 1000"));
        unit_settings_done(&s);
}
END_TEST

static void find(const char *const (*assignments)[2], size_t n, UnitSandbox *ret) {
        _cleanup_free_ char *message = NULL;
        UnitFile unit = {};

        for (size_t i = 0; i < n; i++)
                ck_assert_int_eq(unit_file_assign(&unit, "Service", assignments[i][0], assignments[i][1]), 0);
        ck_assert_int_eq(unit_sandbox_find(&unit, ret, &message), 0);
        unit_file_done(&unit);
}

/* Only what is missing is added. */
START_TEST(sandboxes) {
        static const char *const user[][2] = { { "User", "a" } };
        static const char *const implied[][2] = { { "User", "a" }, { "SystemCallFilter", "@system-service" }, { "SystemCallErrorNumber", "EPERM" } };
        static const char *const bounded[][2] = { { "CapabilityBoundingSet", "CAP_CHOWN" }, { "RestrictAddressFamilies", "AF_INET" } };
        static const char *const back[][2] = { { "CapabilityBoundingSet", "CAP_CHOWN" }, { "CapabilityBoundingSet", "~" } };
        const uint64_t both = UINT64_C(1) << CAP_SYS_ADMIN | UINT64_C(1) << CAP_SETPCAP;
        UnitSandbox s;

        find(NULL, 0, &s);
        ck_assert(s.bounding == 0 && s.ambient == 0 && !s.no_new_privileges && !s.add_unix && !s.add_seccomp);
        find(user, ELEMENTSOF(user), &s);
        ck_assert(s.bounding == 0 && s.ambient == both && !s.no_new_privileges);
        find(implied, ELEMENTSOF(implied), &s);
        ck_assert(s.bounding == 0 && s.ambient == 0 && s.no_new_privileges && s.add_seccomp);
        find(bounded, ELEMENTSOF(bounded), &s);
        ck_assert(s.bounding == both && s.ambient == 0 && s.add_unix);
        find(back, ELEMENTSOF(back), &s);
        ck_assert(s.bounding == 0);
}
END_TEST

int main(void) {
        return UNIT_RUN("unit", NULL, NULL, lines, identifiers, prefixes, run_options, specifiers, settings, sandboxes);
}
