/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as a query, over both transports. No answer, or one that ldns can
 * read, belongs to the query and fits; nothing crashes or leaks.
 *
 * With fuzz-dns-main.c it is a test that runs the files of its corpus,
 * fuzz-dns-answer/. To look for new ones:
 *
 *   clang -fsanitize=fuzzer,address,undefined -g -O1 -D_GNU_SOURCE -Isrc -o fuzz-dns-answer
 *       tests/fuzz/fuzz-dns-answer.c src/dns/{answer,names,patterns,query,reverse,wire}.c src/model/name.c -lldns
 *   mkdir new && ./fuzz-dns-answer -max_len=4096 new tests/fuzz/fuzz-dns-answer
 */

#include <ldns/ldns.h>
#include <sys/socket.h>

#include "dns/answer.h"
#include "dns/query.h"

/* The view that names are told for. */
static const NameSight sight = { .identity = 1, .views = { 1 } };
static const NameViewer viewer = { .identity = 2, .view = 0 };
static const Patterns patterns; /* nothing may be looked up outside */
static Answered answered;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t answer[ANSWER_SIZE_MAX];

static Names *names_make(void) {
        static const DnsFeedAddress both[] = {
                        {AF_INET, {198, 18, 0, 10}},
                        {AF_INET6, {0xfd, [15] = 0x10}},
        };
        Names *names = names_new();
        char name[64];
        int r;

        r = names ? names_begin(names, "ax.internal", 5) : -ENOMEM;
        if (r >= 0)
                r = names_set(names, "web", both, 2, &sight);
        if (r >= 0)
                r = names_set(names, "db.shop", both, 1, &sight);
        for (unsigned i = 0; r >= 0 && i < ANSWER_POINTERS_MAX; i++) {
                snprintf(name, sizeof(name), "a-rather-long-name-of-some-service-%u", i);
                r = names_set(names, name, both + 1, 1, &sight);
        }
        if (r < 0)
                abort();
        return names;
}

static void check_answer(const uint8_t *query, size_t size, size_t limit) {
        ldns_pkt *packet;

        if (size > limit || ldns_wire2pkt(&packet, answer, size) != LDNS_STATUS_OK)
                abort();
        if (!ldns_pkt_qr(packet) || ldns_pkt_id(packet) != ldns_read_uint16(query))
                abort();
        ldns_pkt_free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static Names *names;
        ssize_t l;

        if (!names)
                names = names_make();
        if (size > QUERY_SIZE_MAX)
                return 0;

        l = answer_query(names, &viewer, &patterns, ANSWER_UDP, data, size, &answered, answer);
        if (l < 0)
                abort();
        if (l > 0)
                check_answer(data, (size_t) l, ANSWER_UDP_SIZE_MAX);

        l = answer_query(names, &viewer, &patterns, ANSWER_TCP, data, size, &answered, answer);
        if (l < 0)
                abort();
        if (l > 0)
                check_answer(data, (size_t) l, ANSWER_SIZE_MAX);
        return 0;
}
