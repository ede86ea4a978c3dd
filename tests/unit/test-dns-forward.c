/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lookups, with pairs of sockets to servers that the test plays itself: what
 * comes when is its choice, and no time has to pass.
 */

#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "dns/forward.h"
#include "unit.h"

enum {
        SOCKETS_MAX = 4096,
        LIST = 7,
};

/* Our end of a socket that was wanted. */
typedef struct Wanted {
        unsigned server;
        bool stream;
        int fd; /* -EBADF: not made yet */
} Wanted;

static sd_event *event;
static Names *names;
static Forward *forward;
static ForwardClient client, other;
static Wanted wanted[SOCKETS_MAX];
static size_t n_wanted, n_made;
static bool is_away; /* appswitchd */
static unsigned n_resolved;
static ResponseAddresses resolved;
static unsigned n_replies;
static uint8_t reply[WIRE_MESSAGE_MAX], buf[WIRE_MESSAGE_MAX];
static size_t reply_size;
static const ForwardClient *reply_client;

static int on_wanted(uint64_t list, unsigned server, bool stream, void *userdata) {
        if (is_away)
                return -ENOTCONN;
        ck_assert_uint_eq(list, LIST);
        ck_assert_uint_lt(n_wanted, SOCKETS_MAX);
        wanted[n_wanted++] = (Wanted){ server, stream, -EBADF };
        return 0;
}

static int on_resolved(const char *app_id, const char *name, const ResponseAddresses *addresses, void *userdata) {
        if (is_away)
                return -ENOTCONN;
        ck_assert_str_eq(name, "www.example.test");
        n_resolved++;
        resolved = *addresses;
        return 0;
}

static void on_reply(ForwardClient *to, const ForwardPeer *peer, uint8_t *data, size_t size) {
        n_replies++;
        reply_client = to;
        memcpy(reply, data, size);
        reply_size = size;
}

static const ForwardHooks hooks = { .reply = on_reply };
static const ForwardReports reports = { .wanted = on_wanted, .resolved = on_resolved };

static void setup(void) {
        static const DnsFeedPool pools[] = { { { AF_INET, { 198, 18 } }, 15 }, { { AF_INET6, { 0xfd } }, 64 } };

        n_wanted = n_made = n_resolved = n_replies = 0;
        is_away = false;
        client = (ForwardClient){ .id = "client" };
        other = (ForwardClient){ .id = "other" };
        log_set_max_level(LOG_CRIT);
        ck_assert_int_ge(sd_event_new(&event), 0);
        names = names_new();
        ck_assert_int_eq(names_set_pools(names, pools), 0);
        forward = forward_new(event, names, &hooks);
        ck_assert_ptr_nonnull(forward);
        forward_set_reports(forward, &reports, NULL);
        forward_set_servers(forward, LIST, 2);
        ck_assert_int_eq(patterns_add(&client.patterns, "*"), 0);
        ck_assert_int_eq(patterns_add(&other.patterns, "*"), 0);
}

static void teardown(void) {
        forward_leave(forward, &client);
        forward_leave(forward, &other);
        forward = forward_free(forward);
        names = names_free(names);
        event = sd_event_unref(event);
        for (size_t i = 0; i < n_made; i++)
                wanted[i].fd = safe_close(wanted[i].fd);
}

/* Makes what is wanted, and lets the loop have its turns. */
static void turn(void) {
        for (;;) {
                while (sd_event_run(event, 0) > 0)
                        ;
                if (n_made == n_wanted)
                        return;
                while (n_made < n_wanted) {
                        Wanted *w = wanted + n_made++;
                        int pair[2];

                        ck_assert_int_eq(socketpair(AF_UNIX, (w->stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
                                                    0, pair), 0);
                        w->fd = pair[0];
                        forward_receive(forward, LIST, w->server, w->stream, pair[1]);
                }
        }
}

static ssize_t ask(ForwardClient *c, const char *name, uint16_t id) {
        static const ForwardPeer peer;
        uint8_t *query;
        ldns_pkt *p;
        size_t size;
        ssize_t l;

        ck_assert_int_eq(ldns_pkt_query_new_frm_str(&p, name, LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN, LDNS_RD), 0);
        ldns_pkt_set_id(p, id);
        ck_assert_int_eq(ldns_pkt2wire(&query, p, &size), 0);
        ldns_pkt_free(p);
        l = forward_ask(forward, c, query, size, 512, &peer, reply);
        free(query);
        turn();
        return l;
}

/* The question that came over the socket, in `buf`. Returns its size, 0 for none. */
static size_t asked(size_t socket) {
        ssize_t l;

        ck_assert_uint_lt(socket, n_made);
        l = recv(wanted[socket].fd, buf, sizeof(buf), MSG_DONTWAIT);
        return l < 0 ? 0 : (size_t) l;
}

enum { TC = 0x0200, OTHER_ID = 0x10000 };

/* Answers the question in `buf` with this address and what is or'ed to the flags. */
static void say(size_t socket, size_t size, unsigned flags, uint8_t address) {
        const size_t skip = wanted[socket].stream ? 2 : 0, end = skip + LDNS_HEADER_SIZE + 18 + WIRE_QUESTION_FIXED;
        const uint8_t record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, address, 18, 113, 1 };
        const bool good = !(flags & 0xf) && !(flags & TC);

        ck_assert_uint_ge(size, end);
        wire_put_uint16(buf + skip + 2, (uint16_t) (0x8180 | (flags & 0xffff)));
        if (flags & OTHER_ID)
                buf[skip] ^= 1;
        memset(buf + skip + 6, 0, 6);
        buf[skip + 7] = good;
        memcpy(buf + end, record, sizeof(record));
        if (skip)
                wire_put_uint16(buf, (uint16_t) (end - 2 + (good ? sizeof(record) : 0)));
        ck_assert_int_gt(send(wanted[socket].fd, buf, end + (good ? sizeof(record) : 0), MSG_NOSIGNAL), 0);
}

static void answer(size_t socket, unsigned flags, uint8_t address) {
        say(socket, asked(socket), flags, address);
        turn();
}

static void assert_reply(unsigned n, uint16_t id, int rcode) {
        ck_assert_uint_eq(n_replies, n);
        ck_assert_uint_eq(LDNS_ID_WIRE(reply), id);
        ck_assert_int_eq(LDNS_RCODE_WIRE(reply), rcode);
}

/* One question for all who ask the same; afterwards it is known, also by another who may ask. */
START_TEST(test_shared) {
        ck_assert_int_eq(ask(&client, "www.example.test", 1), 0);
        ck_assert_int_eq(ask(&client, "WWW.example.test", 2), 0);
        ck_assert_int_eq(ask(&other, "www.example.test", 3), 0);
        ck_assert_uint_eq(n_wanted, 1);
        ck_assert_uint_eq(client.n_askers, 2);
        answer(0, 0, 203);
        assert_reply(3, 3, 0);
        ck_assert_ptr_eq(reply_client, &other);
        ck_assert_uint_eq(client.n_askers + other.n_askers, 0);
        ck_assert_int_gt(ask(&other, "www.example.TEST", 4), 0);
        ck_assert_uint_eq(LDNS_ID_WIRE(reply), 4);
        ck_assert_int_eq(memcmp(reply + 12, "\3www\7example\4TEST", 17), 0);
        ck_assert_uint_eq(n_replies, 3);
}
END_TEST

/* What is no answer to the question does not count, until there is too much of it. */
START_TEST(test_strays) {
        size_t size;

        ck_assert_int_eq(ask(&client, "www.example.test", 1), 0);
        size = asked(0);
        ck_assert_int_gt(send(wanted[0].fd, "", 1, 0), 0);
        say(0, size, OTHER_ID, 203);
        turn();
        ck_assert_uint_eq(n_replies, 0);
        buf[0] ^= 1;
        say(0, size, 0, 203);
        turn();
        assert_reply(1, 1, 0);

        ck_assert_int_eq(ask(&client, "ww2.example.test", 2), 0);
        ck_assert_uint_eq(n_made, 1); /* the same socket, again */
        ck_assert_uint_gt(asked(0), 0);
        for (unsigned i = 0; i < TRY_STRAYS_MAX; i++) {
                ck_assert_int_gt(send(wanted[0].fd, "garbage", 7, 0), 0);
                turn();
        }
        ck_assert_uint_eq(n_made, 2);
        ck_assert_uint_eq(wanted[1].server, 1);
        answer(1, 0, 203);
        assert_reply(2, 2, 0);
}
END_TEST

/* A socket serves a few questions, and then another one does. */
START_TEST(test_ports) {
        char name[32];

        for (uint16_t i = 0; i < 3 * UPSTREAM_USES_MAX; i++) {
                (void) snprintf(name, sizeof(name), "n%02u.example.test", i);
                ck_assert_int_eq(ask(&client, name, i), 0);
                answer(n_made - 1, 0, 203);
                assert_reply(i + 1U, i, 0);
        }
        ck_assert_uint_eq(n_made, 3);
}
END_TEST

/* Who fails is passed over; if all do, that is the answer. */
START_TEST(test_failures) {
        ck_assert_int_eq(ask(&client, "www.example.test", 1), 0);
        answer(0, LDNS_RCODE_SERVFAIL, 0);
        ck_assert_uint_eq(n_made, 2);
        ck_assert_uint_eq(wanted[1].server, 1);
        answer(1, 0, 203);
        assert_reply(1, 1, 0);

        /* Four times, each server twice. */
        ck_assert_int_eq(ask(&client, "ww2.example.test", 2), 0);
        answer(0, LDNS_RCODE_REFUSED, 0);
        answer(1, LDNS_RCODE_REFUSED, 0);
        answer(0, LDNS_RCODE_REFUSED, 0);
        ck_assert_uint_eq(n_replies, 1);
        answer(1, LDNS_RCODE_REFUSED, 0);
        assert_reply(2, 2, LDNS_RCODE_REFUSED);
        ck_assert_int_eq(ask(&client, "ww2.example.test", 3), 0);
}
END_TEST

/* What is cut is asked for over TCP, of the same server; if it breaks off, the next one. */
START_TEST(test_stream) {
        size_t size;

        ck_assert_int_eq(ask(&client, "www.example.test", 1), 0);
        answer(0, TC, 0);
        ck_assert_uint_eq(n_made, 2);
        ck_assert(wanted[1].stream && wanted[1].server == 0);
        size = asked(1);
        ck_assert_uint_eq(wire_uint16(buf), size - 2);
        wanted[1].fd = safe_close(wanted[1].fd);
        turn();
        ck_assert_uint_eq(n_made, 3);
        ck_assert(!wanted[2].stream && wanted[2].server == 1);
        answer(2, TC, 0);
        ck_assert(wanted[3].stream && wanted[3].server == 1);
        answer(3, 0, 203);
        assert_reply(1, 1, 0);
}
END_TEST

/* appswitchd hears of it first, from the cache, too; while it is away the answer waits. */
START_TEST(test_resolved) {
        ck_assert_int_eq(patterns_add(&client.patterns, "*.example.test"), 0);
        ck_assert_int_eq(ask(&client, "www.example.test", 1), 0);
        answer(0, 0, 203);
        assert_reply(1, 1, 0);
        ck_assert_uint_eq(n_resolved, 1);
        ck_assert_uint_eq(resolved.n, 1);
        ck_assert_uint_eq(resolved.ttl, 60);
        ck_assert_uint_eq(resolved.addresses[0].bytes[0], 203);
        ck_assert_int_gt(ask(&other, "www.example.test", 2), 0);
        ck_assert_uint_eq(n_resolved, 1);

        is_away = true;
        ck_assert_int_eq(ask(&client, "www.example.test", 3), 0);
        ck_assert_int_gt(ask(&other, "www.example.test", 4), 0);
        ck_assert_uint_eq(n_replies, 1);
        is_away = false;
        forward_resume(forward, true);
        turn();
        assert_reply(2, 3, 0);
        ck_assert_uint_eq(n_resolved, 2);
}
END_TEST

/* Sockets that are wanted while appswitchd is away are wanted when it is back. */
START_TEST(test_away) {
        is_away = true;
        ck_assert_int_eq(ask(&client, "www.example.test", 1), 0);
        ck_assert_uint_eq(n_wanted, 0);
        is_away = false;
        forward_resume(forward, true);
        turn();
        ck_assert_uint_eq(n_made, 1);
        answer(0, 0, 203);
        assert_reply(1, 1, 0);
}
END_TEST

/* An address that only we give is not believed, and not remembered. */
START_TEST(test_virtual) {
        ck_assert_int_eq(patterns_add(&client.patterns, "*.example.test"), 0);
        ck_assert_int_eq(ask(&client, "www.example.test", 1), 0);
        answer(0, 0, 198);
        assert_reply(1, 1, LDNS_RCODE_SERVFAIL);
        ck_assert_uint_eq(n_resolved, 0);
        ck_assert_int_eq(ask(&client, "www.example.test", 2), 0);
}
END_TEST

/* Other servers: what is under way begins anew, and what the old ones said is forgotten. */
START_TEST(test_other_servers) {
        ck_assert_int_eq(ask(&client, "www.example.test", 1), 0);
        answer(0, 0, 203);
        ck_assert_int_eq(ask(&client, "ww2.example.test", 2), 0);
        forward_set_servers(forward, LIST, 2);
        ck_assert_int_gt(ask(&client, "www.example.test", 3), 0);
        forward_set_servers(forward, LIST, 1);
        turn();
        ck_assert_uint_eq(n_made, 2);
        answer(1, 0, 203);
        assert_reply(2, 2, 0);
        ck_assert_int_eq(ask(&client, "www.example.test", 4), 0);

        /* None at all: a failure, at once. */
        forward_set_servers(forward, LIST, 0);
        turn();
        assert_reply(3, 4, LDNS_RCODE_SERVFAIL);
        ck_assert_int_gt(ask(&client, "ww3.example.test", 5), 0);
        ck_assert_int_eq(LDNS_RCODE_WIRE(reply), LDNS_RCODE_SERVFAIL);
}
END_TEST

/* The bounds: what an app may wait for, and all of them. */
START_TEST(test_bounds) {
        static ForwardClient many[FORWARD_LOOKUPS_MAX / FORWARD_CLIENT_ASKERS_MIN];
        unsigned n = 0;
        char name[32];

        for (; n < FORWARD_CLIENT_ASKERS_MAX; n++) {
                (void) snprintf(name, sizeof(name), "n%u.example.test", n);
                ck_assert_int_eq(ask(&client, name, (uint16_t) n), 0);
        }
        ck_assert_int_gt(ask(&client, "one.more.test", 1), 0);
        ck_assert_int_eq(LDNS_RCODE_WIRE(reply), LDNS_RCODE_SERVFAIL);

        /* Whoever leaves takes his lookups with him. */
        forward_leave(forward, &client);
        ck_assert_int_eq(patterns_add(&client.patterns, "*"), 0);
        ck_assert_int_eq(ask(&client, "one.more.test", 1), 0);
        forward_leave(forward, &client);

        /* A few are for everybody: the next one ends the oldest. */
        for (n = 0; n < FORWARD_LOOKUPS_MAX; n++) {
                ForwardClient *c = many + n / FORWARD_CLIENT_ASKERS_MIN;

                c->id = "one of many";
                ck_assert_int_eq(patterns_add(&c->patterns, "*"), 0);
                (void) snprintf(name, sizeof(name), "n%u.example.test", n);
                ck_assert_int_eq(ask(c, name, 1), 0);
        }
        ck_assert_int_eq(ask(&other, "n0.example.test", 2), 0); /* joins */
        ck_assert_uint_eq(n_replies, 0);
        ck_assert_int_eq(ask(&other, "one.more.test", 3), 0);
        assert_reply(2, 2, LDNS_RCODE_SERVFAIL);
        for (unsigned i = 0; i < ELEMENTSOF(many); i++)
                forward_leave(forward, many + i);
}
END_TEST

/* Many that ask for as much as they can get leave others as much as one of them has. */
START_TEST(test_greedy) {
        ForwardClient greedy[8] = {};
        char name[32];
        unsigned n;

        for (unsigned i = 0; i < ELEMENTSOF(greedy); i++) {
                greedy[i].id = "greedy";
                ck_assert_int_eq(patterns_add(&greedy[i].patterns, "*"), 0);
        }
        for (n = 0; n < ELEMENTSOF(greedy) * FORWARD_CLIENT_ASKERS_MAX; n++) {
                (void) snprintf(name, sizeof(name), "n%u.example.test", n);
                (void) ask(&greedy[n % ELEMENTSOF(greedy)], name, 1);
        }
        for (n = 0; n < FORWARD_LOOKUPS_MAX; n++) {
                (void) snprintf(name, sizeof(name), "m%u.example.test", n);
                if (ask(&other, name, 2) != 0)
                        break;
        }
        ck_assert_uint_ge(n, FORWARD_LOOKUPS_MAX / (ELEMENTSOF(greedy) + 1) / 2);
        ck_assert_uint_eq(n_replies, 0);
        for (unsigned i = 0; i < ELEMENTSOF(greedy); i++)
                forward_leave(forward, &greedy[i]);
}
END_TEST

/* The UDP socket that was asked something, which is in `buf`; n_made if there is none. */
static size_t find_asked(size_t *ret_size) {
        size_t i;

        for (i = 0; i < n_made; i++)
                if (!wanted[i].stream && (*ret_size = asked(i)) > 0)
                        break;
        return i;
}

static unsigned count_streams(void) {
        unsigned n = 0;

        for (size_t i = 0; i < n_made; i++)
                n += wanted[i].stream;
        return n;
}

/* Of what all have together one has as much as it leaves: connections to servers, */
START_TEST(test_greedy_streams) {
        char name[32];
        size_t size, i;

        for (unsigned n = 0; n < FORWARD_CLIENT_ASKERS_MAX; n++) {
                (void) snprintf(name, sizeof(name), "%03u.example.test", n);
                ck_assert_int_eq(ask(&client, name, 1), 0);
                while ((i = find_asked(&size)) < n_made) {
                        say(i, size, TC, 0);
                        turn();
                }
        }
        ck_assert_uint_eq(count_streams(), FORWARD_STREAMS_MAX / 2);

        /* The other has some. Whoever asks the same as he gets it with him. */
        forward_leave(forward, &client);
        ck_assert_int_eq(patterns_add(&client.patterns, "*"), 0);
        for (unsigned n = 0; n < FORWARD_STREAMS_MAX / 2; n++) {
                (void) snprintf(name, sizeof(name), "%03u.example.test", n);
                ck_assert_int_eq(ask(&client, name, 1), 0);
                i = find_asked(&size);
                say(i, size, TC, 0);
                turn();
        }
        ck_assert_uint_eq(count_streams(), FORWARD_STREAMS_MAX);
        ck_assert_int_eq(ask(&client, "www.example.test", 2), 0);
        ck_assert_int_eq(ask(&other, "www.example.test", 3), 0);
        i = find_asked(&size);
        say(i, size, TC, 0);
        turn();
        ck_assert_uint_eq(count_streams(), FORWARD_STREAMS_MAX + 1);
        n_replies = 0;
        answer(n_made - 1, 0, 203);
        ck_assert_uint_eq(n_replies, 2);
}
END_TEST

/* answers that wait for appswitchd, */
START_TEST(test_greedy_held) {
        unsigned n = 0;

        ck_assert_int_eq(patterns_add(&client.patterns, "*.example.test"), 0);
        ck_assert_int_eq(patterns_add(&other.patterns, "*.example.test"), 0);
        ck_assert_int_eq(ask(&client, "www.example.test", 1), 0);
        answer(0, 0, 203);
        is_away = true;
        while (ask(&client, "www.example.test", 2) == 0)
                n++;
        ck_assert_uint_eq(n, FORWARD_HELD_MAX / 2);
        ck_assert_int_eq(ask(&other, "www.example.test", 3), 0);

        /* Those whose asker is gone do not count. */
        forward_leave(forward, &client);
        ck_assert_int_eq(patterns_add(&client.patterns, "*.example.test"), 0);
        for (n = 0; ask(&client, "www.example.test", 4) == 0;)
                n++;
        ck_assert_uint_eq(n, FORWARD_HELD_MAX / 2);
}
END_TEST

/* and sockets that are made. */
START_TEST(test_greedy_sockets) {
        unsigned n;
        char name[32];

        is_away = true;
        for (n = 0; n < DNS_FEED_SOCKETS_BURST && n_replies == 0; n++) {
                if (client.n_askers == FORWARD_CLIENT_ASKERS_MAX) {
                        forward_leave(forward, &client);
                        ck_assert_int_eq(patterns_add(&client.patterns, "*"), 0);
                }
                (void) snprintf(name, sizeof(name), "n%u.example.test", n);
                ck_assert_int_eq(ask(&client, name, 1), 0);
        }
        assert_reply(1, 1, LDNS_RCODE_SERVFAIL);
        ck_assert_uint_gt(n, FORWARD_CLIENT_SOCKETS_BURST);
        ck_assert_uint_lt(n, DNS_FEED_SOCKETS_BURST / 2);
        ck_assert_int_eq(ask(&other, "www.example.test", 2), 0);
        ck_assert_uint_eq(n_replies, 1);
}
END_TEST

int main(void) {
        return UNIT_RUN("dns-forward", setup, teardown, test_shared, test_strays, test_ports, test_failures, test_stream,
                        test_resolved, test_away, test_virtual, test_other_servers, test_bounds,
                        test_greedy, test_greedy_streams, test_greedy_held, test_greedy_sockets);
}
