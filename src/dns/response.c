/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "basic/macro.h"
#include "dns/response.h"

enum {
        HEADER_ANSWERS = 6, /* offsets of the counts */
        HEADER_AUTHORITIES = 8,
        HEADER_ADDITIONALS = 10,
        HEADER_FLAGS = 2,
        FLAG_QR = 0x8000,
        FLAG_TC = 0x0200,
        FLAG_RD = 0x0100,
        FLAG_RA = 0x0080,
        FLAG_AD = 0x0020,
        FLAG_CD = 0x0010,
        ALIASES_MAX = 16, /* in one chain: as many as common resolvers follow */
        CHAIN_RECORDS_MAX = 256, /* that are looked through for it, at each step */
        SOA_FIXED_SIZE = 20, /* after its two names */
        OPT_SIZE = 11,
};

void question_from_query(const Query *q, Question *ret) {
        *ret = (Question){
                        .name_size = (uint8_t) ldns_rdf_size(q->qname),
                        .type = q->qtype,
                        .dnssec = q->edns_do,
                        .checking_disabled = q->checking_disabled,
        };
        wire_lower_name(ldns_rdf_data(q->qname), ret->name_size, ret->name);
}

static int question_check(const Question *question, const uint8_t *data, size_t size, size_t *pos) {
        uint8_t name[WIRE_NAME_MAX];
        size_t begin = *pos;

        if (wire_skip_name(data, size, pos, false) < 0 || size - *pos < WIRE_QUESTION_FIXED ||
            *pos - begin != question->name_size)
                return -EBADMSG;
        wire_lower_name(data + begin, question->name_size, name);
        if (memcmp(name, question->name, question->name_size) != 0 ||
            wire_uint16(data + *pos) != question->type || wire_uint16(data + *pos + 2) != LDNS_RR_CLASS_IN)
                return -EBADMSG;
        *pos += WIRE_QUESTION_FIXED;
        return 0;
}

/* RFC 2181, 8: one with the uppermost bit is none. */
static uint32_t record_ttl(const uint8_t *data, const WireRecord *record) {
        uint32_t ttl = wire_uint32(data + record->ttl);

        return ttl > INT32_MAX ? 0 : ttl;
}

/* What was seen of a message besides its end. */
typedef struct Seen {
        bool soa, ns;
} Seen;

static void see_answer_or_authority(Response *r, const WireRecord *record, bool is_authority, Seen *seen) {
        r->ttl = MIN2(r->ttl, record_ttl(r->data, record));
        if (!is_authority)
                return;
        if (record->type == LDNS_RR_TYPE_NS)
                seen->ns = true;
        /* RFC 2308, 4: how long a denial may be kept is the last of its fields. */
        if (record->type == LDNS_RR_TYPE_SOA && record->data_size > SOA_FIXED_SIZE) {
                const uint32_t denial = wire_uint32(r->data + record->data + record->data_size - 4);

                seen->soa = true;
                r->ttl = MIN2(r->ttl, denial);
                r->ttl = MIN2(r->ttl, (uint32_t) RESPONSE_DENIAL_TTL_MAX);
        }
}

/*
 * Names are the only thing in a record that could lead astray whoever reads it
 * next: these are the types whose names may have pointers (RFC 3597, 4), or
 * had them from old servers. What a record has besides is no more than octets.
 */
static const struct {
        uint16_t type;
        uint8_t offset, n;
} names_in_data[] = {
                {LDNS_RR_TYPE_NS, 0, 1}, {LDNS_RR_TYPE_CNAME, 0, 1}, {LDNS_RR_TYPE_SOA, 0, 2}, {LDNS_RR_TYPE_PTR, 0, 1},
                {LDNS_RR_TYPE_MX, 2, 1}, {LDNS_RR_TYPE_RP, 0, 2},    {LDNS_RR_TYPE_SRV, 6, 1}, {LDNS_RR_TYPE_DNAME, 0, 1},
};

static bool record_names_are_good(const uint8_t *data, size_t size, const WireRecord *record) {
        const size_t end = record->data + record->data_size;
        uint8_t name[WIRE_NAME_MAX];

        if (wire_read_name(data, size, record->owner, name) < 0)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(names_in_data); i++) {
                size_t pos = record->data + names_in_data[i].offset;

                for (unsigned n = names_in_data[i].type == record->type ? names_in_data[i].n : 0; n > 0; n--)
                        if (wire_read_name(data, size, pos, name) < 0 || wire_skip_name(data, end, &pos, true) < 0)
                                return false;
        }
        return true;
}

static int sections_parse(Response *r, size_t size, size_t pos, Seen *seen) {
        const unsigned n_answers = wire_uint16(r->data + HEADER_ANSWERS);
        const unsigned n_kept = n_answers + wire_uint16(r->data + HEADER_AUTHORITIES);
        const unsigned n = n_kept + wire_uint16(r->data + HEADER_ADDITIONALS);

        r->size = pos;
        for (unsigned i = 0; i < n; i++) {
                WireRecord record;

                if (wire_read_record(r->data, size, &pos, &record) < 0)
                        return -EBADMSG;
                if (i < n_kept) {
                        if (!record_names_are_good(r->data, size, &record))
                                return -EBADMSG;
                        see_answer_or_authority(r, &record, i >= n_answers, seen);
                        r->size = pos;
                } else if (record.type == LDNS_RR_TYPE_OPT) {
                        r->edns = true;
                        r->rcode |= (unsigned) r->data[record.ttl] << 4;
                }
        }
        return 0;
}

int response_parse(Response *r, const Question *question, uint16_t id, const uint8_t *data, size_t size) {
        size_t pos = LDNS_HEADER_SIZE;
        Seen seen = {};
        bool denies;

        if (size < LDNS_HEADER_SIZE || !LDNS_QR_WIRE(data) || LDNS_ID_WIRE(data) != id ||
            LDNS_OPCODE_WIRE(data) != LDNS_PACKET_QUERY)
                return -EBADMSG;
        *r = (Response){
                        .data = data,
                        .size = LDNS_HEADER_SIZE,
                        .rcode = LDNS_RCODE_WIRE(data),
                        .truncated = LDNS_TC_WIRE(data),
                        .ttl = RESPONSE_TTL_MAX,
        };
        /* A server that did not understand the question need not repeat it. */
        if (LDNS_QDCOUNT(data) == 0 && r->rcode != LDNS_RCODE_NOERROR && r->rcode != LDNS_RCODE_NXDOMAIN) {
                r->ttl = 0;
                return 0;
        }
        if (LDNS_QDCOUNT(data) != 1 || question_check(question, data, size, &pos) < 0)
                return -EBADMSG;
        if (r->truncated)
                return 0;
        if (sections_parse(r, size, pos, &seen) < 0)
                return -EBADMSG;

        denies = LDNS_ANCOUNT(data) == 0;
        if ((denies || r->rcode == LDNS_RCODE_NXDOMAIN) && !seen.soa)
                r->ttl = 0;
        if (r->rcode != LDNS_RCODE_NOERROR && r->rcode != LDNS_RCODE_NXDOMAIN)
                r->ttl = 0;
        r->is_lame = r->rcode == LDNS_RCODE_NOERROR && denies && seen.ns && !seen.soa && !LDNS_RA_WIRE(data);
        return 0;
}

static size_t answers_begin(const Response *r) {
        size_t pos = LDNS_HEADER_SIZE;

        (void) wire_skip_name(r->data, r->size, &pos, false);
        return pos + WIRE_QUESTION_FIXED;
}

static bool record_address(const Response *r, const WireRecord *record, DnsFeedAddress *ret) {
        const bool v4 = record->type == LDNS_RR_TYPE_A && record->data_size == 4;
        const bool v6 = record->type == LDNS_RR_TYPE_AAAA && record->data_size == 16;

        if (record->class != LDNS_RR_CLASS_IN || (!v4 && !v6))
                return false;
        *ret = (DnsFeedAddress){.family = v4 ? AF_INET : AF_INET6};
        memcpy(ret->bytes, r->data + record->data, record->data_size);
        return true;
}

bool response_any_address(const Response *r, bool (*f)(const DnsFeedAddress *address, const void *userdata),
                          const void *userdata) {
        unsigned n = LDNS_ANCOUNT(r->data) + (unsigned) LDNS_NSCOUNT(r->data);
        size_t pos = answers_begin(r);
        DnsFeedAddress address;
        WireRecord record;

        for (; n > 0 && wire_read_record(r->data, r->size, &pos, &record) >= 0; n--)
                if (record_address(r, &record, &address) && f(&address, userdata))
                        return true;
        return false;
}

static bool record_is_of(const Response *r, const WireRecord *record, const uint8_t *name, int name_size) {
        uint8_t owner[WIRE_NAME_MAX];

        return wire_read_name(r->data, r->size, record->owner, owner) == name_size &&
                        memcmp(owner, name, (size_t) name_size) == 0;
}

/*
 * One step along the chain: takes the addresses of the name, or goes on to what
 * it is an alias for. Returns whether there was an alias.
 */
static bool chain_step(const Response *r, uint8_t *name, int *name_size, ResponseAddresses *ret) {
        size_t pos = answers_begin(r);
        WireRecord record;

        for (unsigned n = MIN2(LDNS_ANCOUNT(r->data), CHAIN_RECORDS_MAX); n > 0 && wire_read_record(r->data, r->size, &pos, &record) >= 0; n--) {
                const bool is_alias = record.type == LDNS_RR_TYPE_CNAME && record.class == LDNS_RR_CLASS_IN;
                DnsFeedAddress address;

                if (!is_alias && !record_address(r, &record, &address))
                        continue;
                if (!record_is_of(r, &record, name, *name_size))
                        continue;
                ret->ttl = MIN2(ret->ttl, record_ttl(r->data, &record));
                if (is_alias) {
                        *name_size = wire_read_name(r->data, r->size, record.data, name);
                        return *name_size > 0;
                }
                if (ret->n < RESPONSE_ADDRESSES_MAX)
                        ret->addresses[ret->n++] = address;
        }
        return false;
}

void response_addresses(const Response *r, const Question *question, uint32_t age, ResponseAddresses *ret) {
        uint8_t name[WIRE_NAME_MAX];
        int name_size = question->name_size;

        ret->n = 0;
        ret->ttl = RESPONSE_TTL_MAX;
        memcpy(name, question->name, question->name_size);
        for (unsigned i = 0; i < ALIASES_MAX && ret->n == 0; i++)
                if (!chain_step(r, name, &name_size, ret))
                        break;
        ret->ttl -= MIN2(ret->ttl, age);
}

/* Counts down; OPT is not among these. */
static void age_records(uint8_t *data, size_t size, size_t pos, unsigned n, uint32_t age) {
        WireRecord record;

        for (; n > 0 && wire_read_record(data, size, &pos, &record) >= 0; n--) {
                const uint32_t ttl = record_ttl(data, &record);

                wire_put_uint32(data + record.ttl, ttl > age ? ttl - age : 0);
        }
}

/* Header and question; returns where the records begin. */
static size_t write_begin(unsigned rcode, bool authentic, const Query *asker, uint8_t *ret) {
        const size_t name_size = ldns_rdf_size(asker->qname);
        unsigned flags = FLAG_QR | FLAG_RA | (rcode & 0xf);
        size_t n = LDNS_HEADER_SIZE;

        if (asker->recursion_desired)
                flags |= FLAG_RD;
        if (asker->checking_disabled)
                flags |= FLAG_CD;
        /* RFC 6840, 5.8: for who said that he knows it. */
        if (authentic && (asker->authentic_data || asker->edns_do))
                flags |= FLAG_AD;
        memset(ret, 0, LDNS_HEADER_SIZE);
        wire_put_uint16(ret, asker->id);
        wire_put_uint16(ret + HEADER_FLAGS, (uint16_t) flags);
        ret[5] = 1;
        memcpy(ret + n, ldns_rdf_data(asker->qname), name_size);
        n += name_size;
        wire_put_uint16(ret + n, asker->qtype);
        wire_put_uint16(ret + n + 2, asker->qclass);
        return n + WIRE_QUESTION_FIXED;
}

static size_t write_opt(const Query *asker, uint8_t *ret, size_t n) {
        if (!asker->edns)
                return n;
        memset(ret + n, 0, OPT_SIZE);
        ret[n + 2] = LDNS_RR_TYPE_OPT;
        wire_put_uint16(ret + n + 3, QUERY_SIZE_MAX);
        ret[n + 7] = asker->edns_do ? 0x80 : 0;
        ret[HEADER_ADDITIONALS + 1] = 1;
        return n + OPT_SIZE;
}

size_t response_write(const Response *r, uint32_t age, const Query *asker, size_t limit, uint8_t *ret) {
        const size_t end = r->size + (asker->edns ? OPT_SIZE : 0);
        const size_t n = write_begin(r->rcode, LDNS_AD_WIRE(r->data), asker, ret);

        if (end > MIN2(limit, (size_t) WIRE_MESSAGE_MAX)) {
                ret[HEADER_FLAGS] |= FLAG_TC >> 8;
                return write_opt(asker, ret, n);
        }
        /* The name in the question is as long as the one in ours, so that pointers lead where they led. */
        memcpy(ret + n, r->data + n, r->size - n);
        memcpy(ret + HEADER_ANSWERS, r->data + HEADER_ANSWERS, 4);
        age_records(ret, r->size, n, LDNS_ANCOUNT(ret) + (unsigned) LDNS_NSCOUNT(ret), age);
        return write_opt(asker, ret, r->size);
}

size_t response_write_error(unsigned rcode, const Query *asker, uint8_t *ret) {
        return write_opt(asker, ret, write_begin(rcode, false, asker, ret));
}
