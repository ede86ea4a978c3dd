/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "basic/log.h"
#include "basic/text.h"
#include "model/journal.h"
#include "trap/refusal.h"

enum {
        /* Records of refusals of one app in a window of time; what is more is counted. */
        REFUSALS_PER_WINDOW = 10,
        REFUSAL_WINDOW_SEC = 10,
        /* Of a long list only the beginning is shown. */
        LIST_SHOWN_MAX = 400,
};

bool refusal_is_one(const Route *route) {
        return route->verdict == ROUTE_REFUSED || route->verdict == ROUTE_NO_EGRESS ||
                        (route->verdict == ROUTE_NO_ROUTE && route->egress.verdict == EGRESS_NONE);
}

/* Counts it. Returns whether there is still room for a record. */
static bool count(Trap *trap) {
        struct timespec now;
        uint64_t window;

        trap->sw->n_refused++;
        (void) clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        window = (uint64_t) now.tv_sec / REFUSAL_WINDOW_SEC;
        if (window != trap->refused_window) {
                trap->refused_window = window;
                trap->n_refused = 0;
        }
        return ++trap->n_refused <= REFUSALS_PER_WINDOW;
}

/* "FILE:LINE" of what decided, or the list that does not have it; "" for neither. */
static void write_rule(const Trap *trap, const Route *route, char *buf, size_t size) {
        _cleanup_strv_ char **items = NULL;
        _cleanup_free_ char *list = NULL;

        *buf = '\0';
        if (route->rule)
                (void) snprintf(buf, size, "APPSWITCH_RULE=%s:%u", route->rule->file, route->rule->line);
        if (route->verdict == ROUTE_REFUSED)
                return;
        items = trap->party->egress ? egress_to_strv(trap->party->egress) : NULL;
        list = strv_join(items, ",");
        (void) snprintf(buf, size, "APPSWITCH_RULE=Egress=%.*s%s", (int) LIST_SHOWN_MAX, list ?: "no",
                        list && strlen(list) > LIST_SHOWN_MAX ? "..." : "");
}

void refusal_note(Trap *trap, const Endpoint *to, const Route *route) {
        char text[ENDPOINT_STRING_MAX], app[300], peer[300], address[ENDPOINT_STRING_MAX + 32], rule[600],
                        reason[ROUTE_REASON_MAX];
        const char *server = route->refused_by ? route->refused_by->id : NULL;
        const bool may_record = count(trap);

        trap->sw->hooks->refused(trap,
                                 &(Refusal){
                                                 .client = trap->party,
                                                 .server = route->refused_by,
                                                 .to = to,
                                                 .reason = route_reason(route, reason),
                                                 .tell = may_record,
                                 },
                                 trap->sw->userdata);
        if (!may_record)
                return;

        (void) endpoint_format(to, to->address.family, text);
        (void) snprintf(app, sizeof(app), "APPSWITCH_APP=%s", trap->party->id);
        (void) snprintf(peer, sizeof(peer), "APPSWITCH_PEER=%s", server ?: "");
        (void) snprintf(address, sizeof(address), "APPSWITCH_ADDRESS=%s", text);
        write_rule(trap, route, rule, sizeof(rule));
        (void) log_fields(LOG_NOTICE, 0,
                          (const char *const[]){
                                          "MESSAGE_ID=" MESSAGE_CONNECTION_REFUSED,
                                          app,
                                          address,
                                          *rule ? rule : server ? peer : NULL,
                                          *rule && server ? peer : NULL,
                                          NULL,
                          },
                          "%s was refused a connection to %s%s%s: %s.%s", trap->party->id, text, server ? " of " : ", which is outside",
                          server ?: "", reason,
                          trap->n_refused == REFUSALS_PER_WINDOW ? " (Further records are held back for a while.)" : "");
}
