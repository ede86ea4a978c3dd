/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "basic/fd-store.h"

static int add(const char *name, const int *fds, size_t n, bool poll) {
        char state[320];
        int r;

        (void) snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s%s", name, poll ? "" : "\nFDPOLL=0");
        r = sd_pid_notify_with_fds(0, 0, state, fds, (unsigned) n);
        return r < 0 ? r : 0;
}

int fd_store_add(const char *name, int fd, bool poll) {
        return add(name, &fd, 1, poll);
}

int fd_store_add_many(const char *name, const int *fds, size_t n) {
        return add(name, fds, n, false);
}

int fd_store_remove(const char *name) {
        char state[320];
        int r;

        (void) snprintf(state, sizeof(state), "FDSTOREREMOVE=1\nFDNAME=%s", name);
        r = sd_notify(0, state);
        return r < 0 ? r : 0;
}
