/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages over TCP, each with its length in front (RFC 1035, 4.2.2; RFC 7766). */

#include <stddef.h>
#include <stdint.h>

/*
 * Reads from a socket until there are `size` octets in `data`, of which `*n` are
 * there already; never more, and never waits. Returns 1 when they are there, 0
 * when they have yet to come, -ECONNRESET at end of file, or an errno of recv(2).
 */
int tcp_fill(int fd, uint8_t *data, size_t size, size_t *n);
