/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Programs whose calls cannot be trapped: the filter kills what makes calls of
 * a foreign ABI (trap/filter.c), which is told better before it happens.
 */

#include <limits.h>
#include "basic/macro.h"

/*
 * Finds the program that execvpe(3) would run for `file` with this PATH (NULL:
 * none is set), and the interpreters of a script, and looks at what they are
 * for. Returns the name of the ABI ("i386") if it is a foreign one, and the
 * file in `ret_path`; else NULL, also for all that cannot be found or read: of
 * that execve(2) knows more.
 */
const char *abi_find_foreign(const char *file, const char *path, char ret_path[static PATH_MAX]);
