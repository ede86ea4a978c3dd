/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bind(2), listen(2). */

#include <fcntl.h>
#include <sys/socket.h>

#include "basic/fd.h"
#include "trap/epoll.h"
#include "trap/handlers.h"
#include "trap/notify.h"

/*
 * Binding is the kernel's. But a listener that the app closed just now may
 * still hold its port here, for as long as its HUP was not read: so it is
 * looked for first.
 */
void handle_bind(Call *call) {
        trap_flush_listeners(call->trap);
        (void) call_continue(call);
}

/* Options of the app's socket that are about waiting, and so belong to the end that it waits on. */
static void copy_timeouts(int from, int to) {
        static const int options[] = { SO_RCVTIMEO, SO_SNDTIMEO };

        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                struct timeval tv;
                socklen_t size = sizeof(tv);

                if (getsockopt(from, SOL_SOCKET, options[i], &tv, &size) >= 0 && (tv.tv_sec || tv.tv_usec))
                        (void) setsockopt(to, SOL_SOCKET, options[i], &tv, sizeof(tv));
        }
}

/* The app keeps its own socket: with the flags that it had. */
static void give_back(int native, int flags) {
        (void) fcntl(native, F_SETFL, flags & O_NONBLOCK);
}

static void listen_native(Call *call) {
        ListenerSockets sockets = LISTENER_SOCKETS_NONE;
        _cleanup_close_ int app_end = -EBADF;
        Trap *trap = call->trap;
        Listener *l;
        int r, flags;

        if (trap->n_listeners >= trap->sw->listeners_per_trap_max) {
                (void) call_fail(call, -ENOBUFS);
                return;
        }
        flags = call_get_fd_flags(call);
        if (flags < 0) {
                (void) call_fail(call, -EBADF);
                return;
        }
        r = listener_sockets_open(&sockets, trap->sw->next_listener++, call->fd, (int) call_arg(call, 1),
                                  flags & O_NONBLOCK, &app_end);
        if (r < 0) {
                (void) call_fail(call, r);
                return;
        }
        copy_timeouts(call->fd, app_end);
        r = listener_new(trap, &sockets, true, &l);
        if (r < 0) {
                give_back(call->fd, flags);
                safe_close(sockets.end);
                (void) call_fail(call, r);
                return;
        }
        call->fd = -EBADF; /* the listener's now */

        r = notify_replace_fd(trap->notify_fd, call->slot->notif.id, app_end, call_fd_arg(call), flags & O_CLOEXEC);
        if (r < 0) {
                /* Interrupted: it will be asked for again, and finds a socket that listens natively, as before. */
                give_back(l->sockets.native, flags);
                listener_free(l);
                (void) call_fail(call, r);
                return;
        }
        epoll_replace(call, l->sockets.native, app_end);
        app_end = safe_close(app_end);
        trap->sw->hooks->listeners_changed(trap, trap->sw->userdata);
        (void) call_return(call, 0);
}

void handle_listen(Call *call) {
        SocketInfo info;
        int r;

        r = call_get_socket(call, &info);
        if (r < 0)
                return;
        switch (info.kind) {
        case SOCKET_NATIVE:
                listen_native(call);
                break;
        case SOCKET_LISTENER:
                if (!info.listener) {
                        (void) call_fail(call, -EINVAL);
                        break;
                }
                r = listener_sockets_set_backlog(&info.listener->sockets, (int) call_arg(call, 1));
                if (r < 0)
                        (void) call_fail(call, r);
                else
                        (void) call_return(call, 0);
                connect_serve(info.listener);
                break;
        case SOCKET_PAIR:
                (void) call_fail(call, -EINVAL);
                break;
        case SOCKET_OTHER:
                (void) call_continue(call);
                break;
        }
}
