/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>
#include <utlist.h>

#include "basic/log.h"
#include "launch/scope.h"

#define MANAGER "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"

/* How long the processes of an app have between SIGTERM and SIGKILL. */
#define STOP_TIMEOUT_USEC (10 * USEC_PER_SEC)

struct ScopeJob {
        Scopes *scopes;
        sd_bus_slot *call; /* StartTransientUnit, until its reply */
        char *path;        /* of the job, from then on */
        char *unit;
        ScopeCallback callback; /* NULL: abandoned */
        void *userdata;
        ScopeJob *prev, *next;
};

/* A job that ended before its reply came: remembered for as long as calls are under way. */
typedef struct EarlyResult {
        char *path, *result;
        struct EarlyResult *next;
} EarlyResult;

struct Scopes {
        sd_bus *bus;
        sd_bus_slot *match;
        ScopeJob *jobs;
        EarlyResult *early;
};

static void forget_early(Scopes *scopes) {
        EarlyResult *e, *tmp;

        LL_FOREACH_SAFE(scopes->early, e, tmp) {
                free(e->path);
                free(e->result);
                free(e);
        }
        scopes->early = NULL;
}

ScopeJob *scope_job_free(ScopeJob *job) {
        if (!job)
                return NULL;
        DL_DELETE(job->scopes->jobs, job);
        if (!job->scopes->jobs)
                forget_early(job->scopes);
        sd_bus_slot_unref(job->call);
        free(job->path);
        free(job->unit);
        free(job);
        return NULL;
}

void scope_job_abandon(ScopeJob *job) {
        if (job)
                job->callback = NULL;
}

static void job_end(ScopeJob *job, const char *result) {
        if (!job->callback) {
                /* Its process may be dead by now, and then nothing else would end it. */
                (void) scope_stop(job->scopes, job->unit);
                scope_job_free(job);
                return;
        }
        job->callback(strcmp(result, "done") == 0 ? NULL : result, job->userdata);
}

/* Nothing will tell how the job ended: it must not be waited for, and whatever it made of the unit must go. */
static void job_lose(ScopeJob *job, int error) {
        if (job->callback)
                (void) scope_stop(job->scopes, job->unit);
        job_end(job, strerror(-error));
}

static int remember_early(Scopes *scopes, const char *path, const char *result) {
        EarlyResult *early = calloc(1, sizeof(*early));

        if (!early)
                return -ENOMEM;
        LL_PREPEND(scopes->early, early);
        early->path = strdup(path);
        early->result = strdup(result);
        return early->path && early->result ? 0 : -ENOMEM;
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *path, *unit, *result;
        Scopes *scopes = userdata;
        ScopeJob *job;
        int r;

        if (sd_bus_message_read(m, "uoss", NULL, &path, &unit, &result) < 0 || !scopes->jobs)
                return 0;
        DL_FOREACH(scopes->jobs, job)
                if (job->path && strcmp(job->path, path) == 0) {
                        job_end(job, result);
                        return 0;
                }
        r = remember_early(scopes, path, result);
        if (r >= 0)
                return 0;
        DL_FOREACH(scopes->jobs, job)
                if (!job->path && job->callback && strcmp(job->unit, unit) == 0) {
                        /* It is not known to be ours, and so not stopped; without its process it ends. */
                        job->callback(strerror(-r), job->userdata);
                        break;
                }
        return 0;
}

static int on_started(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ScopeJob *job = userdata;
        EarlyResult *early;
        const char *path;
        int r;

        job->call = sd_bus_slot_unref(job->call);
        if (sd_bus_message_is_method_error(m, NULL)) {
                if (!job->callback) {
                        scope_job_free(job);
                        return 0;
                }
                job->callback(sd_bus_message_get_error(m)->message, job->userdata);
                return 0;
        }
        r = sd_bus_message_read(m, "o", &path);
        if (r < 0) {
                job_lose(job, r);
                return 0;
        }
        LL_FOREACH(job->scopes->early, early)
                if (early->path && early->result && strcmp(early->path, path) == 0) {
                        job_end(job, early->result);
                        return 0;
                }
        job->path = strdup(path);
        if (!job->path)
                job_lose(job, -ENOMEM);
        return 0;
}

int scopes_new(sd_bus *bus, Scopes **ret) {
        Scopes *scopes;
        int r;

        scopes = calloc(1, sizeof(*scopes));
        if (!scopes)
                return -ENOMEM;
        scopes->bus = sd_bus_ref(bus);
        r = sd_bus_match_signal_async(bus, &scopes->match, MANAGER, "JobRemoved", on_job_removed, NULL, scopes);
        if (r >= 0)
                r = sd_bus_call_method_async(bus, NULL, MANAGER, "Subscribe", NULL, NULL, "");
        if (r < 0) {
                scopes_free(scopes);
                return r;
        }
        *ret = scopes;
        return 0;
}

Scopes *scopes_free(Scopes *scopes) {
        if (!scopes)
                return NULL;
        while (scopes->jobs)
                scope_job_free(scopes->jobs);
        sd_bus_slot_unref(scopes->match);
        sd_bus_unref(scopes->bus);
        free(scopes);
        return NULL;
}

static int append_properties(sd_bus_message *m, const ScopeRequest *request) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)", "PIDs", "au", 1, (uint32_t) request->pid, "Slice",
                                          "s", request->slice, "Description", "s", request->description,
                                          "TimeoutStopUSec", "t", (uint64_t) STOP_TIMEOUT_USEC);
        /* When the host goes down the app goes first, and has its network until then. */
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)", "After", "as", 1, "appswitchd.service");
        /* A scope whose process is dead before it begins is a failed one, and nobody would tidy it away. */
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)", "CollectMode", "s", "inactive-or-failed");
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        return r;
}

static int job_new(Scopes *scopes, const char *unit, sd_bus_message *m, ScopeCallback callback, void *userdata, ScopeJob **ret) {
        ScopeJob *job;
        int r;

        job = calloc(1, sizeof(*job));
        if (!job)
                return -ENOMEM;
        *job = (ScopeJob){ .scopes = scopes, .callback = callback, .userdata = userdata };
        DL_APPEND(scopes->jobs, job);
        job->unit = strdup(unit);
        if (!job->unit) {
                scope_job_free(job);
                return -ENOMEM;
        }
        r = sd_bus_call_async(scopes->bus, &job->call, m, on_started, job, 0);
        if (r < 0) {
                scope_job_free(job);
                return r;
        }
        *ret = job;
        return 0;
}

int scope_start(Scopes *scopes, const ScopeRequest *request, ScopeCallback callback, void *userdata,
                ScopeJob **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(scopes->bus, &m, MANAGER, "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", request->unit, "fail");
        if (r >= 0)
                r = append_properties(m, request);
        return r < 0 ? r : job_new(scopes, request->unit, m, callback, userdata, ret);
}

static int unit_do(Scopes *scopes, const char *method, const char *unit, const char *mode, ScopeCallback callback, void *userdata,
                   ScopeJob **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(scopes->bus, &m, MANAGER, method);
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", unit, mode);
        return r < 0 ? r : job_new(scopes, unit, m, callback, userdata, ret);
}

int unit_start(Scopes *scopes, const char *unit, ScopeCallback callback, void *userdata, ScopeJob **ret) {
        return unit_do(scopes, "StartUnit", unit, "replace", callback, userdata, ret);
}

int unit_stop(Scopes *scopes, const char *unit, ScopeCallback callback, void *userdata, ScopeJob **ret) {
        return unit_do(scopes, "StopUnit", unit, "fail", callback, userdata, ret);
}

static int on_control_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        /* A unit that ended by itself meanwhile is as good. */
        if (sd_bus_message_is_method_error(m, NULL) &&
            !sd_bus_message_is_method_error(m, "org.freedesktop.systemd1.NoSuchUnit"))
                log_warning("Failed to control a scope, ignoring: %s", sd_bus_message_get_error(m)->message);
        return 0;
}

int scope_stop(Scopes *scopes, const char *unit) {
        return sd_bus_call_method_async(scopes->bus, NULL, MANAGER, "StopUnit", on_control_reply, NULL, "ss", unit,
                                        "replace");
}

int scope_kill(Scopes *scopes, const char *unit, int signal) {
        return sd_bus_call_method_async(scopes->bus, NULL, MANAGER, "KillUnit", on_control_reply, NULL, "ssi", unit,
                                        "all", signal);
}
