/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "trap/alias.h"
#include "transport/dial.h"
#include "transport/socket-name.h"

bool alias_is_outside(const Call *call) {
        uint64_t netns;

        return call->trap->sw->views && socket_netns_cookie(call->fd, &netns) >= 0 && netns == call->trap->sw->netns &&
                        peer_lock_is_set(call->fd);
}

bool alias_is_possible(const Call *call) {
        return call->trap->sw->views && (dial_may_have_view(call->fd) || alias_is_outside(call));
}

typedef struct ViewJob {
        int fd;
        bool peer;
        int result;
        PeerView view;
} ViewJob;

static int read_endpoint(int fd, bool peer, Endpoint *ret) {
        SockAddr sa;
        socklen_t size = sizeof(sa);

        if ((peer ? getpeername : getsockname)(fd, &sa.sa, &size) < 0)
                return -errno;
        return endpoint_from_sockaddr(&sa, size, ret);
}

static void view_run(void *job) {
        ViewJob *j = job;
        Endpoint local, peer;
        int connected;

        j->result = read_endpoint(j->fd, false, &local);
        if (j->result < 0)
                return;
        connected = read_endpoint(j->fd, true, &peer);
        if (j->peer && connected < 0)
                j->result = connected;
        else
                j->result = peer_lock_get_view(j->fd, &local, connected < 0 ? NULL : &peer, &j->view);
}

int alias_get(Call *call, bool peer, PeerView *ret) {
        ViewJob j = { .fd = call->fd, .peer = peer };
        int r;

        r = call_run_bounded(call, view_run, &j, sizeof(j));
        /* The app holds the socket's lock. What the kernel would say is not for it. */
        if (r < 0)
                return -ENOBUFS;
        if (j.result == -ENODATA)
                return 0;
        if (j.result < 0)
                return j.result;
        *ret = j.view;
        return 1;
}
