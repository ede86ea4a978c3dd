/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "basic/fd.h"
#include "basic/fd-store.h"
#include "trap/delivery.h"
#include "trap/notify.h"
#include "trap/pending.h"

/* What lies with the copy. */
typedef struct Note {
        uint64_t trap, call;   /* who is given it: number of the trap, id of the notification */
        uint64_t listener;     /* cookie of the listener */
        uint64_t pending;      /* id of what was pending, or 0 */
        uint64_t connect;      /* id of the notification of the connect that waits for it, or 0 */
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

void delivery_begin(Call *call, const Listener *l, const Connection *c, uint64_t connect) {
        const Note note = {
                .trap = call->trap->number,
                .call = call->slot->notif.id,
                .listener = l->cookie,
                .pending = c->pending ? c->pending->id : 0,
                .connect = connect,
                .peer = c->peer,
        };

        (void) send_with_fds(call->trap->sw->delivery->in, &note, sizeof(note), &c->fd, 1, MSG_DONTWAIT);
}

void delivery_end(Switch *sw) {
        Note note;

        safe_close(receive(sw->delivery->out, &note));
}

void delivery_resume(Switch *sw) {
        Delivery *d = sw->delivery;
        const Note *note = &d->note;
        Listener *l;
        Trap *trap;

        if (d->left < 0)
                return;
        trap = switch_find_trap(sw, note->trap);
        l = switch_find_listener(sw, note->listener);
        if (trap && l && notify_is_valid(trap->notify_fd, note->call)) {
                /* He waits still. What is pending is in the queue again (pending_restore()). */
                if (note->pending == 0)
                        pending_return_fd(l, TAKE_FD(d->left), &note->peer);
        } else {
                /* Who does not wait any more has got it. */
                if (l && note->pending != 0)
                        pending_forget_id(l->trap, note->pending);
                sw->delivered_connect = note->connect;
        }
        d->left = safe_close(d->left);
}
