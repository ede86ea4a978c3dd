/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sockets in the namespaces of apps, as connections between them are begun with (transport/dial.h). */

#include "trap/switch.h"

/* Takes a socket to dial into the app with. Returns it or a negative errno. */
int trap_take_socket(Trap *trap, int family);

/* Sees to it that the next one is there, at a time when nobody waits for it. */
void trap_fill_pool(Trap *trap, int family);

/* Takes one as the app itself would make it. Returns it or a negative errno. */
int trap_take_plain_socket(Trap *trap, int family);

/* Takes one that gets all segments of TCP there (transport/syn.h). Returns it or a negative errno. */
int trap_take_raw_socket(Trap *trap, int family);

/*
 * Takes one that lists the sockets of the namespace that the socket `member` is
 * in (transport/sock-diag.h). Returns it or a negative errno.
 */
int switch_take_diag_socket(Switch *sw, int member);

/*
 * An ephemeral port for what is begun in the name of this app: the next one,
 * and from the third try on one far from those in use.
 */
uint16_t trap_next_port(Trap *trap, unsigned attempt);
