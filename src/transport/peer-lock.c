/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/filter.h>
#include <string.h>
#include <sys/socket.h>

#include "transport/peer-lock.h"
#include "transport/socket-name.h"

/* What lies behind the last instruction that is reached, a word in each. */
typedef struct Note {
        uint32_t magic;
        uint16_t family;
        uint16_t local_family, local_port;
        uint16_t peer_family, peer_port;
        uint16_t accepted;
        uint8_t local[16], peer[16];
        uint64_t hash; /* of all that comes before it */
} Note;

enum {
        NOTE_MAGIC = 0x41585631, /* "AXV1" */
        NOTE_WORDS = sizeof(Note) / sizeof(uint32_t),
        HASHED_WORDS = offsetof(Note, hash) / sizeof(uint32_t),
        HOLD_LENGTH = 6,
        MATCH_MAX = 2 * (2 + 4) + HOLD_LENGTH + 2,
        PROGRAM_MAX = MATCH_MAX + NOTE_WORDS + 1,
};
static_assert(offsetof(Note, hash) % sizeof(uint32_t) == 0 && sizeof(Note) == offsetof(Note, hash) + 8, "no padding");

typedef struct Program {
        struct sock_filter code[PROGRAM_MAX];
        unsigned n;
} Program;

static void add(Program *p, uint16_t code, uint32_t k) {
        p->code[p->n++] = (struct sock_filter) BPF_STMT(code, k);
}

/* Goes on if what was loaded is `k`, and else to the last of `n_all` instructions. */
static void add_test(Program *p, uint32_t k, unsigned n_all) {
        p->code[p->n] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, (uint8_t) (n_all - 1 - (p->n + 1)));
        p->n++;
}

/*
 * What answers to a SYN that nobody listens for has the sequence number 0
 * (RFC 9293, 3.5.2), as no other reset has but by one chance in 2^32. It is
 * passed over while it has the mark.
 */
static void add_hold(Program *p, uint32_t mark_bit, unsigned n_all) {
        const unsigned end = p->n + HOLD_LENGTH;

        add(p, BPF_LD | BPF_B | BPF_ABS, 13); /* flags */
        p->code[p->n] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x04, 0, (uint8_t) (end - 1 - p->n));
        p->n++;
        add(p, BPF_LD | BPF_W | BPF_ABS, 4); /* sequence number */
        p->code[p->n] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, (uint8_t) (end - 1 - p->n));
        p->n++;
        add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t) (SKF_AD_OFF + SKF_AD_MARK));
        p->code[p->n] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, mark_bit, (uint8_t) (n_all - 2 - p->n), 0);
        p->n++;
        assert(p->n == end);
}

static void add_match(Program *p, const Endpoint *local, const Endpoint *peer, uint32_t mark_bit) {
        const unsigned n_words = peer->address.family == AF_INET ? 1 : 4;
        const unsigned source = peer->address.family == AF_INET ? 12 : 8; /* in the IP header */
        const unsigned n_all = 2 * (2 + n_words) + (mark_bit ? HOLD_LENGTH : 0) + 2;

        add(p, BPF_LD | BPF_H | BPF_ABS, 0);
        add_test(p, peer->port, n_all);
        add(p, BPF_LD | BPF_H | BPF_ABS, 2);
        add_test(p, local->port, n_all);
        for (unsigned i = 0; i < n_words; i++) {
                uint32_t word;

                memcpy(&word, peer->address.bytes + 4 * (size_t) i, sizeof(word));
                add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t) SKF_NET_OFF + source + 4 * i);
                add_test(p, ntohl(word), n_all);
        }
        if (mark_bit)
                add_hold(p, mark_bit, n_all);
        add(p, BPF_RET | BPF_K, UINT32_MAX);
        add(p, BPF_RET | BPF_K, 0);
        assert(p->n == n_all);
}

static uint64_t hash(const Program *p, unsigned n) {
        return socket_name_hash(p->code, n * sizeof(p->code[0]));
}

static void add_words(Program *p, const void *data, size_t n) {
        for (size_t i = 0; i < n; i++) {
                uint32_t word;

                memcpy(&word, (const uint8_t *) data + i * sizeof(word), sizeof(word));
                add(p, BPF_LD | BPF_IMM, word);
        }
}

static void add_note(Program *p, const PeerView *view) {
        Note note = {
                .magic = NOTE_MAGIC,
                .family = (uint16_t) view->family,
                .local_family = view->local.address.family,
                .local_port = view->local.port,
                .peer_family = view->peer.address.family,
                .peer_port = view->peer.port,
                .accepted = view->accepted,
        };

        memcpy(note.local, view->local.address.bytes, sizeof(note.local));
        memcpy(note.peer, view->peer.address.bytes, sizeof(note.peer));
        add_words(p, &note, HASHED_WORDS);
        note.hash = hash(p, p->n);
        add_words(p, &note.hash, NOTE_WORDS - HASHED_WORDS);
        add(p, BPF_RET | BPF_K, 0); /* a program must end so */
}

int peer_lock(int fd, const Endpoint *local, const Endpoint *peer, const PeerView *view) {
        return peer_lock_held(fd, local, peer, view, 0);
}

int peer_lock_held(int fd, const Endpoint *local, const Endpoint *peer, const PeerView *view, uint32_t mark_bit) {
        Program p = {};
        const int on = 1;

        add_match(&p, local, peer, mark_bit);
        if (view)
                add_note(&p, view);
        if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &(struct sock_fprog){ (unsigned short) p.n, p.code },
                       sizeof(struct sock_fprog)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) < 0)
                return -errno;
        return 0;
}

bool peer_lock_is_set(int fd) {
        int on = 0;
        socklen_t size = sizeof(on);

        return getsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, &size) >= 0 && on;
}

/* The part before the note is what it would be for this connection; of an unknown peer its port cannot be checked. */
static bool is_of(const Program *p, const Endpoint *local, const Endpoint *peer) {
        const unsigned n_match = p->n - NOTE_WORDS - 1;
        Program expected = {};

        if (!peer)
                return p->code[3].k == local->port;
        add_match(&expected, local, peer, 0);
        if (n_match == expected.n + HOLD_LENGTH) {
                expected.n = 0;
                add_match(&expected, local, peer, p->code[n_match - 3].k); /* the last test of the hold: its bit */
        }
        return p->n == expected.n + NOTE_WORDS + 1 &&
                        memcmp(p->code, expected.code, expected.n * sizeof(p->code[0])) == 0;
}

int peer_lock_get_view(int fd, const Endpoint *local, const Endpoint *peer, PeerView *ret) {
        Program p = {};
        socklen_t n = PROGRAM_MAX; /* this option counts instructions */
        unsigned first;
        Note note;

        /* EINVAL: it is longer than any of ours; EACCES: it is not of this kind. */
        if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, p.code, &n) < 0)
                return errno == EINVAL || errno == EACCES ? -ENODATA : -errno;
        p.n = n;
        if (p.n < 4 + NOTE_WORDS + 1)
                return -ENODATA;
        first = p.n - NOTE_WORDS - 1;
        for (unsigned i = 0; i < NOTE_WORDS; i++)
                memcpy((uint8_t *) &note + i * sizeof(uint32_t), &p.code[first + i].k, sizeof(uint32_t));
        if (note.magic != NOTE_MAGIC || note.hash != hash(&p, first + HASHED_WORDS) || !is_of(&p, local, peer))
                return -ENODATA;
        *ret = (PeerView){
                .family = note.family,
                .local = { .address.family = note.local_family, .port = note.local_port },
                .peer = { .address.family = note.peer_family, .port = note.peer_port },
                .accepted = note.accepted,
        };
        memcpy(ret->local.address.bytes, note.local, sizeof(note.local));
        memcpy(ret->peer.address.bytes, note.peer, sizeof(note.peer));
        if (ret->local.port == 0)
                ret->local.port = local->port;
        return 0;
}
