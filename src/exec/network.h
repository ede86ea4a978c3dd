/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The network namespace of an app, from the inside. */

#include "launch/exec-protocol.h"

/*
 * Moves the calling process into a new network namespace whose only device is
 * `lo`, up, with the given addresses on it; all ports may be bound by anybody
 * and ping needs no privilege. Whatever is sent to port 53, of any address,
 * is delivered in the namespace itself, so that the app's name service answers
 * whichever server its resolver asks; and what carries the mark of
 * transport/dial.h stays in the namespace, too, as do echo requests to any
 * address, for which there is a socket to answer them. Returns 0 or a negative errno of
 * unshare(2), rtnetlink(7) or of writing sysctls.
 */
int network_enter_new(const ExecNetwork *network);

/*
 * Makes the sockets of the namespace that others answer on, with
 * IP_TRANSPARENT, so that an answer can come from the address that was asked:
 *
 * - for the name service UDP and listening TCP, for IPv4 and IPv6, on port 53
 *   of every address;
 * - for ping raw ones of ICMP and ICMPv6 that get echo requests only.
 *
 * `ret` gets them in the order of NetworkSocket, and `ret_n` how many there are
 * (exec-protocol.h says which may be missing). Returns 0 or a negative errno.
 */
int network_open_sockets(int ret[static _NETWORK_SOCKET_MAX], size_t *ret_n);
