/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where unit files are (systemd.unit(5), "Unit File Load Path"), the first one first, without what generators write. */

#include "basic/macro.h"

/*
 * For the service manager of the system, and for that of the user who calls, as the environment says. Of directories that
 * are the same below `root`, /lib and /usr/lib, only one is there. Each returns 0 with the directories, without `root` (to be
 * freed), or -ENOMEM.
 */
int search_path_system(const char *root, char ***ret);
int search_path_user(const char *root, char ***ret);
