/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/fd.h"
#include "core/starter.h"
#include "launch/scope.h"
#include "model/journal.h"
#include "transport/dial.h"

/* After the unit has started, until it listens. That it starts in time is the service manager's affair. */
#define LISTEN_TIMEOUT_USEC (30 * USEC_PER_SEC)

typedef struct Held {
        int fd;
        uint16_t port;
} Held;

struct Starter {
        ScopeJob *job;            /* while it is being started */
        sd_event_source *timeout; /* then, while it does not listen */
        Held *held;
        size_t n_held;
};

/* Those of a port, or of all (0). */
static void drop(Starter *s, uint16_t port, bool let_go) {
        size_t n = 0;

        for (size_t i = 0; i < s->n_held; i++) {
                const Held h = s->held[i];

                if (port != 0 && h.port != port) {
                        s->held[n++] = h;
                        continue;
                }
                if (let_go)
                        (void) dial_let_go(h.fd);
                safe_close(h.fd);
        }
        s->n_held = n;
        if (n > 0)
                return;
        free(s->held);
        s->held = NULL;
}

static void finish(Starter *s) {
        s->job = scope_job_free(s->job);
        s->timeout = sd_event_source_disable_unref(s->timeout);
}

static void fail(App *app, const char *why) {
        Starter *s = app->starter;

        app_log_warning(0, app->id, "%s: %zu connections are refused, as %s could not be started for them: %s", app->id, s->n_held,
                        app->unit, why);
        finish(s);
        drop(s, 0, true);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        fail(userdata, "it does not listen");
        return 0;
}

static void on_job(const char *error, void *userdata) {
        App *app = userdata;
        Starter *s = app->starter;

        s->job = scope_job_free(s->job);
        if (error)
                fail(app, error);
        else if (s->n_held > 0 &&
                 sd_event_add_time_relative(app->manager->event, &s->timeout, CLOCK_MONOTONIC, LISTEN_TIMEOUT_USEC, 0, on_timeout, app) < 0)
                fail(app, "out of memory");
}

int starter_start(App *app) {
        if (!app->starter)
                app->starter = calloc(1, sizeof(Starter));
        if (!app->starter)
                return -ENOMEM;
        if (app->starter->n_held >= STARTER_HELD_MAX)
                return -EBUSY;
        if (app->starter->job || app->starter->timeout)
                return 0;
        return unit_start(app->manager->scopes, app->unit, on_job, app, &app->starter->job);
}

void starter_hold(App *app, uint16_t port, int fd) {
        Starter *s = app->starter;
        Held *grown = s ? reallocarray(s->held, s->n_held + 1, sizeof(*grown)) : NULL;

        if (!grown) {
                safe_close(fd);
                return;
        }
        s->held = grown;
        grown[s->n_held++] = (Held){ fd, port };
}

void starter_listens(App *app, uint16_t port) {
        Starter *s = app->starter;

        if (!s || s->n_held == 0)
                return;
        drop(s, port, false);
        if (s->n_held == 0)
                s->timeout = sd_event_source_disable_unref(s->timeout);
}

void starter_ended(App *app) {
        if (app->starter && app->starter->timeout)
                fail(app, "it ended");
}

Starter *starter_free(Starter *s, bool leaving) {
        if (!s)
                return NULL;
        finish(s);
        drop(s, 0, !leaving);
        free(s);
        return NULL;
}
