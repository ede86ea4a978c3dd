/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The handlers, one for each trapped call. Each ends or parks the call it is
 * given. A new one is a line here, in trap/filter.c and in the table in
 * trap/switch.c.
 */

#include "trap/call.h"

void handle_bind(Call *call);
void handle_listen(Call *call);
void handle_connect(Call *call);
void handle_accept(Call *call); /* also accept4 */
void handle_getsockname(Call *call);
void handle_getpeername(Call *call);
void handle_getsockopt(Call *call);
void handle_setsockopt(Call *call);
void handle_epoll_create(Call *call); /* also epoll_create1 */

/* Gives up a handshake that a connect waits for. */
struct Dialing *dialing_free(struct Dialing *dialing);

/* The same of a connect to the outside. */
typedef struct Outside Outside;
Outside *outside_free(Outside *outside);
