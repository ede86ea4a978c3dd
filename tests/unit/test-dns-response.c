/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <string.h>

#include "dns/response.h"
#include "unit.h"

enum { ID = 0x1234 };

static uint8_t wire[WIRE_MESSAGE_MAX], out[WIRE_MESSAGE_MAX];
static size_t size;
static Question question;
static Query asker;
static Response response;

/* Who asks for WWW.example.test, with EDNS. */
static void setup(void) {
        ldns_pkt *p = NULL;
        uint8_t *query;
        size_t n;

        ck_assert_int_eq(ldns_pkt_query_new_frm_str(&p, "WWW.example.test", LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN, LDNS_RD), 0);
        ldns_pkt_set_id(p, ID);
        ldns_pkt_set_edns_udp_size(p, 4096);
        ldns_pkt_set_edns_do(p, true);
        ck_assert_int_eq(ldns_pkt2wire(&query, p, &n), 0);
        ck_assert_int_eq(query_parse(&asker, query, n), 0);
        question_from_query(&asker, &question);
        ldns_pkt_free(p);
        free(query);
}

static void teardown(void) {
        query_done(&asker);
}

typedef struct Records {
        const char *answer[8], *authority[8], *additional[8];
} Records;

static void push(ldns_pkt *p, ldns_pkt_section section, const char *const *texts) {
        for (; *texts; texts++) {
                ldns_rr *rr;

                ck_assert_msg(ldns_rr_new_frm_str(&rr, *texts, 0, NULL, NULL) == LDNS_STATUS_OK, "%s", *texts);
                ldns_pkt_push_rr(p, section, rr);
        }
}

/* What a server says, as ldns writes it. */
static void answer_is(const char *name, int rcode, const Records *records) {
        ldns_pkt *p = NULL;
        uint8_t *bytes;

        ck_assert_int_eq(ldns_pkt_query_new_frm_str(&p, name, LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN, LDNS_RD), 0);
        ldns_pkt_set_id(p, ID);
        ldns_pkt_set_qr(p, true);
        ldns_pkt_set_ra(p, true);
        ldns_pkt_set_aa(p, true);
        ldns_pkt_set_ad(p, true);
        ldns_pkt_set_rcode(p, (uint8_t) rcode);
        ldns_pkt_set_edns_udp_size(p, 1232);
        push(p, LDNS_SECTION_ANSWER, records->answer);
        push(p, LDNS_SECTION_AUTHORITY, records->authority);
        push(p, LDNS_SECTION_ADDITIONAL, records->additional);
        ck_assert_int_eq(ldns_pkt2wire(&bytes, p, &size), 0);
        memcpy(wire, bytes, size);
        free(bytes);
        ldns_pkt_free(p);
}

static int parse(void) {
        return response_parse(&response, &question, ID, wire, size);
}

static const Records alias = {
        .answer = { "www.example.test. 300 IN CNAME a.example.test.", "a.example.test. 200 IN CNAME b.example.test.",
                    "b.example.test. 100 IN A 203.0.113.1", "b.example.test. 90 IN A 203.0.113.2",
                    "c.example.test. 10 IN A 203.0.113.3", "b.example.test. 95 IN AAAA 2001:db8::1" },
        .authority = { "example.test. 80 IN NS ns.example.test." },
        .additional = { "ns.example.test. 70 IN A 203.0.113.53" },
};

/* What goes on: all but the additional section, in the asker's case, older, and not authoritative. */
START_TEST(test_write) {
        ldns_pkt *p;
        char *text;

        answer_is("www.EXAMPLE.test", 0, &alias);
        ck_assert_int_eq(parse(), 0);
        ck_assert_uint_eq(response.ttl, 10);
        ck_assert(response.edns);
        size = response_write(&response, 20, &asker, 4096, out);
        ck_assert_int_eq(ldns_wire2pkt(&p, out, size), 0);
        ck_assert_uint_eq(ldns_pkt_ancount(p), 6);
        ck_assert_uint_eq(ldns_pkt_nscount(p), 1);
        ck_assert(ldns_pkt_qr(p) && ldns_pkt_rd(p) && ldns_pkt_ra(p) && ldns_pkt_ad(p) && !ldns_pkt_aa(p) && !ldns_pkt_tc(p));
        ck_assert(ldns_pkt_edns(p) && ldns_pkt_edns_do(p));
        text = ldns_rdf2str(ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(p), 0)));
        ck_assert_str_eq(text, "WWW.example.test.");
        free(text);
        ck_assert_uint_eq(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_answer(p), 0)), 280);
        ck_assert_uint_eq(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_answer(p), 4)), 0);
        ck_assert_uint_eq(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_authority(p), 0)), 60);
        ldns_pkt_free(p);

        /* AD is for who knows it. */
        asker.edns_do = false;
        (void) response_write(&response, 0, &asker, 4096, out);
        ck_assert(!LDNS_AD_WIRE(out));

        /* Too much for the asker. */
        size = response_write(&response, 0, &asker, 100, out);
        ck_assert_uint_lt(size, 100);
        ck_assert(LDNS_TC_WIRE(out) && LDNS_ANCOUNT(out) == 0 && LDNS_NSCOUNT(out) == 0 && LDNS_ARCOUNT(out) == 1);
        ck_assert_int_eq(ldns_wire2pkt(&p, out, size), 0);
        ldns_pkt_free(p);
        size = response_write_error(LDNS_RCODE_SERVFAIL, &asker, out);
        ck_assert_int_eq(ldns_wire2pkt(&p, out, size), 0);
        ck_assert_int_eq(ldns_pkt_get_rcode(p), LDNS_RCODE_SERVFAIL);
        ldns_pkt_free(p);
}
END_TEST

/* What a name resolved to is at the end of its chain, and nowhere else. */
START_TEST(test_addresses) {
        ResponseAddresses addresses;

        answer_is("www.example.test", 0, &alias);
        ck_assert_int_eq(parse(), 0);
        response_addresses(&response, &question, 0, &addresses);
        ck_assert_uint_eq(addresses.n, 3);
        ck_assert_uint_eq(addresses.ttl, 90);
        ck_assert_int_eq(memcmp(addresses.addresses[1].bytes, (uint8_t[]){ 203, 0, 113, 2 }, 4), 0);
        ck_assert_uint_eq(addresses.addresses[2].family, AF_INET6);

        /* A circle ends, and has nothing. */
        answer_is("www.example.test", 0,
                  &(Records){ .answer = { "www.example.test. 300 IN CNAME a.example.test.",
                                          "a.example.test. 300 IN CNAME www.example.test.",
                                          "b.example.test. 300 IN A 203.0.113.1" } });
        ck_assert_int_eq(parse(), 0);
        response_addresses(&response, &question, 0, &addresses);
        ck_assert_uint_eq(addresses.n, 0);
}
END_TEST

/* RFC 2308: a denial is kept for what its SOA says, and one without is not. */
START_TEST(test_denial) {
        static const char soa[] = "example.test. 900 IN SOA ns.example.test. nobody.example.test. 1 2 3 4 120";

        answer_is("www.example.test", LDNS_RCODE_NXDOMAIN, &(Records){ .authority = { soa } });
        ck_assert_int_eq(parse(), 0);
        ck_assert_uint_eq(response.ttl, 120);
        answer_is("www.example.test", 0, &(Records){ .authority = { soa } });
        ck_assert_int_eq(parse(), 0);
        ck_assert_uint_eq(response.ttl, 120);
        ck_assert(!response.is_lame);
        answer_is("www.example.test", LDNS_RCODE_NXDOMAIN, &(Records){});
        ck_assert_int_eq(parse(), 0);
        ck_assert_uint_eq(response.ttl, 0);
        answer_is("www.example.test", LDNS_RCODE_SERVFAIL, &(Records){ .authority = { soa } });
        ck_assert_int_eq(parse(), 0);
        ck_assert_uint_eq(response.ttl, 0);

        /* A referral, by who does not ask others. */
        answer_is("www.example.test", 0, &(Records){ .authority = { "test. 80 IN NS ns.test." } });
        ck_assert_int_eq(parse(), 0);
        ck_assert(!response.is_lame);
        wire[3] &= 0x7f;
        ck_assert_int_eq(parse(), 0);
        ck_assert(response.is_lame);
}
END_TEST

/* The answer to another question, id or direction is none. */
START_TEST(test_other) {
        answer_is("www.example.test", 0, &alias);
        ck_assert_int_eq(response_parse(&response, &question, ID + 1, wire, size), -EBADMSG);
        wire[2] &= 0x7f;
        ck_assert_int_eq(parse(), -EBADMSG);
        answer_is("wwx.example.test", 0, &alias);
        ck_assert_int_eq(parse(), -EBADMSG);
        answer_is("example.test", 0, &alias);
        ck_assert_int_eq(parse(), -EBADMSG);
        answer_is("www.example.test", 0, &alias);
        question.type = LDNS_RR_TYPE_AAAA;
        ck_assert_int_eq(parse(), -EBADMSG);
}
END_TEST

/* A message that is cut anywhere is none, and so is one whose counts are wrong. */
START_TEST(test_cut) {
        size_t whole;

        answer_is("www.example.test", 0, &alias);
        whole = size;
        for (size = 0; size < whole; size++)
                ck_assert_msg(parse() == -EBADMSG, "%zu", size);
        ck_assert_int_eq(parse(), 0);
        memset(wire + 6, 0xff, 6);
        ck_assert_int_eq(parse(), -EBADMSG);
}
END_TEST

/* Pointers that lead to themselves, ahead or beyond the end. */
START_TEST(test_pointers) {
        static const uint16_t targets[] = { 34, 35, 36, 40, 0x3fff };
        uint8_t *owner;

        answer_is("www.example.test", 0, &(Records){ .answer = { "www.example.test. 300 IN A 203.0.113.1" } });
        owner = wire + 34; /* header, 18 octets of name, 4 */
        ck_assert_uint_eq(wire_uint16(owner), 0xc00c);
        ck_assert_int_eq(parse(), 0);
        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                wire_put_uint16(owner, (uint16_t) (0xc000 | targets[i]));
                ck_assert_msg(parse() == -EBADMSG, "%u", targets[i]);
        }
        /* In the data: an alias for itself, and one whose name goes on behind its end. */
        answer_is("www.example.test", 0, &(Records){ .answer = { "www.example.test. 300 IN CNAME www.example.test." } });
        ck_assert_int_eq(parse(), 0);
        wire_put_uint16(wire + 46, 0xc000 | 46);
        ck_assert_int_eq(parse(), -EBADMSG);
        wire_put_uint16(wire + 46, 0x0561);
        ck_assert_int_eq(parse(), -EBADMSG);
}
END_TEST

/* Names that are dear to read: a chain of bare pointers, longer than any name can have labels; and aliases behind many records. */
START_TEST(test_dear) {
        enum { HOPS = 127, BEGIN = 46 }; /* the data of the first record */
        ResponseAddresses addresses;
        size_t last;

        answer_is("www.example.test", 0, &(Records){ .answer = { "www.example.test. 300 IN A 203.0.113.1" } });
        wire_put_uint16(wire + 36, LDNS_RR_TYPE_NULL);
        wire_put_uint16(wire + 44, 2 * HOPS);
        for (unsigned i = 0; i < HOPS; i++)
                wire_put_uint16(wire + BEGIN + 2 * i, (uint16_t) (0xc000 | (i == 0 ? 12 : BEGIN + 2 * (i - 1))));
        last = BEGIN + 2 * HOPS;
        memcpy(wire + last, (uint8_t[]){ 0xc0, 0, 0, LDNS_RR_TYPE_A, 0, 1, 0, 0, 1, 44, 0, 4, 203, 0, 113, 2 }, 16);
        wire[7] = 2; /* answers */
        wire[11] = 0;
        size = last + 16;
        wire_put_uint16(wire + last, 0xc000 | (BEGIN + 2 * (HOPS - 2)));
        ck_assert_int_eq(parse(), 0);
        response_addresses(&response, &question, 0, &addresses);
        ck_assert_uint_eq(addresses.n, 1);
        wire_put_uint16(wire + last, 0xc000 | (BEGIN + 2 * (HOPS - 1)));
        ck_assert_int_eq(parse(), -EBADMSG);

        /* The record that counts is one among the first 256, or one too late. */
        wire_put_uint16(wire + last, 0xc00c);
        for (unsigned n = 256; n <= 257; n++) {
                uint8_t *p = wire + last;

                for (unsigned i = 2; i < n; i++, p += 11)
                        memcpy(p, (uint8_t[]){ 0, 0, LDNS_RR_TYPE_NULL, 0, 1, 0, 0, 1, 44, 0, 0 }, 11);
                memcpy(p, (uint8_t[]){ 0xc0, 12, 0, LDNS_RR_TYPE_A, 0, 1, 0, 0, 1, 44, 0, 4, 203, 0, 113, 2 }, 16);
                size = (size_t) (p - wire) + 16;
                wire_put_uint16(wire + 6, (uint16_t) n);
                ck_assert_int_eq(parse(), 0);
                response_addresses(&response, &question, 0, &addresses);
                ck_assert_uint_eq(addresses.n, n == 256);
        }
}
END_TEST

/* What was cut by the server is known by its question; who did not understand need not have one. */
START_TEST(test_short) {
        answer_is("www.example.test", 0, &alias);
        wire[2] |= 2;
        size = 60;
        ck_assert_int_eq(parse(), 0);
        ck_assert(response.truncated);

        memset(wire + 2, 0, 10);
        wire[2] = 0x80;
        wire[3] = LDNS_RCODE_FORMERR;
        size = 12;
        ck_assert_int_eq(parse(), 0);
        ck_assert_uint_eq(response.rcode, LDNS_RCODE_FORMERR);
        ck_assert(!response.edns);
        wire[3] = LDNS_RCODE_NXDOMAIN;
        ck_assert_int_eq(parse(), -EBADMSG);
}
END_TEST

int main(void) {
        return UNIT_RUN("dns-response", setup, teardown, test_write, test_addresses, test_denial, test_other, test_cut,
                        test_pointers, test_dear, test_short);
}
