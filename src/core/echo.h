/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Answers the pings of an app. What it sends to addresses that are not its own
 * stays in its namespace (exec/network.c), where raw sockets get it: an echo
 * request to an app that it may reach is answered from that app's address,
 * another one with "destination unreachable". The other app hears nothing of
 * it.
 */

#include <systemd/sd-event.h>
#include "model/directory.h"

typedef struct Echo Echo;

/*
 * Begins to answer for `party`, which must stay. Takes the sockets, of ICMP and
 * of ICMPv6, in any case; each may be missing (-EBADF), and `ret` gets NULL
 * without the first. Returns 0 or a negative errno.
 */
int echo_new(sd_event *event, Directory *directory, const Party *party, int v4, int v6, Echo **ret);
Echo *echo_free(Echo *echo);
DEFINE_CLEANUP(Echo *, echo_free)

/* The socket of a family, which stays the echo's; -EBADF if there is none. `echo` may be NULL. */
int echo_get_fd(const Echo *echo, int family);
