/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Unit files as the service manager puts them together (systemd.unit(5)): the
 * first one of its name in the search path, then all drop-ins for its names,
 * sorted by file name. Those that other generators write are not seen, as all
 * generators run at once.
 */

#include "basic/macro.h"

typedef struct UnitAssignment {
        char *section, *key, *value;
} UnitAssignment;

/* A service unit: all its assignments, in the order in which they count. */
typedef struct UnitFile {
        char *name;
        bool found, masked;
        bool skip_extensions; /* while a file is read of which sections [X-…] do not count */
        char *last_file; /* "last.conf": of its drop-ins the last one by its name; NULL: there are none */
        UnitAssignment *assignments;
        size_t n;
} UnitFile;

/* What there is in the search path. */
typedef struct UnitCatalog UnitCatalog;

/* Looks at the directories below `root` ("" for the real ones). Returns 0, -ENOMEM, or another negative errno. */
int unit_catalog_new(const char *root, UnitCatalog **ret);

/* The same of the caller's user manager, whose search path the environment says ($HOME, $XDG_CONFIG_HOME and so on). */
int unit_catalog_new_user(const char *root, UnitCatalog **ret);
UnitCatalog *unit_catalog_free(UnitCatalog *catalog);
DEFINE_CLEANUP(UnitCatalog *, unit_catalog_free)

/*
 * The names of all services that have the section in one of their files:
 * aliases by their real name, and with a template all instances that have
 * files of their own. If drop-ins of a prefix have it ("a-.service.d"), that
 * is one of the names ("a-.service"), besides what is known to begin so.
 * Returns 0 or -ENOMEM.
 */
int unit_catalog_find(UnitCatalog *catalog, const char *section, char ***ret);

/*
 * Whether the unit's file, its template's, or one of their drop-ins (of a prefix: those of `name` itself) has the section.
 * Not if it is masked; what cannot be read has none.
 */
bool unit_catalog_has_section(const UnitCatalog *catalog, const char *name, const char *section);

/* The name that an alias stands for, borrowed from the catalog or `name` itself. */
const char *unit_catalog_real_name(const UnitCatalog *catalog, const char *name);

/* A directory of drop-ins of all services with the section. Returns 1 with its path (to be freed), 0 if there is none, or -ENOMEM. */
int unit_catalog_find_for_all(UnitCatalog *catalog, const char *section, char **ret);

/* A socket unit that starts the service. Returns 1 with its name (to be freed), 0 if there is none, or -ENOMEM. */
int unit_catalog_find_socket(const UnitCatalog *catalog, const char *name, char **ret);

/*
 * Reads a unit. Of drop-ins of all services (service.d) sections that are not
 * systemd's own, [X-…], do not count. One that is not there is `found` false.
 * Returns 0, -ENOMEM, or a negative errno of reading.
 */
int unit_file_load(UnitCatalog *catalog, const char *name, UnitFile *ret);
/* Adds one assignment. Returns 0 or -ENOMEM. */
int unit_file_assign(UnitFile *unit, const char *section, const char *key, const char *value);

/* Adds the assignments of one file. Returns as unit_file_load(). */
int unit_file_add(UnitFile *unit, const char *path);
void unit_file_done(UnitFile *unit);

/* The last value of a key, or NULL if there is none or it was taken back by an empty one. */
const char *unit_file_get(const UnitFile *unit, const char *section, const char *key);

/* The same as a boolean (systemd.syntax(7)); what is none is false. */
bool unit_file_get_bool(const UnitFile *unit, const char *section, const char *key);

/* Whether it is a name of drop-ins for all units that begin so: "a-.service". */
bool unit_name_is_prefix(const char *name);

/* "a@.service" for "a@b.service", NULL for what is no instance (to be freed). -ENOMEM or 0. */
int unit_name_template(const char *name, char **ret);

/* Whether it is one of `names`, or its template is. Returns 1, 0 or -ENOMEM. */
int unit_name_is_among(const char *name, char *const *names);
