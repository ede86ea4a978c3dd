/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * accept(2), accept4(2). What is in the queue is accepted here, with our copy of
 * the app's socket; if it was dialed for another app, what is pending for it is
 * given in its place (trap/pending.h). The caller gets it in one step of the
 * kernel (ADDFD with SEND): if he was interrupted meanwhile, it goes back into
 * the queue, and if we were killed, the next daemon puts it there
 * (trap/delivery.h).
 */

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "basic/deadline.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "transport/dial.h"
#include "trap/accept.h"
#include "trap/delivery.h"
#include "trap/handlers.h"
#include "trap/listener.h"
#include "trap/notify.h"
#include "trap/option-memory.h"
#include "trap/pending.h"

static int accept_flags(const Call *call) {
        return call->slot->notif.data.nr == SYS_accept4 ? (int) call_arg(call, 3) : 0;
}

/*
 * Gives the connection to the caller and ends the call. Returns 0, or a
 * negative errno if it was not given to anybody.
 */
static int give(Call *call, const Connection *c, int family) {
        Trap *trap = call->trap;
        int flags = accept_flags(call), r;

        if (call_arg(call, 1)) {
                SockAddr sa;
                socklen_t size = endpoint_to_sockaddr(&c->peer, family, &sa);

                r = call_answer(call, call_arg(call, 1), call_arg(call, 2), &sa, size, true);
                /* Who was interrupted, or is dead, has no bad address. */
                if (r < 0)
                        return call_fail(call, r) < 0 ? -ENOENT : r;
        }
        if ((flags & SOCK_NONBLOCK) && fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0) {
                r = -errno;
                (void) call_fail(call, r);
                return r;
        }
        call->fd = deadline_close(call->fd); /* before the app can close its own */
        r = notify_answer_with_fd(call->filter->notify_fd, call->slot->notif.id, c->fd, flags & SOCK_CLOEXEC);
        if (r >= 0) {
                call_drop(call);
                return 0;
        }
        if (flags & SOCK_NONBLOCK)
                (void) fcntl(c->fd, F_SETFL, 0);
        /* ESRCH: interrupted in the middle of it. */
        if (r == -ENOENT || r == -ESRCH) {
                trap->sw->n_gone++;
                call_drop(call);
        } else /* EMFILE and the like: the caller's affair */
                (void) call_fail(call, r);
        return r;
}

/* Whether the connection is over with the call: it was given, or is lost as in __sys_accept4_file(). */
static bool is_over(int r) {
        return r >= 0 || r == -EFAULT || r == -EINVAL;
}

static int family_of(const Listener *l) {
        return l->backend.family;
}

int accept_hand_over(Listener *l, const Connection *c, uint64_t connect) {
        while (l->accepts) {
                int r;

                delivery_begin(l->accepts, l, c, connect);
                r = give(l->accepts, c, family_of(l));
                if (is_over(r))
                        return 0;
                delivery_end(l->trap->sw);
        }
        return -EAGAIN;
}

/* Nobody has it. */
static void connection_return(Listener *l, Connection *c) {
        if (c->pending)
                pending_return(l, c->pending);
        else
                pending_return_fd(l, c->fd, &c->peer, 0);
}

static void connection_done(Connection *c) {
        if (c->pending)
                pending_free(c->pending);
        else
                safe_close(c->fd);
}

/*
 * The app has this socket, too, and may have it in a mode that waits. A
 * connection is there when we call accept(2), but if somebody outside of the app
 * has a copy and is faster, we would wait for the next one.
 */
static int accept_nowait(int fd, SockAddr *sa, socklen_t *size) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int connection;

        if (poll(&p, 1, 0) <= 0)
                return -EAGAIN;
        /* The mode can change at any moment, so that it is not looked at. */
        deadline_begin();
        connection = accept4(fd, &sa->sa, size, SOCK_CLOEXEC);
        if (connection < 0)
                connection = errno == EINTR ? -EAGAIN : -errno;
        deadline_end();
        return connection;
}

/* What stands for a connection that was dialed, if anything does. */
static Pending *find_pending(Listener *l, int fd, const Endpoint *peer) {
        SockAddr sa;
        socklen_t size = sizeof(sa);
        Endpoint local;

        if (l->trap->n_pending == 0 || getsockname(fd, &sa.sa, &size) < 0 ||
            endpoint_from_sockaddr(&sa, size, &local) < 0)
                return NULL;
        return pending_find(l->trap, peer, &local);
}

/* Takes the next connection. Returns 0; -EAGAIN if there is none; or another negative errno of accept(2). */
static int next_connection(Listener *l, int listening, Connection *ret) {
        SockAddr sa;
        socklen_t size = sizeof(sa);
        Endpoint peer;
        Pending *p;
        int fd, r;

        if (l->returned) {
                p = l->returned;
                *ret = (Connection){ p->fd, p->client, p };
                pending_accepted(p, -EBADF);
                return 0;
        }
        fd = accept_nowait(listening, &sa, &size);
        if (fd < 0)
                return fd;
        r = endpoint_from_sockaddr(&sa, size, &peer);
        if (r < 0) {
                safe_close(fd);
                return r;
        }
        p = find_pending(l, fd, &peer);
        if (!p) {
                l->trap->sw->hooks->accepted(l->trap, l->trap->sw->userdata);
                *ret = (Connection){ fd, peer, NULL };
                return 0;
        }
        option_memory_inherit_accepted(l->trap, fd, p->fd);
        pending_accepted(p, fd);
        *ret = (Connection){ p->fd, p->client, p };
        return 0;
}

static void fail_all(Listener *l, int error) {
        while (l->accepts)
                (void) call_fail(l->accepts, error);
}

void accept_ready(Listener *l) {
        const uint64_t cookie = l->cookie;
        Switch *sw = l->trap->sw;

        /* An answer can be the end of the listener. */
        while ((l = switch_find_listener(sw, cookie)) && l->accepts) {
                Connection c;
                int r;

                r = next_connection(l, l->waiting_fd, &c);
                if (r == -EAGAIN)
                        return;
                if (r < 0) {
                        /* It was shut down (EINVAL), or we are out of descriptors. */
                        fail_all(l, r);
                        return;
                }
                if (accept_hand_over(l, &c, 0) >= 0) {
                        connection_done(&c);
                        delivery_end(sw);
                } else
                        connection_return(l, &c);
        }
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
        int flags = fcntl(call->fd, F_GETFL), fd;
        uint64_t timeout;

        if (flags < 0 || (flags & O_NONBLOCK)) {
                (void) call_fail(call, -EAGAIN);
                return;
        }
        timeout = receive_timeout(call->fd);
        fd = TAKE_FD(call->fd);
        call_park(call, l, timeout, on_timeout);
        listener_wait(l, fd);
}

static bool listens(int fd) {
        int on = 0;
        socklen_t size = sizeof(on);

        return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) >= 0 && on;
}

void handle_accept(Call *call) {
        SocketInfo info;
        Connection c;
        Listener *l;
        int r;

        if (accept_flags(call) & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) {
                (void) call_fail(call, -EINVAL);
                return;
        }
        r = call_copy(call);
        if (r < 0)
                return;
        l = listener_find(call);
        if (!l)
                call_classify(call, &info);
        /* The kernel knows why one cannot accept on what is not a listener. */
        if ((!l && info.kind != SOCKET_NATIVE) || !listens(call->fd)) {
                (void) call_continue(call);
                return;
        }
        r = l ? 0 : listener_get(call, &l);
        /* In a namespace that is no app's; or all is TCP of its own, and nothing is ever pending. */
        if (r == -EXDEV || (r >= 0 && l->trap->shortcut == SHORTCUT_TCP && !l->trap->exposed)) {
                (void) call_continue(call);
                return;
        }
        if (r >= 0)
                r = next_connection(l, call->fd, &c);
        if (r == -EAGAIN) {
                accept_wait(call, l);
                return;
        }
        if (r < 0) {
                (void) call_fail(call, r);
                return;
        }
        delivery_begin(call, l, &c, 0);
        r = give(call, &c, family_of(l));
        if (is_over(r))
                connection_done(&c);
        else
                connection_return(l, &c);
        delivery_end(l->trap->sw);
}

void accept_abandon(Listener *l) {
        fail_all(l, -EINVAL);
}
