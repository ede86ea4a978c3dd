/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What an app has in the descriptor store, by names with its number: it is how it lives through a restart of the daemon. */

#include "core/app.h"

/* The name of a socket there, to which the app's number is added. */
const char *network_socket_to_string(NetworkSocket which);

/* Stores a descriptor of the app, which stays the caller's; that it cannot be done is logged. */
void app_store_fd(const App *app, const char *what, int fd, bool poll_it);
void app_unstore_fd(const App *app, const char *what);

/* Stores the sockets of its network namespace. */
void app_store_sockets(const App *app);

/* Filters are known by their numbers: of a service there are several, of a scope it is the app's own. Returns 0 or a negative errno. */
int app_store_filter(uint64_t number, int listener);
void app_unstore_filter(uint64_t number);
