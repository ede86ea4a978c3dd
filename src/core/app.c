/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utlist.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/start-time.h"
#include "basic/text.h"
#include "core/app-internal.h"
#include "core/app-store.h"
#include "core/errors.h"
#include "core/exposures.h"
#include "core/fence.h"
#include "core/permitted.h"
#include "core/port-holder.h"
#include "core/idle.h"
#include "core/starter.h"
#include "core/state.h"
#include "launch/unit-protocol.h"
#include "model/journal.h"
#include "transport/socket-name.h"

/* From the request to execve(2). */
#define START_TIMEOUT_USEC (30 * USEC_PER_SEC)

enum {
        /* How much of a command line is remembered, for people to read. */
        COMMAND_ARGUMENTS_MAX = 256,
        COMMAND_BYTES_MAX = 16384,
};

struct AppWaiter {
        AppEnded ended;
        void *userdata;
        AppWaiter *next;
};

const char *app_name(const App *app) {
        const char *name = app->party.identity ? identity_name(app->party.identity) : NULL;

        return name ?: "";
}

void app_save_record(const App *app) {
        int r = app_record_save(app);

        if (r < 0)
                app_log_warning(r, app->id, "%s: failed to write its record, a restart will lose what is new in it, ignoring: %m",
                                app->id);
}

/* Text of D-Bus is UTF-8: what is none is spelled, and what is too long ends early. */
static char *cut_escaped(const char *s, size_t max) {
        _cleanup_free_ char *head = strndup(s, max / 4);

        return head ? text_escape(head) : NULL;
}

static char **copy_command(char **argv) {
        char **copy = calloc(COMMAND_ARGUMENTS_MAX + 1, sizeof(char *));
        size_t bytes = 0;

        if (!copy)
                return NULL;
        for (size_t i = 0; argv[i] && i < COMMAND_ARGUMENTS_MAX && bytes < COMMAND_BYTES_MAX; i++) {
                copy[i] = utf8_is_valid(argv[i]) && strlen(argv[i]) < COMMAND_BYTES_MAX - bytes
                                ? strdup(argv[i])
                                : cut_escaped(argv[i], COMMAND_BYTES_MAX - bytes);
                if (!copy[i])
                        return strv_free(copy);
                bytes += strlen(copy[i]) + 1;
        }
        return copy;
}

App *app_free(App *app) {
        Manager *m;

        if (!app)
                return NULL;
        m = app->manager;
        sd_event_source_disable_unref(app->timeout);
        launch_free(app->launch);
        scope_job_abandon(app->scope);
        sd_bus_slot_unref(app->owner_call);
        /* Nobody has it started any more. */
        app->party.n_starts = 0;
        app->party.stopping = false;
        starter_free(app);
        idle_forget(app);
        trap_free(app->trap);
        echo_free(app->echo);
        port_holder_abandon(app->holder);
        exposures_remove(app);
        if (app->dns_udp >= 0 && m->feed)
                feed_remove_app(m->feed, app->id);
        fence_remove(m, &app->party);
        if (app->party.identity) {
                if (app->party.identity->n_parties == 1 && m->feed)
                        feed_unset_names(m->feed, app->party.identity);
                directory_leave(&m->directory, &app->party);
        }
        if (app->id)
                HASH_DELETE(hh, m->apps, app);
        if (app->unit)
                HASH_DELETE(hh_unit, m->apps_by_unit, app);
        m->n_apps--;
        safe_close(app->dns_udp);
        safe_close(app->dns_tcp);
        safe_close(app->leader_pidfd);
        tags_done(&app->party.tags);
        while (app->waiters) {
                AppWaiter *w = app->waiters;

                LL_DELETE(app->waiters, w);
                free(w);
        }
        strv_free(app->argv);
        free(app->exposes);
        networks_done(&app->expose_from);
        egress_done(&app->egress);
        permits_done(&app->party.permits);
        free(app->id);
        free(app->unit);
        free(app->slice);
        free(app->description);
        free(app->owner);
        strv_free(app->claim_names);
        free(app);
        return NULL;
}

/* Out of the descriptor store and off the disk: nobody is to find it again. */
static void app_forget(App *app) {
        app_record_remove(app);
        permitted_forget(app);
        app_unstore_fd(app, "app");
        for (NetworkSocket i = 0; i < _NETWORK_SOCKET_MAX; i++)
                app_unstore_fd(app, network_socket_to_string(i));
}

/* ", ADDRESS" for each address that others reach the app at, as far as they fit. */
static void format_addresses(const App *app, char *buf, size_t size) {
        const Identity *identity = app->party.identity;
        char address[ADDRESS_STRING_MAX];
        size_t n = 0;

        *buf = '\0';
        for (size_t i = 0; identity && i < identity->n_addresses && n < size; i++)
                n += (size_t) snprintf(buf + n, size - n, ", %s", address_format(&identity->addresses[i].address, address));
}

/* By OBJECT_SYSTEMD_UNIT=, `systemctl status` and `journalctl --unit=` of the app's unit have it, too. */
static void log_app(const App *app, const char *message, const char *verb) {
        char id[300], unit[300], object[300], message_id[64], addresses[256];

        (void) snprintf(id, sizeof(id), "APPSWITCH_APP=%s", app->id);
        (void) snprintf(unit, sizeof(unit), "APPSWITCH_UNIT=%s", app->unit);
        (void) snprintf(object, sizeof(object), "OBJECT_SYSTEMD_UNIT=%s", app->unit);
        (void) snprintf(message_id, sizeof(message_id), "MESSAGE_ID=%s", message);
        format_addresses(app, addresses, sizeof(addresses));
        (void) log_fields(LOG_INFO, 0, (const char *const[]){ message_id, id, unit, object, NULL }, "%s %s (%s, uid %u%s).",
                          app->id, verb, app->unit, app->uid, addresses);
}

void app_end(App *app) {
        if (app->state == APP_STARTING) {
                /* What became of the start is still to be read. */
                app->ended = true;
                return;
        }
        log_app(app, MESSAGE_APP_ENDED, "ended");
        for (const Filter *filter = app->service ? app->trap->filters : NULL; filter; filter = filter->next)
                app_unstore_filter(filter->number);
        app_forget(app);
        if (app->manager->hooks.app_removed)
                app->manager->hooks.app_removed(app);
        for (AppWaiter *w = app->waiters; w; w = w->next)
                w->ended(app, w->userdata);
        app_free(app);
}

static void _printf_(3, 4) app_fail(App *app, const char *error, const char *format, ...) {
        _cleanup_free_ char *message = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&message, format, ap) < 0)
                message = NULL;
        va_end(ap);
        /* It may be on the other side of execve(2) already, and must not go on without us. */
        if (app->leader_pidfd >= 0)
                (void) syscall(SYS_pidfd_send_signal, app->leader_pidfd, SIGKILL, NULL, 0);
        if (app->in_scope && !app->service)
                (void) scope_stop(app->manager->scopes, app->unit);
        if (app->started)
                app->started(app, error, message ?: "Out of memory", app->userdata);
        app_forget(app);
        app_free(app);
}

static int start_on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        app_fail(userdata, ERROR_UNIT_FAILED, "The app did not start within 30 seconds");
        return 0;
}

static bool leader_is_alive(const App *app) {
        struct pollfd p = { .fd = app->leader_pidfd, .events = POLLIN };

        return app->leader_pidfd >= 0 && poll(&p, 1, 0) == 0;
}

/*
 * The caller that the app was to end with is gone. If that is because the
 * leader ended, what the leader left behind (a daemon, say) lives on, as it
 * does in a shell.
 */
static void owner_gone(App *app) {
        if (app->state == APP_STARTING)
                app_fail(app, ERROR_UNIT_FAILED, "The caller went away");
        else if (leader_is_alive(app))
                (void) app_stop(app, NULL, NULL);
}

static int on_name_gone(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *old, *new;
        Manager *manager = userdata;

        if (sd_bus_message_read(m, "sss", &name, &old, &new) < 0 || *new)
                return 0;
        for (App *app = manager->apps, *next; app; app = next) {
                next = app->hh.next;
                if (app->owner && strcmp(app->owner, name) == 0)
                        owner_gone(app);
        }
        return 0;
}

/* One match for all: the bus bounds how many a connection may have (max_match_rules_per_connection, 512). */
int app_watch_owners(Manager *m) {
        return sd_bus_add_match_async(m->bus, &m->owners,
                                      "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                                      "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''",
                                      on_name_gone, NULL, m);
}

static int on_owner_known(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        App *app = userdata;
        int there;

        app->owner_call = sd_bus_slot_unref(app->owner_call);
        if (!sd_bus_message_is_method_error(reply, NULL) && sd_bus_message_read(reply, "b", &there) >= 0 && !there)
                owner_gone(app);
        return 0;
}

int app_track_owner(App *app) {
        if (!app->owner)
                return 0;
        return sd_bus_call_method_async(app->manager->bus, &app->owner_call, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "NameHasOwner", on_owner_known, app, "s", app->owner);
}

/* Goes on when both the process is in its scope and its namespace stands. */
static void start_maybe_go(App *app) {
        int r;

        if (!app->in_scope || !app->has_network)
                return;
        r = launch_go(app->launch);
        if (r < 0)
                app_fail(app, ERROR_UNIT_FAILED, "Failed to talk to appswitch-exec: %s", strerror(-r));
}

static void scope_on_started(const char *error, void *userdata) {
        App *app = userdata;

        app->scope = scope_job_free(app->scope);
        if (error) {
                app_fail(app, ERROR_UNIT_FAILED, "Failed to start scope %s: %s", app->unit, error);
                return;
        }
        app->in_scope = true;
        start_maybe_go(app);
}

static const char *join_error(int r) {
        switch (r) {
        case -EEXIST:
                return ERROR_NAME_IN_USE;
        case -ENAMETOOLONG:
                return ERROR_INVALID_NAME;
        case -EINVAL:
        case -E2BIG:
                return ERROR_INVALID_ADDRESS;
        case -EALREADY:
                return ERROR_INVALID_ARGUMENT;
        case -EADDRINUSE:
                return ERROR_ADDRESS_IN_USE;
        default:
                return ERROR_LIMIT_REACHED;
        }
}

static const char *expose_error(int r) {
        switch (r) {
        case -EADDRINUSE:
                return ERROR_PORT_IN_USE;
        case -EADDRNOTAVAIL:
                return ERROR_INVALID_ADDRESS;
        default:
                return ERROR_LIMIT_REACHED;
        }
}

static void holder_on_found(const char *holder, void *userdata) {
        char text[ENDPOINT_STRING_MAX];
        App *app = userdata;

        app->holder = NULL;
        app_fail(app, ERROR_PORT_IN_USE, "Cannot be exposed at %s of the host: it is taken%s%s",
                 endpoint_format(&app->taken, app->taken.address.family, text), holder ? " by " : "", holder ?: "");
}

/* A port of the host is taken, and not by an app: the user is told by whom. */
static void find_holder(App *app) {
        if (port_holder_find(app->manager->event, &app->taken, holder_on_found, app, &app->holder) < 0)
                holder_on_found(NULL, app);
}

static void start_scope(App *app) {
        Address addresses[IDENTITY_ADDRESSES_MAX];
        const Identity *identity = app->party.identity;
        int r;

        /* A service is in its unit already. */
        app->in_scope = app->service;
        r = app->service ? 0 : scope_start(app->manager->scopes, &(ScopeRequest){
                .unit = app->unit,
                .slice = app->slice,
                .description = app->description,
                .pid = app->leader,
        }, scope_on_started, app, &app->scope);
        if (r < 0) {
                app_fail(app, ERROR_UNIT_FAILED, "Failed to start scope %s: %s", app->unit, strerror(-r));
                return;
        }
        for (size_t i = 0; i < identity->n_addresses; i++)
                addresses[i] = identity->addresses[i].address;
        r = launch_set_network(app->launch, addresses, identity->n_addresses);
        if (r < 0)
                app_fail(app, ERROR_UNIT_FAILED, "Failed to talk to appswitch-exec: %s", strerror(-r));
}

static void launch_on_user(Launch *launch, pid_t pid, uid_t uid, gid_t gid, void *userdata) {
        App *app = userdata;
        Manager *m = app->manager;
        _cleanup_free_ char *message = NULL, *expose_message = NULL;
        int r;

        app->uid = uid;
        app->leader = pid;
        app->leader_pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
        app->leader_start = process_start_time(pid);

        r = directory_join(&m->directory, &app->party, &(IdentityClaim){
                .names = (const char *const *) app->claim_names,
                .n_names = strv_length(app->claim_names),
                .addresses = app->claim_addresses,
                .n_addresses = app->n_claim_addresses,
                .strategy = app->claim_strategy,
                .uid = app->owner_uid,
                .owner = uid,
                .joins = &app->join_uid,
                .id = app->id,
        }, &message);
        if (r < 0) {
                app_fail(app, join_error(r), "%s", message ?: strerror(-r));
                return;
        }
        app->party.uid = uid;
        r = fence_add(m, &app->party);
        if (r < 0) {
                app_fail(app, ERROR_LIMIT_REACHED, "Failed to look up the rules for the app: %s", strerror(-r));
                return;
        }
        r = exposures_add(app, &app->taken, &expose_message);
        if (r >= 0)
                start_scope(app);
        else if (r == -EADDRINUSE && !expose_message)
                find_holder(app);
        else
                app_fail(app, expose_error(r), "%s", expose_message ?: strerror(-r));
}

void app_answer_echo(App *app, int v4, int v6) {
        int r;

        r = echo_new(app->manager->event, &app->manager->directory, &app->party, v4, v6, &app->echo);
        if (r < 0)
                app_log_warning(r, app->id, "%s: failed to answer pings, ignoring: %m", app->id);
}

void app_tell_feed(App *app, Feed *feed) {
        const char *patterns[EGRESS_ITEMS_MAX];
        const size_t n = egress_name_patterns(&app->egress, patterns);

        feed_add_app(feed, &app->party, app->dns_udp, app->dns_tcp);
        for (size_t i = 0; i < n; i++)
                feed_add_pattern(feed, app->id, patterns[i]);
}

int app_trap(App *app) {
        int r;

        r = trap_new(&app->manager->sw, &app->party, app->number, app->dns_udp, app, &app->trap);
        if (r < 0)
                return r;
        app->trap->shortcut = app->shortcut;
        app->trap->exposed = app->n_exposes > 0;
        /* Its DNS sockets are at home where the app is. */
        (void) socket_netns_cookie(app->dns_udp, &app->trap->netns);
        return 0;
}

static void app_running(App *app) {
        app->launch = launch_free(app->launch);
        app->timeout = sd_event_source_disable_unref(app->timeout);
        app->state = APP_RUNNING;
        app->timestamp = now_usec(CLOCK_REALTIME);
        app_save_record(app);
        log_app(app, MESSAGE_APP_STARTED, "started");
        /* It can be connected to already if it is started by that. */
        if (app->party.n_starts > 0)
                exposures_update(app->manager->exposures, app->party.identity);
        if (app->manager->hooks.app_new)
                app->manager->hooks.app_new(app);
        if (app->started)
                app->started(app, NULL, NULL, app->userdata);
        app->started = NULL;
}

/* The process that made the namespace has nothing more to do: those of the service are to come. */
static void service_start_end(App *app) {
        int r;

        r = app_trap(app);
        if (r < 0) {
                app_fail(app, ERROR_UNIT_FAILED, "Failed to serve the app: %s", strerror(-r));
                return;
        }
        app_store_sockets(app);
        app->leader_pidfd = safe_close(app->leader_pidfd);
        app->leader = 0;
        app->leader_start = 0;
        app_running(app);
}

static void launch_on_network(Launch *launch, uint64_t netns, const int sockets[static _NETWORK_SOCKET_MAX],
                              void *userdata) {
        App *app = userdata;
        Manager *m = app->manager;

        app->netns = netns;
        app->dns_udp = sockets[NETWORK_DNS_UDP];
        app->dns_tcp = sockets[NETWORK_DNS_TCP];
        app_answer_echo(app, sockets[NETWORK_ECHO4], sockets[NETWORK_ECHO6]);
        feed_set_names(m->feed, app->party.identity);
        app_tell_feed(app, m->feed);
        app->has_network = true;
        if (app->service)
                service_start_end(app);
        else
                start_maybe_go(app);
}

static void launch_on_filter(Launch *launch, int listener, void *userdata) {
        App *app = userdata;
        int r;

        r = app_trap(app);
        if (r >= 0)
                r = trap_add_filter(app->trap, app->number, listener);
        if (r < 0) {
                safe_close(listener);
                app_fail(app, ERROR_UNIT_FAILED, "Failed to serve the app: %s", strerror(-r));
                return;
        }
        app_store_fd(app, "app", listener, true);
        app_store_sockets(app);
        app_save_record(app);
        r = launch_go(launch);
        if (r < 0)
                app_fail(app, ERROR_UNIT_FAILED, "Failed to talk to appswitch-exec: %s", strerror(-r));
}

static void launch_on_executed(Launch *launch, void *userdata) {
        App *app = userdata;

        app_running(app);
        if (app->ended)
                app_end(app);
}

static void launch_on_failed(Launch *launch, ExecStep step, int error, const char *path, const char *abi,
                             void *userdata) {
        /* Chosen by others, and cut somewhere: D-Bus does not carry what is not UTF-8. */
        _cleanup_free_ char *escaped = text_escape(path ?: "");
        const char *what = escaped ?: "", *reason = strerror(-error);
        App *app = userdata;

        switch (step) {
        case EXEC_STEP_USER:
                app_fail(app, ERROR_USER_FAILED, "Failed to become user '%s': %s", what, error == -ENXIO ? "No such user" : reason);
                break;
        case EXEC_STEP_GROUP:
                if (error == -ENODATA)
                        app_fail(app, ERROR_GROUP_FAILED,
                                 "User %s is not in the user database, so that a group has to be given for it", what);
                else
                        app_fail(app, ERROR_GROUP_FAILED, "Failed to take group '%s': %s", what, error == -ENXIO ? "No such group" : reason);
                break;
        case EXEC_STEP_NETWORK:
                app_fail(app, ERROR_NETWORK_FAILED, "Failed to set up the network namespace: %s", reason);
                break;
        case EXEC_STEP_SECCOMP:
                if (error == -EBUSY)
                        app_fail(app, ERROR_SECCOMP_FAILED,
                                 "Failed to trap calls: a seccomp listener is installed already (a container runtime?), and there can be one only");
                else
                        app_fail(app, ERROR_SECCOMP_FAILED, "Failed to trap calls: %s", reason);
                break;
        case EXEC_STEP_CHDIR:
                app_fail(app, ERROR_CHDIR_FAILED, "Failed to enter the working directory: %s", reason);
                break;
        case EXEC_STEP_EXEC:
                if (abi)
                        app_fail(app, ERROR_EXEC_FAILED,
                                 "Failed to execute '%s': It is a program for %s, whose calls cannot be trapped",
                                 what, abi);
                else
                        app_fail(app, ERROR_EXEC_FAILED, "Failed to execute '%s': %s", what, reason);
                break;
        case EXEC_STEP_PROTOCOL:
        case EXEC_STEP_STDIO:
        default:
                app_fail(app, ERROR_UNIT_FAILED, "Failed to start the app (%s): %s", exec_step_to_string(step) ?: "?", reason);
                break;
        }
}

static const LaunchHooks launch_hooks = {
        .user = launch_on_user,
        .network = launch_on_network,
        .filter = launch_on_filter,
        .executed = launch_on_executed,
        .failed = launch_on_failed,
};

App *app_alloc(Manager *m) {
        App *app = calloc(1, sizeof(*app));

        if (!app)
                return NULL;
        app->manager = m;
        app->party.egress = &app->egress;
        app->leader_pidfd = app->dns_udp = app->dns_tcp = -EBADF;
        m->n_apps++;
        return app;
}

void app_register(App *app) {
        app->party.id = app->id;
        HASH_ADD_KEYPTR(hh, app->manager->apps, app->id, strlen(app->id), app);
        HASH_ADD_KEYPTR(hh_unit, app->manager->apps_by_unit, app->unit, strlen(app->unit), app);
}

static int dup_or_null(const char *s, char **ret) {
        *ret = s ? strdup(s) : NULL;
        return s && !*ret ? -ENOMEM : 0;
}

static int check_limits(Manager *m, const AppRequest *request, const char **ret_error, char **ret_message) {
        int r = 0;

        if (m->n_apps >= m->config.apps_max)
                r = asprintf(ret_message, "There are %u apps already, the most that AppsMax= allows", m->n_apps);
        else if (request->uid != 0 && manager_count_apps(m, request->uid) >= m->config.apps_per_user_max)
                r = asprintf(ret_message, "User %u has %u apps already, the most that AppsPerUserMax= allows",
                             request->uid, m->config.apps_per_user_max);
        else
                return 0;
        *ret_error = ERROR_LIMIT_REACHED;
        return r < 0 ? -ENOMEM : -EDQUOT;
}

/* What it is to have to do with the outside. Returns 0 or -ENOMEM. */
static int app_describe_outside(App *app, const AppRequest *request) {
        const Config *config = &app->manager->config;
        const OutsideOptions none = {}, *o = request->outside ?: &none;
        int r;

        if (o->n_exposes > 0) {
                app->exposes = calloc(o->n_exposes, sizeof(Expose));
                if (!app->exposes)
                        return -ENOMEM;
                memcpy(app->exposes, o->exposes, o->n_exposes * sizeof(Expose));
                app->n_exposes = o->n_exposes;
        }
        r = networks_copy(o->has_expose_from ? &o->expose_from : &config->expose_from, &app->expose_from);
        return r < 0 ? r : egress_copy(o->has_egress ? &o->egress : &config->egress, &app->egress);
}

/* Fills in who the app is to be. Returns 0 or -ENOMEM, or an error of tags_add(). */
static int app_describe(App *app, const AppRequest *request) {
        Manager *m = app->manager;
        const char *base = request->names && *request->names ? *request->names : "app";
        char *const default_tags[] = { m->config.default_tag, NULL };
        char *const *tags = request->tags && *request->tags ? request->tags : default_tags;
        char *id, *unit;
        int r;

        app->number = m->next_number++;
        if (asprintf(&id, "%s_%" PRIu64, base, app->number) < 0)
                return -ENOMEM;
        r = request->unit ? asprintf(&unit, "%s", request->unit) : asprintf(&unit, "appswitch-%s.scope", id);
        if (r < 0) {
                free(id);
                return -ENOMEM;
        }
        app->id = id;
        app->unit = unit;
        app_register(app);

        app->owner_uid = app->uid = request->uid;
        app->join_uid = request->join_uid;
        app->shortcut = request->shortcut;
        app->service = request->service;
        app->shared = request->shared;
        app->party.weight = request->weight;
        app->stop_when_idle = request->stop_when_idle;
        app->party.n_starts = MIN2(request->n_starts, (size_t) PARTY_STARTS_MAX);
        for (size_t i = 0; i < app->party.n_starts; i++)
                app->party.starts[i] = request->starts[i];
        for (; *tags; tags++) {
                r = tags_add(&app->party.tags, *tags);
                if (r < 0)
                        return r;
        }
        app->argv = copy_command(request->argv);
        if (!app->argv || dup_or_null(request->slice ?: "appswitch.slice", &app->slice) < 0 ||
            dup_or_null(request->owner, &app->owner) < 0 ||
            dup_or_null(request->description ?: app->argv[0], &app->description) < 0)
                return -ENOMEM;
        for (char **name = request->names; name && *name; name++)
                if (strv_append(&app->claim_names, *name) < 0)
                        return -ENOMEM;
        app->claim_strategy = request->strategy;
        memcpy(app->claim_addresses, request->addresses, request->n_addresses * sizeof(Address));
        app->n_claim_addresses = request->n_addresses;
        return app_describe_outside(app, request);
}

int app_start(Manager *m, const AppRequest *request, AppStarted started, void *userdata, App **ret,
              const char **ret_error, char **ret_message) {
        _cleanup_(app_freep) App *app = NULL;
        LaunchRequest launch = {
                .argv = request->argv,
                .environment = request->environment,
                .caller = request->pid,
                .uid = request->uid,
                .user = request->user,
                .group = request->group,
                .terminal = request->terminal,
                .network = request->service,
        };
        int r;

        r = check_limits(m, request, ret_error, ret_message);
        if (r < 0)
                return r;
        if (request->unit && manager_find_unit(m, request->unit)) {
                *ret_error = ERROR_UNIT_FAILED;
                if (asprintf(ret_message, "Unit %s is that of another app", request->unit) < 0)
                        return -ENOMEM;
                return -EEXIST;
        }
        *ret_error = SD_BUS_ERROR_NO_MEMORY;
        app = app_alloc(m);
        if (!app)
                return -ENOMEM;
        r = app_describe(app, request);
        if (r < 0)
                return r;
        memcpy(launch.fds, request->fds, sizeof(launch.fds));
        r = launch_new(m->event, &launch, &launch_hooks, app, &app->launch);
        if (r < 0) {
                *ret_error = r == -E2BIG ? ERROR_INVALID_ARGUMENT : ERROR_UNIT_FAILED;
                if (asprintf(ret_message, r == -E2BIG ? "Arguments and environment are longer than 8 MiB: %s" : "Failed to reach appswitch-exec: %s",
                             strerror(-r)) < 0)
                        return -ENOMEM;
                return r;
        }
        r = sd_event_add_time_relative(m->event, &app->timeout, CLOCK_MONOTONIC, START_TIMEOUT_USEC, 0,
                                       start_on_timeout, app);
        if (r >= 0)
                r = app_track_owner(app);
        if (r < 0)
                return r;
        app->started = started;
        app->userdata = userdata;
        *ret = TAKE_PTR(app);
        return 0;
}

int app_stop(App *app, AppEnded ended, void *userdata) {
        _cleanup_free_ char *preparer = NULL;
        AppWaiter *w;
        int r;

        /* What keeps the app of a unit that is stopped; it takes all its units with it. */
        if ((app->party.n_starts > 0 || app->shared) &&
            asprintf(&preparer, "%s%s", app->party.n_starts > 0 ? UNIT_STARTER : UNIT_JOINER, app->unit) < 0)
                return -ENOMEM;
        r = scope_stop(app->manager->scopes, preparer ?: app->unit);
        if (r < 0 || !ended)
                return r;
        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->ended = ended;
        w->userdata = userdata;
        LL_PREPEND(app->waiters, w);
        return 0;
}

int app_kill(App *app, bool all, int signal) {
        if (all)
                return scope_kill(app->manager->scopes, app->unit, signal);
        if (app->leader_pidfd < 0)
                return -ESRCH;
        return syscall(SYS_pidfd_send_signal, app->leader_pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

int app_set_draining(App *app, bool draining) {
        int r;

        if (app->party.draining == draining)
                return 0;
        app->party.draining = draining;
        r = app_record_save(app);
        if (r < 0) {
                app->party.draining = !draining;
                return r;
        }
        exposures_update(app->manager->exposures, app->party.identity);
        log_app(app, MESSAGE_APP_DRAINED, draining ? "is drained" : "is not drained any more");
        return 1;
}

int app_set_tags(App *app, Tags *tags) {
        Tags old = app->party.tags;
        int r;

        if (tags_equal(&old, tags))
                return 0;
        app->party.tags = *tags;
        r = party_tags_changed(app->manager, &app->party);
        if (r >= 0) {
                r = app_record_save(app);
                if (r < 0) {
                        app->party.tags = old;
                        (void) party_tags_changed(app->manager, &app->party);
                        return r;
                }
        }
        if (r < 0) {
                app->party.tags = old;
                return r;
        }
        *tags = (Tags){};
        tags_done(&old);
        log_app(app, MESSAGE_APP_TAGGED, "has other tags now");
        if (app->manager->hooks.app_tags_changed)
                app->manager->hooks.app_tags_changed(app);
        return 0;
}
