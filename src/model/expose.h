/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What of an app can be reached from outside of the host: its ports, and those of the host that lead to them. */

#include "model/address.h"

/* `n` ports in a row. */
typedef struct Expose {
        uint16_t port, host_port; /* the first one of each; not 0 */
        uint16_t n;               /* at least 1 */
        Address address;          /* of the host; AF_UNSPEC: all, of both families */
} Expose;

enum {
        EXPOSES_MAX = 64,      /* for one app */
        EXPOSE_PORTS_MAX = 256, /* of them together */
        EXPOSE_STRING_MAX = ADDRESS_STRING_MAX + 32,
};

/*
 * Parses "PORT:[ADDRESS:]HOSTPORT[/tcp]", where each port may be a range of
 * the same length ("8000-8009:9000-9009") and an IPv6 address stands in
 * brackets. 0.0.0.0 is all IPv4 addresses of the host, [::] all IPv6 ones.
 * Returns 0, or -EINVAL with the end of a sentence in `ret_reason` ("has no
 * port of the host").
 */
int expose_parse(const char *s, Expose *ret, const char **ret_reason);

/* Writes it as expose_parse() takes it, and returns `buf`. */
const char *expose_format(const Expose *e, char buf[static EXPOSE_STRING_MAX]);

bool expose_equal(const Expose *a, const Expose *b);
