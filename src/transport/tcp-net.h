/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Real TCP between two apps of one node, for those that ask for what a pair
 * cannot do (Shortcut=tcp): both ends are sockets of a network namespace that
 * nobody else is in, where every address is local. There they are bound to the
 * apps' own addresses, so that everything about such a connection, names
 * included, is the kernel's.
 *
 * The sockets come from a process in that namespace (appswitch-exec), as
 * making one there takes rights that the daemon does not have. Nobody can
 * connect there but the daemon: what it did not begin itself is closed.
 */

#include "transport/pair.h"

typedef struct TcpNet TcpNet;

/*
 * Uses a connection to a process that serves sockets (launch/exec-protocol.h).
 * Takes it. Returns 0 or a negative errno.
 */
int tcp_net_new(int connection, TcpNet **ret);
TcpNet *tcp_net_free(TcpNet *net);

/*
 * Makes a connection between the ends. `ends->client_nonblock` is not looked
 * at: both descriptors wait. Returns 0 or a negative errno: -EADDRINUSE if this
 * connection is there already, -ENOTCONN if the process is gone.
 */
int tcp_net_connect(TcpNet *net, const PairEnds *ends, int *ret_client, int *ret_server);

/* The cookie of the namespace. */
uint64_t tcp_net_netns(const TcpNet *net);
