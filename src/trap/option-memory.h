/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Socket options that a TCP socket would remember and a Unix socket does not
 * know. An app that sets one can read it back, also after its socket was
 * replaced, and a connection inherits those of its listener.
 *
 * TCP_NODELAY, TCP_CORK and TCP_QUICKACK, which nearly every program sets, are
 * kept with the socket itself, in its mark. The rest is kept here by the
 * socket's cookie (SO_COOKIE), which is never used again: so an entry of a
 * dead socket does no harm, and the oldest ones are forgotten.
 */

#include "trap/switch.h"

enum { OPTION_VALUE_MAX = 16 };

typedef struct OptionEntry OptionEntry;

/*
 * Whether the option may be set, or read, on a socket of ours for an app: it
 * has a plain value of a few bytes, concerns that socket alone, and is of tcp(7),
 * ip(7), ipv6(7) or socket(7). Others (iptables use the same call) are as if
 * they did not exist.
 */
bool option_is_plain(int level, int option);

/* Whether a Unix socket keeps it itself. */
bool option_is_common(int level, int option);

/* Whether the app asked for something that only TCP has; its next connections are TCP then (Shortcut=auto). */
bool option_wants_tcp(int level, int option);

/* Notes that the app set this option on a socket of its own, so that it is looked for when that is replaced. */
void option_memory_note(Trap *trap, int level, int option);

/* Whether it did, or may have. */
bool option_memory_noted(const Trap *trap, int level, int option);

/* Remembers the value for a Unix socket. What does not fit is not remembered. */
void option_memory_set(Trap *trap, int fd, int level, int option, const void *value, size_t size);

/* Reads it back: returns its size, or 0 if it was not set. */
size_t option_memory_get(Trap *trap, int fd, int level, int option, void *value, size_t size);

/*
 * Hands over what was set on a TCP socket `from`, by the apps of `setter`, to
 * the socket that takes its place, or was accepted from it, and belongs to
 * `trap`: a Unix socket, or another TCP socket.
 */
void option_memory_inherit(Trap *trap, const Trap *setter, int from, int to, bool to_tcp);

/* The same for a connection that came to the listener `from`, whatever it is. */
void option_memory_inherit_accepted(Trap *trap, int from, int to);

void option_memory_forget(Trap *trap);
