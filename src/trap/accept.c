/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * accept(2), accept4(2). A connection goes from the listener's queue to the
 * caller in one step of the kernel (ADDFD with SEND): if the caller was
 * interrupted meanwhile, it goes back into the queue, and if we were killed,
 * the next daemon puts it there (trap/delivery.h).
 */

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "trap/delivery.h"
#include "trap/handlers.h"
#include "trap/notify.h"

static int accept_flags(const Call *call) {
        return call->slot->notif.data.nr == SYS_accept4 ? (int) call_arg(call, 3) : 0;
}

/*
 * Gives the connection to the caller. Ends the call. Returns 0, or a negative
 * errno if the connection was not given to anybody; it stays the caller's of
 * this function in any case.
 */
static int give(Call *call, Listener *l, int connection, const Endpoint *peer) {
        Trap *trap = call->trap;
        int flags = accept_flags(call), r;

        if (call_arg(call, 1)) {
                SockAddr sa;
                socklen_t size = endpoint_to_sockaddr(peer, l->sockets.family, &sa);

                r = call_answer(call, call_arg(call, 1), call_arg(call, 2), &sa, size, true);
                /* Who was interrupted, or is dead, has no bad address. */
                if (r < 0 && call_fail(call, r) < 0)
                        return -ENOENT;
                if (r < 0)
                        return r;
        }
        if ((flags & SOCK_NONBLOCK) && fcntl(connection, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        r = notify_answer_with_fd(trap->notify_fd, call->slot->notif.id, connection, flags & SOCK_CLOEXEC);
        if (r >= 0) {
                call_drop(call);
                return 0;
        }
        if (flags & SOCK_NONBLOCK)
                (void) fcntl(connection, F_SETFL, 0);
        if (r == -ENOENT) {
                trap->sw->n_gone++;
                call_drop(call);
        } else /* EMFILE and the like: the caller's affair */
                (void) call_fail(call, r);
        return r;
}

/* The same, in such a way that a daemon that is killed meanwhile loses nothing. */
static int deliver(Call *call, Listener *l, int connection, const Endpoint *peer) {
        Switch *sw = call->trap->sw;
        int r;

        delivery_begin(call, l, connection, peer);
        r = give(call, l, connection, peer);
        delivery_end(sw);
        return r;
}

/* Back into the queue; the client waits on. */
static void requeue(Listener *l, int connection, const Endpoint *peer) {
        int r;

        r = listener_sockets_push(&l->sockets, connection, peer);
        if (r < 0)
                log_debug_errno(r, "%s: failed to put a connection back, dropping it: %m", l->trap->party->id);
}

int accept_hand_over(Listener *l, int connection, const Endpoint *peer) {
        while (l->accepts) {
                int r = deliver(l->accepts, l, connection, peer);

                if (r >= 0 || r == -EFAULT || r == -EINVAL)
                        return 0;
        }
        return -EAGAIN;
}

void accept_take_native(Listener *l) {
        _cleanup_close_ int connection = -EBADF;
        Endpoint peer;

        while (l->sockets.queued == 0) {
                listener_sockets_hold(&l->sockets, false);
                if (listener_sockets_accept_native(&l->sockets, &connection, &peer) < 0) {
                        (void) sd_event_source_set_enabled(l->native_source, SD_EVENT_ON);
                        return;
                }
                if (accept_hand_over(l, connection, &peer) < 0)
                        requeue(l, connection, &peer);
                connection = safe_close(connection);
        }
        /* A backlog of 0 holds one connection, and that one is in our queue now. */
        if (l->sockets.backlog == 0)
                listener_sockets_hold(&l->sockets, true);
        /* Until the queue is empty again there is nothing to do about the others. */
        (void) sd_event_source_set_enabled(l->native_source, SD_EVENT_OFF);
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        (void) call_fail(userdata, -EAGAIN);
        return 0;
}

/* SO_RCVTIMEO of a socket in µs, 0 for none. */
static uint64_t receive_timeout(int fd) {
        struct timeval tv = {};
        socklen_t size = sizeof(tv);

        if (getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &size) < 0)
                return 0;
        return (uint64_t) tv.tv_sec * USEC_PER_SEC + (uint64_t) tv.tv_usec;
}

static void accept_wait(Call *call, Listener *l) {
        int flags = fcntl(call->fd, F_GETFL);

        if (flags < 0 || (flags & O_NONBLOCK))
                (void) call_fail(call, -EAGAIN);
        else
                call_park(call, l, &l->accepts, receive_timeout(call->fd), on_timeout);
}

void handle_accept(Call *call) {
        _cleanup_close_ int connection = -EBADF;
        Endpoint peer;
        SocketInfo info;
        Listener *l;
        int r;

        if (accept_flags(call) & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) {
                (void) call_fail(call, -EINVAL);
                return;
        }
        r = call_get_socket(call, &info);
        if (r < 0)
                return;
        /* A copy of a listener from before listen(2), in a child maybe: it becomes a listener, too. */
        if (info.kind == SOCKET_NATIVE && listen_again(call) >= 0 && call_get_socket(call, &info) < 0)
                return;
        /* The kernel knows why one cannot accept on what is not a listener. */
        if (info.kind != SOCKET_LISTENER) {
                (void) call_continue(call);
                return;
        }
        l = info.listener;
        if (!l) {
                (void) call_fail(call, -EINVAL);
                return;
        }

        r = listener_sockets_pop(&l->sockets, call->fd, &connection, &peer);
        if (r == -EAGAIN)
                r = listener_sockets_accept_native(&l->sockets, &connection, &peer);
        else
                accept_take_native(l); /* poll(2) after this accept is to tell of the next one */
        if (r == -EAGAIN) {
                accept_wait(call, l);
                return;
        }
        if (r < 0) {
                (void) call_fail(call, r);
                return;
        }
        r = deliver(call, l, connection, &peer);
        /* With a bad address the connection is lost, as it is in __sys_accept4_file(). */
        if (r < 0 && r != -EFAULT && r != -EINVAL)
                requeue(l, connection, &peer);
        else
                connect_serve(l);
}

void accept_abandon(Listener *l) {
        while (l->accepts)
                (void) call_fail(l->accepts, -EINVAL);
}
