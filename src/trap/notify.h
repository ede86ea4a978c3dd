/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The kernel's side of a trap: seccomp user notification (seccomp_unotify(2)).
 * libseccomp has no call for ADDFD, so all of it is plain ioctls here.
 */

#include <linux/seccomp.h>
#include "basic/macro.h"

/* Checks that the kernel has notifications, and that its structures fit ours. Returns 0 or a negative errno. */
int notify_check_kernel(void);

/*
 * Asks for synchronous wake-ups (since Linux 6.6), which spare most of the
 * time of a trap by keeping both sides on one CPU. Older kernels go without.
 */
void notify_set_flags(int listener);

/*
 * Receives a notification into zeroed memory. Returns 0; -ENOENT if the caller
 * went away meanwhile; -EAGAIN if there is none; or another negative errno.
 */
int notify_receive(int listener, struct seccomp_notif *n);

/* Whether the caller still waits in this very call. */
bool notify_is_valid(int listener, uint64_t id);

/* Lets the call return `value`, or fail with `error` (a negative errno). Returns 0 or a negative errno: -ENOENT if the caller does not wait any more. */
int notify_reply(int listener, uint64_t id, int64_t value, int error);

/* Lets the kernel carry the call out as if it had not been trapped. Returns as notify_reply(). */
int notify_continue(int listener, uint64_t id);

/*
 * Puts `fd` over the caller's descriptor `target`. Returns the number or a
 * negative errno.
 */
int notify_replace_fd(int listener, uint64_t id, int fd, int target, bool cloexec);

/*
 * Gives the caller a new descriptor and lets the call return its number, in
 * one step (SECCOMP_ADDFD_FLAG_SEND, since Linux 5.14). Returns the number or
 * a negative errno: -ENOENT if the caller does not wait any more, -EMFILE if
 * its table is full; then nothing happened.
 */
int notify_answer_with_fd(int listener, uint64_t id, int fd, bool cloexec);
