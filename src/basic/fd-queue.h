/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A queue of records with descriptors that outlives the process: it lies in a
 * pair of sockets, of which the service manager keeps both ends. A record is
 * taken off by who is done with it, and what has to be moved is there twice for
 * a moment, so that nothing is lost whenever the process is killed.
 */

#include "basic/macro.h"

enum { FD_QUEUE_FDS_MAX = 2 }; /* with each record */

typedef struct FdQueue {
        int in, out; /* or -EBADF */
} FdQueue;

#define FD_QUEUE_NONE ((FdQueue) { -EBADF, -EBADF })

/*
 * Makes one, with room for records of `room` octets as the kernel counts them
 * (0: a few), and has it kept under `name`. Returns 0 or a negative errno.
 */
int fd_queue_new(const char *name, size_t room, FdQueue *ret);

/*
 * What came back from the descriptor store: its two ends, in any order, which
 * are taken. Without one of them it is FD_QUEUE_NONE.
 */
FdQueue fd_queue_restore(int a, int b);

/* Closes it. What is kept stays kept. */
void fd_queue_close(FdQueue *q);

/* Appends. The descriptors are copied. Returns 0 or a negative errno: -EAGAIN if there is no room. */
int fd_queue_push(const FdQueue *q, const void *data, size_t size, const int *fds, size_t n_fds);

/*
 * Reads the first record, which stays where it is. It has to be of this size.
 * `fds` gets copies of its descriptors, to be closed, and -EBADF where there
 * are none; NULL: they are not wanted. Returns 0; -EAGAIN if there is none;
 * -EBADMSG; or another negative errno.
 */
int fd_queue_first(const FdQueue *q, void *data, size_t size, int fds[FD_QUEUE_FDS_MAX]);

/* Takes the first record off, if there is one. */
void fd_queue_drop(const FdQueue *q);

/* With `walk` fd_queue_first() goes on from record to record, beginning with the first, until that is ended. */
int fd_queue_walk(const FdQueue *q, bool walk);
