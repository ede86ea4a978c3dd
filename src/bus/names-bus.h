/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names and addresses of identities: ListNames of the manager, and what other faces tell of them. */

#include "core/manager.h"

int method_list_names(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* Appends all addresses of the identity, those from the pools, too, as an array of strings. Returns 0 or a negative errno. */
int names_bus_append_addresses(sd_bus_message *reply, const Identity *identity);
