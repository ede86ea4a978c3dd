/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* getsockname(2), getpeername(2): read off the name that the kernel keeps with the socket. */

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

static void handle_name(Call *call, bool peer) {
        SocketInfo info;
        int r;

        r = call_get_socket(call, &info);
        if (r < 0)
                return;
        switch (info.kind) {
        case SOCKET_NATIVE:
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
