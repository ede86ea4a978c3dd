/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Transient scope units by D-Bus (org.freedesktop.systemd1(5)). The reply to
 * StartTransientUnit can come before the process is moved, so the end of the
 * job (JobRemoved) is waited for.
 */

#include <sys/types.h>
#include <systemd/sd-bus.h>
#include "basic/macro.h"

typedef struct Scopes Scopes;
typedef struct ScopeJob ScopeJob;

/* `error` is NULL on success, else what went wrong in words. */
typedef void (*ScopeCallback)(const char *error, void *userdata);

typedef struct ScopeRequest {
        const char *unit;
        const char *slice;
        const char *description;
        pid_t pid;
} ScopeRequest;

/* Subscribes to the signals of the service manager. Returns 0 or a negative errno. */
int scopes_new(sd_bus *bus, Scopes **ret);
Scopes *scopes_free(Scopes *scopes);

/*
 * Starts a scope around a process. The callback is called once, later, unless
 * the job is freed before. Returns 0 or a negative errno.
 */
int scope_start(Scopes *scopes, const ScopeRequest *request, ScopeCallback callback, void *userdata,
                ScopeJob **ret);
ScopeJob *scope_job_free(ScopeJob *job);

/* Starts a unit that there is already. The same otherwise; once for many is as good as once. */
int unit_start(Scopes *scopes, const char *unit, ScopeCallback callback, void *userdata, ScopeJob **ret);

/* Stops a unit, unless somebody else wants something else of it at this moment. The same otherwise. */
int unit_stop(Scopes *scopes, const char *unit, ScopeCallback callback, void *userdata, ScopeJob **ret);

/* Nobody waits for it any more: the scope is stopped as soon as it has started. The job frees itself. */
void scope_job_abandon(ScopeJob *job);

/* Asks for a scope to be stopped; its processes get SIGTERM, then SIGKILL. Returns 0 or a negative errno. */
int scope_stop(Scopes *scopes, const char *unit);

/* Sends a signal to all processes of a scope. Returns 0 or a negative errno. */
int scope_kill(Scopes *scopes, const char *unit, int signal);
