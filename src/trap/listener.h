/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The listening sockets of apps. They are the apps' own, and stay so: nothing
 * stands in for them, and no descriptor of them is kept here, for with it a
 * listener would outlive its app's close(2). What is kept is an epoll(7) set
 * with the socket in it: a set does not hold what is in it, and tells whether it
 * is still there. Sets lie in the descriptor store under a name that says the
 * rest, so that a new daemon knows who listens.
 */

#include "trap/call.h"

/*
 * Finds the listener that the socket of a call is, or begins one: of the app in
 * whose namespace it is, which need not be the caller. Returns 0; -ENOBUFS if
 * the app has too many; -EXDEV if there is no such app; or another negative
 * errno.
 */
int listener_get(Call *call, Listener **ret);

/* One that is known already, or NULL. */
Listener *listener_find(const Call *call);

/* Does what listen(2) does, for the socket of the call. Returns the same, or a negative errno of listen(2). */
int listener_listen(Call *call, int backlog);

/*
 * Begins a listener that an earlier daemon knew, from its name in the
 * descriptor store, for the trap that `find` finds by number; takes `watch` on
 * success. Returns 0; -EINVAL if the name is none of a listener; -ESRCH if
 * there is no such trap; or another negative errno.
 */
int listener_restore(const char *name, int watch, Trap *(*find)(uint64_t number, void *userdata), void *userdata);

/* Forgets it: accepts that wait fail as after shutdown(2). */
Listener *listener_free(Listener *listener);

/* The same, and the owner is told. */
void listener_withdraw(Listener *listener);

/* Whether it has been closed or shut down. */
bool listener_is_gone(const Listener *listener);

/* Keeps a copy of the socket (taken) for as long as accepts wait, and is told when a connection is there. */
void listener_wait(Listener *listener, int fd);
void listener_stop_waiting(Listener *listener);

/*
 * Lets go of accepts whose callers are gone, of a few dozen at most, up to the first that is not: one is enough to say
 * that the listener is not closed.
 */
void listener_sweep(Listener *listener);

/* Forgets those listeners of the trap that are closed. */
void trap_flush_listeners(Trap *trap);

/* The same for all listeners of the trap. */
void trap_sweep_listeners(Trap *trap);

/* Of the switch, for its beginning and its end. Returns 0 or a negative errno. */
int listeners_init(Switch *sw);
void listeners_done(Switch *sw);
