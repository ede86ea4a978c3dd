/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The manager owns everything: loop, bus, directory, switch, apps. */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include "core/config.h"
#include "core/feed.h"
#include "core/service-table.h"
#include "launch/scope.h"
#include "trap/switch.h"

typedef struct App App;
typedef struct HostRoutes HostRoutes; /* transport/host-route.h */
typedef struct Exposures Exposures;
typedef struct Services Services;
typedef struct Census Census;
typedef struct Resolvers Resolvers;
typedef struct Load Load;
typedef struct Cut Cut;
typedef struct HostNames HostNames;
typedef struct UnitDoor UnitDoor;
typedef struct UnitWatch UnitWatch;
typedef struct Manager Manager;

/* What the bus face wants to hear. All are optional as long as it is not there. */
typedef struct ManagerHooks {
        void (*app_new)(App *app);
        void (*app_removed)(App *app);
        void (*app_listeners_changed)(App *app);
        void (*app_leader_changed)(App *app);
        void (*virtual_service_new)(Manager *m, VirtualService *service);
        void (*virtual_service_changed)(Manager *m, VirtualService *service);
        void (*virtual_service_removed)(Manager *m, VirtualService *service);
        void (*virtual_service_members_changed)(Manager *m, VirtualService *service);
        void (*app_tags_changed)(App *app);
        void (*services_changed)(Manager *m);
        void (*connection_refused)(Manager *m, const Refusal *refusal);
} ManagerHooks;

struct Manager {
        sd_event *event;
        sd_bus *bus;
        sd_bus_slot *owners; /* core/app.h: watches callers */
        sd_bus_slot *main_pids; /* core/main-pid.h */
        Config config;
        Directory directory;
        Policy *policy;                /* in force; core/fence.h */
        struct Visibility *visibility; /* of it */
        Switch sw;
        Scopes *scopes;
        Feed *feed;
        HostNames *host_names; /* or NULL; core/host-names.h */
        HostRoutes *host_routes; /* NULL: they cannot be asked */
        Resolvers *resolvers; /* core/resolvers.h */
        Exposures *exposures; /* core/exposures.h */
        struct Guarding *guarding; /* core/guarding.h */
        Services *services; /* core/services.h */
        ServiceTable service_table;
        Census *census;
        Load *load;
        struct Idle *idle; /* core/idle.h */
        UnitDoor *unit_door;
        UnitWatch *unit_watch;
        Cut *cuts; /* utlist, under way */
        unsigned n_cuts;
        App *apps;         /* uthash by id */
        App *apps_by_unit; /* uthash by unit */
        unsigned n_apps;
        uint64_t next_number;
        uint64_t longest_turn; /* of the event loop, in µs */
        bool stopping; /* for good: no app is started any more */
        int state_dir; /* /run/appswitch/apps */
        ManagerHooks hooks;
};

/*
 * Sets everything up: reads the configuration, takes back what an earlier
 * daemon left in the descriptor store and in /run/appswitch. `bus` is
 * connected, and referenced. Returns 0 or a negative errno.
 */
int manager_new(sd_event *event, sd_bus *bus, Manager **ret);

/*
 * Takes all down. Apps that run stay: they are in the descriptor store and
 * found by the next daemon.
 */
Manager *manager_free(Manager *m);
DEFINE_CLEANUP(Manager *, manager_free)

/* The service is stopped for good: what of it is the host's, and would stay, is withdrawn. */
void manager_retire(Manager *m);

/*
 * Reads again what can be read again: virtual services. Returns 0; or -EBADMSG,
 * with a sentence (to be freed) about what is wrong with the files, which then
 * have no effect; or another negative errno.
 */
int manager_reload(Manager *m, char **ret_message);

App *manager_find_app(Manager *m, const char *id);
App *manager_find_unit(Manager *m, const char *unit);

/* The app that a process belongs to by its network namespace, or NULL. */
App *manager_find_pid(Manager *m, pid_t pid);

/* How many apps a user has. */
unsigned manager_count_apps(Manager *m, uid_t uid);
