/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * An app: one unit, one network namespace, one identity.
 *
 *   STARTING  from the request until the program is executed, or a step
 *             failed; nobody but the caller knows of it
 *   RUNNING   it has a trap and is on the bus; ends when its last process does
 *
 * The unit is a scope that is made around the process that is started here, or
 * a service: the service manager starts its processes, in the namespace that
 * is made here, one after the other (app_adopt()). Such an app is RUNNING from
 * when its namespace stands until it is released (core/unit-door.h), whether or
 * not it has a process.
 */

#include "core/echo.h"
#include "core/manager.h"
#include "launch/launch.h"
#include "model/outside-options.h"

/* Of commands of one service that run at a time. */
enum { APP_FILTERS_MAX = 64 };

typedef enum AppState {
        APP_STARTING,
        APP_RUNNING,
        _APP_STATE_MAX,
} AppState;

/* What somebody wants to run. All strings and arrays are copied by app_start(). */
typedef struct AppRequest {
        char **argv, **environment;
        char **names; /* NULL or empty: none */
        const Address *addresses;
        size_t n_addresses;
        char **tags; /* NULL or empty: the default tag */
        uid_t uid;   /* who asks */
        uid_t join_uid; /* whose names and addresses the app may join, too: who asks, or who it was authorized for */
        pid_t pid;
        const char *user, *group; /* to run as, or NULL */
        const char *unit, *slice, *description; /* or NULL */
        unsigned weight;   /* 0: the default */
        Strategy strategy; /* _STRATEGY_INVALID: whatever the identity has */
        Shortcut shortcut;
        const uint16_t *starts; /* ports: who connects there has the unit started */
        size_t n_starts;
        uint64_t stop_when_idle; /* µs; 0: it is not stopped */
        const OutsideOptions *outside; /* NULL: the defaults */
        bool terminal;
        bool service;      /* the unit is a service; argv is only shown */
        bool shared;       /* which is joined by others (unit/join.h) */
        const char *owner; /* unique bus name that the app ends with, or NULL */
        int fds[_EXEC_FD_MAX];
} AppRequest;

/* `error` is a name of core/errors.h with a sentence for the user, or NULL on success. */
typedef void (*AppStarted)(App *app, const char *error, const char *message, void *userdata);

/* Somebody waits for the end of the app. */
typedef void (*AppEnded)(App *app, void *userdata);
typedef struct AppWaiter AppWaiter;

struct App {
        Manager *manager;
        AppState state;
        char *id;
        uint64_t number;
        Party party;
        uid_t uid; /* the credentials it runs with */
        uid_t owner_uid; /* who started it, and so may end it */
        char *unit, *slice, *description;
        bool service; /* the unit is a service */
        bool shared;  /* others join it, and can be there without it (unit/join.h) */
        Shortcut shortcut;
        Expose *exposes; /* its ports that the outside can reach */
        size_t n_exposes;
        bool exposed; /* the ports of the host are bound for it */
        Networks expose_from; /* from where */
        Egress egress;        /* what of the outside it can reach */
        unsigned n_permit_lines; /* core/permitted.c */
        char **argv;
        pid_t leader;
        uint64_t leader_start; /* when it was started, in clock ticks since boot */
        int leader_pidfd;
        uint64_t timestamp; /* CLOCK_REALTIME, µs */
        uint64_t netns;     /* inode */
        Trap *trap;
        int dns_udp, dns_tcp;
        uint64_t n_in, n_out, n_refused; /* connections to it, of it; those of it that were refused */
        bool not_counted; /* its bytes: the kernel was held up by it (core/census.h) */
        bool closes; /* core/unit-door.c: something of it is being closed, which may take as long as it likes */
        uint64_t stop_when_idle; /* µs, 0: never; core/idle.h */
        uint64_t used_at;        /* when it was known to be in use last (CLOCK_MONOTONIC) */
        bool idle_asked;         /* the census that is under way is asked whether it is */
        unsigned n_open;         /* connections to it that it has not closed, in that */
        ScopeJob *idle_job;      /* while it is being stopped */
        struct Starter *starter; /* core/starter.h; NULL: nobody has waited for it yet */
        Echo *echo; /* NULL: nobody answers its pings */
        char *owner;
        sd_bus_slot *owner_call; /* is the owner there? */
        AppWaiter *waiters;

        /* While starting: */
        Launch *launch;
        ScopeJob *scope;
        bool in_scope, has_network; /* both must be so to go on */
        bool ended;                 /* the last process is gone before the outcome of the start is known */
        sd_event_source *timeout;
        uid_t join_uid;
        struct PortHolderSearch *holder; /* of a port of the host that is taken */
        Endpoint taken;
        char **claim_names;
        Strategy claim_strategy;
        Address claim_addresses[IDENTITY_ADDRESSES_MAX];
        size_t n_claim_addresses;
        AppStarted started;
        void *userdata;

        UT_hash_handle hh;      /* by id */
        UT_hash_handle hh_unit; /* by unit */
};

/*
 * Starts an app; `started` is called once, later. Returns 0 and the app, or a
 * negative errno with an error name and a sentence (to be freed), as
 * `started` would have given them.
 */
int app_start(Manager *m, const AppRequest *request, AppStarted started, void *userdata, App **ret,
              const char **ret_error, char **ret_message);

/* Tells appswitch-dnsd of the app and what it may look up. */
void app_tell_feed(App *app, Feed *feed);

/*
 * Serves one more process of an app that is a service, which has installed the filter that `listener` is of. Takes
 * it on success. Returns 0; -E2BIG if there are APP_FILTERS_MAX; or another negative errno.
 */
int app_adopt(App *app, int listener);

/* It listens by one more, as those who are to be connected are told, too, after those from outside were given to it. */
void app_listens(App *app, const Backend *backend);

/* The main process of a service is this one from now on; 0: there is none. */
void app_set_leader(App *app, pid_t pid);

/* The network namespace of the app, a descriptor to be closed, or a negative errno. */
int app_open_netns(const App *app);

/* Asks for the end of the app's unit. `ended` is called when it is gone. Returns 0 or a negative errno. */
int app_stop(App *app, AppEnded ended, void *userdata);

/* Sends a signal to the leader, or to all its processes. Returns 0 or a negative errno. */
int app_kill(App *app, bool all, int signal);

/*
 * From now on it gets no new connections but those it makes to itself, or it
 * does again; those it has live on. Returns 1, 0 if that is so already, or a
 * negative errno.
 */
int app_set_draining(App *app, bool draining);

/*
 * Gives the app other tags (at least one), which are taken on success, and
 * remembers them. Connections that exist stay. Returns 0 or a negative errno,
 * and then the app has the tags that it had.
 */
int app_set_tags(App *app, Tags *tags);

/* Watches, from now on, for callers that leave the bus and whose apps are to end with them. Returns 0 or a negative errno. */
int app_watch_owners(Manager *m);

/* Forgets the app: it is over, or the daemon ends. */
App *app_free(App *app);
DEFINE_CLEANUP(App *, app_free)

/* The app is over: tells everybody and forgets it. */
void app_end(App *app);

/* The last process that had this filter is gone. A scope is over with that; a service can have others, or none for a while. */
void app_filter_ended(App *app, uint64_t number);

/*
 * Makes an app out of what an earlier daemon wrote down. Takes the listeners (AppRecord.filters; -EBADF: gone), each of
 * which becomes -EBADF then, and on success the sockets; those for echo may be missing. Returns 0 or a negative errno.
 */
int app_restore(Manager *m, const char *id, int *listeners, const int sockets[static _NETWORK_SOCKET_MAX]);

/* The first name of its identity, or "". */
const char *app_name(const App *app);
