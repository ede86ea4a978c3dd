/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "model/expose.h"
#include "model/ports.h"

static int parse_address(const char *s, const char *end, Address *ret, const char **ret_reason) {
        char text[ADDRESS_STRING_MAX];
        const bool brackets = *s == '[' && end[-1] == ']';
        const size_t n = (size_t) (end - s) - (brackets ? 2 : 0);

        *ret_reason = "has an address that is neither IPv4 nor IPv6 in brackets";
        if (end - s < 2 || n >= sizeof(text))
                return -EINVAL;
        memcpy(text, s + brackets, n);
        text[n] = '\0';
        if (address_parse(text, ret) < 0 || brackets != !!strchr(text, ':'))
                return -EINVAL;
        if (address_is_unspecified(ret) || address_is_loopback(ret))
                return 0;
        *ret_reason = "has a link-local address, which is one of a device and not of the host";
        if (address_is_link_local(ret))
                return -EINVAL;
        *ret_reason = "has an address that no host can have";
        return address_reserved_reason(ret) ? -EINVAL : 0;
}

int expose_parse(const char *s, Expose *ret, const char **ret_reason) {
        const char *slash = strchr(s, '/'), *end = slash ?: s + strlen(s), *first = strchr(s, ':'), *last;
        uint16_t last_port, last_host_port;
        Expose e = {};

        if (slash && strcmp(slash, "/tcp") != 0) {
                *ret_reason = strcmp(slash, "/udp") == 0 ? "is UDP, which cannot be exposed yet"
                                                         : "has another protocol than tcp";
                return -EINVAL;
        }
        if (!first || first > end) {
                *ret_reason = "has no port of the host";
                return -EINVAL;
        }
        for (last = end; last[-1] != ':'; last--)
                ;
        if (ports_parse(s, (size_t) (first - s), &e.port, &last_port) < 0) {
                *ret_reason = "has a port of the app that is neither 1 to 65535 nor a range of those";
                return -EINVAL;
        }
        if (ports_parse(last, (size_t) (end - last), &e.host_port, &last_host_port) < 0) {
                *ret_reason = "has a port of the host that is neither 1 to 65535 nor a range of those";
                return -EINVAL;
        }
        if (last_port - e.port != last_host_port - e.host_port) {
                *ret_reason = "has ranges of different lengths";
                return -EINVAL;
        }
        if (last_port - e.port >= EXPOSE_PORTS_MAX) {
                *ret_reason = "has a range of more than 256 ports";
                return -EINVAL;
        }
        e.n = (uint16_t) (last_port - e.port + 1);
        if (last - 1 > first && parse_address(first + 1, last - 1, &e.address, ret_reason) < 0)
                return -EINVAL;
        *ret = e;
        return 0;
}

const char *expose_format(const Expose *e, char buf[static EXPOSE_STRING_MAX]) {
        const bool v6 = e->address.family == AF_INET6, any = e->address.family == AF_UNSPEC;
        char port[PORTS_STRING_MAX], host_port[PORTS_STRING_MAX], address[ADDRESS_STRING_MAX] = "";
        const uint16_t more = (uint16_t) (e->n - 1);

        if (!any)
                (void) address_format(&e->address, address);
        (void) snprintf(buf, EXPOSE_STRING_MAX, "%s:%s%s%s%s%s", ports_format(e->port, (uint16_t) (e->port + more), port),
                        v6 ? "[" : "", address, v6 ? "]" : "", any ? "" : ":",
                        ports_format(e->host_port, (uint16_t) (e->host_port + more), host_port));
        return buf;
}

bool expose_equal(const Expose *a, const Expose *b) {
        return a->port == b->port && a->host_port == b->host_port && a->n == b->n &&
                        address_equal(&a->address, &b->address);
}
