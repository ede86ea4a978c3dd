/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The file descriptor store of the service manager (sd_notify(3),
 * FDSTORE=1): what is in it survives a restart and a crash of the daemon and
 * is handed back by sd_listen_fds_with_names(3). Without a service manager
 * these functions do nothing.
 */

#include "basic/macro.h"

/*
 * The names come back in one environment variable, and execve(2) takes none
 * that is longer than 128 KiB: with more, the daemon could not be started any
 * more. So what does not fit is not stored, and part of the room is only for
 * what must not be missing.
 */
enum {
        FD_STORE_NAMES_MAX = 127 * 1024,
        FD_STORE_NAMES_SPARE_MAX = 80 * 1024,
};

/* Counts what came back from the store. Returns 0 or -ENOMEM. */
int fd_store_restored(const char *name);

/*
 * Stores a copy under a name (up to 255 characters, no colon). With `poll`
 * the manager drops it by itself when it reports HUP or an error. Returns 0 or
 * a negative errno: -ENOSPC if there is no room for the name.
 */
int fd_store_add(const char *name, int fd, bool poll);

/* Stores several under one name, all or none, without `poll`. Returns 0 or a negative errno. */
int fd_store_add_many(const char *name, const int *fds, size_t n);

/* As fd_store_add() without `poll`, of what the daemon could do without. */
int fd_store_add_spare(const char *name, int fd);

/* Drops all descriptors of this name. Returns 0 or a negative errno. */
int fd_store_remove(const char *name);
