/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sockets that are in an epoll set before connect(2) or listen(2) (nginx as a
 * proxy, Netty, Envoy). An epoll set holds files, not numbers: when another
 * file is put over the descriptor, the new one must be put into the set too,
 * or the app is never woken.
 *
 * Which sets a process has is found out in /proc/PID/fd, once and again after
 * it made new ones (epoll_create(2) is trapped to know that, and continued);
 * whether the socket is in one tells kcmp(2) in less than 1 µs; with which
 * events and data tells /proc/PID/fdinfo. The new file must go in under the
 * app's number of it: that takes a table of descriptors of one's own, so a
 * thread does it that shares nothing else to be afraid of.
 */

#include "trap/switch.h"

typedef struct EpollHelper EpollHelper;
typedef struct EpollProcess EpollProcess;

/* Starts the thread. To be called before the daemon opens much else. Returns 0 or a negative errno. */
int epoll_helper_new(EpollHelper **ret);
EpollHelper *epoll_helper_free(EpollHelper *helper);

/*
 * The call replaced the caller's descriptor (argument 0), which was `old_fd`,
 * by `new_fd`: does the same in all epoll sets that it was in. To be called
 * when the caller has the new one and still waits.
 */
void epoll_replace(Call *call, int old_fd, int new_fd);

/* Forgets what is known of the app's processes. */
void epoll_forget(Trap *trap);
