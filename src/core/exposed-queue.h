/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Connections from outside that were accepted at a port of the host, while the
 * app that they are for is being started (core/starter.h). They outlive the
 * daemon. More than these wait in the kernel's queue of that port.
 */

#include "basic/fd-queue.h"
#include "model/address.h"

enum { EXPOSED_WAITING_MAX = 64 };

typedef struct ExposedQueue {
        FdQueue fds;
        unsigned n;
} ExposedQueue;

#define EXPOSED_QUEUE_NONE ((ExposedQueue) { .fds = FD_QUEUE_NONE })

/* What an earlier daemon left, in any order. Takes both. */
ExposedQueue exposed_queue_restore(int a, int b);

/* Appends; the queue is kept under `name`. Takes the descriptor on success. Returns 0 or a negative errno, -EAGAIN if there are too many. */
int exposed_queue_push(ExposedQueue *q, const char *name, int fd, const Endpoint *client);

/* Reads the client of the first one, and leaves it there. Returns 0 or -EAGAIN if there is none. */
int exposed_queue_first(const ExposedQueue *q, Endpoint *ret_client);

/* Takes the first one off. Returns it or a negative errno. */
int exposed_queue_pop(ExposedQueue *q, Endpoint *ret_client);

/* Closes our side. What is kept stays kept, until its name is dropped from the store. */
void exposed_queue_close(ExposedQueue *q);
