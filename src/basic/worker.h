/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Runs what could block for ever, and waits for it for a bounded time. What is
 * late is left to itself: it works on a copy of its own, and ends when it can.
 *
 * In the normal case, in time, nothing is switched but the stack: the thread
 * that asks runs the job itself, on a stack of its own. When a job is late, a
 * thread that looks after it now and then goes on with the stack of the one
 * that asked. So whoever calls worker_run() may be in another thread when it
 * returns -ETIMEDOUT: not with a lock that belongs to a thread, not between a
 * change of rights and their return, and what is of a thread (errno) is not to be
 * expected to be as before. What late threads leave behind is never given back,
 * but used for the next ones.
 */

#include "basic/macro.h"

enum { WORKER_JOB_MAX = 2048 };

typedef struct Worker Worker;

/* Begins, with a thread that looks after jobs. Returns 0 or a negative errno of mmap(2) or pthread_create(3). */
int worker_new(Worker **ret);

/* Ends it. Returns NULL. */
Worker *worker_free(Worker *worker);

/* How many threads of the process are held up by a job that is late; the first one of the process counts for ever. */
unsigned worker_count_late(void);

/*
 * Runs `f` on a copy of the job of `size` bytes and copies the job back. Not
 * one in another. Returns 0, or -ETIMEDOUT after `timeout` µs, and some ms more:
 * `*worker` is then a new one, or NULL if none could be made (-EAGAIN at the next
 * call).
 */
int worker_run(Worker **worker, void (*f)(void *job), void *job, size_t size, uint64_t timeout);
