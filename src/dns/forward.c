/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

/* Out of memory is an error of one call here, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "dns/lookup.h"

static int asker_new(ForwardClient *client, const uint8_t *query, size_t size, size_t limit, const ForwardPeer *peer,
                     Asker **ret) {
        _cleanup_(asker_freep) Asker *asker = calloc(1, sizeof(*asker));
        int r;

        if (!asker)
                return -ENOMEM;
        asker->client = client;
        asker->peer = *peer;
        asker->limit = limit;
        r = query_parse(&asker->query, query, size);
        if (r != 0)
                return r < 0 ? r : -EBADMSG;
        asker->reports = patterns_name(&client->patterns, asker->query.name);
        *ret = TAKE_PTR(asker);
        return 0;
}

static void asker_join(Asker *asker, Lookup *l) {
        asker->lookup = l;
        DL_APPEND(l->askers, asker);
        DL_APPEND2(asker->client->askers, asker, client_prev, client_next);
        asker->client->n_askers++;
}

/* Joins a lookup that is under way, or begins one. */
static int ask_outside(Forward *f, Asker *asker, const Question *question) {
        Lookup *l;
        int r;

        HASH_FIND(hh, f->lookups, question, sizeof(*question), l);
        if (l) {
                asker_join(asker, l);
                return 0;
        }
        r = lookup_new(f, question, &l);
        if (r < 0)
                return r;
        r = lookup_share(l);
        if (r < 0) {
                lookup_free(l);
                return r;
        }
        asker_join(asker, l);
        lookup_begin(l);
        return 0;
}

/* What is in the cache has to wait until appswitchd has heard of it. */
static int ask_held(Forward *f, Asker *asker, const Question *question, const Response *response, uint32_t age) {
        Lookup *l;
        int r;

        if (!forward_may_hold(f, asker->client))
                return -EBUSY;
        r = lookup_new(f, question, &l);
        if (r < 0)
                return r;
        r = lookup_hold(l, response, age);
        if (r < 0) {
                lookup_free(l);
                return r;
        }
        asker_join(asker, l);
        return 0;
}

/*
 * For how many questions a client may wait: for no more than others could ask
 * now. So apps that flood the table leave a share of it, as large as one of
 * theirs, and nobody's lookup has to end for theirs.
 */
static unsigned askers_max(const Forward *f) {
        const unsigned n = MIN2(FORWARD_LOOKUPS_MAX - f->n_lookups, (unsigned) FORWARD_CLIENT_ASKERS_MAX);

        return MAX2(n, (unsigned) FORWARD_CLIENT_ASKERS_MIN);
}

ssize_t forward_ask(Forward *f, ForwardClient *client, const uint8_t *query, size_t size, size_t limit,
                    const ForwardPeer *peer, uint8_t *ret) {
        _cleanup_(asker_freep) Asker *asker = NULL;
        ResponseAddresses addresses;
        Question question;
        Response response;
        uint32_t age;
        int r;

        r = asker_new(client, query, size, limit, peer, &asker);
        if (r < 0)
                return r;
        question_from_query(&asker->query, &question);
        if (client->n_askers >= askers_max(f) || f->upstream.n_servers == 0)
                return (ssize_t) response_write_error(LDNS_RCODE_SERVFAIL, &asker->query, ret);

        if (cache_get(f->cache, &question, forward_now(), &response, &age)) {
                response_addresses(&response, &question, age, &addresses);
                if (asker_report(f, asker, &addresses) >= 0)
                        return (ssize_t) response_write(&response, age, &asker->query, limit, ret);
                r = ask_held(f, asker, &question, &response, age);
        } else
                r = ask_outside(f, asker, &question);
        if (r < 0)
                return (ssize_t) response_write_error(LDNS_RCODE_SERVFAIL, &asker->query, ret);
        TAKE_PTR(asker);
        return 0;
}

static void asker_leave(Asker *asker) {
        Lookup *l = asker->lookup;

        asker_free(asker);
        if (!l->askers)
                lookup_free(l);
}

void forward_forget_stream(ForwardClient *client, const Stream *stream) {
        Asker *asker, *tmp;

        DL_FOREACH_SAFE2(client->askers, asker, tmp, client_next)
                if (asker->peer.stream == stream)
                        asker_leave(asker);
}

void forward_move(ForwardClient *from, ForwardClient *to) {
        Asker *asker, *tmp;

        to->sockets = from->sockets;
        DL_FOREACH_SAFE2(from->askers, asker, tmp, client_next) {
                if (asker->peer.stream)
                        continue;
                DL_DELETE2(from->askers, asker, client_prev, client_next);
                from->n_askers--;
                DL_APPEND2(to->askers, asker, client_prev, client_next);
                to->n_askers++;
                asker->client = to;
        }
}

void forward_leave(Forward *f, ForwardClient *client) {
        while (client->askers)
                asker_leave(client->askers);
        cache_leave(f->cache, &client->share);
        patterns_done(&client->patterns);
}

void forward_set_reports(Forward *f, const ForwardReports *reports, void *userdata) {
        f->reports = *reports;
        f->userdata = userdata;
        f->upstream.wanted = reports->wanted;
        f->upstream.userdata = userdata;
}

void forward_set_servers(Forward *f, uint64_t list, unsigned n_servers) {
        Lookup *l, *tmp;

        if (f->upstream.list == list && f->upstream.n_servers == n_servers)
                return;
        DL_FOREACH(f->all, l)
                lookup_drop_tries(l);
        upstream_set(&f->upstream, list, n_servers);
        cache_clear(f->cache);
        DL_FOREACH_SAFE(f->all, l, tmp)
                if (!l->held)
                        lookup_begin(l);
}

void forward_resume(Forward *f, bool anew) {
        Lookup *l, *tmp;

        upstream_want_again(&f->upstream, anew);
        DL_FOREACH_SAFE(f->all, l, tmp)
                if (l->held) {
                        lookup_answer(l, &l->response, (uint32_t) ((forward_now() - l->since) / USEC_PER_SEC));
                        if (!l->askers)
                                lookup_free(l);
                }
}

void forward_receive(Forward *f, uint64_t list, unsigned server, bool stream, int fd) {
        upstream_receive(&f->upstream, list, server, stream, fd, forward_now());
}

Forward *forward_new(sd_event *event, const Names *names, const ForwardHooks *hooks) {
        Forward *f = calloc(1, sizeof(*f));

        if (!f)
                return NULL;
        f->event = sd_event_ref(event);
        f->names = names;
        f->hooks = hooks;
        f->cache = cache_new(CACHE_SIZE_MAX);
        return f->cache ? f : forward_free(f);
}

Forward *forward_free(Forward *f) {
        if (!f)
                return NULL;
        while (f->all)
                lookup_free(f->all);
        upstream_done(&f->upstream);
        cache_free(f->cache);
        sd_event_unref(f->event);
        free(f);
        return NULL;
}
