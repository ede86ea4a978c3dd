/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Makes TCP sockets in a namespace of its own, for appswitchd (transport/tcp-net.h). */

/* Serves them over the connection until it is closed, without rights. Does not return. */
_Noreturn void sockets_serve(int connection);
