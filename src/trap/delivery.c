/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "basic/fd.h"
#include "basic/fd-store.h"
#include "trap/delivery.h"
#include "trap/notify.h"

/* What lies with the copy. */
typedef struct Note {
        uint64_t trap, call;   /* who is given it: number of the trap, id of the notification */
        uint64_t listener;     /* whose it was */
        Endpoint peer;
} Note;

struct Delivery {
        int in, out; /* two ends of a pair; `out` is in the store */
        int left;    /* the connection of an earlier daemon, or -EBADF */
        Note note;   /* and its note */
};

static int receive(int fd, Note *ret_note) {
        int connection = -EBADF;
        size_t n_fds = 1;

        if (recv_with_fds(fd, ret_note, sizeof(*ret_note), &connection, &n_fds, MSG_DONTWAIT) != sizeof(*ret_note))
                return safe_close(connection);
        return connection;
}

int delivery_new(int fd, Delivery **ret) {
        _cleanup_close_ int old = fd;
        Delivery *d;
        int fds[2];

        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
                free(d);
                return -errno;
        }
        d->in = fds[0];
        d->out = fds[1];
        d->left = old >= 0 ? receive(old, &d->note) : -EBADF;
        (void) fd_store_remove(DELIVERY_FD_NAME);
        (void) fd_store_add(DELIVERY_FD_NAME, d->out, false);
        *ret = d;
        return 0;
}

Delivery *delivery_free(Delivery *d) {
        if (!d)
                return NULL;
        safe_close(d->in);
        safe_close(d->out);
        safe_close(d->left);
        free(d);
        return NULL;
}

void delivery_begin(Call *call, const Listener *l, int connection, const Endpoint *peer) {
        const Note note = {
                .trap = call->trap->number,
                .call = call->slot->notif.id,
                .listener = l->sockets.number,
                .peer = *peer,
        };

        (void) send_with_fds(call->trap->sw->delivery->in, &note, sizeof(note), &connection, 1, MSG_DONTWAIT);
}

void delivery_end(Switch *sw) {
        Note note;

        safe_close(receive(sw->delivery->out, &note));
}

void delivery_resume(Switch *sw) {
        Delivery *d = sw->delivery;
        const uint64_t number = d->note.trap;
        Listener *l;
        Trap *trap;

        if (d->left < 0)
                return;
        HASH_FIND(hh, sw->traps, &number, sizeof(number), trap);
        l = switch_find_listener(sw, d->note.listener);
        /* Who does not wait any more has got it. */
        if (trap && l && notify_is_valid(trap->notify_fd, d->note.call))
                (void) listener_sockets_push(&l->sockets, d->left, &d->note.peer);
        d->left = safe_close(d->left);
}
