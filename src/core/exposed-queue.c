/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/fd.h"
#include "core/exposed-queue.h"

ExposedQueue exposed_queue_restore(int a, int b) {
        ExposedQueue q = { .fds = fd_queue_restore(a, b) };
        Endpoint client;

        if (q.fds.out < 0)
                return q;
        (void) fd_queue_walk(&q.fds, true);
        while (q.n < EXPOSED_WAITING_MAX && fd_queue_first(&q.fds, &client, sizeof(client), NULL) >= 0)
                q.n++;
        (void) fd_queue_walk(&q.fds, false);
        return q;
}

int exposed_queue_push(ExposedQueue *q, const char *name, int fd, const Endpoint *client) {
        int r = 0;

        if (q->n >= EXPOSED_WAITING_MAX)
                return -EAGAIN;
        if (q->fds.in < 0)
                r = fd_queue_new(name, (size_t) EXPOSED_WAITING_MAX * 2048, &q->fds);
        if (r >= 0)
                r = fd_queue_push(&q->fds, client, sizeof(*client), &fd, 1);
        if (r < 0)
                return r;
        safe_close(fd);
        q->n++;
        return 0;
}

int exposed_queue_first(const ExposedQueue *q, Endpoint *ret_client) {
        return q->n > 0 ? fd_queue_first(&q->fds, ret_client, sizeof(*ret_client), NULL) : -EAGAIN;
}

int exposed_queue_pop(ExposedQueue *q, Endpoint *ret_client) {
        int fds[FD_QUEUE_FDS_MAX], r;

        if (q->n == 0)
                return -EAGAIN;
        r = fd_queue_first(&q->fds, ret_client, sizeof(*ret_client), fds);
        fd_queue_drop(&q->fds);
        q->n--;
        return r < 0 ? r : fds[0];
}

void exposed_queue_close(ExposedQueue *q) {
        fd_queue_close(&q->fds);
        q->n = 0;
}
