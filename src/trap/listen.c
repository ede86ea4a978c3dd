/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bind(2), listen(2). */

#include "trap/alias.h"
#include "trap/handlers.h"
#include "trap/listener.h"

/* Whether it is a connection, in another app's namespace or in the host's. */
static bool is_ours(const Call *call) {
        return dial_is_marked(call->fd) || alias_is_outside(call);
}

/*
 * Binding is the kernel's. But while an accept waits we hold a copy of its
 * listener, and its port with it: so it is let go first if its caller is gone.
 * What connections began with and will begin with again has a port, too.
 */
void handle_bind(Call *call) {
        SocketInfo info;
        int r;

        r = call_get_socket(call, &info);
        if (r < 0)
                return;
        trap_sweep_listeners(call->trap);
        dial_pool_forget(&call->trap->pool);
        /* One in our own namespace could not be bound again, either. */
        if (info.kind == SOCKET_NATIVE && is_ours(call))
                (void) call_fail(call, -EINVAL);
        else
                (void) call_continue(call);
}

/* Done here, so that there is a listener before anybody connects to it. */
static void listen_native(Call *call) {
        int r;

        /* As above. */
        r = is_ours(call) ? -EINVAL : listener_listen(call, (int) call_arg(call, 1));
        if (r < 0)
                (void) call_fail(call, r);
        else
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
        case SOCKET_PAIR:
                (void) call_fail(call, -EINVAL);
                break;
        case SOCKET_OTHER:
                (void) call_continue(call);
                break;
        }
}
