/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdatomic.h>

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
        uint64_t connect;      /* id of the notification of the connect that waits for it, or 0 */
        Endpoint peer;
} Note;

struct Delivery {
        FdQueue queue; /* of one note, for as long as it takes */
        bool queued;   /* it is there */
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

/* It is in the spool until it was given: a note in the shared memory is enough, and takes no system call. */
static void note_pending(const Call *call, const Pending *pending) {
        CallNote *note = calls_note(call->trap->sw->calls);

        note->server = pending->trap->number;
        note->filter = call->filter->number;
        note->call = call->slot->notif.id;
        atomic_signal_fence(memory_order_seq_cst); /* it counts when all of it is there */
        note->pending = pending->id;
}

void delivery_begin(Call *call, const Listener *l, const Connection *c, uint64_t connect) {
        Switch *sw = call->trap->sw;
        const Note note = {
                .id = sw->next_pending++,
                .filter = call->filter->number,
                .call = call->slot->notif.id,
                .listener = l->cookie,
                .connect = connect,
                .peer = c->peer,
        };

        if (c->pending && c->pending->spooled)
                note_pending(call, c->pending);
        else
                sw->delivery->queued = fd_queue_push(&sw->delivery->queue, &note, sizeof(note), &c->fd, 1) >= 0;
}

void delivery_end(Switch *sw) {
        calls_note(sw->calls)->pending = 0;
        if (sw->delivery->queued)
                fd_queue_drop(&sw->delivery->queue);
        sw->delivery->queued = false;
}

static bool still_waits(Switch *sw, uint64_t filter, uint64_t call) {
        const Filter *f = switch_find_filter(sw, filter);

        return f && notify_is_valid(f->notify_fd, call);
}

/* Who does not wait any more has got it. Who waits still: it is in the queue again (pending_restore()). */
static void resume_pending(Switch *sw, const CallNote *note) {
        Trap *server = switch_find_trap(sw, note->server);

        if (server && !still_waits(sw, note->filter, note->call))
                pending_forget_id(server, note->pending);
}

static void resume_queued(Switch *sw, const Note *note, int fd) {
        Listener *l = switch_find_listener(sw, note->listener);

        if (l && still_waits(sw, note->filter, note->call)) {
                pending_return_fd(l, fd, &note->peer, note->id);
                return;
        }
        sw->delivered_connect = note->connect;
        safe_close(fd);
}

void delivery_resume(Switch *sw) {
        int fds[FD_QUEUE_FDS_MAX];
        Note note;

        if (calls_note(sw->calls)->pending != 0)
                resume_pending(sw, calls_note(sw->calls));
        sw->delivery->queued = fd_queue_first(&sw->delivery->queue, &note, sizeof(note), fds) >= 0;
        if (sw->delivery->queued)
                resume_queued(sw, &note, fds[0]);
        delivery_end(sw);
}
