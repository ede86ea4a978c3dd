/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why a connection would be allowed or refused, where it would go, and whether the name for it would resolve. */

#include "core/manager.h"
#include "model/route.h"

typedef struct Explanation {
        bool allowed;        /* by tags and rules, or by Egress=; whether somebody listens is another matter */
        const char *verdict; /* "connects", "starts", "refused", "no-backend", "no-host", "no-route", "native", "no-name", "outside", "no-egress" */
        char *reason;        /* a sentence */
        const char *tag;     /* that they share, or "" */
        const Rule *rule;    /* that decides, or NULL */
        const char *backend; /* id of the app that would get the connection, and is started by it if it is to be, or "" */
        char target[ENDPOINT_STRING_MAX]; /* what would be dialed, or "" */
        bool resolves;       /* the name, for this client */
        char *name_reason;   /* a sentence about that; "" if no name was asked for */
} Explanation;

void explanation_done(Explanation *e);

/*
 * `client` is the id of an app or the name of some, of which the first is
 * taken; `service` a name, with or without the domain, an address, or the id of
 * an app. Nothing counts. Returns 0; -ESRCH if there is no such client; or
 * -ENOMEM.
 */
int explain(Manager *m, const char *client, const char *service, uint16_t port, Explanation *ret);
