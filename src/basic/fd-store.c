/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <uthash.h>

#include "basic/fd-store.h"

/* A name, and how many descriptors are kept under it. */
typedef struct Kept {
        char *name;
        size_t n;
        UT_hash_handle hh;
} Kept;

static Kept *kept;
static size_t names_size; /* of all of them, in LISTEN_FDNAMES= */

static size_t size_of(const char *name, size_t n) {
        return n * (strlen(name) + 1); /* with the colon */
}

static int note(const char *name, size_t n) {
        Kept *k;

        HASH_FIND_STR(kept, name, k);
        if (!k) {
                k = calloc(1, sizeof(*k));
                if (k)
                        k->name = strdup(name);
                if (!k || !k->name) {
                        free(k);
                        return -ENOMEM;
                }
                HASH_ADD_KEYPTR(hh, kept, k->name, strlen(k->name), k);
        }
        k->n += n;
        names_size += size_of(name, n);
        return 0;
}

static void forget(const char *name, size_t n) {
        Kept *k;

        HASH_FIND_STR(kept, name, k);
        if (!k)
                return;
        n = MIN2(n, k->n);
        names_size -= size_of(name, n);
        k->n -= n;
        if (k->n > 0)
                return;
        HASH_DELETE(hh, kept, k);
        free(k->name);
        free(k);
}

int fd_store_restored(const char *name) {
        return note(name, 1);
}

static int add(const char *name, const int *fds, size_t n, bool poll, size_t max) {
        char state[320];
        int r;

        if (names_size + size_of(name, n) > max)
                return -ENOSPC;
        r = note(name, n);
        if (r < 0)
                return r;
        (void) snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s%s", name, poll ? "" : "\nFDPOLL=0");
        r = sd_pid_notify_with_fds(0, 0, state, fds, (unsigned) n);
        if (r < 0)
                forget(name, n);
        return r < 0 ? r : 0;
}

int fd_store_add(const char *name, int fd, bool poll) {
        return add(name, &fd, 1, poll, FD_STORE_NAMES_MAX);
}

int fd_store_add_many(const char *name, const int *fds, size_t n) {
        return add(name, fds, n, false, FD_STORE_NAMES_MAX);
}

int fd_store_add_spare(const char *name, int fd) {
        return add(name, &fd, 1, false, FD_STORE_NAMES_SPARE_MAX);
}

int fd_store_remove(const char *name) {
        char state[320];
        int r;

        forget(name, SIZE_MAX);
        (void) snprintf(state, sizeof(state), "FDSTOREREMOVE=1\nFDNAME=%s", name);
        r = sd_notify(0, state);
        return r < 0 ? r : 0;
}
