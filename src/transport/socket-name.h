/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The abstract Unix names (unix(7)) of the sockets that stand in for TCP. They
 * are the switch's memory of who is who: the kernel keeps them with the
 * socket, so nothing is kept per connection, nothing leaks, a restarted daemon
 * knows everything, and `ss -xp` on the host shows who talks to whom.
 *
 *   ax:198.18.0.10:40000>198.18.0.20:80   client's end of a pair: its own
 *                                         address, then its peer's
 *   ax:198.18.0.20:80<198.18.0.10:40000   server's end of that pair
 *   ax:0.0.0.0:80|1f                      app's end of a listener, number 0x1f
 *
 * Addresses are spelled as the app sees them, so "[::ffff:198.18.0.10]:40000"
 * on an AF_INET6 socket. An app could bind such a name in its own namespace:
 * only names of sockets of the host's namespace are believed
 * (SO_NETNS_COOKIE, since Linux 5.14).
 */

#include "model/address.h"

typedef enum SocketNameType {
        SOCKET_NAME_CLIENT = '>',
        SOCKET_NAME_SERVER = '<',
        SOCKET_NAME_LISTENER = '|',
} SocketNameType;

typedef struct SocketName {
        SocketNameType type;
        int family;     /* of the TCP socket this stands for */
        Endpoint local; /* listener: what it is bound to */
        Endpoint peer;  /* pair only */
        uint64_t number; /* listener only */
} SocketName;

/* Gives the Unix socket this name. Returns 0 or a negative errno of bind(2); -EADDRINUSE if there is one. */
int socket_name_bind(int fd, const SocketName *name);

/* Reads a name out of a socket address as getsockname(2) gave it. Returns 0, or -EINVAL if it is none. */
int socket_name_parse(const struct sockaddr *sa, socklen_t size, SocketName *ret);

/* The cookie of the network namespace of a socket. Returns 0 or a negative errno of getsockopt(2). */
int socket_netns_cookie(int fd, uint64_t *ret);
