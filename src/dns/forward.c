/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

/* Out of memory is an error of one call here, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "basic/clock.h"
#include "basic/log.h"
#include "dns/forward.h"

typedef struct Lookup Lookup;

/* One who waits for the answer. */
struct Asker {
        Lookup *lookup;
        ForwardClient *client;
        ForwardPeer peer;
        Query query;
        size_t limit;
        bool reports; /* appswitchd is to hear of it, too */
        Asker *prev, *next;               /* of the lookup */
        Asker *client_prev, *client_next; /* of the client */
};

struct Lookup {
        UT_hash_handle hh;
        Lookup *prev, *next; /* of all, the oldest first */
        Forward *forward;
        Question question; /* the key */
        bool is_shared;    /* who asks the same joins it: it is in the table */
        Asker *askers;
        uint64_t deadline;
        sd_event_source *timer;

        Try *tries; /* under way */
        unsigned order[DNS_FEED_SERVERS_MAX];
        unsigned n_tries, n_streams; /* begun */
        bool plain; /* a server did not understand EDNS */
        unsigned rcode; /* that the last server had for an answer */

        /* The answer, while it is held back. */
        uint8_t *held;
        Response response;
        uint64_t since;
};

struct Forward {
        sd_event *event;
        const Names *names;
        const ForwardHooks *hooks;
        ForwardReports reports;
        void *userdata;
        Upstream upstream;
        Cache *cache;
        Lookup *lookups; /* by question */
        Lookup *all;
        unsigned n_lookups, n_streams, n_held;
        uint64_t warned; /* of an answer with a virtual address, in µs */
        uint8_t scratch[WIRE_MESSAGE_MAX];
        uint8_t answer[STREAM_LENGTH_SIZE + WIRE_MESSAGE_MAX];
};

/* At most one line of the kind in this time. */
#define WARN_USEC (10 * USEC_PER_SEC)

static uint64_t forward_now(void) {
        return now_usec(CLOCK_BOOTTIME);
}

static Asker *asker_free(Asker *asker) {
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

DEFINE_CLEANUP(Asker *, asker_free)

static void lookup_drop_try(Lookup *l, Try *try, bool answered) {
        if (try->waiter.stream)
                l->forward->n_streams--;
        DL_DELETE(l->tries, try);
        try_free(try, answered);
}

static void lookup_drop_tries(Lookup *l) {
        while (l->tries)
                lookup_drop_try(l, l->tries, false);
}

/* Who asks the same from now on does not join it. */
static void lookup_unshare(Lookup *l) {
        if (l->is_shared)
                HASH_DEL(l->forward->lookups, l);
        l->is_shared = false;
}

static Lookup *lookup_free(Lookup *l) {
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

/*
 * Tells appswitchd what the client is about to hear, if it has a rule about the
 * name. Returns 0, or a negative errno if it could not be told.
 */
static int report(Forward *f, const Asker *asker, const Question *question, const Response *response, uint32_t age) {
        ResponseAddresses addresses;

        if (!asker->reports)
                return 0;
        response_addresses(response, question, &addresses);
        if (addresses.n == 0)
                return 0;
        addresses.ttl -= MIN2(addresses.ttl, age);
        return f->reports.resolved ? f->reports.resolved(asker->client->id, asker->query.name, &addresses, f->userdata) : -ENOTCONN;
}

/* Answers all that may hear it now. */
static void lookup_answer(Lookup *l, const Response *response, uint32_t age) {
        Forward *f = l->forward;
        Asker *asker, *tmp;

        DL_FOREACH_SAFE(l->askers, asker, tmp) {
                size_t size;

                if (report(f, asker, &l->question, response, age) < 0)
                        continue;
                size = response_write(response, age, &asker->query, asker->limit, f->answer + STREAM_LENGTH_SIZE);
                asker_reply(asker, size);
        }
}

/* Keeps the answer for those who may not hear it yet. */
static int lookup_hold(Lookup *l, const Response *response, uint32_t age) {
        if (l->forward->n_held >= FORWARD_HELD_MAX)
                return -EBUSY;
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
        Asker *first = l->askers;

        if (!lookup_believes(l, response)) {
                lookup_fail(l, LDNS_RCODE_SERVFAIL);
                return;
        }
        lookup_unshare(l);
        cache_put(f->cache, first ? &first->client->share : &f->cache->nobody, &l->question, response, forward_now());
        lookup_answer(l, response, 0);
        if (!l->askers)
                lookup_free(l);
        else if (lookup_hold(l, response, 0) < 0 || lookup_arm(l, l->deadline) < 0)
                lookup_fail(l, LDNS_RCODE_SERVFAIL);
        else
                lookup_drop_tries(l);
}

static void lookup_next(Lookup *l);
static bool lookup_on_try(Try *try, int error, const uint8_t *data, size_t size, void *userdata);

static int lookup_try(Lookup *l, unsigned server, bool stream) {
        Forward *f = l->forward;
        Try *try;

        if (stream && (l->n_streams >= FORWARD_TRIES_MAX || f->n_streams >= FORWARD_STREAMS_MAX))
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
        if (r < 0 || !l->tries)
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

static int lookup_new(Forward *f, const Question *question, Lookup **ret) {
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

static int lookup_share(Lookup *l) {
        HASH_ADD(hh, l->forward->lookups, question, sizeof(l->question), l);
        l->is_shared = l->hh.tbl;
        return l->is_shared ? 0 : -ENOMEM;
}

static void lookup_begin(Lookup *l) {
        upstream_order(&l->forward->upstream, forward_now(), l->order);
        l->n_tries = l->n_streams = 0;
        l->plain = false;
        lookup_next(l);
}

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

ssize_t forward_ask(Forward *f, ForwardClient *client, const uint8_t *query, size_t size, size_t limit,
                    const ForwardPeer *peer, uint8_t *ret) {
        _cleanup_(asker_freep) Asker *asker = NULL;
        Question question;
        Response response;
        uint32_t age;
        int r;

        r = asker_new(client, query, size, limit, peer, &asker);
        if (r < 0)
                return r;
        question_from_query(&asker->query, &question);
        if (client->n_askers >= FORWARD_CLIENT_ASKERS_MAX || f->upstream.n_servers == 0)
                return (ssize_t) response_write_error(LDNS_RCODE_SERVFAIL, &asker->query, ret);

        if (cache_get(f->cache, &question, forward_now(), &response, &age)) {
                if (report(f, asker, &question, &response, age) >= 0)
                        return (ssize_t) response_write(&response, age, &asker->query, limit, ret);
                r = ask_held(f, asker, &question, &response, age);
        } else
                r = ask_outside(f, asker, &question);
        if (r < 0)
                return (ssize_t) response_write_error(LDNS_RCODE_SERVFAIL, &asker->query, ret);
        TAKE_PTR(asker);
        return 0;
}

void forward_forget_stream(ForwardClient *client, const Stream *stream) {
        Asker *asker, *tmp;

        DL_FOREACH_SAFE2(client->askers, asker, tmp, client_next)
                if (asker->peer.stream == stream)
                        asker_free(asker);
}

void forward_move(ForwardClient *from, ForwardClient *to) {
        Asker *asker, *tmp;

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
        /* A lookup that nobody waits for any more goes on: what it finds is for the cache. */
        while (client->askers)
                asker_free(client->askers);
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

void forward_resume(Forward *f) {
        Lookup *l, *tmp;

        upstream_want_again(&f->upstream);
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
