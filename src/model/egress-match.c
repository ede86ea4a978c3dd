/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/egress-match.h"
#include "model/name.h"

static bool has_port(const EgressItem *item, uint16_t port) {
        return port >= item->first && port <= item->last;
}

const EgressItem *egress_find_name(const Egress *egress, const char *name, uint16_t port) {
        for (size_t i = 0; i < egress->n; i++) {
                const EgressItem *item = &egress->items[i];

                if (item->name && (port == 0 || has_port(item, port)) && name_pattern_matches(item->name, name))
                        return item;
        }
        return NULL;
}

EgressNetworks egress_find_network(const Egress *egress, const Endpoint *to) {
        EgressNetworks found = {};

        for (size_t i = 0; i < egress->n; i++) {
                const EgressItem *item = &egress->items[i];

                if (item->name || !network_contains(&item->network, &to->address))
                        continue;
                if (!has_port(item, to->port)) {
                        found.near = found.near ?: item;
                        continue;
                }
                found.item = found.item ?: item;
                if (network_is_address(&item->network))
                        found.exact = found.exact ?: item;
                /* 169.254.0.0/16 and fe80::/10. */
                if (address_is_link_local(&item->network.address) &&
                    item->network.prefix >= (to->address.family == AF_INET ? 16U : 10U))
                        found.link_local = true;
        }
        return found;
}

bool egress_is_none(const Egress *egress) {
        return !egress->all && egress->n == 0;
}

bool egress_has_names(const Egress *egress) {
        for (size_t i = 0; i < egress->n; i++)
                if (egress->items[i].name)
                        return true;
        return false;
}
