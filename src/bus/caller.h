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

/*
 * Asks polkit whether the sender may do `action`; root may without asking.
 * `size` is what the caller made us keep until then, in bytes. `details` are
 * pairs of keys and values, ended with NULL. If he may not, the
 * message is answered with an error: AccessDenied, or
 * InteractiveAuthorizationRequired if he might with a password but did not
 * allow to be asked for one; and LimitReached if too many of his calls wait
 * for an answer already. Without polkit nobody but root may. Parameters
 * and return value else as for caller_identify().
 */
int caller_authorize(sd_bus_message *m, const Caller *caller, const char *action, size_t size,
                     const char *const *details, CallerCallback callback, void *userdata, sd_bus_destroy_t destroy);
