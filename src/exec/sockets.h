/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Makes TCP sockets in the namespaces of apps, for appswitchd (transport/dial.h). */

/* Serves them over the connection until it is closed, with no rights but those for it. Does not return. */
_Noreturn void sockets_serve(int connection);
