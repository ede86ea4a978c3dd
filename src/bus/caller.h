/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who called a method, and whether he may: both are asked of others, so both come later. */

#include <sys/types.h>
#include <systemd/sd-bus.h>

/* What may wait for polkit at the same time, of the calls of one user. */
enum {
        CALLER_WAITING_MAX = 256,
        CALLER_WAITING_SIZE_MAX = 32 * 1024 * 1024,
};

enum { CALLER_ACTIONS_MAX = 10 }; /* that one call may need */

typedef struct Caller {
        uid_t uid;
        pid_t pid;
} Caller;

/* Acts, or answers the message with an error. */
typedef void (*CallerCallback)(sd_bus_message *m, const Caller *caller, void *userdata);

/*
 * Asks the bus for the credentials of the sender. The callback is called once,
 * or never if the sender is gone; `userdata` is then freed by `destroy`, which
 * is called in any case, last. Returns 0 or a negative errno.
 */
int caller_identify(sd_bus_message *m, CallerCallback callback, void *userdata, sd_bus_destroy_t destroy);

/* A polkit action that a call needs. */
typedef struct CallerAction {
        const char *action;         /* a string that stays */
        const char *what;           /* "to claim the name web", for the error; or NULL */
        const char *const *details; /* pairs of keys and values, ended with NULL; or NULL */
} CallerAction;

/*
 * Asks polkit whether the sender may do all of `actions`; root may without
 * asking. `size` is what the caller made us keep until then, in bytes. If he
 * may not, the message is answered with an error: AccessDenied, or
 * InteractiveAuthorizationRequired if he might with a password but did not
 * allow to be asked for one; and LimitReached if too many of his calls wait
 * for an answer already. Without polkit nobody but root may. If the caller
 * goes away while he is asked, the question is taken back and the callback is
 * not called. Parameters and return value else as for caller_identify().
 *
 * Nobody is asked for two passwords in one call, and nobody for one if another
 * action is refused anyway: the actions come in the order of their strictness,
 * and an authentication for one stands for those behind it that want one, too.
 */
int caller_authorize_all(sd_bus_message *m, const Caller *caller, const CallerAction *actions, size_t n_actions,
                         size_t size, CallerCallback callback, void *userdata, sd_bus_destroy_t destroy);

/* The same for one action. */
int caller_authorize(sd_bus_message *m, const Caller *caller, const char *action, size_t size,
                     const char *const *details, CallerCallback callback, void *userdata, sd_bus_destroy_t destroy);
