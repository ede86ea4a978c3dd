/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <string.h>

#include "basic/text.h"
#include "model/address.h"

/* In a namespace without devices `lo` has index 1. */
enum { LOOPBACK_IFINDEX = 1 };

int address_parse(const char *s, Address *ret) {
        Address a = {};

        if (inet_pton(AF_INET, s, a.bytes) > 0)
                a.family = AF_INET;
        else if (inet_pton(AF_INET6, s, a.bytes) > 0)
                a.family = AF_INET6;
        else
                return -EINVAL;
        *ret = a;
        return 0;
}

const char *address_format(const Address *a, char buf[static ADDRESS_STRING_MAX]) {
        char *p = buf;

        if (a->family != AF_INET) {
                if (!inet_ntop(a->family, a->bytes, buf, ADDRESS_STRING_MAX))
                        strcpy(buf, "none");
                return buf;
        }
        for (size_t i = 0; i < 4; i++) {
                if (i > 0)
                        *p++ = '.';
                p = text_put_number(p, a->bytes[i]);
        }
        *p = '\0';
        return buf;
}

bool address_equal(const Address *a, const Address *b) {
        return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool endpoint_equal(const Endpoint *a, const Endpoint *b) {
        return a->port == b->port && address_equal(&a->address, &b->address);
}

bool address_is_unspecified(const Address *a) {
        static const uint8_t zero[16];

        return memcmp(a->bytes, zero, sizeof(zero)) == 0;
}

/* The bytes of an Address are not aligned as an in6_addr has to be. */
static struct in6_addr address_in6(const Address *a) {
        struct in6_addr in6;

        memcpy(&in6, a->bytes, sizeof(in6));
        return in6;
}

bool address_is_loopback(const Address *a) {
        const struct in6_addr in6 = address_in6(a);

        return a->family == AF_INET ? a->bytes[0] == 127 : IN6_IS_ADDR_LOOPBACK(&in6);
}

bool address_is_link_local(const Address *a) {
        const struct in6_addr in6 = address_in6(a);

        return a->family == AF_INET ? a->bytes[0] == 169 && a->bytes[1] == 254 : IN6_IS_ADDR_LINKLOCAL(&in6);
}

const char *address_reserved_reason(const Address *a) {
        if (address_is_unspecified(a))
                return "is the unspecified address";
        if (address_is_loopback(a))
                return "is a loopback address";
        if (address_is_link_local(a))
                return "is link-local; those are given to unnamed apps";
        if (a->family == AF_INET) {
                if (a->bytes[0] == 0)
                        return "is in the reserved network 0.0.0.0/8";
                if (a->bytes[0] >= 224 && a->bytes[0] < 240)
                        return "is a multicast address";
                if (a->bytes[0] >= 240)
                        return "is in the reserved network 240.0.0.0/4";
        } else {
                const struct in6_addr in6 = address_in6(a);

                if (IN6_IS_ADDR_MULTICAST(&in6))
                        return "is a multicast address";
                if (IN6_IS_ADDR_V4MAPPED(&in6))
                        return "is IPv4-mapped; give the IPv4 address itself";
                if (IN6_IS_ADDR_V4COMPAT(&in6))
                        return "is in the reserved network ::/96";
        }
        return NULL;
}

int endpoint_from_sockaddr(const void *sa, size_t size, Endpoint *ret) {
        Endpoint e = {};
        sa_family_t family;

        if (size < sizeof(family))
                return -EINVAL;
        memcpy(&family, sa, sizeof(family));

        if (family == AF_INET) {
                struct sockaddr_in in;

                if (size < sizeof(in))
                        return -EINVAL;
                memcpy(&in, sa, sizeof(in));
                e.address.family = AF_INET;
                memcpy(e.address.bytes, &in.sin_addr, 4);
                e.port = ntohs(in.sin_port);
        } else if (family == AF_INET6) {
                struct sockaddr_in6 in6 = {};

                /* Without sin6_scope_id (RFC 2133) is enough for the kernel. */
                if (size < offsetof(struct sockaddr_in6, sin6_scope_id))
                        return -EINVAL;
                memcpy(&in6, sa, MIN2(size, sizeof(in6)));
                if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
                        e.address.family = AF_INET;
                        memcpy(e.address.bytes, in6.sin6_addr.s6_addr + 12, 4);
                } else {
                        e.address.family = AF_INET6;
                        memcpy(e.address.bytes, &in6.sin6_addr, 16);
                }
                e.port = ntohs(in6.sin6_port);
        } else
                return -EAFNOSUPPORT;

        *ret = e;
        return 0;
}

socklen_t endpoint_to_sockaddr(const Endpoint *e, int family, SockAddr *ret) {
        memset(ret, 0, sizeof(*ret));

        if (family == AF_INET) {
                ret->in.sin_family = AF_INET;
                ret->in.sin_port = htons(e->port);
                memcpy(&ret->in.sin_addr, e->address.bytes, 4);
                return sizeof(ret->in);
        }
        ret->in6.sin6_family = AF_INET6;
        ret->in6.sin6_port = htons(e->port);
        if (e->address.family == AF_INET) {
                ret->in6.sin6_addr.s6_addr[10] = ret->in6.sin6_addr.s6_addr[11] = 0xff;
                memcpy(ret->in6.sin6_addr.s6_addr + 12, e->address.bytes, 4);
        } else {
                memcpy(&ret->in6.sin6_addr, e->address.bytes, 16);
                if (address_is_link_local(&e->address))
                        ret->in6.sin6_scope_id = LOOPBACK_IFINDEX;
        }
        return sizeof(ret->in6);
}

const char *endpoint_format(const Endpoint *e, int family, char buf[static ENDPOINT_STRING_MAX]) {
        char *p = buf;

        if (family != AF_INET)
                p = stpcpy(p, e->address.family == AF_INET ? "[::ffff:" : "[");
        p += strlen(address_format(&e->address, p));
        if (family != AF_INET)
                *p++ = ']';
        *p++ = ':';
        *text_put_number(p, e->port) = '\0';
        return buf;
}

int endpoint_parse(const char *s, size_t size, Endpoint *ret, int *ret_family) {
        char buf[ENDPOINT_STRING_MAX], *address = buf, *colon, *end;
        struct in6_addr in6;
        Endpoint e = {};
        unsigned long port;
        int family;

        if (size == 0 || size >= sizeof(buf) || memchr(s, '\0', size))
                return -EINVAL;
        memcpy(buf, s, size);
        buf[size] = '\0';

        colon = strrchr(buf, ':');
        if (!colon || colon[1] < '0' || colon[1] > '9')
                return -EINVAL;
        *colon = '\0';
        port = strtoul(colon + 1, &end, 10);
        if (*end || port > UINT16_MAX)
                return -EINVAL;
        e.port = (uint16_t) port;

        if (*address == '[') {
                size_t l = strlen(++address);

                if (l < 2 || address[l - 1] != ']')
                        return -EINVAL;
                address[l - 1] = '\0';
                if (inet_pton(AF_INET6, address, &in6) <= 0)
                        return -EINVAL;
                family = AF_INET6;
                e.address.family = IN6_IS_ADDR_V4MAPPED(&in6) ? AF_INET : AF_INET6;
                if (e.address.family == AF_INET)
                        memcpy(e.address.bytes, in6.s6_addr + 12, 4);
                else
                        memcpy(e.address.bytes, &in6, 16);
        } else {
                if (inet_pton(AF_INET, address, e.address.bytes) <= 0)
                        return -EINVAL;
                family = e.address.family = AF_INET;
        }
        *ret = e;
        *ret_family = family;
        return 0;
}
