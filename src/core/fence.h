/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The policy in force, and what it means for each party: the bits by which it
 * is decided (model/policy-bits.h), and who may know of whose names
 * (model/visibility.h), which the name service is told.
 */

#include "core/manager.h"

/*
 * A party has got its identity: an app, or a virtual service. Its names are told
 * to the name service, and those of others that can be seen now. For one that
 * is in the fence already it is looked anew where it stands. Returns 0, or a
 * negative errno: all is as it was then.
 */
int fence_add(Manager *m, Party *party);

/* It is about to leave its identity. What it has here is freed. */
void fence_remove(Manager *m, Party *party);

/*
 * It has other tags (or, a virtual service, another identity) now: virtual
 * services that select it by its tags have it, too. On error, which is negative,
 * all is as it was.
 */
int party_tags_changed(Manager *m, Party *party);

/* Puts a policy in force for everybody in one step, and takes it. Returns 0; or a negative errno, and the old one stays. */
int fence_set_policy(Manager *m, Policy *policy);

/* Forgets all. No app may be left. */
void fence_done(Manager *m);
