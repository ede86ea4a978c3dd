/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whose a socket is that the daemon makes for an app in the host's namespace:
 * the app's user's, so that what the host has against users is for it, too: the
 * rules of its packet filter (`meta skuid`, `-m owner`), its routing rules
 * (`uidrange`), and what ss(8) shows.
 *
 * A packet filter asks for the credentials that the file was opened with, which
 * fchown(2) does not change. So they are those of the thread (setfsuid(2))
 * while it makes the socket, be it by socket(2) or by accept(2).
 */

#include <sys/types.h>
#include "basic/macro.h"

/*
 * What the thread makes from now on is the user's. Returns 0, or -EPERM without
 * CAP_SETUID.
 */
int socket_owner_begin(uid_t uid);

/* It is its own again. */
void socket_owner_end(void);
