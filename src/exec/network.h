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
 * transport/dial.h stays in the namespace, too. Returns 0 or a negative errno of
 * unshare(2), rtnetlink(7) or of writing sysctls.
 */
int network_enter_new(const ExecNetwork *network);

/*
 * Makes the sockets that the name service answers on: UDP and listening TCP,
 * for IPv4 and IPv6, on port 53 of every address (IP_TRANSPARENT, so that an
 * answer can come from the address that was asked). Returns 0 or a negative
 * errno.
 */
int network_open_dns(int *ret_udp, int *ret_tcp);
