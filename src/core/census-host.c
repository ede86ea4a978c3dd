/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The part of a census that is about sockets of the host's namespace that apps
 * hold: connections to the outside, and those that came in by an exposed port.
 * What the host has of its own is among them in the kernel's list, so the
 * inodes are looked for in the descriptors of the apps' processes, and a copy
 * says by its lock that it is one of ours, and what the app sees of it
 * (transport/peer-lock.h).
 *
 * All of that takes the lock of the socket, which the app can hold. So it is
 * said whose it is before (CensusJob.at), and an app that held us up is passed
 * over from then on.
 */

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "basic/fd.h"
#include "core/census-job.h"
#include "transport/peer-lock.h"

enum { HOST_ENDS_MAX = 2 * CENSUS_CONNECTIONS_MAX };

typedef struct Search {
        CensusJob *job;
        uint32_t *inodes; /* of job->tcp, in the same order */
        bool *seen;
        int error;
} Search;

static int on_tcp(const DiagTcp *end, void *userdata) {
        CensusJob *j = userdata;

        atomic_fetch_add(&j->progress, 1);
        if (end->inode == 0)
                return 0; /* nobody has it */
        if (j->n_tcp >= HOST_ENDS_MAX) {
                j->truncated = true;
                return 0; /* so that nothing is left to be read */
        }
        if (!census_grow(&j->tcp, j->n_tcp, &j->tcp_allocated, sizeof(*j->tcp)))
                return -ENOMEM;
        j->tcp[j->n_tcp++] = *end;
        return 0;
}

static int compare_inodes(const void *a, const void *b) {
        const DiagTcp *x = a, *y = b;

        return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static bool is_late(const CensusJob *j, uint64_t app) {
        for (size_t i = 0; i < j->n_late; i++)
                if (j->late[i] == app)
                        return true;
        return false;
}

static void count(int fd, bool incoming, CensusConnection *k) {
        struct tcp_info info = {};
        socklen_t size = sizeof(info);
        uint64_t acked;

        if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
                return;
        /* The SYN counts as one, once it is acknowledged. */
        acked = info.tcpi_bytes_acked > 0 ? info.tcpi_bytes_acked - 1 : 0;
        k->counted = true;
        k->bytes_out = incoming ? info.tcpi_bytes_received : acked;
        k->bytes_in = incoming ? acked : info.tcpi_bytes_received;
}

/* Returns 0, also if it is none of ours, or -ENOMEM. */
static int add(CensusJob *j, const DiagTcp *end, uint64_t app, int fd) {
        CensusConnection k = { .tcp = true, .outside = true, .state = census_tcp_state(end->state, end->state) };
        PeerView view;

        if (!peer_lock_is_set(fd) || peer_lock_get_view(fd, &end->local, &end->peer, &view) < 0)
                return 0;
        if (view.accepted) {
                k.server = app;
                k.server_inode = end->inode;
                k.from = end->peer;
                k.to = end->local;
                k.at = view.local;
        } else {
                k.client = app;
                k.client_inode = end->inode;
                k.from = view.local;
                k.to = view.peer;
                k.at = end->peer;
        }
        count(fd, view.accepted, &k);
        return census_job_add(j, &k);
}

static bool on_holder(size_t i, uint64_t app, pid_t pid, int number, void *userdata) {
        Search *s = userdata;
        CensusJob *j = s->job;
        _cleanup_close_ int fd = -EBADF;

        atomic_fetch_add(&j->progress, 1);
        if (s->seen[i] || is_late(j, app))
                return true;
        atomic_store(&j->at, app);
        fd = holders_copy(pid, number, s->inodes[i]);
        if (fd < 0)
                return true;
        s->seen[i] = true;
        s->error = add(j, &j->tcp[i], app, fd);
        return s->error >= 0;
}

int census_list_host(CensusJob *j) {
        static const int families[] = { AF_INET, AF_INET6 };
        _cleanup_free_ uint32_t *inodes = NULL;
        _cleanup_free_ bool *seen = NULL;
        Search s = { .job = j };
        int r = 0;

        if (j->n_apps == 0)
                return 0;
        j->n_tcp = 0;
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(families); i++)
                r = diag_list_tcp(j->netlink, families[i], false, on_tcp, j);
        if (r < 0 || j->n_tcp == 0)
                return r;
        qsort(j->tcp, j->n_tcp, sizeof(*j->tcp), compare_inodes);
        s.inodes = inodes = calloc(j->n_tcp, sizeof(*inodes));
        s.seen = seen = calloc(j->n_tcp, sizeof(*seen));
        if (!inodes || !seen)
                return -ENOMEM;
        for (size_t i = 0; i < j->n_tcp; i++)
                inodes[i] = j->tcp[i].inode;
        holders_search(j->apps, j->n_apps, false, inodes, j->n_tcp, on_holder, &s);
        atomic_store(&j->at, 0);
        return s.error;
}
