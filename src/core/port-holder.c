/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/errand.h"
#include "basic/fd.h"
#include "basic/text.h"
#include "core/holders.h"
#include "core/port-holder.h"
#include "transport/sock-diag.h"

enum {
        SEARCHES_MAX = 8, /* at a time */
        SOCKETS_MAX = 256, /* that are looked at */
        COMM_MAX = 64,
        STATE_LISTEN = 10, /* as the kernel numbers it */
        PID_MANAGER = 1,
};

/* Who is told an error wants to know now. */
#define TIMEOUT_USEC (5 * USEC_PER_SEC)

/* What the thread does. */
typedef struct Job {
        Endpoint at;
        uint32_t listeners[SOCKETS_MAX], others[SOCKETS_MAX]; /* inodes */
        size_t n_listeners, n_others;
        pid_t pid;
        char *holder;
} Job;

struct PortHolderSearch {
        PortHolderFound found;
        void *userdata;
        Errand *errand;
        sd_event_source *timer;
};

static void job_free(void *p) {
        Job *j = p;

        if (!j)
                return;
        free(j->holder);
        free(j);
}

/* An IPv6 socket for all addresses is in the way of IPv4, too, if it is not for IPv6 alone, which is not told here. */
static bool is_in_the_way(const Endpoint *socket, const Endpoint *at) {
        return socket->port == at->port &&
                        (address_is_unspecified(&socket->address) || at->address.family == AF_UNSPEC ||
                         address_is_unspecified(&at->address) || address_equal(&socket->address, &at->address));
}

static int on_socket(const DiagTcp *socket, void *userdata) {
        Job *j = userdata;

        if (socket->inode == 0 || !is_in_the_way(&socket->local, &j->at))
                return 0;
        if (socket->state == STATE_LISTEN) {
                if (j->n_listeners < SOCKETS_MAX)
                        j->listeners[j->n_listeners++] = socket->inode;
        } else if (j->n_others < SOCKETS_MAX)
                j->others[j->n_others++] = socket->inode;
        return 0;
}

/* A service says more than the service manager that made its socket. */
static bool on_holder(size_t i, uint64_t app, pid_t pid, int fd, void *userdata) {
        Job *j = userdata;

        j->pid = pid;
        return pid == PID_MANAGER;
}

static int compare_inodes(const void *a, const void *b) {
        const uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

static void search(Job *j, uint32_t *inodes, size_t n) {
        if (j->pid != 0 || n == 0)
                return;
        qsort(inodes, n, sizeof(*inodes), compare_inodes);
        holders_search(NULL, 0, true, inodes, n, on_holder, j);
}

static void describe(Job *j) {
        _cleanup_free_ char *unit = NULL, *name = NULL;
        _cleanup_close_ int fd = -EBADF;
        char path[64], comm[COMM_MAX];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/%i/comm", j->pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, comm, sizeof(comm) - 1);
        if (n <= 0)
                return;
        comm[n] = '\0';
        comm[strcspn(comm, "\n")] = '\0';
        name = text_escape(comm);
        if (sd_pid_get_unit(j->pid, &unit) < 0)
                unit = NULL;
        if (!name || asprintf(&j->holder, "%s (PID %i%s%s)", name, j->pid, unit ? ", " : "", unit ?: "") < 0)
                j->holder = NULL;
}

static void job_run(void *p) {
        static const int families[] = { AF_INET, AF_INET6 };
        Job *j = p;

        for (size_t i = 0; i < ELEMENTSOF(families); i++) {
                /* One for each, as what is left of a list that ended early would be taken for the next one's. */
                _cleanup_close_ int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

                if (netlink >= 0)
                        (void) diag_list_bound(netlink, families[i], on_socket, j);
        }
        search(j, j->listeners, j->n_listeners);
        search(j, j->others, j->n_others);
        if (j->pid != 0)
                describe(j);
}

static void finish(PortHolderSearch *s, const char *holder) {
        s->timer = sd_event_source_disable_unref(s->timer);
        s->errand = errand_abandon(s->errand);
        s->found(holder, s->userdata);
        free(s);
}

static void job_done(void *p, void *userdata) {
        const Job *j = p;
        PortHolderSearch *s = userdata;

        s->errand = NULL;
        finish(s, j->holder);
}

static atomic_uint n_searches;
static const ErrandType job_type = { job_run, job_done, job_free, .max = SEARCHES_MAX, .n = &n_searches };

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        finish(userdata, NULL);
        return 0;
}

int port_holder_find(sd_event *event, const Endpoint *at, PortHolderFound found, void *userdata, PortHolderSearch **ret) {
        PortHolderSearch *s = calloc(1, sizeof(*s));
        Job *j = calloc(1, sizeof(*j));
        int r = -ENOMEM;

        if (s && j) {
                *s = (PortHolderSearch){ .found = found, .userdata = userdata };
                j->at = *at;
                r = sd_event_add_time_relative(event, &s->timer, CLOCK_MONOTONIC, TIMEOUT_USEC, 0, on_timeout, s);
        }
        if (r >= 0)
                r = errand_start(event, &job_type, j, s, &s->errand);
        if (r < 0) {
                job_free(j);
                port_holder_abandon(s);
                return r;
        }
        *ret = s;
        return 0;
}

PortHolderSearch *port_holder_abandon(PortHolderSearch *s) {
        if (!s)
                return NULL;
        sd_event_source_disable_unref(s->timer);
        errand_abandon(s->errand);
        free(s);
        return NULL;
}
