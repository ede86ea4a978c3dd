/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <utlist.h>

#include "basic/fd.h"
#include "dns/upstream.h"

enum { FAILURES_MAX = 2 }; /* then it rests */

static void pool_close(UpstreamServer *server) {
        while (server->n_pool > 0)
                safe_close(server->pool[--server->n_pool].fd);
}

void upstream_done(Upstream *u) {
        for (size_t i = 0; i < ELEMENTSOF(u->servers); i++)
                pool_close(u->servers + i);
}

static void waiter_end(Upstream *u, UpstreamWaiter *waiter, int error, const UpstreamSocket *s) {
        upstream_cancel(u, waiter);
        waiter->ready(waiter, error, s);
}

void upstream_set(Upstream *u, uint64_t list, unsigned n_servers) {
        upstream_done(u);
        u->list = list;
        u->n_servers = n_servers;
        for (size_t i = 0; i < ELEMENTSOF(u->servers); i++)
                u->servers[i] = (UpstreamServer){};
}

static bool want(Upstream *u, UpstreamWaiter *waiter) {
        waiter->asked = u->wanted && u->wanted(u->list, waiter->server, waiter->stream, u->userdata) >= 0;
        return waiter->asked;
}

void upstream_want_again(Upstream *u, bool anew) {
        UpstreamWaiter *waiter;

        if (anew)
                DL_FOREACH(u->waiters, waiter)
                        waiter->asked = false;
        DL_FOREACH(u->waiters, waiter)
                if (!waiter->asked && !want(u, waiter))
                        return; /* nor would it hear of the others */
}

bool upstream_has(Upstream *u, unsigned server, bool stream, uint64_t now) {
        UpstreamServer *of = u->servers + server;

        if (stream)
                return false;
        while (of->n_pool > 0 && now - of->pool[of->n_pool - 1].since >= UPSTREAM_AGE_MAX_USEC)
                safe_close(of->pool[--of->n_pool].fd);
        return of->n_pool > 0;
}

int upstream_get(Upstream *u, UpstreamWaiter *waiter, uint64_t now, UpstreamSocket *ret) {
        UpstreamServer *server = u->servers + waiter->server;

        if (upstream_has(u, waiter->server, waiter->stream, now)) {
                *ret = server->pool[--server->n_pool];
                return 0;
        }
        waiter->waits = true;
        DL_APPEND(u->waiters, waiter);
        /* If it cannot be asked now it will be by upstream_want_again(). */
        (void) want(u, waiter);
        return 1;
}

void upstream_cancel(Upstream *u, UpstreamWaiter *waiter) {
        if (!waiter->waits)
                return;
        waiter->waits = false;
        DL_DELETE(u->waiters, waiter);
}

void upstream_put(Upstream *u, unsigned server, UpstreamSocket *s, uint64_t now) {
        UpstreamServer *of = u->servers + server;

        if (s->uses >= UPSTREAM_USES_MAX || now - s->since >= UPSTREAM_AGE_MAX_USEC || of->n_pool >= UPSTREAM_POOL_MAX)
                safe_close(s->fd);
        else
                of->pool[of->n_pool++] = *s;
        s->fd = -EBADF;
}

void upstream_receive(Upstream *u, uint64_t list, unsigned server, bool stream, int fd, uint64_t now) {
        UpstreamSocket s = { .fd = fd, .since = now };
        UpstreamWaiter *waiter;

        DL_FOREACH(u->waiters, waiter)
                if (waiter->server == server && waiter->stream == stream)
                        break;
        if (list == u->list && waiter)
                waiter_end(u, waiter, fd < 0 ? fd : 0, &s);
        else if (list == u->list && server < u->n_servers && !stream && fd >= 0)
                upstream_put(u, server, &s, now); /* who wanted it went */
        else
                safe_close(fd);
}

void upstream_answered(Upstream *u, unsigned server) {
        u->servers[server].failures = 0;
        u->servers[server].rests_until = 0;
}

void upstream_failed(Upstream *u, unsigned server, uint64_t now) {
        if (++u->servers[server].failures >= FAILURES_MAX)
                u->servers[server].rests_until = now + UPSTREAM_REST_USEC;
}

void upstream_order(const Upstream *u, uint64_t now, unsigned ret[static DNS_FEED_SERVERS_MAX]) {
        unsigned n = 0;

        for (unsigned rests = 0; rests < 2; rests++)
                for (unsigned i = 0; i < u->n_servers; i++)
                        if ((u->servers[i].rests_until > now) == rests)
                                ret[n++] = i;
}
