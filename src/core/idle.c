/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "basic/clock.h"
#include "core/app-internal.h"
#include "core/census.h"
#include "core/exposures.h"
#include "core/idle.h"
#include "core/starter.h"
#include "launch/scope.h"
#include "model/journal.h"
#include "trap/link.h"

/* How often it is looked, by the time that is asked for. */
#define INTERVAL_MIN_USEC (1 * USEC_PER_SEC)
#define INTERVAL_MAX_USEC (60 * USEC_PER_SEC)
enum { LOOKS_PER_TIME = 4 };

struct Idle {
        Manager *manager;
        sd_event_source *timer, *turn;
        bool wanted; /* a snapshot is on its way */
};

bool idle_matters(const App *app) {
        return app->stop_when_idle > 0 && app->state == APP_RUNNING && app->trap && app->trap->filters;
}

bool idle_looks_outside(const Manager *m) {
        for (const App *app = m->apps; app; app = app->hh.next)
                if (app->n_exposes > 0 && idle_matters(app))
                        return true;
        return false;
}

/* When it is to be looked at next. */
static uint64_t next_look(const App *app, uint64_t now) {
        const uint64_t often = MAX2(app->stop_when_idle / LOOKS_PER_TIME, INTERVAL_MIN_USEC);
        const uint64_t in_time = MAX2(app->used_at + app->stop_when_idle, now);
        const uint64_t regular = now + MIN2(often, INTERVAL_MAX_USEC);

        return MIN2(regular, in_time);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata);

static void look_at(Idle *idle, uint64_t when) {
        uint64_t set;

        if (!idle->timer)
                (void) sd_event_add_time(idle->manager->event, &idle->timer, CLOCK_MONOTONIC, when, 0, on_timer, idle);
        else if (sd_event_source_get_time(idle->timer, &set) >= 0 && when < set)
                (void) sd_event_source_set_time(idle->timer, when);
}

/* The connects that wait go on: to the app, or for it to be started again. */
static int on_turn(sd_event_source *s, void *userdata) {
        Idle *idle = userdata;

        for (App *app = idle->manager->apps; app; app = app->hh.next)
                if (app->trap)
                        connects_resume(app->trap);
        return 0;
}

static void open_again(App *app) {
        app->party.stopping = false;
        app->used_at = now_usec(CLOCK_MONOTONIC);
        app_save_record(app);
        exposures_update(app->manager->exposures, app->party.identity);
        (void) sd_event_source_set_enabled(app->manager->idle->turn, SD_EVENT_ONESHOT);
}

static void on_stopped(const char *error, void *userdata) {
        App *app = userdata;

        app->idle_job = scope_job_free(app->idle_job);
        if (error)
                app_log_debug(0, app->id, "%s: %s was not stopped: %s", app->id, app->unit, error);
        open_again(app);
        starter_go_on(app);
        if (idle_matters(app))
                look_at(app->manager->idle, next_look(app, app->used_at));
}

static void stop(App *app) {
        int r;

        app_save_record(app);
        r = unit_stop(app->manager->scopes, app->unit, on_stopped, app, &app->idle_job);
        if (r >= 0)
                return;
        app_log_warning(r, app->id, "%s: failed to stop %s, ignoring: %m", app->id, app->unit);
        open_again(app);
}

static bool is_used(const App *app, const Snapshot *snapshot) {
        if (!snapshot || snapshot->truncated || ((snapshot->without_host || app->not_counted) && app->n_exposes > 0))
                return true;
        return app->n_open > 0 || app->trap->deferred || starter_has_waiting(app);
}

static void look(App *app, const Snapshot *snapshot, uint64_t now) {
        const bool used = is_used(app, snapshot), asked = app->idle_asked;

        app->idle_asked = false;
        if (used) {
                if (app->party.stopping)
                        open_again(app);
                app->used_at = now;
        } else if (app->party.stopping && asked) {
                (void) app_log(LOG_INFO, 0, app->id, NULL, "%s: %s is stopped, as nobody was connected for %" PRIu64 " s.", app->id,
                               app->unit, app->stop_when_idle / USEC_PER_SEC);
                stop(app);
        } else if (!app->party.stopping && now >= app->used_at + app->stop_when_idle)
                app->party.stopping = true; /* for another look */
}

static void on_snapshot(Snapshot *snapshot, int error, void *userdata);

static void request(Idle *idle) {
        if (idle->wanted)
                return;
        for (App *app = idle->manager->apps; app; app = app->hh.next)
                app->idle_asked = idle_matters(app) && !app->idle_job;
        idle->wanted = census_request(idle->manager->census, CENSUS_LOAD, on_snapshot, idle) >= 0;
        if (!idle->wanted)
                look_at(idle, now_usec(CLOCK_MONOTONIC) + INTERVAL_MIN_USEC);
}

static void on_snapshot(Snapshot *snapshot, int error, void *userdata) {
        const uint64_t now = now_usec(CLOCK_MONOTONIC);
        Idle *idle = userdata;
        uint64_t next = UINT64_MAX;
        bool again = false;

        idle->wanted = false;
        if (error == -ECANCELED)
                return;
        for (App *app = idle->manager->apps; app; app = app->hh.next) {
                if (!idle_matters(app) || app->idle_job)
                        continue;
                if (app->idle_asked)
                        look(app, snapshot, now);
                if (app->party.stopping)
                        again = again || !app->idle_job;
                else
                        next = MIN2(next, next_look(app, now));
        }
        if (again)
                request(idle);
        if (next != UINT64_MAX)
                look_at(idle, next);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Idle *idle = userdata;

        idle->timer = sd_event_source_disable_unref(idle->timer);
        request(idle);
        return 0;
}

void idle_used(App *app) {
        if (app->stop_when_idle == 0)
                return;
        app->used_at = now_usec(CLOCK_MONOTONIC);
        if (app->manager->idle)
                look_at(app->manager->idle, next_look(app, app->used_at));
}

void idle_listener_ends(App *app) {
        if (app->trap->deferred && app->manager->idle)
                (void) sd_event_source_set_enabled(app->manager->idle->turn, SD_EVENT_ONESHOT);
}

void idle_resume(App *app) {
        if (app->stop_when_idle == 0)
                return;
        if (app->party.stopping)
                stop(app);
        else
                idle_used(app);
}

void idle_forget(App *app) {
        app->idle_job = scope_job_free(app->idle_job);
}

int idle_new(Manager *m, Idle **ret) {
        Idle *idle = calloc(1, sizeof(*idle));
        int r;

        if (!idle)
                return -ENOMEM;
        idle->manager = m;
        r = sd_event_add_defer(m->event, &idle->turn, on_turn, idle);
        if (r >= 0)
                r = sd_event_source_set_enabled(idle->turn, SD_EVENT_OFF);
        if (r < 0) {
                idle_free(idle);
                return r;
        }
        *ret = idle;
        return 0;
}

Idle *idle_free(Idle *idle) {
        if (!idle)
                return NULL;
        sd_event_source_disable_unref(idle->timer);
        sd_event_source_disable_unref(idle->turn);
        free(idle);
        return NULL;
}
