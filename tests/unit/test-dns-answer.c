/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <check.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>

#include "dns/answer.h"
#include "dns/query.h"

/* Of one identity: knows all names of it. */
static const NameSight everybody = { .identity = 1 };
static const NameViewer somebody = { .identity = 1 };

static const NameViewer host = { .host = true };

static const NameViewer *viewer = &somebody;
static Names *names;
static uint8_t query[QUERY_SIZE_MAX], answer[ANSWER_SIZE_MAX];
static size_t query_size;
static ssize_t answer_size;
static ldns_pkt *packet;
static Patterns patterns;
static Answered answered;

static void set(const char *name, const char *first, const char *second) {
        const char *texts[] = {first, second};
        DnsFeedAddress a[2] = {};
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                if (!texts[i])
                        continue;
                a[n].family = strchr(texts[i], ':') ? AF_INET6 : AF_INET;
                ck_assert_int_eq(inet_pton((int) a[n].family, texts[i], a[n].bytes), 1);
                n++;
        }
        ck_assert_int_eq(names_set(names, name, a, n, &everybody), 0);
}

static void setup(void) {
        names = names_new();
        ck_assert_int_eq(names_begin(names, "ax.internal", 5), 0);
        set("web", "198.18.0.10", "fd00::10");
        set("four", "198.18.0.4", NULL);
        set("alias", "198.18.0.10", NULL);
        set("db.shop", "198.18.0.20", NULL);
        names_commit(names);
}

static void teardown(void) {
        viewer = &somebody;
        ldns_pkt_free(packet);
        names = names_free(names);
}

static void query_is(ldns_pkt *p) {
        uint8_t *wire;

        ck_assert_int_eq(ldns_pkt2wire(&wire, p, &query_size), LDNS_STATUS_OK);
        ck_assert_uint_le(query_size, sizeof(query));
        memcpy(query, wire, query_size);
        free(wire);
        ldns_pkt_free(p);
}

static ldns_pkt *query_new(const char *name, ldns_rr_type type) {
        ldns_pkt *p;

        ck_assert_int_eq(ldns_pkt_query_new_frm_str(&p, name, type, LDNS_RR_CLASS_IN, LDNS_RD),
                         LDNS_STATUS_OK);
        ldns_pkt_set_id(p, 0x1234);
        return p;
}

/* Sends what is in `query`; the answer is in `answer` and, read by ldns, in `packet`. */
static void send_query(AnswerTransport transport) {
        ldns_pkt_free(packet);
        packet = NULL;
        answer_size = answer_query(names, viewer, &patterns, transport, query, query_size, &answered, answer);
        ck_assert_int_ge(answer_size, 0);
        if (answer_size > 0) {
                ck_assert_int_eq(ldns_wire2pkt(&packet, answer, (size_t) answer_size), LDNS_STATUS_OK);
                ck_assert_uint_eq(ldns_pkt_id(packet), ldns_read_uint16(query));
                ck_assert(ldns_pkt_qr(packet));
                ck_assert(ldns_pkt_ra(packet));
        }
}

static void ask(const char *name, ldns_rr_type type) {
        query_is(query_new(name, type));
        send_query(ANSWER_UDP);
}

static int rcode(void) {
        return ldns_pkt_get_rcode(packet);
}

/* The answer section as "TYPE data" of each record. */
static const char *records(void) {
        static char text[4096];
        ldns_rr_list *list = ldns_pkt_answer(packet);

        text[0] = '\0';
        for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
                ldns_rr *rr = ldns_rr_list_rr(list, i);
                char *type = ldns_rr_type2str(ldns_rr_get_type(rr)),
                     *data = ldns_rdf2str(ldns_rr_rdf(rr, 0));

                ck_assert_uint_eq(ldns_rr_ttl(rr), 5);
                snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s %s", i > 0 ? ", " : "",
                         type, data);
                free(type);
                free(data);
        }
        return text;
}

/* The owner of the SOA in the authority section, which a denial must have and nothing else may. */
static const char *soa(void) {
        static char text[256];
        ldns_rr_list *list = ldns_pkt_authority(packet);
        char *owner;

        if (ldns_rr_list_rr_count(list) == 0)
                return "none";
        ck_assert_uint_eq(ldns_rr_list_rr_count(list), 1);
        ck_assert_int_eq(ldns_rr_get_type(ldns_rr_list_rr(list, 0)), LDNS_RR_TYPE_SOA);
        ck_assert_uint_eq(ldns_rr_ttl(ldns_rr_list_rr(list, 0)), 5);
        ck_assert_uint_eq(ldns_rdf2native_int32(ldns_rr_rdf(ldns_rr_list_rr(list, 0), 6)), 5);
        owner = ldns_rdf2str(ldns_rr_owner(ldns_rr_list_rr(list, 0)));
        snprintf(text, sizeof(text), "%s", owner);
        free(owner);
        return text;
}

#define V6_REVERSE "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa"
#define V6_LOOPBACK "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa"

/* The host knows of all names, by the domain, and is sent elsewhere for everything else. */
START_TEST(test_host) {
        static const struct {
                const char *name;
                ldns_rr_type type;
                int rcode;
                const char *records;
        } table[] = {
                { "web.ax.internal", LDNS_RR_TYPE_A, LDNS_RCODE_NOERROR, "A 198.18.0.10" },
                { "secret.ax.internal", LDNS_RR_TYPE_A, LDNS_RCODE_NOERROR, "A 198.18.0.30" },
                { "none.ax.internal", LDNS_RR_TYPE_A, LDNS_RCODE_NXDOMAIN, "" },
                { "ax.internal", LDNS_RR_TYPE_A, LDNS_RCODE_NOERROR, "" },
                { "30.0.18.198.in-addr.arpa", LDNS_RR_TYPE_PTR, LDNS_RCODE_NOERROR, "PTR secret.ax.internal." },
                { "31.0.18.198.in-addr.arpa", LDNS_RR_TYPE_PTR, LDNS_RCODE_NXDOMAIN, "" },
                { "1.2.0.192.in-addr.arpa", LDNS_RR_TYPE_PTR, LDNS_RCODE_REFUSED, "" },
                { "18.198.in-addr.arpa", LDNS_RR_TYPE_PTR, LDNS_RCODE_REFUSED, "" },
                { "web", LDNS_RR_TYPE_A, LDNS_RCODE_REFUSED, "" },
                { "localhost", LDNS_RR_TYPE_A, LDNS_RCODE_REFUSED, "" },
                { "internal", LDNS_RR_TYPE_A, LDNS_RCODE_REFUSED, "" },
                { "www.example.com", LDNS_RR_TYPE_A, LDNS_RCODE_REFUSED, "" },
                { ".", LDNS_RR_TYPE_NS, LDNS_RCODE_REFUSED, "" },
        };
        static const DnsFeedPool pools[] = { { { AF_INET, { 198, 18 } }, 15 }, { { AF_INET6, { 0xfd } }, 64 } };
        static const NameSight nobody = { .identity = 2 };
        static const DnsFeedAddress secret = { AF_INET, { 198, 18, 0, 30 } };

        ck_assert_int_eq(names_set_pools(names, pools), 0);
        ck_assert_int_eq(names_set(names, "secret", &secret, 1, &nobody), 0);
        ask("secret.ax.internal", LDNS_RR_TYPE_A);
        ck_assert_int_eq(rcode(), LDNS_RCODE_NXDOMAIN);
        viewer = &host;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                ask(table[i].name, table[i].type);
                ck_assert_msg(rcode() == table[i].rcode, "%s: %i", table[i].name, rcode());
                ck_assert_str_eq(records(), table[i].records);
        }
}
END_TEST

/* Each kind of name and type has the RCODE, the records and the SOA that it should. */
START_TEST(test_answers) {
        static const struct {
                const char *name;
                ldns_rr_type type;
                int rcode;
                const char *records, *soa;
        } table[] = {
                        {"web", LDNS_RR_TYPE_A, 0, "A 198.18.0.10", "none"},
                        {"web", LDNS_RR_TYPE_AAAA, 0, "AAAA fd00::10", "none"},
                        {"web.ax.internal", LDNS_RR_TYPE_A, 0, "A 198.18.0.10", "none"},
                        {"web.ax.internal", LDNS_RR_TYPE_AAAA, 0, "AAAA fd00::10", "none"},
                        {"WEB.Ax.InterNal", LDNS_RR_TYPE_A, 0, "A 198.18.0.10", "none"},
                        {"web.ax.internal", LDNS_RR_TYPE_ANY, 0, "A 198.18.0.10, AAAA fd00::10", "none"},
                        {"db.shop.ax.internal", LDNS_RR_TYPE_A, 0, "A 198.18.0.20", "none"},
                        /* NODATA: it is there, but has none of these. */
                        {"four", LDNS_RR_TYPE_AAAA, 0, "", "."},
                        {"four.ax.internal", LDNS_RR_TYPE_AAAA, 0, "", "ax.internal."},
                        {"web.ax.internal", LDNS_RR_TYPE_MX, 0, "", "ax.internal."},
                        {"web", LDNS_RR_TYPE_TXT, 0, "", "."},
                        {"web", LDNS_RR_TYPE_HTTPS, 0, "", "."},
                        {"shop.ax.internal", LDNS_RR_TYPE_A, 0, "", "ax.internal."},
                        {"shop", LDNS_RR_TYPE_A, 0, "", "."},
                        {"internal", LDNS_RR_TYPE_A, 0, "", "."},
                        {"ax.internal", LDNS_RR_TYPE_A, 0, "", "ax.internal."},
                        {"18.198.in-addr.arpa", LDNS_RR_TYPE_PTR, 0, "", "."},
                        {"arpa", LDNS_RR_TYPE_NS, 0, "", "."},
                        /* The zones' own names. */
                        {"ax.internal", LDNS_RR_TYPE_SOA, 0, "SOA localhost.", "none"},
                        {"ax.internal", LDNS_RR_TYPE_NS, 0, "NS localhost.", "none"},
                        {"ax.internal", LDNS_RR_TYPE_ANY, 0, "SOA localhost., NS localhost.", "none"},
                        {".", LDNS_RR_TYPE_NS, 0, "NS localhost.", "none"},
                        {".", LDNS_RR_TYPE_A, 0, "", "."},
                        /* Loopback. */
                        {"localhost", LDNS_RR_TYPE_A, 0, "A 127.0.0.1", "none"},
                        {"LOCALHOST", LDNS_RR_TYPE_AAAA, 0, "AAAA ::1", "none"},
                        {"x.y.localhost", LDNS_RR_TYPE_A, 0, "A 127.0.0.1", "none"},
                        {"localhost", LDNS_RR_TYPE_MX, 0, "", "."},
                        {"1.0.0.127.in-addr.arpa", LDNS_RR_TYPE_PTR, 0, "PTR localhost.", "none"},
                        {V6_LOOPBACK, LDNS_RR_TYPE_PTR, 0, "PTR localhost.", "none"},
                        /* Reverse. */
                        {"4.0.18.198.in-addr.arpa", LDNS_RR_TYPE_PTR, 0, "PTR four.ax.internal.", "none"},
                        {"4.0.18.198.IN-ADDR.ARPA", LDNS_RR_TYPE_ANY, 0, "PTR four.ax.internal.", "none"},
                        {"10.0.18.198.in-addr.arpa", LDNS_RR_TYPE_PTR, 0,
                         "PTR web.ax.internal., PTR alias.ax.internal.", "none"},
                        {V6_REVERSE, LDNS_RR_TYPE_PTR, 0, "PTR web.ax.internal.", "none"},
                        {V6_REVERSE, LDNS_RR_TYPE_A, 0, "", "."},
                        /* What does not exist. */
                        {"no", LDNS_RR_TYPE_A, LDNS_RCODE_NXDOMAIN, "", "."},
                        {"no.ax.internal", LDNS_RR_TYPE_A, LDNS_RCODE_NXDOMAIN, "", "ax.internal."},
                        {"x.web.ax.internal", LDNS_RR_TYPE_A, LDNS_RCODE_NXDOMAIN, "", "ax.internal."},
                        {"webax.internal", LDNS_RR_TYPE_A, LDNS_RCODE_NXDOMAIN, "", "."},
                        {"www.example.com", LDNS_RR_TYPE_A, LDNS_RCODE_NXDOMAIN, "", "."},
                        {"web.example.com", LDNS_RR_TYPE_AAAA, LDNS_RCODE_NXDOMAIN, "", "."},
                        {"notlocalhost", LDNS_RR_TYPE_A, LDNS_RCODE_NXDOMAIN, "", "."},
                        {"5.0.18.198.in-addr.arpa", LDNS_RR_TYPE_PTR, LDNS_RCODE_NXDOMAIN, "", "."},
                        {"300.0.18.198.in-addr.arpa", LDNS_RR_TYPE_PTR, LDNS_RCODE_NXDOMAIN, "", "."},
                        /* What is not said here. */
                        {"ax.internal", LDNS_RR_TYPE_AXFR, LDNS_RCODE_REFUSED, "", "none"},
                        {"ax.internal", LDNS_RR_TYPE_TKEY, LDNS_RCODE_NOTIMPL, "", "none"},
                        {"ax.internal", LDNS_RR_TYPE_OPT, LDNS_RCODE_FORMERR, "", "none"},
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                ask(table[i].name, table[i].type);
                ck_assert_msg(rcode() == table[i].rcode, "%s: rcode %i", table[i].name, rcode());
                ck_assert_msg(strcmp(records(), table[i].records) == 0, "%s: %s", table[i].name, records());
                ck_assert_msg(strcmp(soa(), table[i].soa) == 0, "%s: %s", table[i].name, soa());
                ck_assert_int_eq(ldns_pkt_aa(packet),
                                 table[i].rcode == 0 || table[i].rcode == LDNS_RCODE_NXDOMAIN);
                ck_assert_uint_eq(ldns_pkt_qdcount(packet), 1);
        }
}
END_TEST

/* The question comes back octet by octet, case included (draft-vixie-dnsext-dns0x20), with RD and CD. */
START_TEST(test_echo) {
        ldns_pkt *p = query_new("wEb.aX.iNtErNaL", LDNS_RR_TYPE_A);

        ldns_pkt_set_cd(p, true);
        query_is(p);
        send_query(ANSWER_UDP);
        ck_assert_mem_eq(answer + LDNS_HEADER_SIZE, query + LDNS_HEADER_SIZE, query_size - LDNS_HEADER_SIZE);
        ck_assert(ldns_pkt_rd(packet));
        ck_assert(ldns_pkt_cd(packet));
        ck_assert(!ldns_pkt_ad(packet));
        ck_assert(!ldns_pkt_edns(packet));

        p = query_new("web", LDNS_RR_TYPE_A);
        ldns_pkt_set_rd(p, false);
        query_is(p);
        send_query(ANSWER_UDP);
        ck_assert(!ldns_pkt_rd(packet));
        ck_assert(!ldns_pkt_cd(packet));
}
END_TEST

/* An octet that looks like something else as text is not that: "a.b" in one label is no name in "b". */
START_TEST(test_odd_labels) {
        static const uint8_t dot[] = {0x12, 0x34, 1,   0,   0,   1,   0,   0, 0, 0, 0, 0, 7,
                                      'd',  'b',  '.', 's', 'h', 'o', 'p', 0, 0, 1, 0, 1};
        static const uint8_t nul[] = {0x12, 0x34, 1,   0,   0,   1, 0, 0, 0, 0, 0,
                                      0,    4,    'w', 'e', 'b', 0, 0, 0, 1, 0, 1};

        memcpy(query, dot, query_size = sizeof(dot));
        send_query(ANSWER_UDP);
        ck_assert_int_eq(rcode(), LDNS_RCODE_NXDOMAIN);
        memcpy(query, nul, query_size = sizeof(nul));
        send_query(ANSWER_UDP);
        ck_assert_int_eq(rcode(), LDNS_RCODE_NXDOMAIN);
}
END_TEST

/* OPT answers OPT (RFC 6891): DO is copied, another version is BADVERS. */
START_TEST(test_edns) {
        ldns_pkt *p = query_new("web", LDNS_RR_TYPE_A);

        ldns_pkt_set_edns_udp_size(p, 1232);
        ldns_pkt_set_edns_do(p, true);
        query_is(p);
        send_query(ANSWER_UDP);
        ck_assert_int_eq(rcode(), 0);
        ck_assert(ldns_pkt_edns(packet));
        ck_assert(ldns_pkt_edns_do(packet));
        ck_assert_uint_eq(ldns_pkt_edns_udp_size(packet), QUERY_SIZE_MAX);
        ck_assert_uint_eq(ldns_pkt_edns_version(packet), 0);
        ck_assert_str_eq(records(), "A 198.18.0.10");

        p = query_new("web", LDNS_RR_TYPE_A);
        ldns_pkt_set_edns_udp_size(p, 1232);
        ldns_pkt_set_edns_version(p, 1);
        query_is(p);
        send_query(ANSWER_UDP);
        ck_assert_int_eq(rcode(), 0);
        ck_assert_uint_eq(ldns_pkt_edns_extended_rcode(packet), 1);
        ck_assert_uint_eq(ldns_pkt_ancount(packet), 0);
}
END_TEST

/* Appends an OPT record that takes answers of `udp_size`, with `size` octets of options. */
static void append_opt(const char *owner, size_t owner_size, uint16_t udp_size, const void *options,
                       uint16_t size) {
        uint8_t fixed[] = {0, 41, (uint8_t) (udp_size >> 8), (uint8_t) udp_size, 0, 0,
                           0, 0,  (uint8_t) (size >> 8),     (uint8_t) size};

        memcpy(query + query_size, owner, owner_size);
        query_size += owner_size;
        memcpy(query + query_size, fixed, sizeof(fixed));
        query_size += sizeof(fixed);
        memcpy(query + query_size, options, size);
        query_size += size;
        query[11]++;
}

/* OPT that is not well-formed is FORMERR; options that are not known are ignored. */
START_TEST(test_edns_malformed) {
        static const uint8_t cookie[] = {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};

        query_is(query_new("web", LDNS_RR_TYPE_A));
        append_opt("", 1, 1232, cookie, sizeof(cookie));
        send_query(ANSWER_UDP);
        ck_assert_str_eq(records(), "A 198.18.0.10");

        append_opt("", 1, 1232, "", 0); /* a second one */
        send_query(ANSWER_UDP);
        ck_assert_int_eq(rcode(), LDNS_RCODE_FORMERR);

        query_is(query_new("web", LDNS_RR_TYPE_A));
        append_opt("", 1, 1232, cookie, sizeof(cookie) - 1);
        send_query(ANSWER_UDP);
        ck_assert_int_eq(rcode(), LDNS_RCODE_FORMERR);

        query_is(query_new("web", LDNS_RR_TYPE_A));
        append_opt("\1x", 3, 1232, "", 0);
        send_query(ANSWER_UDP);
        ck_assert_int_eq(rcode(), LDNS_RCODE_FORMERR);
}
END_TEST

/* As many addresses as a name may have fit without EDNS, with the longest name there is. */
START_TEST(test_addresses_fit) {
        DnsFeedAddress a[DNS_FEED_ADDRESSES_MAX] = {};
        char name[DNS_FEED_NAME_MAX + 1];

        for (size_t i = 0; i < ELEMENTSOF(a); i++) {
                a[i].family = AF_INET6;
                a[i].bytes[15] = (uint8_t) i;
        }
        for (size_t i = 0; i < 241; i++)
                name[i] = i % 60 == 59 ? '.' : 'a';
        name[241] = '\0';
        ck_assert_int_eq(names_set(names, name, a, ELEMENTSOF(a), &everybody), 0);
        strcat(name, ".ax.internal");

        query_is(query_new(name, LDNS_RR_TYPE_AAAA));
        append_opt("", 1, 0, "", 0); /* less than 512 counts as 512 */
        send_query(ANSWER_UDP);
        ck_assert(!ldns_pkt_tc(packet));
        ck_assert_uint_eq(ldns_pkt_ancount(packet), ELEMENTSOF(a));
        ck_assert_int_le(answer_size, 512);
}
END_TEST

/* A UDP answer that is too large says so and is empty, over TCP it is whole; the number of names is bounded.
 */
START_TEST(test_truncation) {
        char name[64];
        ldns_pkt *p;

        for (unsigned i = 0; i < ANSWER_POINTERS_MAX + 10; i++) {
                snprintf(name, sizeof(name), "a-rather-long-name-of-some-service-%u", i);
                set(name, "198.18.0.99", NULL);
        }
        ask("99.0.18.198.in-addr.arpa", LDNS_RR_TYPE_PTR);
        ck_assert(ldns_pkt_tc(packet));
        ck_assert_int_eq(rcode(), 0);
        ck_assert_uint_eq(ldns_pkt_ancount(packet), 0);
        ck_assert_uint_eq(ldns_pkt_nscount(packet), 0);
        ck_assert_int_le(answer_size, 512);

        p = query_new("99.0.18.198.in-addr.arpa", LDNS_RR_TYPE_PTR);
        ldns_pkt_set_edns_udp_size(p, 65535);
        query_is(p);
        send_query(ANSWER_UDP);
        ck_assert(!ldns_pkt_tc(packet));
        ck_assert_int_gt(answer_size, 512);
        ck_assert_int_le(answer_size, ANSWER_UDP_SIZE_MAX);

        query_is(query_new("99.0.18.198.in-addr.arpa", LDNS_RR_TYPE_PTR));
        send_query(ANSWER_TCP);
        ck_assert(!ldns_pkt_tc(packet));
        ck_assert_uint_eq(ldns_pkt_ancount(packet), ANSWER_POINTERS_MAX);
}
END_TEST

/* No answer to what is no query: a piece of a header, a response. */
START_TEST(test_silence) {
        query_is(query_new("web", LDNS_RR_TYPE_A));
        for (query_size = 0; query_size < LDNS_HEADER_SIZE; query_size++) {
                send_query(ANSWER_UDP);
                ck_assert_int_eq(answer_size, 0);
        }
        query_is(query_new("web", LDNS_RR_TYPE_A));
        query[2] |= 0x80;
        send_query(ANSWER_UDP);
        ck_assert_int_eq(answer_size, 0);
}
END_TEST

/* What cannot be read is FORMERR: cut anywhere, with more behind it, with no or two questions, with
 * pointers. */
START_TEST(test_formerr) {
        static const uint8_t pointer[] = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1};
        static const uint8_t long_label[] = {0x12, 0x34, 1,    0,   0, 1, 0, 0, 0, 0,
                                             0,    0,    0x41, 'a', 0, 0, 1, 0, 1};
        size_t whole;

        query_is(query_new("web", LDNS_RR_TYPE_A));
        whole = query_size;
        for (query_size = LDNS_HEADER_SIZE; query_size < whole; query_size++) {
                send_query(ANSWER_UDP);
                ck_assert_int_eq(rcode(), LDNS_RCODE_FORMERR);
                ck_assert(!ldns_pkt_aa(packet));
        }
        query_size = whole + 1;
        send_query(ANSWER_UDP);
        ck_assert_int_eq(rcode(), LDNS_RCODE_FORMERR);

        query_size = whole;
        for (uint8_t n = 0; n <= 2; n = (uint8_t) (n + 2)) {
                query[5] = n;
                send_query(ANSWER_UDP);
                ck_assert_int_eq(rcode(), LDNS_RCODE_FORMERR);
        }
        query[5] = 1;
        query[7] = 1; /* an answer that is not there */
        send_query(ANSWER_UDP);
        ck_assert_int_eq(rcode(), LDNS_RCODE_FORMERR);

        memcpy(query, pointer, query_size = sizeof(pointer));
        send_query(ANSWER_UDP);
        ck_assert_int_eq(rcode(), LDNS_RCODE_FORMERR);
        memcpy(query, long_label, query_size = sizeof(long_label));
        send_query(ANSWER_UDP);
        ck_assert_int_eq(rcode(), LDNS_RCODE_FORMERR);

        /* 256 octets of name. */
        memset(query + LDNS_HEADER_SIZE, 'a', 300);
        for (size_t i = 0; i < 254; i += 2)
                query[LDNS_HEADER_SIZE + i] = 1;
        query[LDNS_HEADER_SIZE + 254] = 1;
        query[LDNS_HEADER_SIZE + 256] = 0;
        query_size = LDNS_HEADER_SIZE + 257 + 4;
        send_query(ANSWER_UDP);
        ck_assert_int_eq(rcode(), LDNS_RCODE_FORMERR);
        query[LDNS_HEADER_SIZE + 254] = 0; /* 255 are a name */
        ldns_write_uint16(query + LDNS_HEADER_SIZE + 255, LDNS_RR_TYPE_A);
        ldns_write_uint16(query + LDNS_HEADER_SIZE + 257, LDNS_RR_CLASS_IN);
        query_size = LDNS_HEADER_SIZE + 255 + 4;
        send_query(ANSWER_UDP);
        ck_assert_int_eq(rcode(), LDNS_RCODE_NXDOMAIN);
}
END_TEST

/* Other operations are not implemented, whatever their body; other classes are refused. */
START_TEST(test_opcode_class) {
        ldns_pkt *p;

        for (unsigned opcode = 1; opcode < 16; opcode++) {
                query_is(query_new("web", LDNS_RR_TYPE_A));
                query[2] = (uint8_t) (opcode << 3);
                send_query(ANSWER_UDP);
                ck_assert_int_eq(rcode(), LDNS_RCODE_NOTIMPL);
                ck_assert_int_eq(ldns_pkt_get_opcode(packet), opcode);
                ck_assert_uint_eq(ldns_pkt_qdcount(packet), 0);
        }

        ck_assert_int_eq(ldns_pkt_query_new_frm_str(&p, "version.bind", LDNS_RR_TYPE_TXT, LDNS_RR_CLASS_CH,
                                                    0),
                         LDNS_STATUS_OK);
        query_is(p);
        send_query(ANSWER_UDP);
        ck_assert_int_eq(rcode(), LDNS_RCODE_REFUSED);
}
END_TEST

static void ask_as(const char *name, ldns_rr_type type) {
        query_is(query_new(name, type));
        send_query(ANSWER_UDP);
}

static void assert_outside(const char *name, ldns_rr_type type) {
        ask_as(name, type);
        ck_assert_msg(answered.outside && !answered.refused && answer_size == 0, "%s", name);
}

static void assert_refused(const char *name, ldns_rr_type type) {
        ask_as(name, type);
        ck_assert_msg(!answered.outside && answered.refused, "%s", name);
        ck_assert_int_eq(rcode(), LDNS_RCODE_NXDOMAIN);
}

static void assert_ours(const char *name, ldns_rr_type type, int expected) {
        ask_as(name, type);
        ck_assert_msg(!answered.outside && !answered.refused, "%s", name);
        ck_assert_int_eq(rcode(), expected);
}

/* What is ours stays ours whatever may be looked up outside; what is not, goes there only as far as it may. */
START_TEST(test_outside) {
        static const DnsFeedPool pools[] = {{{AF_INET, {198, 18}}, 15}, {{AF_INET6, {0xfd}}, 64}};

        ck_assert_int_eq(names_set_pools(names, pools), 0);
        assert_refused("www.example.test", LDNS_RR_TYPE_A);
        ck_assert_str_eq(answered.name, "www.example.test");
        assert_refused("7.2.0.192.in-addr.arpa", LDNS_RR_TYPE_PTR);
        assert_ours(".", LDNS_RR_TYPE_NS, 0);

        ck_assert_int_eq(patterns_add(&patterns, "*.example.test"), 0);
        assert_outside("www.example.test", LDNS_RR_TYPE_A);
        assert_outside("WWW.Example.TEST", LDNS_RR_TYPE_SRV);
        assert_refused("example.test", LDNS_RR_TYPE_A);
        assert_refused("www.example.org", LDNS_RR_TYPE_A);
        assert_refused("7.2.0.192.in-addr.arpa", LDNS_RR_TYPE_PTR);
        assert_ours(".", LDNS_RR_TYPE_NS, 0);

        ck_assert_int_eq(patterns_add(&patterns, "*"), 0);
        assert_outside("www.example.org", LDNS_RR_TYPE_A);
        assert_outside("intranet", LDNS_RR_TYPE_A);
        assert_outside(".", LDNS_RR_TYPE_DNSKEY);
        assert_outside("7.2.0.192.in-addr.arpa", LDNS_RR_TYPE_PTR);
        assert_outside("0-31.2.0.192.in-addr.arpa", LDNS_RR_TYPE_PTR);
        assert_outside("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", LDNS_RR_TYPE_PTR);
        assert_ours("web", LDNS_RR_TYPE_A, 0);
        assert_ours("web", LDNS_RR_TYPE_MX, 0);
        assert_ours("shop", LDNS_RR_TYPE_A, 0);
        assert_ours("none.ax.internal", LDNS_RR_TYPE_A, LDNS_RCODE_NXDOMAIN);
        assert_ours("internal", LDNS_RR_TYPE_A, 0);
        assert_ours("x.localhost", LDNS_RR_TYPE_A, 0);
        assert_ours("1.0.0.127.in-addr.arpa", LDNS_RR_TYPE_PTR, 0);
        assert_ours("9.0.0.127.in-addr.arpa", LDNS_RR_TYPE_PTR, LDNS_RCODE_NXDOMAIN);
        assert_ours("99.0.18.198.in-addr.arpa", LDNS_RR_TYPE_PTR, LDNS_RCODE_NXDOMAIN);
        patterns_done(&patterns);
}
END_TEST

/* Before the first snapshot there is no domain, and nothing is below the empty one. */
START_TEST(test_no_domain) {
        names_free(names);
        names = names_new();
        ask("web.ax.internal", LDNS_RR_TYPE_A);
        ck_assert_int_eq(rcode(), LDNS_RCODE_NXDOMAIN);
        ask("localhost", LDNS_RR_TYPE_MX);
        ck_assert_int_eq(rcode(), 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("dns-answer");
        TCase *tcase = tcase_create("answer");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, test_answers);
        tcase_add_test(tcase, test_host);
        tcase_add_test(tcase, test_echo);
        tcase_add_test(tcase, test_odd_labels);
        tcase_add_test(tcase, test_edns);
        tcase_add_test(tcase, test_edns_malformed);
        tcase_add_test(tcase, test_addresses_fit);
        tcase_add_test(tcase, test_truncation);
        tcase_add_test(tcase, test_silence);
        tcase_add_test(tcase, test_formerr);
        tcase_add_test(tcase, test_opcode_class);
        tcase_add_test(tcase, test_outside);
        tcase_add_test(tcase, test_no_domain);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
