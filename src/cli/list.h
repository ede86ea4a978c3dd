/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* ax list KIND: one function, one file for each kind but apps (cli/verb-list.c). */

#include <systemd/sd-bus.h>

#include "cli/cli.h"
#include "cli/table.h"

/* Each prints its list. Returns the exit status or a negative errno that was logged. */
int list_services(sd_bus *bus, const Settings *settings);
int list_names(sd_bus *bus, const Settings *settings);
int list_connections(sd_bus *bus, const Settings *settings);
int list_exposed(sd_bus *bus, const Settings *settings);

/* What the daemon calls a property, and what it is called in JSON. */
typedef struct ListKey {
        const char *property, *key;
} ListKey;

/*
 * Reads properties, a{sv}, and appends an object of those that are in `keys` to
 * the array. Returns 1, 0 at the end of what is read, -EBADMSG if one is
 * missing, -ENOMEM, or another negative errno of reading.
 */
int list_read_properties(sd_bus_message *m, const ListKey *keys, size_t n_keys, json_object *array);

/*
 * Sorts objects and prints them, as JSON or as a table, to which `add` adds
 * one. Returns as the functions above.
 */
int list_print_objects(const Settings *settings, json_object *array, int (*compare)(const void *, const void *), Table *t,
                       int (*add)(Table *t, json_object *object), const char *noun);

/* Prints a table with `n` rows, in the pager, and says how many there are of what `noun` is one of. */
void list_print_table(const Settings *settings, const Table *t, size_t n, const char *noun);
