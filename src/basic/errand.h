/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What takes long, or could be held up for ever, and is not waited for: a job
 * in a thread of its own. The loop is told when it is done. (basic/worker.h is
 * for what the loop does wait for.)
 *
 * The job belongs to the thread until then. Whoever does not want to wait any
 * longer abandons the errand: the thread then frees the job, whenever it comes
 * to its end, if ever.
 */

#include <stdatomic.h>
#include <systemd/sd-event.h>
#include "basic/macro.h"

/* Under way at a time, abandoned ones included: a thread that is held up for ever is not followed by many. */
enum { ERRANDS_MAX = 16 };

typedef struct Errand Errand;

typedef struct ErrandType {
        void (*run)(void *job);                   /* in the thread */
        void (*done)(void *job, void *userdata);  /* in the loop; the job is freed after it */
        void (*free)(void *job);                  /* in either */
        bool uncounted; /* no app can hold it up, and its owner has one at a time: begins however many others are under way */
        unsigned max;   /* of those that count, of this type at a time, so that there is room for others; 0: as many as of all */
        atomic_uint *n; /* with `max`: how many there are */
} ErrandType;

/*
 * Begins. Takes the job on success. The errand is gone when `done` returns.
 * Returns 0; -EBUSY if too many are under way that count; or another negative errno.
 */
int errand_start(sd_event *event, const ErrandType *type, void *job, void *userdata, Errand **ret);

/* Lets it go on alone. Always returns NULL. */
Errand *errand_abandon(Errand *errand);
