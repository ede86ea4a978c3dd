/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <string.h>

#include "dns/query.h"
#include "dns/wire.h"

enum { OPTION_FIXED_SIZE = 4 }; /* code, length */

static int question_parse(Query *q, const uint8_t *data, size_t size, size_t *pos) {
        size_t begin = *pos;
        ldns_status status;

        if (wire_skip_name(data, size, pos, false) < 0 || size - *pos < WIRE_QUESTION_FIXED)
                return LDNS_RCODE_FORMERR;

        status = ldns_wire2dname(&q->qname, data, size, &begin);
        if (status != LDNS_STATUS_OK) {
                q->qname = NULL;
                return status == LDNS_STATUS_MEM_ERR ? -ENOMEM : LDNS_RCODE_FORMERR;
        }
        wire_name_to_text(ldns_rdf_data(q->qname), q->name);
        q->qtype = ldns_read_uint16(data + *pos);
        q->qclass = ldns_read_uint16(data + *pos + 2);
        *pos += WIRE_QUESTION_FIXED;
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

static int opt_parse(Query *q, const uint8_t *data, const WireRecord *record) {
        const uint8_t *ttl = data + record->ttl; /* RFC 6891, 6.1.3: another meaning here */

        if (q->edns || data[record->owner] != 0 || !options_are_valid(data + record->data, record->data_size))
                return LDNS_RCODE_FORMERR;
        q->edns = true;
        q->edns_size = record->class;
        q->edns_version = ttl[1];
        q->edns_do = ttl[2] & 0x80;
        return 0;
}

static int records_parse(Query *q, const uint8_t *data, size_t size, size_t *pos, unsigned n,
                         bool is_additional) {
        for (; n > 0; n--) {
                WireRecord record;
                int r;

                if (wire_read_record(data, size, pos, &record) < 0)
                        return LDNS_RCODE_FORMERR;
                if (is_additional && record.type == LDNS_RR_TYPE_OPT) {
                        r = opt_parse(q, data, &record);
                        if (r != 0)
                                return r;
                }
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
        q->authentic_data = LDNS_AD_WIRE(data);

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
