/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "basic/siphash.h"

typedef struct State {
        uint64_t v0, v1, v2, v3;
} State;

static uint64_t rotate(uint64_t x, unsigned n) {
        return (x << n) | (x >> (64 - n));
}

static void rounds(State *s, unsigned n) {
        while (n-- > 0) {
                s->v0 += s->v1;
                s->v1 = rotate(s->v1, 13) ^ s->v0;
                s->v0 = rotate(s->v0, 32);
                s->v2 += s->v3;
                s->v3 = rotate(s->v3, 16) ^ s->v2;
                s->v0 += s->v3;
                s->v3 = rotate(s->v3, 21) ^ s->v0;
                s->v2 += s->v1;
                s->v1 = rotate(s->v1, 17) ^ s->v2;
                s->v2 = rotate(s->v2, 32);
        }
}

static uint64_t read_le64(const uint8_t *p, size_t n) {
        uint64_t v = 0;

        for (size_t i = 0; i < n; i++)
                v |= (uint64_t) p[i] << (8 * i);
        return v;
}

uint64_t siphash24(const void *data, size_t size, const uint8_t key[static 16]) {
        const uint64_t k0 = read_le64(key, 8), k1 = read_le64(key + 8, 8);
        State s = {
                k0 ^ UINT64_C(0x736f6d6570736575),
                k1 ^ UINT64_C(0x646f72616e646f6d),
                k0 ^ UINT64_C(0x6c7967656e657261),
                k1 ^ UINT64_C(0x7465646279746573),
        };
        const uint8_t *p = data;
        size_t left = size;
        uint64_t last;

        for (; left >= 8; p += 8, left -= 8) {
                uint64_t m = read_le64(p, 8);

                s.v3 ^= m;
                rounds(&s, 2);
                s.v0 ^= m;
        }
        last = read_le64(p, left) | (uint64_t) size << 56;
        s.v3 ^= last;
        rounds(&s, 2);
        s.v0 ^= last;
        s.v2 ^= 0xff;
        rounds(&s, 4);
        return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
