/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/fsuid.h>
#include <unistd.h>

#include "transport/socket-owner.h"

/* It tells what was before, whether it changes that or not. */
static bool is_set(uid_t uid) {
        return (uid_t) setfsuid((uid_t) -1) == uid;
}

int socket_owner_begin(uid_t uid) {
        (void) setfsuid(uid);
        return is_set(uid) ? 0 : -EPERM;
}

void socket_owner_end(void) {
        const uid_t uid = geteuid();

        (void) setfsuid(uid);
        if (!is_set(uid))
                abort(); /* one's own is always allowed */
}
