/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <string.h>

#include "dns/query.h"

enum {
        RECORD_FIXED_SIZE = 10,  /* type, class, ttl, length of the data */
        QUESTION_FIXED_SIZE = 4, /* type, class */
        OPTION_FIXED_SIZE = 4,   /* code, length */
};

/*
 * Steps over the name at `*pos`; a pointer ends it (RFC 1035, 4.1.4), if there
 * may be one. Returns 0 or LDNS_RCODE_FORMERR.
 */
static int skip_name(const uint8_t *data, size_t size, size_t *pos, bool may_point) {
        size_t begin = *pos, p = begin;

        while (p < size) {
                uint8_t label = data[p];

                if (label >= 0xc0) {
                        if (!may_point || size - p < 2)
                                break;
                        *pos = p + 2;
                        return 0;
                }
                if (label > LDNS_MAX_LABELLEN)
                        break;
                p += 1U + label;
                if (p - begin > LDNS_MAX_DOMAINLEN)
                        break;
                if (label == 0) {
                        *pos = p;
                        return 0;
                }
        }
        return LDNS_RCODE_FORMERR;
}

static char octet_to_text(uint8_t octet) {
        if (octet >= 'A' && octet <= 'Z')
                return (char) (octet - 'A' + 'a');
        if (octet <= ' ' || octet == '.' || octet >= 0x7f)
                return '?';
        return (char) octet;
}

/* The name as text; it is known to be no longer than LDNS_MAX_DOMAINLEN octets on the wire, 253 as text. */
static void name_to_text(const ldns_rdf *qname, char *ret) {
        const uint8_t *p = ldns_rdf_data(qname);
        char *q = ret;

        while (*p > 0) {
                uint8_t label = *p++;

                if (q > ret)
                        *q++ = '.';
                while (label-- > 0)
                        *q++ = octet_to_text(*p++);
        }
        *q = '\0';
}

static int question_parse(Query *q, const uint8_t *data, size_t size, size_t *pos) {
        size_t begin = *pos;
        ldns_status status;
        int r;

        r = skip_name(data, size, pos, false);
        if (r != 0)
                return r;
        if (size - *pos < QUESTION_FIXED_SIZE)
                return LDNS_RCODE_FORMERR;

        status = ldns_wire2dname(&q->qname, data, size, &begin);
        if (status != LDNS_STATUS_OK) {
                q->qname = NULL;
                return status == LDNS_STATUS_MEM_ERR ? -ENOMEM : LDNS_RCODE_FORMERR;
        }
        name_to_text(q->qname, q->name);
        q->qtype = ldns_read_uint16(data + *pos);
        q->qclass = ldns_read_uint16(data + *pos + 2);
        *pos += QUESTION_FIXED_SIZE;
        return 0;
}

/* The data of OPT are options, of which none is known here (RFC 6891, 6.1.2: ignored); they must add up. */
static bool options_are_valid(const uint8_t *data, size_t size) {
        while (size > 0) {
                size_t length;

                if (size < OPTION_FIXED_SIZE)
                        return false;
                length = OPTION_FIXED_SIZE + (size_t) ldns_read_uint16(data + 2);
                if (length > size)
                        return false;
                data += length;
                size -= length;
        }
        return true;
}

static int opt_parse(Query *q, const uint8_t *fixed, const uint8_t *data, size_t size, bool owner_is_root) {
        if (q->edns || !owner_is_root || !options_are_valid(data, size))
                return LDNS_RCODE_FORMERR;
        q->edns = true;
        q->edns_size = ldns_read_uint16(fixed + 2);
        q->edns_version = fixed[5];
        q->edns_do = fixed[6] & 0x80;
        return 0;
}

static int records_parse(Query *q, const uint8_t *data, size_t size, size_t *pos, unsigned n,
                         bool is_additional) {
        for (; n > 0; n--) {
                bool owner_is_root = *pos < size && data[*pos] == 0;
                const uint8_t *fixed;
                size_t length;
                int r;

                r = skip_name(data, size, pos, true);
                if (r != 0)
                        return r;
                if (size - *pos < RECORD_FIXED_SIZE)
                        return LDNS_RCODE_FORMERR;
                fixed = data + *pos;
                *pos += RECORD_FIXED_SIZE;
                length = ldns_read_uint16(fixed + 8);
                if (size - *pos < length)
                        return LDNS_RCODE_FORMERR;

                if (is_additional && ldns_read_uint16(fixed) == LDNS_RR_TYPE_OPT) {
                        r = opt_parse(q, fixed, data + *pos, length, owner_is_root);
                        if (r != 0)
                                return r;
                }
                *pos += length;
        }
        return 0;
}

int query_parse(Query *q, const uint8_t *data, size_t size) {
        size_t pos = LDNS_HEADER_SIZE;
        int r;

        memset(q, 0, sizeof(*q));
        if (size < LDNS_HEADER_SIZE || LDNS_QR_WIRE(data))
                return -EBADMSG;
        q->id = LDNS_ID_WIRE(data);
        q->opcode = LDNS_OPCODE_WIRE(data);
        q->recursion_desired = LDNS_RD_WIRE(data);
        q->checking_disabled = LDNS_CD_WIRE(data);

        /* Other operations have other sections, so nothing after the header is known to be a question. */
        if (q->opcode != LDNS_PACKET_QUERY)
                return LDNS_RCODE_NOTIMPL;
        if (LDNS_QDCOUNT(data) != 1)
                return LDNS_RCODE_FORMERR;

        r = question_parse(q, data, size, &pos);
        if (r == 0)
                r = records_parse(q, data, size, &pos, (unsigned) LDNS_ANCOUNT(data) + LDNS_NSCOUNT(data),
                                  false);
        if (r == 0)
                r = records_parse(q, data, size, &pos, LDNS_ARCOUNT(data), true);
        if (r != 0)
                return r;
        if (pos != size)
                return LDNS_RCODE_FORMERR;
        if (q->edns && q->edns_version != 0)
                return QUERY_RCODE_BADVERS;
        return 0;
}

void query_done(Query *q) {
        ldns_rdf_deep_free(q->qname);
        q->qname = NULL;
}
