/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <time.h>

#include "basic/log.h"
#include "model/journal.h"
#include "trap/rule-log.h"

enum {
        /* Records of one app in a window of time. */
        RECORDS_PER_WINDOW = 10,
        WINDOW_SEC = 10,
};

static bool may_record(Trap *trap) {
        struct timespec now;
        uint64_t window;

        (void) clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        window = (uint64_t) now.tv_sec / WINDOW_SEC;
        if (window != trap->noted_window) {
                trap->noted_window = window;
                trap->n_noted = 0;
        }
        return ++trap->n_noted <= RECORDS_PER_WINDOW;
}

void rule_note(Trap *trap, const Endpoint *to, const Route *route) {
        char text[ENDPOINT_STRING_MAX], app[300], peer[300] = "", address[ENDPOINT_STRING_MAX + 32], rule[600],
                        reason[ROUTE_REASON_MAX];

        if (!route->rule)
                return;
        route->rule->counters->n_decided++;
        if (!route->rule->log || route->verdict == ROUTE_REFUSED || !may_record(trap))
                return;
        (void) endpoint_format(to, to->address.family, text);
        (void) snprintf(app, sizeof(app), "APPSWITCH_APP=%s", trap->party->id);
        (void) snprintf(address, sizeof(address), "APPSWITCH_ADDRESS=%s", text);
        (void) snprintf(rule, sizeof(rule), "APPSWITCH_RULE=%s:%u", route->rule->file, route->rule->line);
        if (route->backend)
                (void) snprintf(peer, sizeof(peer), "APPSWITCH_PEER=%s", route->backend->party->id);
        (void) log_fields(LOG_INFO, 0,
                          (const char *const[]){
                                          "MESSAGE_ID=" MESSAGE_CONNECTION_ALLOWED,
                                          app,
                                          address,
                                          rule,
                                          *peer ? peer : NULL,
                                          NULL,
                          },
                          "%s was allowed a connection to %s%s%s: %s.%s", trap->party->id, text, route->backend ? " of " : "",
                          route->backend ? route->backend->party->id : "", route_reason(route, reason),
                          trap->n_noted == RECORDS_PER_WINDOW ? " (Further records are held back for a while.)" : "");
}
