/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/fd-store.h"
#include "basic/log.h"
#include "core/app.h"
#include "core/app-store.h"
#include "core/exposures.h"
#include "core/guarding.h"
#include "core/fence.h"
#include "core/host-names.h"
#include "core/permitted.h"
#include "core/main-pid.h"
#include "core/policy-load.h"
#include "core/resolvers.h"
#include "core/services.h"
#include "core/idle.h"
#include "core/starter.h"
#include "core/cut.h"
#include "core/load.h"
#include "core/state.h"
#include "core/unit-door.h"
#include "core/unit-watch.h"
#include "model/journal.h"
#include "transport/host-route.h"
#include "trap/delivery.h"
#include "trap/listener.h"
#include "trap/pending.h"

#define STATE_DIRECTORY "/run/appswitch/apps"

static void sw_on_filter_ended(Trap *trap, uint64_t number, void *userdata) {
        app_filter_ended(trap->userdata, number);
}

static void sw_on_listeners_changed(Trap *trap, void *userdata) {
        App *app = trap->userdata;

        if (app->state == APP_RUNNING && app->manager->hooks.app_listeners_changed)
                app->manager->hooks.app_listeners_changed(app);
}

static void sw_on_app_blocks(Trap *trap, void *userdata) {
        App *app = trap->userdata;

        (void) app_log(LOG_WARNING, 0, app->id, MESSAGE_APP_KILLED, "%s holds up the switch: its memory does not answer. It is killed.", app->id);
        (void) app_kill(app, true, SIGKILL);
}

/* The end of the process is all that ends such a thread. Whoever waits for an answer waits for the next daemon. */
static void sw_too_many_late(void *userdata) {
        Manager *m = userdata;
        int code;

        if (m->stopping || sd_event_get_exit_code(m->event, &code) >= 0)
                return;
        log_warning("Apps whose memory does not answer hold up too many threads. Ending; a new daemon takes the other apps over.");
        (void) sd_event_exit(m->event, 0);
}

static void sw_on_listener_begins(Listener *listener, void *userdata) {
        Manager *m = userdata;

        service_table_add(&m->service_table, listener);
        exposures_listener_begins(m->exposures, listener->backend.party->identity, listener->backend.bound.port);
        app_listens(listener->trap->userdata, &listener->backend);
}

static void sw_on_listener_ends(Listener *listener, void *userdata) {
        Manager *m = userdata;

        service_table_remove(&m->service_table, listener);
        idle_listener_ends(listener->trap->userdata);
        exposures_listener_ends(m->exposures, listener->backend.party->identity, listener->backend.bound.port,
                                listener->backend.id);
}

static void sw_on_connected(Trap *client, Trap *server, const Endpoint *to, void *userdata) {
        Manager *m = userdata;
        const Identity *identity = server->party->identity;

        ((App *) client->userdata)->n_out++;
        ((App *) server->userdata)->n_in++;
        idle_used(server->userdata);
        service_table_count(&m->service_table, identity, to, false);
        load_connected(m->load, identity);
}

static void sw_on_connected_outside(Trap *client, uint64_t external, void *userdata) {
        Manager *m = userdata;

        ((App *) client->userdata)->n_out++;
        if (external != 0)
                load_connected_outside(m->load);
}

static void sw_on_refused(Trap *client, const Refusal *refusal, void *userdata) {
        Manager *m = userdata;

        ((App *) client->userdata)->n_refused++;
        service_table_count(&m->service_table, client->party->identity, refusal->to, true);
        if (refusal->tell && m->hooks.connection_refused)
                m->hooks.connection_refused(m, refusal);
}

static void sw_hear_names(void *userdata) {
        Manager *m = userdata;

        feed_drain(m->feed);
}

static Trap *sw_starts(Party *party, Trap *client, void *userdata) {
        App *app = CONTAINER_OF(party, App, party);

        return app->trap && !app->manager->stopping && starter_start(app, client->userdata) >= 0 ? app->trap : NULL;
}

static void sw_held(Trap *trap, Trap *client, uint16_t port, int fd, void *userdata) {
        starter_hold(trap->userdata, client->userdata, port, fd);
}

static void sw_accepted(Trap *trap, void *userdata) {
        starter_has_room(trap->userdata);
}

static void sw_on_has_room(Trap *trap, void *userdata) {
        exposures_update(((Manager *) userdata)->exposures, trap->party->identity);
}

static void on_services_changed(void *userdata) {
        Manager *m = userdata;

        if (m->hooks.services_changed)
                m->hooks.services_changed(m);
}

static const SwitchHooks switch_hooks = {
        .filter_ended = sw_on_filter_ended,
        .listeners_changed = sw_on_listeners_changed,
        .app_blocks = sw_on_app_blocks,
        .too_many_late = sw_too_many_late,
        .listener_begins = sw_on_listener_begins,
        .listener_ends = sw_on_listener_ends,
        .connected = sw_on_connected,
        .connected_outside = sw_on_connected_outside,
        .refused = sw_on_refused,
        .hear_names = sw_hear_names,
        .starts = sw_starts,
        .held = sw_held,
        .accepted = sw_accepted,
        .has_room = sw_on_has_room,
};

static void on_resolvers_changed(void *userdata) {
        Manager *m = userdata;
        uint64_t list;
        const unsigned n = resolvers_count(m->resolvers, &list);

        feed_set_resolvers(m->feed, list, n);
}

static void feed_on_snapshot(Feed *feed, void *userdata) {
        Manager *m = userdata;

        for (const NameEntry *e = m->directory.by_name; e; e = e->hh.next)
                if (e == &e->identity->names[0])
                        feed_set_names(feed, e->identity);
        for (App *app = m->apps; app; app = app->hh.next)
                if (app->dns_udp >= 0)
                        app_tell_feed(app, feed);
        host_names_tell(m->host_names, feed);
        on_resolvers_changed(m);
}

static int feed_on_connect(uint64_t list, unsigned server, bool stream, void *userdata) {
        Manager *m = userdata;

        return resolvers_connect(m->resolvers, list, server, stream);
}

static const FeedHooks feed_hooks = {
        .snapshot = feed_on_snapshot,
        .resolved = permitted_hear,
        .connect = feed_on_connect,
};

/* What the descriptor store gave back. Those that are not taken are closed and dropped from it. */
typedef struct Stored {
        int n;
        char **names; /* NULL: taken */
} Stored;

static int stored_take(Stored *s, const char *name) {
        for (int i = 0; i < s->n; i++)
                if (s->names[i] && strcmp(s->names[i], name) == 0) {
                        free(s->names[i]);
                        s->names[i] = NULL;
                        return SD_LISTEN_FDS_START + i;
                }
        return -EBADF;
}

static FdQueue stored_take_queue(Stored *s, const char *name) {
        int a = stored_take(s, name), b = stored_take(s, name);

        return fd_queue_restore(a, b);
}

static int stored_take_number(Stored *s, const char *what, uint64_t number) {
        char name[64];

        (void) snprintf(name, sizeof(name), "%s-%" PRIx64, what, number);
        return stored_take(s, name);
}

static void stored_done(Stored *s) {
        for (int i = 0; i < s->n; i++) {
                if (!s->names[i])
                        continue;
                (void) fd_store_remove(s->names[i]);
                safe_close(SD_LISTEN_FDS_START + i);
                free(s->names[i]);
        }
        free(s->names);
        *s = (Stored){};
}

static void restore_app(Manager *m, Stored *stored, const char *id) {
        _cleanup_(app_record_done) AppRecord record = {};
        int listeners[APP_FILTERS_MAX], sockets[_NETWORK_SOCKET_MAX], r;

        r = app_record_load(m->state_dir, id, &record);
        if (r >= 0) {
                m->next_number = MAX2(m->next_number, record.number + 1);
                for (size_t i = 0; i < record.n_filters; i++) {
                        m->next_number = MAX2(m->next_number, record.filters[i] + 1);
                        listeners[i] = stored_take_number(stored, "app", record.filters[i]);
                }
                for (NetworkSocket i = 0; i < _NETWORK_SOCKET_MAX; i++)
                        sockets[i] = stored_take_number(stored, network_socket_to_string(i), record.number);
                if ((record.service || listeners[0] >= 0) && sockets[NETWORK_DNS_UDP] >= 0 && sockets[NETWORK_DNS_TCP] >= 0)
                        r = app_restore(m, id, listeners, sockets);
                else
                        r = -ESRCH; /* it ended while no daemon was there */
                if (r < 0) {
                        for (size_t i = 0; i < record.n_filters; i++)
                                safe_close(listeners[i]);
                        for (NetworkSocket i = 0; i < _NETWORK_SOCKET_MAX; i++)
                                safe_close(sockets[i]);
                }
        }
        if (r >= 0)
                return;
        if (r != -ESRCH)
                (void) app_log(LOG_WARNING, r, id, MESSAGE_APP_LOST, "Failed to take back app %s, ignoring: %m", id);
        permitted_remove(m, record.number);
        (void) unlinkat(m->state_dir, id, 0);
}

static int restore_apps(Manager *m, Stored *stored) {
        struct dirent *entry;
        DIR *dir;
        int fd;

        fd = openat(m->state_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir) {
                safe_close(fd);
                return -ENOMEM;
        }
        while ((entry = readdir(dir))) {
                size_t l = strlen(entry->d_name);

                if (entry->d_name[0] == '.')
                        continue;
                /* Written by half when the daemon was killed (write_file_atomic()). */
                if (l > 4 && strcmp(entry->d_name + l - 4, ".new") == 0)
                        (void) unlinkat(m->state_dir, entry->d_name, 0);
                else
                        restore_app(m, stored, entry->d_name);
        }
        (void) closedir(dir);
        return 0;
}

static Trap *find_trap(uint64_t number, void *userdata) {
        return switch_find_trap(userdata, number);
}

/* Before the apps, which ask for them. */
static void restore_host_ports(Manager *m, Stored *stored) {
        for (int i = 0; i < stored->n; i++)
                if (stored->names[i] && exposures_keep(m->exposures, stored->names[i], SD_LISTEN_FDS_START + i) >= 0) {
                        free(stored->names[i]);
                        stored->names[i] = NULL;
                }
}

/* What apps listen on, and then what waits there. */
static void restore_listeners(Manager *m, Stored *stored) {
        for (int i = 0; i < stored->n; i++) {
                int r;

                r = stored->names[i] ? listener_restore(stored->names[i], SD_LISTEN_FDS_START + i, find_trap, &m->sw) : 0;
                if (r >= 0) {
                        free(stored->names[i]);
                        stored->names[i] = NULL;
                }
        }
        for (App *app = m->apps; app; app = app->hh.next) {
                char spool[PENDING_FD_NAME_MAX], held[STARTER_FD_NAME_MAX];

                pending_fd_name(app->trap, spool);
                pending_restore(app->trap, stored_take_queue(stored, spool));
                trap_flush_listeners(app->trap);
                starter_fd_name(app, held);
                idle_resume(app);
                starter_restore(app, stored_take_queue(stored, held));
        }
}

/* The key of socket names is of this boot, as the sockets are. */
static int load_key(Manager *m) {
        uint8_t key[SOCKET_NAME_KEY_SIZE];
        _cleanup_close_ int fd = -EBADF;

        fd = openat(m->state_dir, ".key", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        if (read(fd, key, sizeof(key)) != sizeof(key)) {
                if (getrandom(key, sizeof(key), 0) != sizeof(key))
                        return -EIO;
                if (ftruncate(fd, 0) < 0 || pwrite(fd, key, sizeof(key), 0) != sizeof(key))
                        return -errno;
        }
        socket_name_set_key(key);
        return 0;
}

static int restore(Manager *m) {
        Stored stored = {};
        int r = 0;

        stored.n = sd_listen_fds_with_names(true, &stored.names);
        if (stored.n < 0)
                return stored.n;
        for (int i = 0; r >= 0 && i < stored.n; i++)
                r = fd_store_restored(stored.names[i]);
        if (r >= 0)
                r = switch_init(&m->sw, m->event, &m->directory, stored_take(&stored, SWITCH_CALLS_FD_NAME),
                                stored_take_queue(&stored, DELIVERY_FD_NAME), &switch_hooks, m);
        if (r >= 0)
                r = guarding_new(m, stored_take(&stored, GUARD_FD_NAME), &m->guarding);
        if (r >= 0) {
                m->sw.listeners_per_trap_max = m->config.listeners_per_app_max;
                m->sw.exit = m->config.exit;
                restore_host_ports(m, &stored);
                r = restore_apps(m, &stored);
        }
        if (r >= 0) {
                restore_listeners(m, &stored);
                exposures_resume(m->exposures);
        }
        if (r >= 0) {
                const int udp = stored_take(&stored, HOST_NAMES_UDP_FD_NAME), tcp = stored_take(&stored, HOST_NAMES_TCP_FD_NAME);

                r = host_names_new(m, udp, tcp, &m->host_names);
        }
        if (r >= 0)
                r = unit_door_new(m, stored_take(&stored, UNIT_DOOR_FD_NAME), &m->unit_door);
        if (r >= 0)
                r = unit_watch_new(m, &m->unit_watch);
        stored_done(&stored);
        return r;
}

/* What cannot be found out is the host's own: that can be had otherwise. */
static bool is_of_host(const Address *a, void *userdata) {
        Manager *m = userdata;
        int r;

        r = m->host_routes ? host_routes_is_local(m->host_routes, a) : -EOPNOTSUPP;
        return r != 0;
}

/* Without its routes the host is on the safe side, and nothing else works less. */
static void ask_host(Manager *m) {
        int r;

        r = host_routes_new(&m->host_routes);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to ask for routes, so that no app gets out by its Egress=, ignoring: %m");
        m->directory.is_of_host = is_of_host;
        m->directory.host_userdata = m;
}

int manager_new(sd_event *event, sd_bus *bus, Manager **ret) {
        _cleanup_(manager_freep) Manager *m = NULL;
        int r;

        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->state_dir = -EBADF;
        m->next_number = 1;
        m->event = sd_event_ref(event);
        m->bus = sd_bus_ref(bus);

        r = config_init(&m->config);
        if (r >= 0)
                r = config_load(&m->config, "");
        if (r < 0)
                return r;
        log_set_max_level(m->config.log_level);
        directory_init(&m->directory, &m->config.pool4, &m->config.pool6);
        m->directory.strategy = m->config.strategy;
        m->directory.names_per_user_max = m->config.names_per_user_max;
        /* So that it does not begin the same each time, and what the name service still has of an earlier daemon is not
         * mistaken for ours. */
        if (getrandom(&m->directory.random, sizeof(m->directory.random), 0) < 0 ||
            getrandom(&m->directory.n_identities, sizeof(m->directory.n_identities), 0) < 0)
                return log_error_errno(-errno, "Failed to get random numbers: %m");

        if (mkdir(STATE_DIRECTORY, 0700) < 0 && errno != EEXIST)
                return log_error_errno(-errno, "Failed to make " STATE_DIRECTORY ": %m");
        m->state_dir = open(STATE_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (m->state_dir < 0)
                return log_error_errno(-errno, "Failed to open " STATE_DIRECTORY ": %m");

        m->service_table = (ServiceTable){ .on_change = on_services_changed, .userdata = m };
        r = census_new(m, &m->census);
        if (r >= 0)
                r = idle_new(m, &m->idle);
        if (r >= 0)
                r = load_new(m, &m->load);
        if (r >= 0)
                r = exposures_new(m, &m->exposures);
        if (r < 0)
                return r;
        r = load_key(m);
        if (r < 0)
                return log_error_errno(r, "Failed to load the key of socket names: %m");
        r = scopes_new(bus, &m->scopes);
        if (r < 0)
                return log_error_errno(r, "Failed to subscribe to the service manager: %m");
        r = app_watch_owners(m);
        if (r < 0)
                return log_error_errno(r, "Failed to watch the bus for callers that leave it: %m");
        r = main_pids_watch(m);
        if (r < 0)
                return log_error_errno(r, "Failed to watch the main processes of units: %m");
        r = policy_start(m);
        if (r < 0)
                return log_error_errno(r, "Failed to load the policy: %m");
        ask_host(m);
        r = restore(m);
        if (r < 0)
                return log_error_errno(r, "Failed to take back the apps: %m");
        r = services_load(m);
        if (r < 0)
                return log_error_errno(r, "Failed to load the virtual services: %m");
        r = resolvers_new(event, bus, &m->config.dns_forward, on_resolvers_changed, m, &m->resolvers);
        if (r < 0)
                return r;
        r = feed_new(event, &m->config, &feed_hooks, m, &m->feed);
        if (r < 0)
                return r;
        switch_resume(&m->sw);
        *ret = TAKE_PTR(m);
        return 0;
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        services_done(m);
        m->hooks = (ManagerHooks){};
        m->feed = feed_free(m->feed);
        m->host_names = host_names_free(m->host_names);
        m->resolvers = resolvers_free(m->resolvers);
        m->census = census_free(m->census);
        connections_cut_abandon(m);
        switch_leave(&m->sw);
        /* Before the apps: who asked for one that is being made is told nothing any more. */
        m->unit_door = unit_door_free(m->unit_door);
        m->unit_watch = unit_watch_free(m->unit_watch);
        while (m->apps)
                app_free(m->apps);
        m->exposures = exposures_free(m->exposures);
        m->guarding = guarding_free(m->guarding);
        if (m->sw.calls)
                switch_done(&m->sw);
        fence_done(m);
        service_table_done(&m->service_table);
        m->load = load_free(m->load);
        m->idle = idle_free(m->idle);
        directory_done(&m->directory);
        sd_bus_slot_unref(m->owners);
        sd_bus_slot_unref(m->main_pids);
        host_routes_free(m->host_routes);
        scopes_free(m->scopes);
        safe_close(m->state_dir);
        config_done(&m->config);
        sd_bus_unref(m->bus);
        sd_event_unref(m->event);
        free(m);
        return NULL;
}

void manager_retire(Manager *m) {
        if (m->host_names)
                feed_remove_host(m->feed);
        host_names_withdraw(m->host_names);
}

int manager_reload(Manager *m, char **ret_message) {
        _cleanup_free_ char *policy_message = NULL;
        int r, policy_r;

        *ret_message = NULL;
        policy_r = policy_load(m, &policy_message);
        r = services_reload(m);
        if (r > 0 && asprintf(ret_message,
                              "%i files of virtual services are wrong, and the services are what they were; the journal says what is wrong",
                              r) < 0) {
                *ret_message = NULL;
                return -ENOMEM;
        }
        /* Of both, what is wrong with the policy is the worse. */
        if (policy_r < 0) {
                free(*ret_message);
                *ret_message = TAKE_PTR(policy_message);
                return policy_r;
        }
        return r > 0 ? -EBADMSG : r;
}

App *manager_find_app(Manager *m, const char *id) {
        App *app;

        HASH_FIND_STR(m->apps, id, app);
        return app;
}

App *manager_find_unit(Manager *m, const char *unit) {
        App *app;

        HASH_FIND(hh_unit, m->apps_by_unit, unit, strlen(unit), app);
        return app;
}

App *manager_find_pid(Manager *m, pid_t pid) {
        char path[64];
        struct stat st;

        (void) snprintf(path, sizeof(path), "/proc/%i/ns/net", pid);
        if (stat(path, &st) < 0)
                return NULL;
        for (App *app = m->apps; app; app = app->hh.next)
                if (app->netns == st.st_ino)
                        return app;
        return NULL;
}

unsigned manager_count_apps(Manager *m, uid_t uid) {
        unsigned n = 0;

        for (App *app = m->apps; app; app = app->hh.next)
                n += app->owner_uid == uid;
        return n;
}
