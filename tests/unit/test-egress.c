/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that a list of what an app may reach is understood as it is meant, told back, or refused with the reason. */

#include <string.h>

#include "basic/text.h"
#include "model/egress.h"
#include "unit.h"

static void check(const char *list, const char *written, const char *patterns) {
        char *words[] = { (char *) list, NULL }, *item = NULL;
        _cleanup_free_ char *joined = NULL, *names = NULL;
        const char *found[EGRESS_ITEMS_MAX + 1];
        _cleanup_strv_ char **v = NULL;
        Egress egress, copy, again;
        const char *reason;

        ck_assert_msg(egress_parse(words, &egress, &item, &reason) == 0, "%s: %s", list, reason);
        v = egress_to_strv(&egress);
        joined = strv_join(v, " ");
        ck_assert_str_eq(joined, written);
        ck_assert_int_eq(egress_parse(v, &again, &item, &reason), 0);
        ck_assert(egress_equal(&egress, &again));
        ck_assert_int_eq(egress_copy(&egress, &copy), 0);
        ck_assert(egress_equal(&egress, &copy));
        found[egress_name_patterns(&egress, found)] = NULL;
        names = strv_join((char *const *) found, " ");
        ck_assert_str_eq(names, patterns);
        egress_done(&egress);
        egress_done(&copy);
        egress_done(&again);
}

START_TEST(test_good) {
        check("no", "no", "");
        check("yes", "yes", "*");
        check("192.0.2.0/24", "192.0.2.0/24", "*");
        check("192.0.2.7:443, 0.0.0.0/0:80-90", "192.0.2.7:443 0.0.0.0/0:80-90", "*");
        check("2001:db8::7,2001:db8::/32", "2001:db8::7 2001:db8::/32", "*");
        check("[2001:db8::7],[2001:db8::]/32", "2001:db8::7 2001:db8::/32", "*");
        check("[2001:db8::7]:443,[2001:db8::]/32:443-444", "[2001:db8::7]:443 [2001:db8::]/32:443-444", "*");
        check("API.example.test:443,*.Example.test", "api.example.test:443 *.example.test", "api.example.test *.example.test");
        check("a.test,192.0.2.7", "a.test 192.0.2.7", "a.test *");
        check("a.test:1-65535", "a.test", "a.test");
        check("1.a", "1.a", "1.a");
}
END_TEST

START_TEST(test_bad) {
        static const struct {
                const char *text, *item, *reason;
        } table[] = {
                { "", "", "has an empty item" },
                { "a.test,", "a.test,", "has an empty item" },
                { "yes,no", "no", "cannot be combined with others" },
                { "no,a.test", "a.test", "cannot be combined with others" },
                { "a.test,yes", "yes", "cannot be combined with others" },
                { "192.0.2.1/24", "192.0.2.1/24", "is no address, and no network without host bits" },
                { "192.0.2", "192.0.2", "is no address, and no network without host bits" },
                { "300.0.2.1", "300.0.2.1", "is no address, and no network without host bits" },
                { "fd00::/8:443", "fd00::/8:443", "is no address, and no network without host bits" },
                { "[fd00::1", "[fd00::1", "is no address, and no network without host bits" },
                { "a.test:0", "a.test:0", "has ports that are neither 1 to 65535 nor a range of those" },
                { "a.test:", "a.test:", "has ports that are neither 1 to 65535 nor a range of those" },
                { "a.test:9-8", "a.test:9-8", "has ports that are neither 1 to 65535 nor a range of those" },
                { "[fd00::1]443", "[fd00::1]443", "is no address, and no network without host bits" },
                { "*", "*", "may have only letters a-z, digits and hyphens in its labels" },
                { "*.", "*.", "is empty" },
                { "a.*.test", "a.*.test", "may have only letters a-z, digits and hyphens in its labels" },
                { "localhost", "localhost", "is reserved for loopback (RFC 6761)" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                char *words[] = { (char *) table[i].text, NULL };
                _cleanup_free_ char *item = NULL;
                const char *reason = NULL;
                Egress egress;

                ck_assert_msg(egress_parse(words, &egress, &item, &reason) == -EINVAL, "%s", table[i].text);
                ck_assert_str_eq(item, table[i].item);
                ck_assert_msg(strcmp(reason, table[i].reason) == 0, "%s: %s", table[i].text, reason);
        }
}
END_TEST

/* As many as there may be, and not one more. */
START_TEST(test_bound) {
        char *words[EGRESS_ITEMS_MAX + 2] = {}, *item = NULL;
        const char *reason;
        Egress egress;

        for (size_t i = 0; i <= EGRESS_ITEMS_MAX; i++)
                words[i] = (char *) "a.test";
        ck_assert_int_eq(egress_parse(words, &egress, &item, &reason), -E2BIG);
        words[EGRESS_ITEMS_MAX] = NULL;
        ck_assert_int_eq(egress_parse(words, &egress, &item, &reason), 0);
        ck_assert_uint_eq(egress.n, EGRESS_ITEMS_MAX);
        egress_done(&egress);
}
END_TEST

int main(void) {
        return UNIT_RUN("egress", NULL, NULL, test_good, test_bad, test_bound);
}
