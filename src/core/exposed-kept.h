/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sockets of ports of the host in the descriptor store, and what waits there to be given on (core/exposed-queue.h). */

#include "core/exposed-queue.h"

enum { EXPOSED_NAME_MAX = 64 };

/* Their names in the store. Short, as there is not much room (basic/fd-store.h). */
void exposed_name(const Endpoint *at, char name[static EXPOSED_NAME_MAX]);
void exposed_waiting_name(const Endpoint *at, char name[static EXPOSED_NAME_MAX]);

/* A list of those of an earlier daemon that no app has asked for yet. */
typedef struct ExposedKept ExposedKept;

/* Takes what came back, if it has one of these names. Returns 0, -EINVAL or -ENOMEM. */
int exposed_kept_add(ExposedKept **list, const char *name, int fd);

/* The socket at this address, or -EBADF, and what waits there. */
int exposed_kept_take(ExposedKept **list, const Endpoint *at, ExposedQueue *ret_waiting);

/* Closes what is left, and drops it from the store if it is not for the next daemon. */
void exposed_kept_done(ExposedKept **list, bool drop);
