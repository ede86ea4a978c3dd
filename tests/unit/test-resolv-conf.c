/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "core/resolv-conf.h"
#include "unit.h"

static const char *format(const NameServers *servers) {
        static char text[1024];
        char address[ADDRESS_STRING_MAX];

        *text = '\0';
        for (size_t i = 0; i < servers->n; i++) {
                const NameServer *s = servers->servers + i;

                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s%s%s", i > 0 ? " " : "",
                                address_format(&s->address, address), *s->scope ? "%" : "", s->scope);
        }
        return text;
}

/* The servers that the C library would ask, but not ourselves. */
START_TEST(test_file) {
        static const struct {
                const char *text, *servers;
        } table[] = {
                { "", "127.0.0.1" },
                { "# nameserver 192.0.2.1\n; nameserver 192.0.2.2\nsearch a b\noptions timeout:1\n", "127.0.0.1" },
                { "nameserver 192.0.2.53", "192.0.2.53" },
                { "nameserver\t192.0.2.53  \r\n\n nameserver 2001:db8::53 # said\n", "192.0.2.53 2001:db8::53" },
                { "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
                  "192.0.2.1 192.0.2.2 192.0.2.3" },
                { "nameserver 192.0.2.1\nnameserver 192.0.2.1\n", "192.0.2.1" },
                { "nameserver fe80::1%eth0\nnameserver fe80::2\nnameserver 192.0.2.1%eth0\n", "fe80::1%eth0" },
                { "nameserver ::ffff:192.0.2.1\n", "::ffff:192.0.2.1" },
                { "nameserver 127.0.0.97\nnameserver 127.0.0.53\n", "127.0.0.53" },
                { "nameserver 127.0.0.97\n", "" },
                { "nameserver 0.0.0.0\nnameserver ::\nnameserver 224.0.0.1\nnameserver ff02::1\nnameserver 192.0.2.9\n", "" },
                { "nameserver\nnameservers 192.0.2.1\nNAMESERVER 192.0.2.1\nnameserver 192.0.2.8\n", "192.0.2.8" },
                { "nameserver 192.0.2.1 192.0.2.2\nnameserver 300.0.0.1\n", "192.0.2.1" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                NameServers servers;

                resolv_conf_parse(table[i].text, &servers);
                ck_assert_msg(strcmp(format(&servers), table[i].servers) == 0, "%s: %s", table[i].text, format(&servers));
        }
}
END_TEST

/* The setting is all good, or none. */
START_TEST(test_setting) {
        static const char *const bad[] = { "", " ", ",", "hosts", "192.0.2", "192.0.2.1,x", "192.0.2.1:53", "fe80::1", "127.0.0.97",
                                           "fe80::1%", "fe80::1%a-device-of-a-name-too-long", "0.0.0.0" };
        char many[256] = "";
        NameServers servers;

        ck_assert_int_eq(name_servers_parse("host", &servers), 0);
        ck_assert_uint_eq(servers.n, 0);
        ck_assert_int_eq(name_servers_parse("192.0.2.1, 2001:db8::1 fe80::1%lo,192.0.2.1", &servers), 0);
        ck_assert_str_eq(format(&servers), "192.0.2.1 2001:db8::1 fe80::1%lo");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(name_servers_parse(bad[i], &servers) == -EINVAL, "%s", bad[i]);
        for (unsigned i = 1; i <= DNS_FEED_SERVERS_MAX + 1; i++) {
                (void) snprintf(many + strlen(many), sizeof(many) - strlen(many), " 192.0.2.%u", i);
                ck_assert_int_eq(name_servers_parse(many, &servers), i <= DNS_FEED_SERVERS_MAX ? 0 : -EINVAL);
        }
}
END_TEST

int main(void) {
        return UNIT_RUN("resolv-conf", NULL, NULL, test_file, test_setting);
}
