/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Ends a system call that waits though it should not: SIGALRM, again and
 * again, makes it fail with EINTR. For one thread of the process at a time, that
 * may be another one each time. Another thread looks after it every
 * DEADLINE_TICK_USEC, so that to begin and to end takes no system call; it
 * sleeps while there is nothing to look after.
 */

#include "basic/macro.h"

/* What is in its second tick is ended. */
#define DEADLINE_TICK_USEC (2 * USEC_PER_MSEC)

/* Starts the thread. Returns 0 or a negative errno of pthread_create(3) or sigaction(2). */
int deadline_init(void);

/* Not one in the other. */
void deadline_begin(void);
void deadline_end(void);

/*
 * close(2) that does not wait: not for a peer that does not read what the last
 * owner of the socket wants to see off (SO_LINGER). Returns -EBADF.
 */
int deadline_close(int fd);
