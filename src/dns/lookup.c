/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

/* Out of memory is an error of one call here, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "basic/log.h"
#include "dns/lookup.h"

/* At most one line of the kind in this time. */
#define WARN_USEC (10 * USEC_PER_SEC)

Asker *asker_free(Asker *asker) {
        if (!asker)
                return NULL;
        if (asker->lookup) {
                DL_DELETE(asker->lookup->askers, asker);
                DL_DELETE2(asker->client->askers, asker, client_prev, client_next);
                asker->client->n_askers--;
        }
        query_done(&asker->query);
        free(asker);
        return NULL;
}

static void lookup_drop_try(Lookup *l, Try *try, bool answered) {
        if (try->waiter.stream)
                l->forward->n_streams--;
        DL_DELETE(l->tries, try);
        try_free(try, answered);
}

void lookup_drop_tries(Lookup *l) {
        while (l->tries)
                lookup_drop_try(l, l->tries, false);
}

/* Who asks the same from now on does not join it. */
static void lookup_unshare(Lookup *l) {
        if (l->is_shared)
                HASH_DEL(l->forward->lookups, l);
        l->is_shared = false;
}

Lookup *lookup_free(Lookup *l) {
        if (!l)
                return NULL;
        while (l->askers)
                asker_free(l->askers);
        lookup_drop_tries(l);
        lookup_unshare(l);
        DL_DELETE(l->forward->all, l);
        l->forward->n_lookups--;
        if (l->held)
                l->forward->n_held--;
        free(l->held);
        sd_event_source_disable_unref(l->timer);
        free(l);
        return NULL;
}

/* Sends what `forward->answer` has, and that is all for who asked. */
static void asker_reply(Asker *asker, size_t size) {
        Forward *f = asker->lookup->forward;
        ForwardClient *client = asker->client;
        const ForwardPeer peer = asker->peer;

        asker_free(asker);
        f->hooks->reply(client, &peer, f->answer + STREAM_LENGTH_SIZE, size);
}

/* The answer is that there is none. */
static void lookup_fail(Lookup *l, unsigned rcode) {
        lookup_unshare(l);
        while (l->askers) {
                uint8_t *p = l->forward->answer + STREAM_LENGTH_SIZE;

                asker_reply(l->askers, response_write_error(rcode, &l->askers->query, p));
        }
        lookup_free(l);
}

int asker_report(Forward *f, const Asker *asker, const ResponseAddresses *addresses) {
        if (!asker->reports || addresses->n == 0)
                return 0;
        return f->reports.resolved ? f->reports.resolved(asker->client->id, asker->query.name, addresses, f->userdata) : -ENOTCONN;
}

void lookup_answer(Lookup *l, const Response *response, uint32_t age) {
        Forward *f = l->forward;
        ResponseAddresses addresses;
        Asker *asker, *tmp;

        /* Once for all, who may be many. */
        response_addresses(response, &l->question, age, &addresses);
        DL_FOREACH_SAFE(l->askers, asker, tmp) {
                size_t size;

                if (asker_report(f, asker, &addresses) < 0)
                        continue;
                size = response_write(response, age, &asker->query, asker->limit, f->answer + STREAM_LENGTH_SIZE);
                asker_reply(asker, size);
        }
}

/*
 * A client may have as much of something as others could have now (as
 * askers_max()). A lookup counts for whoever is the first that waits for it.
 */
bool forward_may_hold(const Forward *f, const ForwardClient *client) {
        const Asker *asker;
        unsigned n = 0;

        DL_FOREACH2(client->askers, asker, client_next)
                n += asker == asker->lookup->askers && asker->lookup->held;
        return n < FORWARD_HELD_MAX - f->n_held;
}

static bool may_stream(const Forward *f, const ForwardClient *client) {
        const Asker *asker;
        unsigned n = 0;

        DL_FOREACH2(client->askers, asker, client_next) {
                const Try *try;

                if (asker == asker->lookup->askers)
                        DL_FOREACH(asker->lookup->tries, try)
                                n += try->waiter.stream;
        }
        return n < FORWARD_STREAMS_MAX - f->n_streams;
}

/* One who waits is enough. He is the first from then on. */
static bool lookup_may(Lookup *l, bool (*may)(const Forward *f, const ForwardClient *client)) {
        const uint64_t look = ++l->forward->n_looks;
        Asker *asker;

        DL_FOREACH(l->askers, asker) {
                /* Each client once, whatever it asks how often. */
                if (asker->client->looked_at == look)
                        continue;
                asker->client->looked_at = look;
                if (may(l->forward, asker->client)) {
                        DL_DELETE(l->askers, asker);
                        DL_PREPEND(l->askers, asker);
                        return true;
                }
        }
        return false;
}

/* For a socket that is to be made. */
static bool lookup_pay(Lookup *l, uint64_t now) {
        Asker *asker;

        DL_FOREACH(l->askers, asker)
                if (budget_take(&asker->client->sockets, now, FORWARD_CLIENT_SOCKETS_PER_SEC, FORWARD_CLIENT_SOCKETS_BURST))
                        return true;
        return false;
}

int lookup_hold(Lookup *l, const Response *response, uint32_t age) {
        l->held = malloc(response->size);
        if (!l->held)
                return -ENOMEM;
        memcpy(l->held, response->data, response->size);
        l->response = *response;
        l->response.data = l->held;
        l->since = forward_now() - age * USEC_PER_SEC;
        l->forward->n_held++;
        return 0;
}

static bool is_virtual(const DnsFeedAddress *address, const void *userdata) {
        return names_is_virtual(userdata, address);
}

static bool lookup_believes(Lookup *l, const Response *response) {
        Forward *f = l->forward;
        const uint64_t now = forward_now();
        char name[WIRE_NAME_MAX];

        if (!response_any_address(response, is_virtual, f->names))
                return true;
        if (now - f->warned >= WARN_USEC) {
                f->warned = now;
                wire_name_to_text(l->question.name, name);
                log_warning("A name server of the host says that %s has a virtual address, answering with a failure.",
                            name);
        }
        return false;
}

static int lookup_arm(Lookup *l, uint64_t at) {
        int r;

        r = sd_event_source_set_time(l->timer, at);
        return r < 0 ? r : sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

/* The tries are over. */
static void lookup_finish(Lookup *l, const Response *response) {
        Forward *f = l->forward;

        if (!lookup_believes(l, response)) {
                lookup_fail(l, LDNS_RCODE_SERVFAIL);
                return;
        }
        lookup_unshare(l);
        cache_put(f->cache, &l->askers->client->share, &l->question, response, forward_now());
        lookup_answer(l, response, 0);
        if (!l->askers)
                lookup_free(l);
        else if (!lookup_may(l, forward_may_hold) || lookup_hold(l, response, 0) < 0 || lookup_arm(l, l->deadline) < 0)
                lookup_fail(l, LDNS_RCODE_SERVFAIL);
        else
                lookup_drop_tries(l);
}

static void lookup_next(Lookup *l);
static bool lookup_on_try(Try *try, int error, const uint8_t *data, size_t size, void *userdata);

static int lookup_try(Lookup *l, unsigned server, bool stream) {
        Forward *f = l->forward;
        const uint64_t now = forward_now();
        Try *try;

        if (stream && (l->n_streams >= FORWARD_TRIES_MAX || !lookup_may(l, may_stream)))
                return -EBUSY;
        if (!upstream_has(&f->upstream, server, stream, now) && !lookup_pay(l, now))
                return -EBUSY;
        try = try_new(f->event, &f->upstream, server, stream, !l->plain, &l->question, f->scratch, lookup_on_try, l);
        if (!try)
                return -ENOMEM;
        DL_APPEND(l->tries, try);
        if (stream) {
                l->n_streams++;
                f->n_streams++;
        }
        return 0;
}

static unsigned lookup_tries_max(const Lookup *l) {
        const unsigned n = l->forward->upstream.n_servers;

        return n == 1 ? FORWARD_LONE_TRIES : MIN2(2 * n, (unsigned) FORWARD_TRIES_MAX);
}

/* Asks the next server. If all were, often enough, what is under way has until the deadline. */
static void lookup_next(Lookup *l) {
        const unsigned max = lookup_tries_max(l), n = l->forward->upstream.n_servers;
        uint64_t at = l->deadline;
        int r = 0;

        if (l->n_tries < max) {
                r = lookup_try(l, l->order[l->n_tries++ % n], false);
                at = MIN2(at, forward_now() + FORWARD_USEC / max);
        }
        if ((r < 0 && r != -EBUSY) || !l->tries)
                at = l->deadline = 0; /* that is now, but not in here: who begins a lookup goes on with it */
        (void) lookup_arm(l, at);
}

/* The same server, but otherwise; if that cannot be, the next one. */
static void lookup_try_again(Lookup *l, unsigned server, bool stream) {
        if (lookup_try(l, server, stream) < 0)
                lookup_next(l);
}

static bool response_is_useful(const Response *r) {
        return (r->rcode == LDNS_RCODE_NOERROR || r->rcode == LDNS_RCODE_NXDOMAIN) && !r->is_lame && !r->truncated;
}

static bool lookup_on_try(Try *try, int error, const uint8_t *data, size_t size, void *userdata) {
        Lookup *l = userdata;
        Forward *f = l->forward;
        const unsigned server = try->waiter.server;
        const bool stream = try->waiter.stream, edns = try->edns;
        Response response;

        if (error < 0) {
                upstream_failed(&f->upstream, server, forward_now());
                lookup_drop_try(l, try, false);
                lookup_next(l);
                return true;
        }
        if (response_parse(&response, &l->question, try->id, data, size) < 0)
                return false;
        upstream_answered(&f->upstream, server);
        if (response_is_useful(&response)) {
                /* What a stream had to say goes with it. */
                if (!stream)
                        lookup_drop_try(l, try, true);
                lookup_finish(l, &response);
                return true;
        }

        lookup_drop_try(l, try, true);
        if (response.truncated && !stream) {
                lookup_try_again(l, server, true);
        } else if (edns && !response.edns && !l->plain &&
                   (response.rcode == LDNS_RCODE_FORMERR || response.rcode == LDNS_RCODE_NOTIMPL)) {
                l->plain = true; /* RFC 6891, 7 */
                lookup_try_again(l, server, stream);
        } else {
                if (response.rcode != LDNS_RCODE_NOERROR && response.rcode <= LDNS_RCODE_NOTZONE)
                        l->rcode = response.rcode;
                lookup_next(l);
        }
        return true;
}

static int lookup_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Lookup *l = userdata;

        if (forward_now() >= l->deadline || l->held) {
                lookup_fail(l, l->rcode);
                return 0;
        }
        if (l->tries && !l->tries->prev->waiter.waits)
                upstream_failed(&l->forward->upstream, l->tries->prev->waiter.server, forward_now());
        lookup_next(l);
        return 0;
}

int lookup_new(Forward *f, const Question *question, Lookup **ret) {
        Lookup *l;
        int r;

        if (f->n_lookups >= FORWARD_LOOKUPS_MAX)
                lookup_fail(f->all, LDNS_RCODE_SERVFAIL);
        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        *l = (Lookup){
                        .forward = f,
                        .question = *question,
                        .deadline = forward_now() + FORWARD_USEC,
                        .rcode = LDNS_RCODE_SERVFAIL,
        };
        DL_APPEND(f->all, l);
        f->n_lookups++;
        r = sd_event_add_time(f->event, &l->timer, CLOCK_BOOTTIME, l->deadline, USEC_PER_MSEC, lookup_on_timer, l);
        if (r < 0) {
                lookup_free(l);
                return r;
        }
        *ret = l;
        return 0;
}

int lookup_share(Lookup *l) {
        HASH_ADD(hh, l->forward->lookups, question, sizeof(l->question), l);
        l->is_shared = l->hh.tbl;
        return l->is_shared ? 0 : -ENOMEM;
}

void lookup_begin(Lookup *l) {
        upstream_order(&l->forward->upstream, forward_now(), l->order);
        l->n_tries = l->n_streams = 0;
        l->plain = false;
        lookup_next(l);
}
