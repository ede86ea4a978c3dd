/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/fd.h"
#include "basic/fd-queue.h"
#include "trap/delivery.h"
#include "trap/notify.h"
#include "trap/pending.h"

/* What lies with the copy. */
typedef struct Note {
        uint64_t id;           /* unique on this node */
        uint64_t filter, call; /* who is given it: number of the filter, id of the notification */
        uint64_t listener;     /* cookie of the listener */
        uint64_t pending;      /* id of what was pending, or 0 */
        uint64_t connect;      /* id of the notification of the connect that waits for it, or 0 */
        Endpoint peer;
} Note;

struct Delivery {
        FdQueue queue; /* of one note, for as long as it takes */
};

int delivery_new(FdQueue left, Delivery **ret) {
        Delivery *d;
        int r;

        d = calloc(1, sizeof(*d));
        if (!d) {
                fd_queue_close(&left);
                return -ENOMEM;
        }
        d->queue = left;
        if (left.in < 0) {
                r = fd_queue_new(DELIVERY_FD_NAME, 0, &d->queue);
                if (r < 0) {
                        free(d);
                        return r;
                }
        }
        *ret = d;
        return 0;
}

Delivery *delivery_free(Delivery *d) {
        if (!d)
                return NULL;
        fd_queue_close(&d->queue);
        free(d);
        return NULL;
}

void delivery_begin(Call *call, const Listener *l, const Connection *c, uint64_t connect) {
        Switch *sw = call->trap->sw;
        const Note note = {
                .id = sw->next_pending++,
                .filter = call->filter->number,
                .call = call->slot->notif.id,
                .listener = l->cookie,
                .pending = c->pending ? c->pending->id : 0,
                .connect = connect,
                .peer = c->peer,
        };

        (void) fd_queue_push(&sw->delivery->queue, &note, sizeof(note), &c->fd, 1);
}

void delivery_end(Switch *sw) {
        fd_queue_drop(&sw->delivery->queue);
}

void delivery_resume(Switch *sw) {
        int fds[FD_QUEUE_FDS_MAX];
        Listener *l;
        Filter *filter;
        Note note;

        if (fd_queue_first(&sw->delivery->queue, &note, sizeof(note), fds) < 0)
                return;
        filter = switch_find_filter(sw, note.filter);
        l = switch_find_listener(sw, note.listener);
        if (filter && l && notify_is_valid(filter->notify_fd, note.call)) {
                /* He waits still. What was pending is in the queue again (pending_restore()). */
                if (note.pending == 0)
                        pending_return_fd(l, TAKE_FD(fds[0]), &note.peer, note.id);
        } else {
                /* Who does not wait any more has got it. */
                if (l && note.pending != 0)
                        pending_forget_id(l->trap, note.pending);
                sw->delivered_connect = note.connect;
        }
        safe_close(fds[0]);
        delivery_end(sw);
}
