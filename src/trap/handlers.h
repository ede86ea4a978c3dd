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

/*
 * Puts a listener of its own over the caller's descriptor (argument 0) if that
 * is a native socket that listens: a copy of one from before listen(2). Returns
 * 0, or a negative errno if it is none; the call goes on in any case.
 */
int listen_again(Call *call);

/*
 * Gives a connection to an accept that waits already, past the queue. Returns
 * 0, or -EAGAIN if there is none. `connection` stays the caller's.
 */
int accept_hand_over(Listener *listener, int connection, const Endpoint *peer);

/*
 * Takes the next connection that the app made to itself, if the queue is
 * empty: so poll(2) tells of it, and the rest waits in the backlog of the
 * native socket, as it would without us.
 */
void accept_take_native(Listener *listener);

/* The queue has room: lets parked connects go on, as many as fit. */
void connect_serve(Listener *listener);

/* The listener is gone: parked connects look for another backend, parked accepts end. */
void connect_abandon(Listener *listener);
void accept_abandon(Listener *listener);
