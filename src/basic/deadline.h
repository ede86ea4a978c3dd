/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Ends a system call that waits though it should not: SIGALRM, again and
 * again, makes it fail with EINTR. For one thread of the process, the one that
 * calls deadline_init().
 */

#include "basic/macro.h"

/* Returns 0 or a negative errno of timer_create(2). */
int deadline_init(void);

void deadline_begin(uint64_t usec);
void deadline_end(void);

/*
 * close(2) that does not wait: not for a peer that does not read what the last
 * owner of the socket wants to see off (SO_LINGER). Returns -EBADF.
 */
int deadline_close(int fd);
