/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ldns/ldns.h>
#include <string.h>
#include <sys/socket.h>

#include "dns/answer.h"
#include "dns/query.h"
#include "dns/reverse.h"

/* The name server's own name and the zones' mailbox, as in locally served zones (RFC 6303, 3): the one is
 * true, as 127.0.0.1 port 53 leads here in every app, the other says that there is none. */
#define SERVER_NAME "localhost."
#define MAILBOX_NAME "nobody.invalid."

/* Nobody transfers a zone from here (AXFR is refused), so these mean nothing to anybody. */
enum {
        SOA_SERIAL = 1,
        SOA_REFRESH = 3600,
        SOA_RETRY = 1200,
        SOA_EXPIRE = 604800,
};

/* RFC 1035, 4.2.1: octets of an answer over UDP without EDNS. */
enum { PLAIN_UDP_SIZE = 512 };

/* RFC 6895, 3.1: types that are questions or belong to the message, not to a name. */
enum {
        TYPE_META_FIRST = 128,
        TYPE_META_LAST = 255,
};

/* What there is under a name. */
typedef struct Target {
        const char *zone; /* that encloses the name: the domain, or "" for the root */
        bool exists;
        bool is_outside; /* a name that others know, if anybody */
        bool is_outside_address; /* a reverse name that others know */
        bool is_apex; /* it is the zone's own name */
        bool is_loopback;
        bool is_loopback_address;   /* the reverse name of 127.0.0.1 or ::1 */
        const Name *name;           /* its addresses, or NULL */
        const NameAddress *reverse; /* the names of its address, or NULL */
} Target;

typedef struct Answer {
        const Names *names;
        const NameViewer *viewer;
        const Query *query;
        ldns_pkt *packet;
} Answer;

static const DnsFeedAddress loopback[] = {
                {AF_INET, {127, 0, 0, 1}},
                {AF_INET6, {[15] = 1}},
};

static void pkt_freep(ldns_pkt **p) {
        ldns_pkt_free(*p);
}

static void rr_freep(ldns_rr **rr) {
        ldns_rr_free(*rr);
}

static void bufferp(ldns_buffer **b) {
        ldns_buffer_free(*b);
}

static void query_donep(Query *q) {
        query_done(q);
}

/* Is `name` below `parent`, or it? Then returns where the part before begins to end, else NULL. */
static const char *name_below(const char *name, const char *parent) {
        size_t size = strlen(name), parent_size = strlen(parent);
        const char *end = name + size - parent_size;

        if (parent_size == 0 || size < parent_size || strcmp(end, parent) != 0)
                return NULL;
        if (end == name)
                return end;
        return end[-1] == '.' ? end - 1 : NULL;
}

static void target_find_reverse(const Names *names, const NameViewer *viewer, const DnsFeedAddress *address,
                                Target *t) {
        for (size_t i = 0; i < ELEMENTSOF(loopback); i++)
                if (memcmp(address, loopback + i, sizeof(*address)) == 0)
                        t->is_loopback_address = true;
        t->reverse = names_find_address(names, address, viewer);
        t->exists = t->reverse || t->is_loopback_address;
        t->is_outside_address = !t->exists && !names_is_virtual(names, address) &&
                        !(address->family == AF_INET && address->bytes[0] == 127);
}

static void target_find_table(const Names *names, const NameViewer *viewer, const char *name, Target *t) {
        t->name = names_find(names, name, viewer);
        t->exists = t->name || names_is_parent(names, name, viewer);
}

static void target_find(const Names *names, const NameViewer *viewer, const char *name, Target *t) {
        char bare[DNS_FEED_NAME_MAX + 1];
        DnsFeedAddress address;
        const char *end;
        int r;

        *t = (Target){.zone = ""};

        if (*name == '\0') {
                t->is_apex = t->exists = t->is_outside = true;
                return;
        }
        if (name_below(name, "localhost")) {
                t->is_loopback = t->exists = true;
                return;
        }
        r = reverse_parse(name, &address);
        if (r == REVERSE_PARTIAL) {
                t->exists = true;
                return;
        }
        if (r == 0) {
                target_find_reverse(names, viewer, &address, t);
                return;
        }
        if (r != -ENOENT) {
                t->is_outside_address = true; /* RFC 2317 has other labels there */
                return;
        }

        end = name_below(name, names->domain);
        if (end) {
                t->zone = names->domain;
                if (end == name) {
                        t->is_apex = t->exists = true;
                        return;
                }
                memcpy(bare, name, (size_t) (end - name));
                bare[end - name] = '\0';
                target_find_table(names, viewer, bare, t);
                return;
        }
        target_find_table(names, viewer, name, t);
        if (name_below(names->domain, name))
                t->exists = true;
        t->is_outside = !t->exists;
}

/* Of the host's questions only those that nobody else could answer are ours: refused, it asks its other servers. */
static bool is_for_host(const Names *names, const char *name) {
        DnsFeedAddress address;

        return name_below(name, names->domain) || (reverse_parse(name, &address) == 0 && names_is_virtual(names, &address));
}

/* Adds one record; takes `owner` and the `n` fields of data, also when it fails (a field that is NULL). */
static int add_record(Answer *a, ldns_pkt_section section, ldns_rdf *owner, ldns_rr_type type,
                      ldns_rdf **rdfs, size_t n) {
        _cleanup_(rr_freep) ldns_rr *rr = ldns_rr_new();
        bool complete = rr && owner;

        for (size_t i = 0; i < n; i++)
                if (!rr || !rdfs[i] || !ldns_rr_push_rdf(rr, rdfs[i])) {
                        ldns_rdf_deep_free(rdfs[i]);
                        complete = false;
                }
        if (!rr) {
                ldns_rdf_deep_free(owner);
                return -ENOMEM;
        }
        ldns_rr_set_owner(rr, owner);
        ldns_rr_set_type(rr, type);
        ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
        ldns_rr_set_ttl(rr, a->names->ttl);
        if (!complete || !ldns_pkt_push_rr(a->packet, section, rr))
                return -ENOMEM;
        TAKE_PTR(rr);
        return 0;
}

static ldns_rdf *owner_new(const Answer *a) {
        return ldns_rdf_clone(a->query->qname);
}

static ldns_rdf *zone_new(const char *zone) {
        return ldns_dname_new_frm_str(*zone ? zone : ".");
}

static int add_address(Answer *a, const DnsFeedAddress *address) {
        bool v4 = address->family == AF_INET;
        ldns_rdf *rdf = ldns_rdf_new_frm_data(v4 ? LDNS_RDF_TYPE_A : LDNS_RDF_TYPE_AAAA, v4 ? 4 : 16,
                                              address->bytes);

        return add_record(a, LDNS_SECTION_ANSWER, owner_new(a), v4 ? LDNS_RR_TYPE_A : LDNS_RR_TYPE_AAAA,
                          &rdf, 1);
}

static int add_soa(Answer *a, ldns_pkt_section section, const char *zone) {
        ldns_rdf *rdfs[] = {
                        ldns_dname_new_frm_str(SERVER_NAME),
                        ldns_dname_new_frm_str(MAILBOX_NAME),
                        ldns_native2rdf_int32(LDNS_RDF_TYPE_INT32, SOA_SERIAL),
                        ldns_native2rdf_int32(LDNS_RDF_TYPE_PERIOD, SOA_REFRESH),
                        ldns_native2rdf_int32(LDNS_RDF_TYPE_PERIOD, SOA_RETRY),
                        ldns_native2rdf_int32(LDNS_RDF_TYPE_PERIOD, SOA_EXPIRE),
                        /* How long a denial may be remembered: RFC 2308, 4. */
                        ldns_native2rdf_int32(LDNS_RDF_TYPE_PERIOD, a->names->ttl),
        };

        return add_record(a, section, zone_new(zone), LDNS_RR_TYPE_SOA, rdfs, ELEMENTSOF(rdfs));
}

static int add_ns(Answer *a, const char *zone) {
        ldns_rdf *rdf = ldns_dname_new_frm_str(SERVER_NAME);

        return add_record(a, LDNS_SECTION_ANSWER, zone_new(zone), LDNS_RR_TYPE_NS, &rdf, 1);
}

static int add_pointer(Answer *a, const char *name) {
        ldns_rdf *rdf = ldns_dname_new_frm_str(name);

        return add_record(a, LDNS_SECTION_ANSWER, owner_new(a), LDNS_RR_TYPE_PTR, &rdf, 1);
}

static int add_pointers(Answer *a, const Target *t) {
        char full[2 * (DNS_FEED_NAME_MAX + 1)];
        unsigned n = 0;
        int r = 0;

        if (t->is_loopback_address)
                r = add_pointer(a, SERVER_NAME);
        for (const NameAddress *i = t->reverse; r >= 0 && i && n < ANSWER_POINTERS_MAX; i = name_next_seen(i, a->viewer)) {
                int size = snprintf(full, sizeof(full), "%s.%s", i->name->name, a->names->domain);

                /* Only when a longer domain came after the name. */
                if (size > DNS_FEED_NAME_MAX)
                        continue;
                r = add_pointer(a, full);
                n++;
        }
        return r;
}

static int add_addresses(Answer *a, const Target *t, uint32_t family) {
        int r = 0;

        for (size_t i = 0; t->is_loopback && r >= 0 && i < ELEMENTSOF(loopback); i++)
                if (loopback[i].family == family)
                        r = add_address(a, loopback + i);
        for (size_t i = 0; t->name && r >= 0 && i < t->name->n_addresses; i++)
                if (t->name->addresses[i].address.family == family)
                        r = add_address(a, &t->name->addresses[i].address);
        return r;
}

/* Fills answer and authority. Returns 0 or -ENOMEM. */
static int answer_target(Answer *a, const Target *t) {
        uint16_t type = a->query->qtype;
        bool any = type == LDNS_RR_TYPE_ANY; /* RFC 8482, 4.1: what is there, which is little */
        int r = 0;

        if (any || type == LDNS_RR_TYPE_A)
                r = add_addresses(a, t, AF_INET);
        if (r >= 0 && (any || type == LDNS_RR_TYPE_AAAA))
                r = add_addresses(a, t, AF_INET6);
        if (r >= 0 && (any || type == LDNS_RR_TYPE_PTR))
                r = add_pointers(a, t);
        if (r >= 0 && t->is_apex && (any || type == LDNS_RR_TYPE_SOA))
                r = add_soa(a, LDNS_SECTION_ANSWER, t->zone);
        if (r >= 0 && t->is_apex && (any || type == LDNS_RR_TYPE_NS))
                r = add_ns(a, t->zone);
        if (r < 0)
                return r;

        ldns_pkt_set_aa(a->packet, true);
        if (!t->exists)
                ldns_pkt_set_rcode(a->packet, LDNS_RCODE_NXDOMAIN);
        if (ldns_pkt_ancount(a->packet) == 0)
                return add_soa(a, LDNS_SECTION_AUTHORITY, t->zone);
        return 0;
}

/* Is it a question that this server answers? Returns 0, or the RCODE that says why not. */
static int question_check(const Query *q) {
        if (q->qclass != LDNS_RR_CLASS_IN)
                return LDNS_RCODE_REFUSED;
        switch (q->qtype) {
        case 0:
        case LDNS_RR_TYPE_OPT:
                return LDNS_RCODE_FORMERR;
        case LDNS_RR_TYPE_ANY:
                return 0;
        case LDNS_RR_TYPE_AXFR:
        case LDNS_RR_TYPE_IXFR:
                return LDNS_RCODE_REFUSED;
        default:
                return q->qtype >= TYPE_META_FIRST && q->qtype <= TYPE_META_LAST ? LDNS_RCODE_NOTIMPL : 0;
        }
}

static int answer_begin(Answer *a, int rcode) {
        const Query *q = a->query;
        ldns_pkt *p = a->packet;

        ldns_pkt_set_id(p, q->id);
        ldns_pkt_set_qr(p, true);
        ldns_pkt_set_opcode(p, q->opcode);
        ldns_pkt_set_rd(p, q->recursion_desired);
        ldns_pkt_set_cd(p, q->checking_disabled);
        ldns_pkt_set_ra(p, true);
        ldns_pkt_set_rcode(p, (uint8_t) (rcode & 0xf));

        if (q->edns) {
                ldns_pkt_set_edns_udp_size(p, QUERY_SIZE_MAX);
                ldns_pkt_set_edns_extended_rcode(p, (uint8_t) (rcode >> 4));
                ldns_pkt_set_edns_do(p,
                                     q->edns_do); /* RFC 3225, 3: copied; there is nothing signed to add */
        }
        if (q->qname) {
                ldns_rr *rr = ldns_rr_new();
                ldns_rdf *owner = owner_new(a);

                if (!rr || !owner || !ldns_pkt_push_rr(p, LDNS_SECTION_QUESTION, rr)) {
                        ldns_rr_free(rr);
                        ldns_rdf_deep_free(owner);
                        return -ENOMEM;
                }
                ldns_rr_set_question(rr, true);
                ldns_rr_set_owner(rr, owner);
                ldns_rr_set_type(rr, q->qtype);
                ldns_rr_set_class(rr, q->qclass);
        }
        return 0;
}

/* Writes the packet if it has no more than `limit` octets. Returns its size, or -EMSGSIZE. */
static ssize_t answer_encode(Answer *a, size_t limit, uint8_t *ret) {
        _cleanup_(bufferp) ldns_buffer *b = ldns_buffer_new(PLAIN_UDP_SIZE);

        if (!b || ldns_pkt2buffer_wire(b, a->packet) != LDNS_STATUS_OK)
                return -ENOMEM;
        if (ldns_buffer_position(b) > limit)
                return -EMSGSIZE;
        memcpy(ret, ldns_buffer_begin(b), ldns_buffer_position(b));
        return (ssize_t) ldns_buffer_position(b);
}

static int answer_truncate(Answer *a) {
        ldns_rr_list *none = ldns_rr_list_new();

        if (!none)
                return -ENOMEM;
        ldns_rr_list_deep_free(ldns_pkt_answer(a->packet));
        ldns_pkt_set_answer(a->packet, none);
        ldns_pkt_set_ancount(a->packet, 0);
        ldns_pkt_set_tc(a->packet, true);
        return 0;
}

/* RFC 6891, 6.2.3: what the asker takes, of which less than 512 octets counts as 512. */
static size_t answer_limit(const Query *q, AnswerTransport transport) {
        size_t size = PLAIN_UDP_SIZE;

        if (transport == ANSWER_TCP)
                return ANSWER_SIZE_MAX;
        if (q->edns)
                size = MAX2(size, (size_t) q->edns_size);
        return MIN2(size, (size_t) ANSWER_UDP_SIZE_MAX);
}

/* Is the answer to be had outside? If not for him who asks, that is noted. */
static bool target_is_asked_outside(const Target *t, const Patterns *patterns, const Query *q, Answered *answered) {
        if (!t->is_outside && !t->is_outside_address)
                return false;
        strcpy(answered->name, q->name);
        answered->outside = t->is_outside ? patterns_match(patterns, q->name) : patterns->all;
        answered->refused = !answered->outside && !t->exists;
        return answered->outside;
}

ssize_t answer_query(const Names *names, const NameViewer *viewer, const Patterns *patterns, AnswerTransport transport,
                     const uint8_t *query, size_t size, Answered *ret_answered, uint8_t *ret) {
        _cleanup_(query_donep) Query q;
        _cleanup_(pkt_freep) ldns_pkt *packet = NULL;
        Answer a = {.names = names, .viewer = viewer, .query = &q};
        ssize_t r;
        int rcode;

        *ret_answered = (Answered){};
        rcode = query_parse(&q, query, size);
        if (rcode < 0)
                return rcode == -EBADMSG ? 0 : rcode;
        if (rcode == 0)
                rcode = question_check(&q);
        if (rcode == 0 && viewer->host && !is_for_host(names, q.name))
                rcode = LDNS_RCODE_REFUSED;
        ret_answered->limit = answer_limit(&q, transport);

        a.packet = packet = ldns_pkt_new();
        if (!packet)
                return -ENOMEM;
        r = answer_begin(&a, rcode);
        if (r >= 0 && rcode == 0) {
                Target t;

                target_find(names, viewer, q.name, &t);
                if (target_is_asked_outside(&t, patterns, &q, ret_answered))
                        return 0;
                r = answer_target(&a, &t);
        }
        if (r < 0)
                return r;

        r = answer_encode(&a, ret_answered->limit, ret);
        if (r == -EMSGSIZE) {
                r = answer_truncate(&a);
                if (r >= 0)
                        r = answer_encode(&a, ret_answered->limit, ret);
        }
        return r;
}
