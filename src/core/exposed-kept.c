/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "basic/fd.h"
#include "basic/fd-store.h"
#include "core/exposed-kept.h"

struct ExposedKept {
        Endpoint at;
        int fd;         /* or -EBADF */
        int waiting[2]; /* the ends of the queue, or -EBADF */
        ExposedKept *next;
};

/* The address without the zeros it ends with. */
static void format_name(char kind, const Endpoint *at, char name[static EXPOSED_NAME_MAX]) {
        size_t n = sizeof(at->address.bytes);
        int l;

        while (n > 0 && at->address.bytes[n - 1] == 0)
                n--;
        l = snprintf(name, EXPOSED_NAME_MAX, "%c%x-%x-", kind, at->port, at->address.family);
        for (size_t i = 0; i < n; i++)
                l += snprintf(name + l, EXPOSED_NAME_MAX - (size_t) l, "%02x", at->address.bytes[i]);
}

void exposed_name(const Endpoint *at, char name[static EXPOSED_NAME_MAX]) {
        format_name('x', at, name);
}

void exposed_waiting_name(const Endpoint *at, char name[static EXPOSED_NAME_MAX]) {
        format_name('y', at, name);
}

static int parse_name(const char *name, Endpoint *ret) {
        Endpoint at = {};
        const char *address;
        char again[EXPOSED_NAME_MAX];
        int n = 0;

        if ((*name != 'x' && *name != 'y') || sscanf(name + 1, "%hx-%hx-%n", &at.port, &at.address.family, &n) != 2 || n == 0)
                return -EINVAL;
        address = name + 1 + n;
        for (size_t i = 0; i < sizeof(at.address.bytes) && address[0] && address[1]; i++, address += 2)
                if (sscanf(address, "%2hhx", &at.address.bytes[i]) != 1)
                        return -EINVAL;
        format_name(*name, &at, again);
        if (strcmp(name, again) != 0)
                return -EINVAL;
        *ret = at;
        return 0;
}

static ExposedKept **find(ExposedKept **list, const Endpoint *at) {
        ExposedKept **k = list;

        while (*k && !endpoint_equal(&(*k)->at, at))
                k = &(*k)->next;
        return k;
}

int exposed_kept_add(ExposedKept **list, const char *name, int fd) {
        ExposedKept **k;
        Endpoint at;
        int r;

        r = parse_name(name, &at);
        if (r < 0)
                return r;
        k = find(list, &at);
        if (!*k) {
                *k = malloc(sizeof(**k));
                if (!*k)
                        return -ENOMEM;
                **k = (ExposedKept){ .at = at, .fd = -EBADF, .waiting = { -EBADF, -EBADF } };
        }
        if (*name == 'x' && (*k)->fd < 0)
                (*k)->fd = fd;
        else if (*name == 'y' && (*k)->waiting[0] < 0)
                (*k)->waiting[0] = fd;
        else if (*name == 'y' && (*k)->waiting[1] < 0)
                (*k)->waiting[1] = fd;
        else
                return -EINVAL;
        return 0;
}

int exposed_kept_take(ExposedKept **list, const Endpoint *at, ExposedQueue *ret_waiting) {
        ExposedKept **k = find(list, at), *found = *k;
        int fd;

        *ret_waiting = EXPOSED_QUEUE_NONE;
        if (!found || found->fd < 0)
                return -EBADF;
        fd = found->fd;
        *ret_waiting = exposed_queue_restore(found->waiting[0], found->waiting[1]);
        *k = found->next;
        free(found);
        return fd;
}

void exposed_kept_done(ExposedKept **list, bool drop) {
        while (*list) {
                ExposedKept *k = *list;
                char name[EXPOSED_NAME_MAX];

                exposed_name(&k->at, name);
                if (drop && k->fd >= 0)
                        (void) fd_store_remove(name);
                exposed_waiting_name(&k->at, name);
                if (drop && k->waiting[0] >= 0)
                        (void) fd_store_remove(name);
                safe_close(k->fd);
                safe_close(k->waiting[0]);
                safe_close(k->waiting[1]);
                *list = k->next;
                free(k);
        }
}
