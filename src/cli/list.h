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

/* Prints a table with `n` rows, in the pager, and says how many there are of what `noun` is one of. */
void list_print_table(const Settings *settings, const Table *t, size_t n, const char *noun);
