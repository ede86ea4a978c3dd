/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The files of drop-in directories in the manner of systemd: those of several
 * directories sorted by file name, and of files of one name that of the first
 * directory alone, so that an administrator can replace or mask what a package
 * brings.
 */

#include "basic/macro.h"

typedef struct ConfFiles {
        char **paths; /* sorted by file name, without `root` */
        size_t n;
} ConfFiles;

void conf_files_done(ConfFiles *files);

/*
 * Collects the files whose names end with `.conf` and do not begin with a dot,
 * below `root` ("" for the real ones); a directory that does not exist is
 * empty. Returns 0; 1 if there are more than `max`, of which those that came
 * first are given; -ENOMEM, or a negative errno of opendir(3) or readdir(3).
 * Unless it returns 0, the directory in question is in `ret_failed` (borrowed
 * from `directories`).
 */
int conf_files_list(const char *root, const char *const *directories, size_t n_directories, size_t max, ConfFiles *ret,
                    const char **ret_failed);
