/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Runs what could block for ever in a thread, and waits for it for a bounded
 * time. A thread that is late is left to itself: what it works on is its own
 * copy, and it ends when it can.
 */

#include "basic/macro.h"

enum { WORKER_JOB_MAX = 2048 };

typedef struct Worker Worker;

/* Starts the thread. Returns 0 or a negative errno of pthread_create(3). */
int worker_new(Worker **ret);

/* Ends it, or lets it go if it is late. */
Worker *worker_free(Worker *worker);

/*
 * Runs `f` on a copy of the job of `size` bytes and copies the job back.
 * Returns 0, or -ETIMEDOUT after `timeout` µs: `*worker` is then a new one, or
 * NULL if none could be made (-EAGAIN at the next call).
 */
int worker_run(Worker **worker, void (*f)(void *job), void *job, size_t size, uint64_t timeout);
