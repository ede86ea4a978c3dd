/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "basic/clock.h"
#include "basic/text.h"
#include "core/app.h"
#include "core/explain.h"
#include "model/name.h"
#include "model/virtual-service.h"

void explanation_done(Explanation *e) {
        free(e->reason);
        free(e->name_reason);
        *e = (Explanation){};
}

static int _printf_(2, 3) tell(char **ret, const char *format, ...) {
        va_list ap;
        char *s;
        int r;

        va_start(ap, format);
        r = vasprintf(&s, format, ap);
        va_end(ap);
        if (r < 0)
                return -ENOMEM;
        free(*ret);
        *ret = s;
        return 0;
}

/* The identity of a name as an app would say it, or NULL. */
static Identity *find_name(Manager *m, const char *text) {
        char name[NAME_MAX_LENGTH + 80];
        size_t n, domain = strlen(m->config.domain);
        Identity *identity;

        if (strlen(text) >= sizeof(name))
                return NULL;
        strcpy(name, text);
        name_normalize(name);
        n = strlen(name);
        if (n > 0 && name[n - 1] == '.')
                name[--n] = '\0';
        identity = directory_find_name(&m->directory, name);
        if (identity || n <= domain + 1 || name[n - domain - 1] != '.' || strcmp(name + n - domain, m->config.domain) != 0)
                return identity;
        name[n - domain - 1] = '\0';
        return directory_find_name(&m->directory, name);
}

static Party *find_client(Manager *m, const char *text) {
        App *app = manager_find_app(m, text);
        Identity *identity;

        if (app)
                return app->party.identity ? &app->party : NULL;
        identity = find_name(m, text);
        return identity ? identity->parties : NULL;
}

static int explain_name(Manager *m, const Party *client, const Identity *identity, const char *name, Explanation *e) {
        e->resolves = !m->config.hide_names || route_may_see(&m->directory, client, identity);
        if (identity->n_names == 0) {
                e->resolves = false;
                return tell(&e->name_reason, "%s has no name", name);
        }
        if (!e->resolves)
                return tell(&e->name_reason, "The name %s does not resolve for %s, which may connect to no port of it (HideNames=)",
                           identity_name(identity), client->id);
        if (identity == client->identity)
                return tell(&e->name_reason, "The name %s resolves for %s, whose own it is", identity_name(identity), client->id);
        return tell(&e->name_reason, m->config.hide_names ? "The name %s resolves for %s, which may connect to some port of it"
                                                         : "The name %s resolves for %s, as for everybody (HideNames=no)",
                   identity_name(identity), client->id);
}

/* Nothing listens there: what tags and rules would say if somebody of the identity did. */
static int explain_nobody(Manager *m, const Party *client, const Identity *identity, uint16_t port, Explanation *e) {
        const Party *server = !identity ? NULL : identity->service ? &identity->service->party : identity->parties;
        char reason[ROUTE_REASON_MAX];
        PolicyDecision decision;
        Route route = {};

        e->verdict = "no-backend";
        if (!server)
                return tell(&e->reason, "Nobody listens on port %u there", port);
        e->allowed = route_may_connect(&m->directory, client, server, port, &decision);
        e->rule = decision.rule;
        route.rule = decision.rule;
        route.verdict = e->allowed ? ROUTE_NO_BACKEND : ROUTE_REFUSED;
        e->tag = tags_shared(&client->tags, &server->tags) ?: "";
        return tell(&e->reason, "Nobody listens on port %u of %s; if somebody did, it would be %s: %s", port, server->id,
                   e->allowed ? "allowed" : "refused",
                   client->identity == identity ? "it is the app itself" : route_reason(&route, reason));
}

/* Somebody takes it, or is started to. */
static int explain_allowed(const Party *client, const Identity *identity, const char *endpoint, const Route *route, Explanation *e) {
        const Party *taker = route->starts ?: route->backend ? route->backend->party : NULL;
        const Party *server = identity && identity->service ? &identity->service->party : taker;
        char reason[ROUTE_REASON_MAX], starts[NAME_MAX + 16] = "";

        e->allowed = true;
        e->verdict = route->starts ? "starts" : "connects";
        e->backend = taker ? taker->id : "";
        (void) endpoint_format(&route->target, route->target.address.family, e->target);
        if (route->starts)
                (void) snprintf(starts, sizeof(starts), "; it starts %s", CONTAINER_OF(route->starts, App, party)->unit);
        if (client->identity == server->identity)
                return tell(&e->reason, "%s may connect to %s, which it is itself%s", client->id, endpoint, starts);
        e->tag = tags_shared(&client->tags, &server->tags) ?: "";
        return tell(&e->reason, "%s may connect to %s of %s: they share the tag %s, and %s%s", client->id, endpoint, server->id, e->tag,
                    route_reason(route, reason), starts);
}

static int explain_route(Manager *m, const Party *client, const Identity *identity, const Endpoint *to, const Route *route,
                         Explanation *e) {
        char reason[ROUTE_REASON_MAX], endpoint[ENDPOINT_STRING_MAX];

        e->rule = route->rule;
        (void) endpoint_format(to, to->address.family, endpoint);
        (void) route_reason(route, reason);
        switch (route->verdict) {
        case ROUTE_BACKEND:
        case ROUTE_EXTERNAL:
        case ROUTE_STARTS:
                return explain_allowed(client, identity, endpoint, route, e);
        case ROUTE_REFUSED:
                e->verdict = "refused";
                e->tag = route->refused ? "" : tags_shared(&client->tags, &route->refused_by->tags) ?: "";
                return tell(&e->reason, "%s may not connect to %s of %s: %s", client->id, endpoint, route->refused_by->id, reason);
        case ROUTE_NO_BACKEND:
                return explain_nobody(m, client, identity, to->port, e);
        case ROUTE_NO_HOST:
                e->verdict = "no-host";
                return tell(&e->reason, "Nobody has the address %s", endpoint);
        case ROUTE_NATIVE:
                e->allowed = true;
                e->verdict = "native";
                return tell(&e->reason, "Port %u is that of the name service, which every app has for itself", to->port);
        case ROUTE_OUTSIDE:
                e->allowed = true;
                e->verdict = "outside";
                (void) strcpy(e->target, endpoint);
                return tell(&e->reason, "%s may connect to %s, which is outside: %s", client->id, endpoint, reason);
        case ROUTE_NO_EGRESS:
                e->verdict = "no-egress";
                return tell(&e->reason, "%s may not connect to %s, which is outside: %s", client->id, endpoint, reason);
        case ROUTE_NO_ROUTE:
        case _ROUTE_VERDICT_MAX:
        default:
                e->verdict = "no-route";
                return tell(&e->reason, "%s is outside, where %s cannot connect to: %s", endpoint, client->id, reason);
        }
}

/* The addresses that a name of the outside resolved to for the client, and that it may connect to now. NULL: out of memory. */
static char *list_permits(const Party *client, const char *name, uint64_t now) {
        _cleanup_strv_ char **v = NULL;
        char address[ADDRESS_STRING_MAX];

        for (size_t i = 0; i < client->permits.n; i++) {
                const Permit *p = &client->permits.list[i];

                if (p->until > now && strcmp(p->name, name) == 0 &&
                    strv_append(&v, address_format(&p->address, address)) < 0)
                        return NULL;
        }
        return strv_join(v, ", ");
}

/* A name that nobody of the apps has. */
static int explain_outside(Manager *m, const Party *client, const char *text, uint16_t port, Explanation *e) {
        const Egress *egress = client->egress;
        _cleanup_free_ char *name = strdup(text), *item = NULL, *addresses = NULL;
        const EgressItem *found, *other;
        const char *patterns[EGRESS_ITEMS_MAX];
        size_t n;

        if (!name)
                return -ENOMEM;
        name_normalize(name);
        n = strlen(name);
        if (n > 0 && name[n - 1] == '.')
                name[n - 1] = '\0';
        n = egress_name_patterns(egress, patterns);
        for (size_t i = 0; i < n && !e->resolves; i++)
                e->resolves = name_pattern_matches(patterns[i], name);
        if (!e->resolves) {
                e->verdict = "no-name";
                return tell(&e->reason, "Nobody has the name '%s', so it does not resolve%s", text,
                           n > 0 ? ", nor does the Egress= of the app have it" : "");
        }
        if (tell(&e->name_reason, "%s may look the name %s up outside", client->id, name) < 0)
                return -ENOMEM;
        found = egress_find_name(egress, name, port);
        if (found) {
                item = egress_item_to_string(found);
                addresses = list_permits(client, name, now_usec(CLOCK_MONOTONIC));
                if (!item || !addresses)
                        return -ENOMEM;
                e->allowed = true;
                e->verdict = "outside";
                return tell(&e->reason, "%s may connect to port %u of %s, which is outside: its Egress= has %s%s%s", client->id, port,
                           name, item, *addresses ? ", and it resolved to " : ", once it looks it up", addresses);
        }
        e->allowed = egress->all;
        e->verdict = egress->all ? "outside" : "no-egress";
        if (egress->all)
                return tell(&e->reason, "%s may connect to port %u of %s, which is outside: its Egress= is yes", client->id, port, name);
        other = egress_find_name(egress, name, 0);
        item = other ? egress_item_to_string(other) : NULL;
        return tell(&e->reason, "%s may not connect to port %u of %s, which is outside, for its name: its Egress= has %s%s", client->id,
                   port, name, item ?: "networks", item ? ", but for other ports" : ", by which addresses are permitted, and not this name");
}

/* By name: at the address that something listens on. */
static Route find_route(Manager *m, Party *client, const Identity *identity, Endpoint *to) {
        const uint64_t now = now_usec(CLOCK_MONOTONIC);
        const Address *other = identity ? identity_address(identity, AF_INET6) : NULL;
        Route route = route_explain(&m->directory, client, to, now), route6;
        Endpoint to6;

        if (route.verdict != ROUTE_NO_BACKEND || !other)
                return route;
        to6 = (Endpoint){ *other, to->port };
        route6 = route_explain(&m->directory, client, &to6, now);
        if (route6.verdict == ROUTE_NO_BACKEND)
                return route;
        *to = to6;
        return route6;
}

int explain(Manager *m, const char *client_text, const char *service, uint16_t port, Explanation *ret) {
        _cleanup_(explanation_done) Explanation e = { .verdict = "", .tag = "", .backend = "" };
        Endpoint to = { .port = port };
        Identity *identity = NULL;
        Party *client;
        App *app;
        Route route;
        bool by_name;
        int r = 0;

        client = find_client(m, client_text);
        if (!client)
                return -ESRCH;
        e.name_reason = strdup("");
        if (!e.name_reason)
                return -ENOMEM;
        by_name = address_parse(service, &to.address) < 0;
        if (by_name) {
                app = manager_find_app(m, service);
                identity = app ? app->party.identity : find_name(m, service);
                if (!identity) {
                        r = explain_outside(m, client, service, port, &e);
                        if (r >= 0)
                                *ret = TAKE(e, (Explanation){});
                        return r;
                }
                to.address = *identity_address(identity, AF_INET);
                r = explain_name(m, client, identity, service, &e);
        } else if (!address_is_loopback(&to.address))
                identity = directory_find_address(&m->directory, &to.address);
        else
                identity = client->identity;
        route = find_route(m, client, by_name ? identity : NULL, &to);
        if (r >= 0)
                r = explain_route(m, client, identity, &to, &route, &e);
        if (r >= 0)
                *ret = TAKE(e, (Explanation){});
        return r;
}
