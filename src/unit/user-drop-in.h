/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The drop-in that makes a service of a user's service manager an app. That manager has no right to start anything in a
 * network namespace, so each command is run by `ax run`, in a scope of the system's: polkit decides as for that, and
 * what the user's manager would do to the command's process itself is not done to it.
 */

#include <stdio.h>
#include "unit/file.h"

/* Writes it. Returns 0, -ENOMEM, or -EINVAL with a sentence (to be freed) about what of the unit an app cannot have there. */
int user_drop_in_write(const UnitCatalog *catalog, const UnitFile *unit, FILE *f, char **ret_message);
