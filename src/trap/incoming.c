/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "basic/fd.h"
#include "transport/dial.h"
#include "transport/peer-lock.h"
#include "trap/accept.h"
#include "trap/delivery.h"
#include "trap/dialer.h"
#include "trap/incoming.h"
#include "trap/link.h"
#include "trap/listener.h"
#include "trap/option-memory.h"
#include "trap/pending.h"

enum { PORT_TRIES_MAX = 8 };

/* Nobody but the one client, and what the app is to see of it. To be done once, when it is known which listener has it. */
static int lock(int fd, const Listener *l, const Route *route, const Endpoint *client) {
        const PeerView view = { .family = l->backend.family, .local = route->target, .peer = *client, .accepted = true };
        SockAddr sa;
        socklen_t size = sizeof(sa);
        Endpoint local;
        int r;

        if (getsockname(fd, &sa.sa, &size) < 0)
                return -errno;
        r = endpoint_from_sockaddr(&sa, size, &local);
        if (r < 0)
                return r;
        l->trap->sw->views = true;
        return peer_lock(fd, &local, client, &view);
}

/* Past the queue, to who waits in accept(2). Takes `*fd` on success. */
static int give_directly(Listener *l, const Route *route, const Endpoint *client, int *fd) {
        const uint64_t cookie = l->cookie;
        Switch *sw = l->trap->sw;
        int r;

        r = lock(*fd, l, route, client);
        if (r < 0)
                return r;
        option_memory_inherit_accepted(l->trap, l->waiting_fd, *fd);
        if (accept_hand_over(l, &(Connection){ *fd, *client, NULL }, 0) >= 0) {
                *fd = safe_close(*fd);
                delivery_end(sw);
                return 0;
        }
        /* Who waited was interrupted this very moment: into the queue. */
        l = switch_find_listener(sw, cookie);
        if (!l)
                return -ECONNRESET;
        pending_return_fd(l, TAKE_FD(*fd), client, 0);
        return 0;
}

/* The client's port can be taken there, if he is of the host. Which one it is nobody sees once it is accepted. */
static int dial_from(Trap *trap, Endpoint *from, const Endpoint *to, int *ret) {
        const int family = to->address.family;
        int r = -EADDRINUSE;

        for (unsigned i = 0; i < PORT_TRIES_MAX && r == -EADDRINUSE; i++) {
                int fd;

                if (i > 0)
                        from->port = trap_next_port(trap, i);
                fd = trap_take_socket(trap, family);
                if (fd < 0)
                        return fd;
                r = dial(fd, from, to, family);
                if (r >= 0)
                        *ret = fd;
                else
                        safe_close(fd);
        }
        return r;
}

int incoming_give(Switch *sw, const Route *route, const Endpoint *client, int *fd, bool wait, RouteTried *tried) {
        Listener *l = backend_listener(route->backend);
        _cleanup_close_ int dialed = -EBADF;
        Trap *trap = l->trap;
        Endpoint from = *client;
        int r;

        listener_sweep(l);
        if (l->accepts) {
                rest_ok(&l->backend.rest);
                return give_directly(l, route, client, fd);
        }
        if (!pending_has_room(trap))
                return -EAGAIN;
        r = dial_from(trap, &from, &route->target, &dialed);
        if (r < 0 || r == DIAL_REFUSED) {
                listener_skip(l, tried);
                return -EPIPE;
        }
        if (r == DIAL_WAITS && !wait)
                return -EAGAIN;
        if (r == DIAL_CONNECTED)
                rest_ok(&l->backend.rest);
        r = lock(*fd, l, route, client);
        if (r < 0)
                return r;
        return pending_add_incoming(trap, client, &from, &route->target, TAKE_FD(*fd), TAKE_FD(dialed));
}

bool incoming_is_full(Trap *trap, uint16_t port) {
        const bool full = !pending_has_room_for(trap, port);

        /* Another port of it may be waiting, too. */
        trap->wants_room = trap->wants_room || full;
        return full;
}
