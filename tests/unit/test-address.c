/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that addresses and endpoints mean the same whatever form they come in, and that no other form is taken. */

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#include "unit.h"

/* Text becomes an address of the right family, without leftovers, and the usual text again. */
START_TEST(test_parse) {
        static const struct {
                const char *text;
                int family;
                uint8_t bytes[16];
                const char *formatted;
        } table[] = {
                { "0.0.0.0", AF_INET, {}, "0.0.0.0" },
                { "198.18.0.1", AF_INET, { 198, 18, 0, 1 }, "198.18.0.1" },
                { "255.255.255.255", AF_INET, { 255, 255, 255, 255 }, "255.255.255.255" },
                { "::", AF_INET6, {}, "::" },
                { "::1", AF_INET6, { [15] = 1 }, "::1" },
                { "FD00:0:0:0:0:0:0:1", AF_INET6, { 0xfd, [15] = 1 }, "fd00::1" },
                { "fd00::198.18.0.1", AF_INET6, { 0xfd, [12] = 198, 18, 0, 1 }, "fd00::c612:1" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                char buf[ADDRESS_STRING_MAX];
                Address a;

                memset(&a, 0xff, sizeof(a));
                ck_assert_msg(address_parse(table[i].text, &a) == 0, "%s", table[i].text);
                ck_assert_int_eq(a.family, table[i].family);
                ck_assert_mem_eq(a.bytes, table[i].bytes, sizeof(a.bytes));
                ck_assert_str_eq(address_format(&a, buf), table[i].formatted);
        }
}
END_TEST

/* What is no address is refused, and the result is left as it was. */
START_TEST(test_parse_bad) {
        static const char *const bad[] = {
                "",           "198.18.0",     "198.18.0.1.2", "198.18.0.256", "198.18.0.01", " 198.18.0.1",
                "198.18.0.1 ", "198.18.0.1/15", "198.18.0.1:80", "0x7f.0.0.1",  "2130706433",  "web",
                "[::1]",      "fe80::1%lo",   "fe80::1%1",    "fd00:::1",     "fd00::1/64",  "12345::",
                "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
        };
        const Address before = unit_address("198.18.0.9");

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                Address a = before;

                ck_assert_msg(address_parse(bad[i], &a) == -EINVAL, "%s", bad[i]);
                ck_assert(address_equal(&a, &before));
        }
}
END_TEST

/* "None" can be shown, too. */
START_TEST(test_format_none) {
        char buf[ADDRESS_STRING_MAX];

        ck_assert_str_eq(address_format(&(Address){}, buf), "none");
}
END_TEST

/* Addresses are equal when family and all bytes are; the same bytes in another family are not. */
START_TEST(test_equal) {
        Address four = unit_address("0.0.0.0"), six = unit_address("::"), none = {};
        Address a = unit_address("fd00::1"), b = unit_address("fd00::2");

        ck_assert(address_equal(&a, &a));
        ck_assert(!address_equal(&a, &b));
        ck_assert(!address_equal(&four, &six));
        ck_assert(!address_equal(&four, &none));
}
END_TEST

/* Each kind of address is known up to its edges. */
START_TEST(test_kinds) {
        static const struct {
                const char *text;
                bool unspecified, loopback, link_local;
        } table[] = {
                { "0.0.0.0", true, false, false },
                { "0.0.0.1", false, false, false },
                { "::", true, false, false },
                { "::1", false, true, false },
                { "::2", false, false, false },
                { "126.255.255.255", false, false, false },
                { "127.0.0.0", false, true, false },
                { "127.255.255.255", false, true, false },
                { "128.0.0.0", false, false, false },
                { "169.253.255.255", false, false, false },
                { "169.254.0.0", false, false, true },
                { "169.254.255.255", false, false, true },
                { "169.255.0.0", false, false, false },
                { "fe7f:ffff::", false, false, false },
                { "fe80::", false, false, true },
                { "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false, false, true },
                { "fec0::", false, false, false },
                /* The bytes of 127.0.0.1 and 169.254.0.1 in front of an IPv6 address mean nothing. */
                { "7f00:1::", false, false, false },
                { "a9fe:1::", false, false, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Address a = unit_address(table[i].text);

                ck_assert_msg(address_is_unspecified(&a) == table[i].unspecified, "%s", table[i].text);
                ck_assert_msg(address_is_loopback(&a) == table[i].loopback, "%s", table[i].text);
                ck_assert_msg(address_is_link_local(&a) == table[i].link_local, "%s", table[i].text);
        }
}
END_TEST

/* What no app may have is told with the reason, and everything beside it may be had. */
START_TEST(test_reserved) {
        static const struct {
                const char *text, *reason;
        } table[] = {
                { "0.0.0.0", "is the unspecified address" },
                { "::", "is the unspecified address" },
                { "0.0.0.1", "is in the reserved network 0.0.0.0/8" },
                { "0.255.255.255", "is in the reserved network 0.0.0.0/8" },
                { "1.0.0.0", NULL },
                { "10.0.0.1", NULL },
                { "127.0.0.1", "is a loopback address" },
                { "::1", "is a loopback address" },
                { "169.254.1.1", "is link-local; those are given to unnamed apps" },
                { "fe80::1", "is link-local; those are given to unnamed apps" },
                { "198.18.0.1", NULL },
                { "223.255.255.255", NULL },
                { "224.0.0.0", "is a multicast address" },
                { "239.255.255.255", "is a multicast address" },
                { "240.0.0.0", "is in the reserved network 240.0.0.0/4" },
                { "255.255.255.255", "is in the reserved network 240.0.0.0/4" },
                { "ff02::1", "is a multicast address" },
                { "::ffff:198.18.0.1", "is IPv4-mapped; give the IPv4 address itself" },
                { "::198.18.0.1", "is in the reserved network ::/96" },
                { "::1:0:0", NULL },
                { "fd00::1", NULL },
                { "2001:db8::1", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Address a = unit_address(table[i].text);
                const char *reason = address_reserved_reason(&a);

                if (table[i].reason) {
                        ck_assert_msg(reason != NULL, "%s", table[i].text);
                        ck_assert_str_eq(reason, table[i].reason);
                } else
                        ck_assert_msg(reason == NULL, "%s %s", table[i].text, reason);
        }
}
END_TEST

/* Reads `size` bytes out of a block that ends there, so that a sanitizer sees a read beyond it. */
static int from_sockaddr(const void *sa, size_t size, Endpoint *ret) {
        _cleanup_free_ void *exact = malloc(MAX2(size, (size_t) 1));

        ck_assert_ptr_nonnull(exact);
        memcpy(exact, sa, size);
        return endpoint_from_sockaddr(exact, size, ret);
}

/* A socket address cut short is refused as connect(2) refuses it, and nothing beyond its end is read. */
START_TEST(test_sockaddr_truncated) {
        SockAddr four = { .in = { .sin_family = AF_INET, .sin_port = htons(80) } };
        SockAddr six = { .in6 = { .sin6_family = AF_INET6, .sin6_port = htons(80), .sin6_addr = IN6ADDR_LOOPBACK_INIT } };
        Endpoint e;

        for (size_t size = 0; size <= sizeof(four); size++) {
                ck_assert_int_eq(from_sockaddr(&four, size, &e), size < sizeof(struct sockaddr_in) ? -EINVAL : 0);
                /* Without the scope (RFC 2133) it is complete. */
                ck_assert_int_eq(from_sockaddr(&six, size, &e),
                                 size < offsetof(struct sockaddr_in6, sin6_scope_id) ? -EINVAL : 0);
        }
        ck_assert_uint_eq(e.port, 80);
        ck_assert(address_is_loopback(&e.address));
}
END_TEST

/* Other families are told apart from addresses that are too short. */
START_TEST(test_sockaddr_family) {
        SockAddr sa = { .sa.sa_family = AF_UNSPEC };
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        Endpoint e;

        ck_assert_int_eq(from_sockaddr(&sa, sizeof(sa), &e), -EAFNOSUPPORT);
        ck_assert_int_eq(from_sockaddr(&sa, sizeof(sa_family_t), &e), -EAFNOSUPPORT);
        ck_assert_int_eq(from_sockaddr(&sa, sizeof(sa_family_t) - 1, &e), -EINVAL);
        ck_assert_int_eq(from_sockaddr(&un, sizeof(un), &e), -EAFNOSUPPORT);
}
END_TEST

/* An address need not be aligned: it was copied out of another process. */
START_TEST(test_sockaddr_unaligned) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(8080), .sin_addr.s_addr = htonl(0xc6120001) };
        char block[sizeof(in) + 1];
        Endpoint e;

        memcpy(block + 1, &in, sizeof(in));
        ck_assert_int_eq(endpoint_from_sockaddr(block + 1, sizeof(in), &e), 0);
        ck_assert_uint_eq(e.port, 8080);
        unit_assert_address(&e.address, "198.18.0.1");
}
END_TEST

/* The IPv4-mapped form is the IPv4 address, so that both kinds of sockets mean the same by it. */
START_TEST(test_mapped) {
        Endpoint e = unit_endpoint("198.18.0.1", 80), back;
        char text[INET6_ADDRSTRLEN];
        socklen_t size;
        SockAddr sa;

        size = endpoint_to_sockaddr(&e, AF_INET6, &sa);
        ck_assert_uint_eq(size, sizeof(struct sockaddr_in6));
        ck_assert_int_eq(sa.in6.sin6_family, AF_INET6);
        ck_assert_uint_eq(sa.in6.sin6_scope_id, 0);
        ck_assert_str_eq(inet_ntop(AF_INET6, &sa.in6.sin6_addr, text, sizeof(text)), "::ffff:198.18.0.1");

        memset(&back, 0xff, sizeof(back));
        ck_assert_int_eq(from_sockaddr(&sa, size, &back), 0);
        ck_assert_mem_eq(&back, &e, sizeof(e));

        /* Also 0.0.0.0, which is not "::". */
        e = unit_endpoint("0.0.0.0", 80);
        size = endpoint_to_sockaddr(&e, AF_INET6, &sa);
        ck_assert_int_eq(from_sockaddr(&sa, size, &back), 0);
        ck_assert_mem_eq(&back, &e, sizeof(e));
}
END_TEST

/* Endpoints of both families come back from socket addresses as they went in, with zeros where nothing is. */
START_TEST(test_sockaddr_round_trip) {
        static const struct {
                const char *address;
                uint32_t scope;
        } table[] = {
                { "198.18.0.1" }, { "0.0.0.0" }, { "255.255.255.255" },    { "::" },         { "::1" },
                { "fd00::1" },    { "::2" },     { "fe80::198:18:0:1", 1 }, { "2001:db8::", 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Endpoint e = unit_endpoint(table[i].address, 65535), back;
                SockAddr sa;
                socklen_t size;

                memset(&sa, 0xff, sizeof(sa));
                size = endpoint_to_sockaddr(&e, e.address.family, &sa);
                ck_assert_int_eq(sa.sa.sa_family, e.address.family);
                if (e.address.family == AF_INET) {
                        static const uint8_t zero[8];

                        ck_assert_uint_eq(size, sizeof(sa.in));
                        ck_assert_mem_eq(sa.in.sin_zero, zero, sizeof(zero));
                } else {
                        ck_assert_uint_eq(size, sizeof(sa.in6));
                        ck_assert_uint_eq(sa.in6.sin6_flowinfo, 0);
                        /* A link-local address without a scope could not be connected to. */
                        ck_assert_uint_eq(sa.in6.sin6_scope_id, table[i].scope);
                }
                memset(&back, 0xff, sizeof(back));
                ck_assert_int_eq(from_sockaddr(&sa, size, &back), 0);
                ck_assert_mem_eq(&back, &e, sizeof(e));
        }
}
END_TEST

/* Text of endpoints says the family of the socket, too, and is read back as it was written. */
START_TEST(test_endpoint_text) {
        static const struct {
                const char *address;
                uint16_t port;
                int family;
                const char *text;
        } table[] = {
                { "198.18.0.1", 80, AF_INET, "198.18.0.1:80" },
                { "0.0.0.0", 0, AF_INET, "0.0.0.0:0" },
                { "255.255.255.255", 65535, AF_INET, "255.255.255.255:65535" },
                { "198.18.0.1", 80, AF_INET6, "[::ffff:198.18.0.1]:80" },
                { "0.0.0.0", 1, AF_INET6, "[::ffff:0.0.0.0]:1" },
                { "255.255.255.255", 65535, AF_INET6, "[::ffff:255.255.255.255]:65535" },
                { "::", 80, AF_INET6, "[::]:80" },
                { "::1", 80, AF_INET6, "[::1]:80" },
                { "fd00::10", 8080, AF_INET6, "[fd00::10]:8080" },
                { "fe80::1", 1, AF_INET6, "[fe80::1]:1" },
                { "::198.18.0.1", 80, AF_INET6, "[::198.18.0.1]:80" },
                { "1111:2222:3333:4444:5555:6666:7777:8888", 65535, AF_INET6,
                  "[1111:2222:3333:4444:5555:6666:7777:8888]:65535" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Endpoint e = unit_endpoint(table[i].address, table[i].port), back;
                char buf[ENDPOINT_STRING_MAX];
                int family = -1;

                ck_assert_str_eq(endpoint_format(&e, table[i].family, buf), table[i].text);
                memset(&back, 0xff, sizeof(back));
                ck_assert_msg(endpoint_parse(buf, strlen(buf), &back, &family) == 0, "%s", buf);
                ck_assert_mem_eq(&back, &e, sizeof(e));
                ck_assert_int_eq(family, table[i].family);
        }
}
END_TEST

/* What is no endpoint is refused, and the results are left as they were. */
START_TEST(test_endpoint_bad) {
#define BAD(s) { s, sizeof(s) - 1 }
        static const struct {
                const char *text;
                size_t size;
        } bad[] = {
                BAD(""),
                BAD(":"),
                BAD(":80"),
                BAD("80"),
                BAD("198.18.0.1"),
                BAD("198.18.0.1:"),
                BAD("198.18.0.1:65536"),
                BAD("198.18.0.1:99999999999999999999"),
                BAD("198.18.0.1:-1"),
                BAD("198.18.0.1:+1"),
                BAD("198.18.0.1: 80"),
                BAD("198.18.0.1:80 "),
                BAD("198.18.0.1:0x50"),
                BAD("198.18.0.1:80:80"),
                BAD("198.18.0:80"),
                BAD("web:80"),
                BAD("[::1]"),
                BAD("[::1]80"),
                BAD("[::1:80"),
                BAD("::1]:80"),
                BAD("::1:80"),
                BAD("["),
                BAD("[:80"),
                BAD("[]:80"),
                BAD("[198.18.0.1]:80"),
                BAD("[fe80::1%1]:80"),
                BAD("[[::1]]:80"),
                BAD(" [::1]:80"),
                /* NUL ends no text of a given size. */
                BAD("198.18.0.1:80\0"),
                BAD("198.18.0.1:80\0x"),
                BAD("198.18.0.1\0:80"),
                BAD("[::1\0]:80"),
                BAD("\0"),
                BAD("[0000:0000:0000:0000:0000:0000:198.018.000.001]:00000000000080"),
        };
        const Endpoint before = unit_endpoint("198.18.0.9", 9);

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                Endpoint e = before;
                int family = -1;

                ck_assert_msg(endpoint_parse(bad[i].text, bad[i].size, &e, &family) == -EINVAL, "%s", bad[i].text);
                ck_assert_mem_eq(&e, &before, sizeof(e));
                ck_assert_int_eq(family, -1);
        }
}
END_TEST

/* Nothing behind the given size belongs to the text, and nothing there is read. */
START_TEST(test_endpoint_size) {
        static const char text[] = "198.18.0.1:8080";
        _cleanup_free_ char *exact = malloc(13);
        Endpoint e;
        int family;

        ck_assert_int_eq(endpoint_parse(text, 13, &e, &family), 0);
        ck_assert_uint_eq(e.port, 80);

        ck_assert_ptr_nonnull(exact);
        memcpy(exact, text, 13);
        ck_assert_int_eq(endpoint_parse(exact, 13, &e, &family), 0);
        ck_assert_uint_eq(e.port, 80);
}
END_TEST

int main(void) {
        return UNIT_RUN("address", NULL, NULL, test_parse, test_parse_bad, test_format_none, test_equal, test_kinds,
                        test_reserved, test_sockaddr_truncated, test_sockaddr_family, test_sockaddr_unaligned,
                        test_mapped, test_sockaddr_round_trip, test_endpoint_text, test_endpoint_bad,
                        test_endpoint_size);
}
