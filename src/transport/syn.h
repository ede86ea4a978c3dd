/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The first segments of connections that wait for somebody to listen
 * (dial_hold()). The kernel repeats them by the second, so who waits would be up
 * to a second late. A raw(7) socket of their namespace gets a copy of each, and
 * sends it again when it is known what will become of it: the listener, or the
 * kernel that refuses, takes it for one that the client's socket repeated.
 */

#include "model/address.h"

/* The longest header of TCP, and one of IP before it. */
enum { SYN_MAX = 60 + 60 };

typedef struct Syn {
        Endpoint from, to;
        uint8_t bytes[SYN_MAX]; /* with the header of IP */
        size_t size;
} Syn;

/*
 * Makes a raw socket for TCP one that gets SYN alone, of those that carry all
 * bits of `held` in their mark, and whose own segments carry `mark`. Returns 0
 * or a negative errno of setsockopt(2).
 */
int syn_catch(int raw, int family, uint32_t held, uint32_t mark);

/* The next one. Returns 0; -EAGAIN if there is none; -EBADMSG if it was something else; or another negative errno. */
int syn_read(int raw, int family, Syn *ret);

/* Sends it once more. Returns 0 or a negative errno. */
int syn_send(int raw, const Syn *syn);
