/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves which names apps can have: DNS names that mean nothing else anywhere. */

#include <string.h>

#include "model/name.h"
#include "unit.h"

/* What is a host name by RFC 1123 is a name. */
START_TEST(test_valid) {
        static const char *const names[] = {
                "a", "web", "Web-1", "web.shop", "WEB.SHOP.EXAMPLE", "1web", "web1", "0x", "a--b", "xn--bcher-kva",
                "localhost1", "localhost.shop", "notlocalhost", "my.localhosts", "1.2.3.4.5", "1.2.3.4a", "256.1.1.1",
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const char *reason = name_invalid_reason(names[i]);

                ck_assert_msg(reason == NULL, "%s %s", names[i], reason);
        }
}
END_TEST

/* What is none is told with the reason. */
START_TEST(test_invalid) {
        static const char characters[] = "may have only letters a-z, digits and hyphens in its labels";
        static const char script[] = "may have only letters a-z, digits and hyphens in its labels; a name in another script has a form that begins with xn-- (RFC 5891)";
        static const char hyphen[] = "has a label that begins or ends with a hyphen";
        static const char empty[] = "has an empty label";
        static const char loopback[] = "is reserved for loopback (RFC 6761)";
        static const char ipv4[] = "reads as an IPv4 address";
        static const struct {
                const char *name, *reason;
        } table[] = {
                { "", "is empty" },
                { ".", empty },
                { ".web", empty },
                { "web.", empty },
                { "web..shop", empty },
                { "-web", hyphen },
                { "web-", hyphen },
                { "-", hyphen },
                { "web-.shop", hyphen },
                { "web.-shop", hyphen },
                { "we b", characters },
                { "web\n", characters },
                { "web_1", characters },
                { "_http._tcp", characters },
                { "web/..", characters },
                { "../web", empty },
                { "w\303\244b", script },
                { "web\377", script },
                { "*", characters },
                { "fd00::1", characters },
                { "localhost", loopback },
                { "LocalHost", loopback },
                { "web.localhost", loopback },
                { "a.b.LOCALHOST", loopback },
                { "198.18.0.1", ipv4 },
                { "1.2.3", ipv4 },
                { "1", ipv4 },
                { "4294967295", ipv4 },
                { "0x7f.1", ipv4 },
                { "0X7F000001", ipv4 },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                const char *reason = name_invalid_reason(table[i].name);

                ck_assert_msg(reason != NULL, "%s", table[i].name);
                ck_assert_msg(strcmp(reason, table[i].reason) == 0, "%s %s", table[i].name, reason);
        }
}
END_TEST

/* Labels have up to 63 characters and names up to 190. */
START_TEST(test_length) {
        char name[NAME_MAX_LENGTH + 2];

        memset(name, 'a', sizeof(name));
        name[NAME_LABEL_MAX] = '\0';
        ck_assert_ptr_null(name_invalid_reason(name));
        name[NAME_LABEL_MAX] = 'a';
        name[NAME_LABEL_MAX + 1] = '\0';
        ck_assert_str_eq(name_invalid_reason(name), "has a label of more than 63 characters");

        for (size_t i = 0; i < sizeof(name); i++)
                name[i] = i % 2 ? '.' : 'a';
        name[NAME_MAX_LENGTH - 1] = 'a';
        name[NAME_MAX_LENGTH] = '\0';
        ck_assert_ptr_null(name_invalid_reason(name));
        name[NAME_MAX_LENGTH] = 'a';
        name[NAME_MAX_LENGTH + 1] = '\0';
        ck_assert_str_eq(name_invalid_reason(name), "is longer than 190 characters");
}
END_TEST

/* Names that differ in case only become the same; nothing but ASCII letters changes. */
START_TEST(test_normalize) {
        char name[] = "WEB-1.Shop.az.AZ@[`{\303\204", empty[] = "";

        name_normalize(name);
        ck_assert_str_eq(name, "web-1.shop.az.az@[`{\303\204");
        name_normalize(empty);
        ck_assert_str_eq(empty, "");
}
END_TEST

/* A star stands for one label or more, never for none and never for a part of one. */
START_TEST(test_pattern) {
        ck_assert(name_pattern_matches("*", "example.test"));
        ck_assert(name_pattern_matches("*", ""));
        ck_assert(name_pattern_matches("example.test", "example.test"));
        ck_assert(!name_pattern_matches("example.test", "www.example.test"));
        ck_assert(!name_pattern_matches("example.test", "test"));
        ck_assert(name_pattern_matches("*.example.test", "www.example.test"));
        ck_assert(name_pattern_matches("*.example.test", "a.b.example.test"));
        ck_assert(!name_pattern_matches("*.example.test", "example.test"));
        ck_assert(!name_pattern_matches("*.example.test", ".example.test"));
        ck_assert(!name_pattern_matches("*.example.test", "badexample.test"));
        ck_assert(!name_pattern_matches("*.example.test", "www.example.test.evil"));
        ck_assert(!name_pattern_matches("*.example.test", ""));
        ck_assert(!name_pattern_matches("", "a"));
}
END_TEST

int main(void) {
        return UNIT_RUN("name", NULL, NULL, test_valid, test_invalid, test_length, test_normalize, test_pattern);
}
