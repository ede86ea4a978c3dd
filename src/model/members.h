/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which parties are behind which virtual services. The directory tells of what
 * comes and goes.
 */

#include "model/virtual-service.h"

/* A party has got its identity. Returns 0, or -ENOMEM and it is a member of none. */
int members_add_party(Directory *d, Party *party);

/* It is about to lose it. */
void members_remove_party(Directory *d, Party *party);

/*
 * It has other tags than before. Returns 0, or -ENOMEM: some services that
 * select it may be without it.
 */
int members_update_party(Directory *d, Party *party);

/* It listens on this port, or no longer does, or another of its backends is the first one there. */
void members_update_port(Party *party, uint16_t port);

/* A service is there, with its settings. Returns 0, or -ENOMEM and it has no members. */
int members_add_service(Directory *d, VirtualService *service);

/* It, or its settings, are about to go. */
void members_remove_service(Directory *d, VirtualService *service);
