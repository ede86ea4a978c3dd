/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Apps of an earlier daemon, by their records and what is in the descriptor store. */

#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/start-time.h"
#include "basic/text.h"
#include "core/app-internal.h"
#include "core/exposures.h"
#include "core/fence.h"
#include "core/permitted.h"
#include "core/state.h"
#include "model/journal.h"

/* The number of a leader that ended meanwhile may be another process's by now. */
static int open_leader(pid_t leader, uint64_t start) {
        int fd;

        fd = (int) syscall(SYS_pidfd_open, leader, 0);
        if (fd >= 0 && process_start_time(leader) != start)
                return safe_close(fd);
        return fd;
}

static int app_restore_record(App *app, AppRecord *record) {
        char **argv = TAKE_PTR(record->argv);
        int r;

        record->n_argv = 0;
        app->state = APP_RUNNING;
        app->argv = argv;
        app->number = record->number;
        app->unit = TAKE_PTR(record->unit);
        app->owner = TAKE_PTR(record->owner);
        app->uid = record->uid;
        app->owner_uid = record->owner_uid;
        app->leader = record->leader;
        app->timestamp = record->timestamp;
        app->netns = record->netns;
        app->shortcut = record->shortcut;
        app->service = record->service;
        app->shared = record->shared;
        app->party.weight = record->weight;
        memcpy(app->party.starts, record->starts, sizeof(record->starts));
        app->party.n_starts = record->n_starts;
        app->party.draining = record->draining;
        app->party.stopping = record->stopping;
        app->stop_when_idle = record->stop_when_idle;
        app->party.listened4 = record->listened4;
        app->party.listened6 = record->listened6;
        app->party.tags = record->tags;
        record->tags = (Tags){};
        app->exposes = TAKE_PTR(record->exposes);
        app->n_exposes = record->n_exposes;
        app->expose_from = record->expose_from;
        record->expose_from = (Networks){};
        app->egress = record->egress;
        record->egress = (Egress){};
        app_register(app);
        app->leader_start = record->leader_start;
        app->leader_pidfd = open_leader(app->leader, app->leader_start);

        /* As root, so that the first one back makes the identity and the others join it. */
        r = directory_restore(&app->manager->directory, &app->party, &(IdentityClaim){
                .names = (const char *const *) record->names,
                .n_names = strv_length(record->names),
                .addresses = record->addresses,
                .n_addresses = record->n_addresses,
                .strategy = record->strategy,
                .owner = record->identity_owner,
        });
        if (r < 0)
                return r;
        app->party.uid = app->uid;
        permitted_restore(app);
        return fence_add(app->manager, &app->party);
}

static int restore_trap(App *app, const AppRecord *record, int *listeners) {
        int r = app_trap(app);

        for (size_t i = 0; r >= 0 && i < record->n_filters; i++) {
                if (listeners[i] < 0)
                        continue;
                r = trap_add_filter(app->trap, record->filters[i], listeners[i]);
                if (r >= 0)
                        listeners[i] = -EBADF;
        }
        return r;
}

/* It goes on without, should that not be possible any more. */
static void app_restore_exposed(App *app) {
        _cleanup_free_ char *message = NULL;
        Endpoint taken;
        int r;

        r = exposures_add(app, &taken, &message);
        if (r < 0)
                app_log_warning(0, app->id, "%s: failed to expose it again, ignoring: %s",
                                app->id, message ?: strerror(-r));
}

int app_restore(Manager *m, const char *id, int *listeners, const int sockets[static _NETWORK_SOCKET_MAX]) {
        _cleanup_(app_record_done) AppRecord record = {};
        _cleanup_(app_freep) App *app = NULL;
        int r;

        r = app_record_load(m->state_dir, id, &record);
        if (r < 0)
                return r;
        app = app_alloc(m);
        if (!app)
                return -ENOMEM;
        app->id = strdup(id);
        if (!app->id)
                return -ENOMEM;
        r = app_restore_record(app, &record);
        if (r < 0)
                return r;
        app_restore_exposed(app);
        app->dns_udp = sockets[NETWORK_DNS_UDP];
        app->dns_tcp = sockets[NETWORK_DNS_TCP];
        r = restore_trap(app, &record, listeners);
        if (r < 0) {
                app->dns_udp = app->dns_tcp = -EBADF; /* still the caller's */
                return r;
        }
        /* Nobody remembers; to look for what is not there is harmless. */
        app->trap->uses_epoll = true;
        app->trap->options_set = UINT64_MAX;
        app_answer_echo(app, sockets[NETWORK_ECHO4], sockets[NETWORK_ECHO6]);
        r = app_track_owner(app);
        if (r < 0)
                app_log_warning(r, app->id, "%s: failed to watch its caller, ignoring: %m", app->id);
        app = NULL;
        return 0;
}
