/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <string.h>

#include "basic/clock.h"
#include "basic/errand.h"
#include "basic/log.h"
#include "basic/text.h"
#include "core/unit-watch.h"
#include "model/journal.h"
#include "unit/drop-in.h"

#define SYSTEMD "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"
#define SUFFIX ".service"

/* How long a reload that brought no drop-in for a unit is not tried again for it. */
#define RELOAD_AGAIN_USEC (10 * USEC_PER_SEC)

enum {
        NAMES_MAX = 8192,   /* units that are to be looked at */
};

/* What the thread is to look at, and what it has found. */
typedef struct Job {
        char **loaded;   /* names of units */
        char **unfenced; /* of these, those that have a section and no drop-in */
} Job;

struct UnitWatch {
        Manager *manager;
        sd_bus_slot *unit_new, *reload;
        sd_bus_slot *units; /* which units run */
        char **asked;       /* of these that are to be stopped if they do */
        char **unfenced;    /* and those of the next question */
        Errand *errand;
        char **loaded;        /* for the next job */
        char **tried;         /* units that were loaded without a drop-in, before the last reload */
        uint64_t tried_since; /* CLOCK_MONOTONIC, µs */
};

static void job_free(void *userdata) {
        Job *job = userdata;

        strv_free(job->loaded);
        strv_free(job->unfenced);
        free(job);
}

/* Appends those that are to be apps and have no drop-in. */
static void find_unfenced(UnitCatalog *catalog, char **names, char ***ret) {
        for (; names && *names; names++) {
                const char *name = unit_catalog_real_name(catalog, *names);

                if (unit_catalog_has_section(catalog, name, UNIT_SECTION) && !drop_in_is_there(name) &&
                    !strv_contains(*ret, name))
                        (void) strv_append(ret, name);
        }
}

static void job_run(void *userdata) {
        _cleanup_(unit_catalog_freep) UnitCatalog *catalog = NULL;
        Job *job = userdata;
        int r;

        r = unit_catalog_new("", &catalog);
        if (r < 0) {
                (void) log_warning_errno(r, "Failed to look at unit files, ignoring: %m");
                return;
        }
        find_unfenced(catalog, job->loaded, &job->unfenced);
}

static int reload_on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        UnitWatch *w = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(reply);

        w->reload = sd_bus_slot_unref(w->reload);
        if (e)
                log_warning("Failed to have the service manager read unit files again: %s", e->message);
        return 0;
}

static void reload(UnitWatch *w) {
        int r;

        if (w->reload)
                return;
        r = sd_bus_call_method_async(w->manager->bus, &w->reload, SYSTEMD, "Reload", reload_on_reply, w, "");
        if (r < 0)
                (void) log_warning_errno(r, "Failed to have the service manager read unit files again: %m");
}

/* What it has started is not fenced. It is stopped so that nothing starts it again, and killed before, as that can take its time. */
static void stop_unit(UnitWatch *w, const char *unit) {
        (void) unit_log(LOG_ERR, 0, unit, MESSAGE_UNIT_UNSEEN,
                        "%s was started before its section [" UNIT_SECTION "] was seen: it is killed and stopped.", unit);
        (void) sd_bus_call_method_async(w->manager->bus, NULL, SYSTEMD, "KillUnit", NULL, NULL, "ssi", unit, "all", SIGKILL);
        (void) sd_bus_call_method_async(w->manager->bus, NULL, SYSTEMD, "StopUnit", NULL, NULL, "ss", unit, "replace");
}

/* Of all units those that are to be stopped and run, or are about to. One that is an app has been started with its fence. */
static int stop_those_started(UnitWatch *w, sd_bus_message *reply) {
        const char *unit, *state;
        uint32_t job;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ssssssouso)", &unit, NULL, NULL, &state, NULL, NULL, NULL, &job, NULL,
                                                  NULL)) > 0)
                if (strv_contains(w->asked, unit) && !manager_find_unit(w->manager, unit) &&
                    (job != 0 || (strcmp(state, "inactive") != 0 && strcmp(state, "failed") != 0)))
                        stop_unit(w, unit);
        return r;
}

static void ask_for_units(UnitWatch *w);

static int units_on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        UnitWatch *w = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        int r;

        w->units = sd_bus_slot_unref(w->units);
        r = e ? -sd_bus_error_get_errno(e) : stop_those_started(w, reply);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to ask for units that are not fenced, ignoring: %m");
        ask_for_units(w);
        return 0;
}

/* To ask for one unit would be to load it, and so to come by here again. */
static void ask_for_units(UnitWatch *w) {
        int r;

        w->asked = strv_free(w->asked);
        if (!w->unfenced)
                return;
        w->asked = TAKE_PTR(w->unfenced);
        r = sd_bus_call_method_async(w->manager->bus, &w->units, SYSTEMD, "ListUnits", units_on_reply, w, "");
        if (r < 0)
                (void) log_warning_errno(r, "Failed to ask for units that are not fenced, ignoring: %m");
}

static void stop_if_started(UnitWatch *w, const char *unit) {
        if (!strv_contains(w->unfenced, unit) && strv_append(&w->unfenced, unit) >= 0 && !w->units)
                ask_for_units(w);
}

static void look(UnitWatch *w);

/* Whether there is one among them for which there was no reload of late: its drop-in may be one that never comes. */
static bool is_new(UnitWatch *w, char **units) {
        const uint64_t now = now_usec(CLOCK_MONOTONIC);
        bool found = false;

        if (now > w->tried_since + RELOAD_AGAIN_USEC || strv_length(w->tried) >= NAMES_MAX) {
                w->tried = strv_free(w->tried);
                w->tried_since = now;
        }
        for (; units && *units; units++)
                if (!strv_contains(w->tried, *units) && strv_append(&w->tried, *units) >= 0)
                        found = true;
        return found;
}

static void job_done(void *userdata, void *context) {
        UnitWatch *w = context;
        Job *job = userdata;

        w->errand = NULL;
        for (char **unit = job->unfenced; unit && *unit; unit++)
                stop_if_started(w, *unit);
        if (is_new(w, job->unfenced))
                reload(w);
        look(w);
}

/* Starts the thread, if there is something to be looked at and it is not under way. */
static void look(UnitWatch *w) {
        static const ErrandType type = { .run = job_run, .done = job_done, .free = job_free, .uncounted = true };
        Job *job;
        int r;

        if (w->errand || !w->loaded)
                return;
        job = calloc(1, sizeof(*job));
        if (!job)
                return;
        job->loaded = TAKE_PTR(w->loaded);
        r = errand_start(w->manager->event, &type, job, w, &w->errand);
        if (r < 0) {
                (void) log_warning_errno(r, "Failed to look at unit files, ignoring: %m");
                job_free(job);
        }
}

static bool ends_with(const char *s, const char *end) {
        const size_t l = strlen(s), e = strlen(end);

        return l > e && strcmp(s + l - e, end) == 0;
}

static void take_name(UnitWatch *w, char ***names, const char *name) {
        if (strv_contains(*names, name))
                return;
        if (strv_length(*names) >= NAMES_MAX || strv_append(names, name) < 0)
                log_warning("%s: too many units at once to see whether it is fenced.", name);
}

static int on_unit_new(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        UnitWatch *w = userdata;
        const char *unit;

        if (sd_bus_message_read(message, "so", &unit, NULL) < 0 || !ends_with(unit, SUFFIX))
                return 0;
        take_name(w, &w->loaded, unit);
        look(w);
        return 0;
}

int unit_watch_new(Manager *m, UnitWatch **ret) {
        _cleanup_(unit_watch_freep) UnitWatch *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        w->manager = m;
        r = sd_bus_match_signal_async(m->bus, &w->unit_new, SYSTEMD, "UnitNew", on_unit_new, NULL, w);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

UnitWatch *unit_watch_free(UnitWatch *w) {
        if (!w)
                return NULL;
        errand_abandon(w->errand);
        sd_bus_slot_unref(w->unit_new);
        sd_bus_slot_unref(w->reload);
        sd_bus_slot_unref(w->units);
        strv_free(w->asked);
        strv_free(w->unfenced);
        strv_free(w->loaded);
        strv_free(w->tried);
        free(w);
        return NULL;
}
