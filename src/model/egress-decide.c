/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "model/egress-decide.h"
#include "model/permits.h"

/* The address of IPv4 that one of IPv6 stands for, by way of a translator or a tunnel. Returns false if it does not. */
static bool embedded_address(const Address *a, Address *ret) {
        static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b }; /* RFC 6052, 2.1 */
        size_t at;

        if (a->family != AF_INET6)
                return false;
        if (a->bytes[0] == 0x20 && a->bytes[1] == 0x02) /* RFC 3056, 2 */
                at = 2;
        else if (memcmp(a->bytes, nat64, sizeof(nat64)) == 0)
                at = sizeof(nat64);
        else
                return false;
        *ret = (Address){ .family = AF_INET };
        memcpy(ret->bytes, a->bytes + at, 4);
        return true;
}

/* Whether it is a place to connect to, whatever the items say. */
static EgressVerdict look_at_place(const Directory *d, const Address *a, bool link_local) {
        Address inner;

        if (address_is_link_local(a)) {
                /* That of IPv6 would want a device to be named, and apps have none. */
                if (!link_local || a->family != AF_INET)
                        return EGRESS_LINK_LOCAL;
        } else if (address_reserved_reason(a))
                return EGRESS_RESERVED;
        if (d->is_of_host && d->is_of_host(a, d->host_userdata))
                return EGRESS_HOST;
        return embedded_address(a, &inner) ? look_at_place(d, &inner, false) : EGRESS_ALLOWED;
}

static EgressDecision decide_by_name(const Directory *d, const Party *client, const Endpoint *to, uint64_t now,
                                     const EgressItem *near) {
        EgressDecision decision = { .verdict = near ? EGRESS_OTHER_PORT : EGRESS_NOT_LISTED, .item = near };
        const Permit *p = NULL;

        while ((p = permits_next(&client->permits, &to->address, p))) {
                const EgressItem *item = egress_find_name(client->egress, p->name, to->port);

                if (item && p->until > now)
                        return (EgressDecision){ look_at_place(d, &to->address, false), item, p };
                /* What lapsed says more than another port, and that more than nothing. */
                if (item)
                        decision = (EgressDecision){ EGRESS_LAPSED, item, p };
                else if (decision.verdict == EGRESS_NOT_LISTED && (item = egress_find_name(client->egress, p->name, 0)))
                        decision = (EgressDecision){ EGRESS_OTHER_PORT, item, p };
        }
        return decision;
}

EgressDecision egress_decide(const Directory *d, const Party *client, const Endpoint *to, uint64_t now) {
        EgressDecision decision = { .verdict = EGRESS_NONE };
        EgressNetworks networks;

        if (!client->egress || egress_is_none(client->egress))
                return decision;
        networks = egress_find_network(client->egress, to);
        if (!client->egress->all && !networks.item)
                return decide_by_name(d, client, to, now, networks.near);
        decision.item = networks.item;
        decision.verdict = look_at_place(d, &to->address, networks.link_local);
        if (decision.verdict == EGRESS_HOST && networks.exact)
                decision = (EgressDecision){ .item = networks.exact };
        return decision;
}

/* "its Egress= has *.example.test:443, and api.example.test resolved to it" */
static void say_item(const EgressDecision *decision, char *buf, size_t size) {
        _cleanup_free_ char *item = decision->item ? egress_item_to_string(decision->item) : NULL;
        int n;

        if (!decision->item) {
                (void) snprintf(buf, size, "its Egress= is yes");
                return;
        }
        n = snprintf(buf, size, "its Egress= has %s", item ?: "it");
        if (decision->permit && n > 0 && (size_t) n < size)
                (void) snprintf(buf + n, size - (size_t) n, ", and %s resolved to it", decision->permit->name);
}

const char *egress_reason(const EgressDecision *decision, const Address *to, char buf[static EGRESS_REASON_MAX]) {
        static const char *const endings[_EGRESS_VERDICT_MAX] = {
                [EGRESS_ALLOWED] = "",
                [EGRESS_OTHER_PORT] = ", but for other ports",
                [EGRESS_LAPSED] = ", but too long ago",
                [EGRESS_LINK_LOCAL] = ", but it is link-local: only an item that is so, too, leads there",
                [EGRESS_HOST] = ", but it is the host's own: only an item that is this address alone leads there",
        };
        size_t n;

        switch (decision->verdict) {
        case EGRESS_NONE:
                (void) snprintf(buf, EGRESS_REASON_MAX, "its Egress= is no");
                break;
        case EGRESS_NOT_LISTED:
                (void) snprintf(buf, EGRESS_REASON_MAX, "no item of its Egress= is about it");
                break;
        default:
                say_item(decision, buf, EGRESS_REASON_MAX);
                n = strlen(buf);
                if (decision->verdict == EGRESS_RESERVED)
                        (void) snprintf(buf + n, EGRESS_REASON_MAX - n, ", but it %s", address_reserved_reason(to) ?: "stands for an address that is reserved");
                else
                        (void) snprintf(buf + n, EGRESS_REASON_MAX - n, "%s", endings[decision->verdict]);
        }
        return buf;
}
