/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The abstract Unix names (unix(7)) of the sockets that stand in for TCP. They
 * are the switch's memory of who is who: the kernel keeps them with the
 * socket, so nothing is kept per connection, nothing leaks, a restarted daemon
 * knows everything, and `ss -xp` on the host shows who talks to whom.
 *
 *   ax:198.18.0.10:40000>198.18.0.20:80#k0Fq_3aZ   client's end of a pair: its
 *                                         own address, then its peer's
 *   ax:198.18.0.20:80<198.18.0.10:40000~7,5#Zt5-x9Aa   server's end of that pair, and the
 *                                         numbers of the two apps, its own first
 *
 * Several apps can have one address: the numbers say which of them these are.
 * They are in the name of the server's end only, so that there is one name of
 * the client's end for each connection, whoever makes it. Where two long
 * addresses of IPv6 leave no room for them (unix(7): 108 bytes), they are left
 * out.
 *
 * Addresses are spelled as the app sees them, so "[::ffff:198.18.0.10]:40000"
 * on an AF_INET6 socket. Anybody could bind such a name, in the host's
 * namespace or in that of an app: so what follows the # is a keyed hash of what
 * is before it. Nobody can make a name that is believed, nor take one that will
 * be needed. A name that was seen could be used again by a socket of another
 * type: who reads one looks at the type, too.
 */

#include "model/address.h"

typedef enum SocketNameType {
        SOCKET_NAME_CLIENT = '>',
        SOCKET_NAME_SERVER = '<',
} SocketNameType;

typedef struct SocketName {
        SocketNameType type;
        int family;     /* of the TCP socket this stands for */
        Endpoint local, peer;
        uint64_t local_app, peer_app; /* SOCKET_NAME_SERVER: whose the ends are; both are 0 if it is not said */
} SocketName;

enum { SOCKET_NAME_KEY_SIZE = 16 };

/* Sets the key of all names of this process: of the same boot, always the same. */
void socket_name_set_key(const uint8_t key[static SOCKET_NAME_KEY_SIZE]);

/*
 * The hash by that key of anything else that is to be believed only if it is
 * ours. What is hashed must not begin as a name does.
 */
uint64_t socket_name_hash(const void *data, size_t size);

/* Gives the Unix socket this name. Returns 0 or a negative errno of bind(2); -EADDRINUSE if there is one. */
int socket_name_bind(int fd, const SocketName *name);

/* Reads a name out of a socket address as getsockname(2) gave it. Returns 0, or -EINVAL if it is none of ours. */
int socket_name_parse(const struct sockaddr *sa, socklen_t size, SocketName *ret);

/* Whether the socket is of the type that names of ours are for. */
bool socket_name_fits(int fd);

/* The cookie of the network namespace of a socket. Returns 0 or a negative errno of getsockopt(2). */
int socket_netns_cookie(int fd, uint64_t *ret);
