/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who holds a socket: looks through the descriptors of processes (proc(5),
 * /proc/PID/fd). For a thread that nobody waits for (basic/errand.h), as there
 * can be any number of them.
 */

#include <sys/types.h>
#include "basic/macro.h"

/* At most so many descriptors are looked at in one search. */
enum { HOLDERS_FDS_MAX = 4000000 };

/* Whose processes are looked at. */
typedef struct HoldersApp {
        char *unit;
        uint64_t number;
} HoldersApp;

/* By unit, as holders_search() wants them. */
void holders_sort(HoldersApp *apps, size_t n);

/*
 * A copy of a descriptor of a process, if it still is that of the socket with
 * this inode. Returns it or a negative errno.
 */
int holders_copy(pid_t pid, int number, uint32_t inode);

/*
 * Calls `found` for each descriptor of a socket that is one of the inodes
 * (sorted, `n` of them) with its index there, and goes on for as long as that
 * returns true. With `others` the processes that belong to no app of `apps` are
 * looked at, instead of theirs; `app` is 0 for these.
 */
typedef bool (*HoldersFound)(size_t i, uint64_t app, pid_t pid, int fd, void *userdata);
void holders_search(const HoldersApp *apps, size_t n_apps, bool others, const uint32_t *inodes, size_t n,
                    HoldersFound found, void *userdata);
