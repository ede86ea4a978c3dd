/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which item of an app's Egress= is about a destination. */

#include "model/egress.h"

/*
 * The first item that is about this name (lower case, without a dot at its end)
 * and port, 0 for some port; NULL: none.
 */
const EgressItem *egress_find_name(const Egress *egress, const char *name, uint16_t port);

/* What the items that are networks say of a destination. */
typedef struct EgressNetworks {
        const EgressItem *item;  /* the first that has it, or NULL */
        const EgressItem *exact; /* the first that is this address alone, or NULL */
        const EgressItem *near;  /* the first that has the address, but not the port, or NULL */
        bool link_local;         /* one that has it is a part of the link-local addresses */
} EgressNetworks;

EgressNetworks egress_find_network(const Egress *egress, const Endpoint *to);

/* Whether nothing outside is permitted at all. */
bool egress_is_none(const Egress *egress);

/* Whether it depends on what a name resolves to. */
bool egress_has_names(const Egress *egress);
