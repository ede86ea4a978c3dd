/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the guard (transport/guard.h) is told: which ports of the host are
 * exposed, and to whom, which is to all whom any of the apps behind one is
 * exposed to; and that the name server for the host is for the host alone.
 */

#include "core/exposures.h"
#include "transport/guard.h"

typedef struct Guarding Guarding;

/* `fd` is what an earlier daemon left under GUARD_FD_NAME, or -EBADF; it is taken in any case. Returns 0 or a negative errno. */
int guarding_new(Manager *m, int fd, Guarding **ret);

/* Ends. The guard stays. Returns NULL. */
Guarding *guarding_free(Guarding *g);

/* Something of that is about to change, in this turn of the loop. */
void guarding_changed(Guarding *g);

/* Somebody got as far as to be accepted, and no app is exposed to him: notes it in the journal, if there were not too many of late. */
void guarding_refused(Guarding *g, const ExposedPort *port, const Endpoint *client);

/*
 * To whom a port is exposed. Without a sign: to anybody. Returns 0; -E2BIG if
 * there are too many networks, `ret` is "any" then; or -ENOMEM.
 */
int guarding_networks(const Manager *m, const ExposedPort *port, Networks *ret);

/* Whether there is a guard, and it knows of all. */
bool guarding_is_up(const Guarding *g);

/*
 * Asks for what came for each port, as guard_count() does. Returns 0, also if
 * nothing is guarded; or a negative errno.
 */
int guarding_count(Guarding *g, GuardCounted done, void *userdata);

/* The count of one of them, or NULL. */
const GuardCount *guarding_find_count(const GuardCount *counts, size_t n, const ExposedPort *port);
