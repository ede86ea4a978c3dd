/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that what is to be exposed is understood as it is meant, or refused with the reason. */

#include <string.h>

#include "model/expose.h"
#include "unit.h"

START_TEST(test_good) {
        static const struct {
                const char *text, *written;
                unsigned port, host_port, n;
                const char *address;
        } table[] = {
                { "8000:9999", NULL, 8000, 9999, 1, NULL },
                { "8000:9999/tcp", "8000:9999", 8000, 9999, 1, NULL },
                { "1:65535", NULL, 1, 65535, 1, NULL },
                { "8000:192.0.2.1:9999", NULL, 8000, 9999, 1, "192.0.2.1" },
                { "8000:0.0.0.0:9999", NULL, 8000, 9999, 1, "0.0.0.0" },
                { "8000:127.0.0.1:9999", NULL, 8000, 9999, 1, "127.0.0.1" },
                { "8000:[::]:9999", NULL, 8000, 9999, 1, "::" },
                { "8000:[::1]:9999/tcp", "8000:[::1]:9999", 8000, 9999, 1, "::1" },
                { "80:[2001:DB8::7]:80", "80:[2001:db8::7]:80", 80, 80, 1, "2001:db8::7" },
                { "8000-8009:9000-9009", NULL, 8000, 9000, 10, NULL },
                { "8000-8255:[fd00::1]:9000-9255", NULL, 8000, 9000, 256, "fd00::1" },
                { "80-80:81-81", "80:81", 80, 81, 1, NULL },
        };
        char text[EXPOSE_STRING_MAX];
        const char *reason;

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Expose e, again;

                ck_assert_msg(expose_parse(table[i].text, &e, &reason) == 0, "%s", table[i].text);
                ck_assert_uint_eq(e.port, table[i].port);
                ck_assert_uint_eq(e.host_port, table[i].host_port);
                ck_assert_uint_eq(e.n, table[i].n);
                if (table[i].address)
                        unit_assert_address(&e.address, table[i].address);
                else
                        ck_assert_int_eq(e.address.family, AF_UNSPEC);
                ck_assert_str_eq(expose_format(&e, text), table[i].written ?: table[i].text);
                ck_assert_int_eq(expose_parse(text, &again, &reason), 0);
                ck_assert(expose_equal(&e, &again));
        }
}
END_TEST

START_TEST(test_bad) {
        static const struct {
                const char *text, *reason;
        } table[] = {
                { "", "has no port of the host" },
                { "80", "has no port of the host" },
                { "80/tcp", "has no port of the host" },
                { ":80", "has a port of the app that is neither 1 to 65535 nor a range of those" },
                { "80:", "has a port of the host that is neither 1 to 65535 nor a range of those" },
                { "0:80", "has a port of the app that is neither 1 to 65535 nor a range of those" },
                { "80:0", "has a port of the host that is neither 1 to 65535 nor a range of those" },
                { "65536:80", "has a port of the app that is neither 1 to 65535 nor a range of those" },
                { "80:+81", "has a port of the host that is neither 1 to 65535 nor a range of those" },
                { "80: 81", "has a port of the host that is neither 1 to 65535 nor a range of those" },
                { "80-:81", "has a port of the app that is neither 1 to 65535 nor a range of those" },
                { "81-80:81-80", "has a port of the app that is neither 1 to 65535 nor a range of those" },
                { "1-2-3:1-3", "has a port of the app that is neither 1 to 65535 nor a range of those" },
                { "80-81:80", "has ranges of different lengths" },
                { "80-81:80-82", "has ranges of different lengths" },
                { "1000-1256:2000-2256", "has a range of more than 256 ports" },
                { "80:81/udp", "is UDP, which cannot be exposed yet" },
                { "80:81/sctp", "has another protocol than tcp" },
                { "80:81/", "has another protocol than tcp" },
                { "80::81", "has an address that is neither IPv4 nor IPv6 in brackets" },
                { "80:[]:81", "has an address that is neither IPv4 nor IPv6 in brackets" },
                { "80:[:81", "has an address that is neither IPv4 nor IPv6 in brackets" },
                { "80:::1:81", "has an address that is neither IPv4 nor IPv6 in brackets" },
                { "80:fd00::1:81", "has an address that is neither IPv4 nor IPv6 in brackets" },
                { "80:[192.0.2.1]:81", "has an address that is neither IPv4 nor IPv6 in brackets" },
                { "80:host:81", "has an address that is neither IPv4 nor IPv6 in brackets" },
                { "80:[fe80::1]:81", "has a link-local address, which is one of a device and not of the host" },
                { "80:224.0.0.1:81", "has an address that no host can have" },
                { "80:[ff02::1]:81", "has an address that no host can have" },
                { "80:255.255.255.255:81", "has an address that no host can have" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                const char *reason = NULL;
                Expose e;

                ck_assert_msg(expose_parse(table[i].text, &e, &reason) == -EINVAL, "%s", table[i].text);
                ck_assert_msg(strcmp(reason, table[i].reason) == 0, "%s: %s", table[i].text, reason);
        }
}
END_TEST

int main(void) {
        return UNIT_RUN("expose", NULL, NULL, test_good, test_bad);
}
