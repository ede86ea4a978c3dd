/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which polkit actions a call needs, with the details that rules can test (io.appswitch1(5)). */

#include "bus/caller.h"
#include "model/outside-options.h"
#include "core/manager.h"
#include "model/service-settings.h"

/* What a call of RunApp claims. Nothing of it is kept. */
typedef struct Claims {
        const char *command;      /* fit to be shown */
        const char *user, *group; /* to run as; NULL: the caller */
        char *const *names;       /* normalized; NULL: none */
        const Address *addresses;
        size_t n_addresses;
        const Tags *tags; /* empty: the default tag */
        const OutsideOptions *outside;
} Claims;

/*
 * Asks whether the caller may run an app with these claims: run-app or
 * run-app-as; claim-name, claim-address and join-tag for what is claimed, but
 * for the default tag; expose or expose-privileged, and egress, for what it is
 * to have to do with the outside, but for the default; and manage-apps if a
 * name or an address is that of another user's app. `ret_owner` is the user
 * whose names and addresses he may join, if he may at all. Parameters and
 * return value else as for caller_authorize_all().
 */
int rights_run(Manager *m, sd_bus_message *message, const Caller *caller, const Claims *claims, size_t size,
               CallerCallback callback, void *userdata, sd_bus_destroy_t destroy, uid_t *ret_owner);

/*
 * Asks whether the caller may do to this app what `verb` says ("stop",
 * "kill", "tag"): manage-apps if it is another user's, and join-tag for
 * `tags`, those that it is to have anew (NULL: none), but for the default tag.
 */
int rights_manage(const App *app, sd_bus_message *message, const Caller *caller, const char *verb, const Tags *tags,
                  CallerCallback callback, void *userdata, sd_bus_destroy_t destroy);

/* What a change of a virtual service claims. Nothing of it is kept. */
typedef struct ServiceClaims {
        const char *verb; /* "create", "edit", "remove" */
        const char *id;
        uid_t owner;      /* whose it is, or is to be */
        bool persistent;
        bool takes;       /* it is to be so afterwards; false: it is so, and goes */
        const ServiceSettings *settings;
} ServiceClaims;

/*
 * Asks whether the caller may change a virtual service so:
 * manage-virtual-services; and manage-host-services before it if the service
 * is to lead to the host's own ports or to be the one that is called `host`.
 * Parameters and return value else as for caller_authorize_all().
 */
int rights_service(const Manager *m, sd_bus_message *message, const Caller *caller, const ServiceClaims *claims, size_t size,
                   CallerCallback callback, void *userdata, sd_bus_destroy_t destroy);
