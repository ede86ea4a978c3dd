/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is written down of an app in /run/appswitch/apps/ID, so that a new
 * daemon knows it: lines of KEY=value, values with C escapes for what is not
 * printable (as in systemd's own state files).
 */

#include "core/app.h"

typedef struct AppRecord {
        uint64_t number;
        char **names;
        Address addresses[IDENTITY_ADDRESSES_MAX];
        size_t n_addresses;
        Tags tags;
        uid_t uid, owner_uid, identity_owner;
        char *unit, *owner;
        char **argv;
        size_t n_argv;
        pid_t leader;
        uint64_t leader_start;
        uint64_t timestamp, netns;
        Shortcut shortcut;
        uint16_t starts[PARTY_STARTS_MAX];
        size_t n_starts;
        bool service, shared, listened4, listened6, stopping;
        uint64_t stop_when_idle;
        uint64_t filters[APP_FILTERS_MAX]; /* their numbers; of a scope its own alone */
        size_t n_filters;
        Strategy strategy; /* _STRATEGY_INVALID: it says none */
        unsigned weight;   /* 0: it says none */
        bool draining;
        Expose *exposes;
        size_t n_exposes;
        Networks expose_from;
        Egress egress;
} AppRecord;

void app_record_done(AppRecord *record);

/* Writes, or replaces, the file. Returns 0 or a negative errno. */
int app_record_save(const App *app);

/* Reads it. Returns 0, -EBADMSG if it is damaged, or another negative errno. */
int app_record_load(int dirfd, const char *id, AppRecord *ret);

void app_record_remove(const App *app);
