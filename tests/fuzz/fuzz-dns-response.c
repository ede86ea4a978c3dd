/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as what a name server of the host says about www.example.test A.
 * It is no answer, or one that can be followed and written for who asks; nothing
 * crashes or reads beyond.
 *
 * With fuzz-dns-main.c it is a test that runs the files of its corpus,
 * fuzz-dns-response/. To look for new ones:
 *
 *   clang -fsanitize=fuzzer,address,undefined -g -O1 -D_GNU_SOURCE -Isrc -o fuzz-dns-response
 *       tests/fuzz/fuzz-dns-response.c src/dns/{response,query,wire}.c -lldns
 *   mkdir new && ./fuzz-dns-response -max_len=4096 new tests/fuzz/fuzz-dns-response
 */

#include <string.h>

#include "dns/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Who asks, in another case, with EDNS and DO. */
static const uint8_t query[] = "\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\3wWw\7eXample\4teST\0\0\1\0\1\0\0\x29\x10\0\0\0\x80\0\0\0";

static uint8_t out[WIRE_MESSAGE_MAX];

static bool is_odd(const DnsFeedAddress *address, const void *userdata) {
        return address->bytes[3] == 77;
}

static void check(size_t n, size_t limit) {
        const size_t least = LDNS_HEADER_SIZE + 18 + WIRE_QUESTION_FIXED;

        if (n < least || (n > limit && !LDNS_TC_WIRE(out)) || !LDNS_QR_WIRE(out) || LDNS_AA_WIRE(out) ||
            memcmp(out + LDNS_HEADER_SIZE, query + LDNS_HEADER_SIZE, 18) != 0)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        ResponseAddresses addresses;
        Question question;
        Response r;
        Query asker;

        if (query_parse(&asker, query, sizeof(query) - 1) != 0)
                abort();
        question_from_query(&asker, &question);
        if (response_parse(&r, &question, size >= 2 ? wire_uint16(data) : 0, data, size) == 0 && !r.truncated &&
            (r.rcode == LDNS_RCODE_NOERROR || r.rcode == LDNS_RCODE_NXDOMAIN)) {
                if (r.size > size || r.ttl > RESPONSE_TTL_MAX)
                        abort();
                (void) response_any_address(&r, is_odd, NULL);
                response_addresses(&r, &question, 0, &addresses);
                if (addresses.n > RESPONSE_ADDRESSES_MAX)
                        abort();
                check(response_write(&r, 30, &asker, 512, out), 512);
                check(response_write(&r, 30, &asker, WIRE_MESSAGE_MAX, out), WIRE_MESSAGE_MAX);
        }
        query_done(&asker);
        return 0;
}
