/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Units of one app (JoinsNamespaceOf=, systemd.unit(5)). The service manager
 * has only one network namespace for those that join, so they are one app: that
 * of the unit that joins none, or, of units that join each other, of the first
 * by name. Its settings are those of all; the others say the same, or nothing.
 */

#include "unit/file.h"

typedef struct UnitJoin {
        char *owner; /* whose app it is, with specifiers if it is a template's; NULL: its own */
        bool starts; /* that is one with StartOnConnect= */
        bool shared; /* others join its app */
} UnitJoin;

void unit_join_done(UnitJoin *join);

/*
 * Finds out whose app a unit is; `apps` are the units that are to be apps, as unit_catalog_find() has them. `shared` is not
 * its affair. Returns 0, -ENOMEM, or -EINVAL with a sentence (to be freed) about what is wrong.
 */
int unit_join_find(UnitCatalog *catalog, char *const *apps, const UnitFile *unit, UnitJoin *ret, char **ret_message);

/* Of all of `apps` those that others join, by the names in `apps`, templates included. Returns 0 or -ENOMEM. */
int unit_join_find_shared(UnitCatalog *catalog, char *const *apps, char ***ret);
