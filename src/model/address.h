/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Addresses and endpoints as the switch sees them: an IPv4-mapped IPv6
 * address (RFC 4291, 2.5.5.2) always is the IPv4 address here, so that a
 * dual-stack socket and an IPv4 socket mean the same thing by the same value.
 * Whether an app sees the mapped form depends on the family of its socket.
 */

#include <netinet/in.h>
#include <sys/socket.h>
#include "basic/macro.h"

typedef struct Address {
        uint16_t family;   /* AF_INET, AF_INET6, or AF_UNSPEC for none */
        uint8_t bytes[16]; /* network byte order; IPv4 uses the first 4, the rest is zero */
} Address;

typedef struct Endpoint {
        Address address;
        uint16_t port; /* host byte order */
} Endpoint;

typedef union SockAddr {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_storage storage;
} SockAddr;

enum {
        ADDRESS_STRING_MAX = INET6_ADDRSTRLEN,
        ENDPOINT_STRING_MAX = INET6_ADDRSTRLEN + 8, /* "[address]:port" */
};

/* Parses "198.18.0.1" or "fd00::1". Returns 0, or -EINVAL if it is neither. */
int address_parse(const char *s, Address *ret);

/* Writes the usual text form (inet_ntop(3)) and returns `buf`. */
const char *address_format(const Address *a, char buf[static ADDRESS_STRING_MAX]);

bool address_equal(const Address *a, const Address *b);
bool endpoint_equal(const Endpoint *a, const Endpoint *b);
bool address_is_unspecified(const Address *a); /* 0.0.0.0, :: */
bool address_is_loopback(const Address *a);    /* 127.0.0.0/8, ::1 */
bool address_is_link_local(const Address *a);  /* 169.254.0.0/16, fe80::/10 */

/*
 * Why an app may not have this address, as the end of a sentence ("is a
 * multicast address"), or NULL if it may.
 */
const char *address_reserved_reason(const Address *a);

/*
 * Reads a socket address of `size` bytes. Returns 0; -EINVAL if it is too
 * short for its family, -EAFNOSUPPORT for another family than AF_INET and
 * AF_INET6, which is what connect(2) of a TCP socket says.
 */
int endpoint_from_sockaddr(const void *sa, size_t size, Endpoint *ret);

/*
 * Writes the endpoint for a socket of `family`: an IPv4 address becomes
 * IPv4-mapped on an AF_INET6 socket, a link-local one gets the scope of `lo`.
 * Returns the size of the address.
 */
socklen_t endpoint_to_sockaddr(const Endpoint *e, int family, SockAddr *ret);

/*
 * Writes "address:port", "[address]:port" for IPv6, and "[::ffff:address]:port"
 * for an IPv4 address on a socket of family AF_INET6. Returns `buf`.
 */
const char *endpoint_format(const Endpoint *e, int family, char buf[static ENDPOINT_STRING_MAX]);

/*
 * Parses what endpoint_format() wrote, up to `size` characters. `ret_family`
 * gets the family of the socket. Returns 0 or -EINVAL.
 */
int endpoint_parse(const char *s, size_t size, Endpoint *ret, int *ret_family);
