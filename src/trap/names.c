/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * getsockname(2), getpeername(2): read off the name that the kernel keeps with the socket, or off the note that a TCP
 * socket carries (trap/alias.h).
 */

#include "trap/alias.h"
#include "trap/handlers.h"

static void write_endpoint(Call *call, const Endpoint *e, int family) {
        SockAddr sa;
        socklen_t size = endpoint_to_sockaddr(e, family, &sa);
        int r;

        r = call_answer(call, call_arg(call, 1), call_arg(call, 2), &sa, size, true);
        if (r < 0)
                (void) call_fail(call, r);
        else
                (void) call_return(call, 0);
}

static void handle_native(Call *call, bool peer) {
        PeerView view;
        int r;

        r = alias_is_possible(call) ? alias_get(call, peer, &view) : 0;
        if (r > 0)
                write_endpoint(call, peer ? &view.peer : &view.local, view.family);
        else if (r < 0)
                (void) call_fail(call, r);
        else
                (void) call_continue(call);
}

static void handle_name(Call *call, bool peer) {
        SocketInfo info;
        int r;

        r = call_get_socket(call, &info);
        if (r < 0)
                return;
        switch (info.kind) {
        case SOCKET_NATIVE:
                handle_native(call, peer);
                break;
        case SOCKET_OTHER:
                (void) call_continue(call);
                break;
        case SOCKET_PAIR:
                write_endpoint(call, peer ? &info.name.peer : &info.name.local, info.family);
                break;
        }
}

void handle_getsockname(Call *call) {
        handle_name(call, false);
}

void handle_getpeername(Call *call) {
        handle_name(call, true);
}
