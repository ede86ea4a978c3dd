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
 * Stores a copy under a name (up to 255 characters, no colon). With `poll`
 * the manager drops it by itself when it reports HUP or an error. Returns 0 or
 * a negative errno.
 */
int fd_store_add(const char *name, int fd, bool poll);

/* Stores several under one name, all or none, without `poll`. Returns 0 or a negative errno. */
int fd_store_add_many(const char *name, const int *fds, size_t n);

/* Drops all descriptors of this name. Returns 0 or a negative errno. */
int fd_store_remove(const char *name);
