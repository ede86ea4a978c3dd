/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that the hash is SipHash-2-4 as published, on every machine and for every length. */

#include <string.h>

#include "basic/siphash.h"
#include "unit.h"

/* The test vectors of the reference implementation (Aumasson and Bernstein, appendix A): key and input count up. */
START_TEST(test_vectors) {
        static const struct {
                size_t size;
                uint64_t hash;
        } table[] = {
                { 0, UINT64_C(0x726fdb47dd0e0e31) },
                { 1, UINT64_C(0x74f839c593dc67fd) },
                { 7, UINT64_C(0xab0200f58b01d137) },
                { 8, UINT64_C(0x93f5f5799a932462) },
                { 9, UINT64_C(0x9e0082df0ba9e4b0) },
                { 15, UINT64_C(0xa129ca6149be45e5) },
                { 16, UINT64_C(0x3f2acc7f57c29bdb) },
                { 63, UINT64_C(0x958a324ceb064572) },
        };
        uint8_t key[16], input[64];

        for (size_t i = 0; i < sizeof(input); i++)
                input[i] = (uint8_t) i;
        memcpy(key, input, sizeof(key));
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                ck_assert_msg(siphash24(input, table[i].size, key) == table[i].hash, "%zu", table[i].size);
}
END_TEST

/* Neither input nor key needs to be aligned, and nothing behind the input is read. */
START_TEST(test_unaligned) {
        uint8_t key[17], input[16];
        _cleanup_free_ uint8_t *exact = malloc(15);

        ck_assert_ptr_nonnull(exact);
        for (size_t i = 0; i < 16; i++)
                key[i + 1] = input[i] = (uint8_t) i;
        memcpy(exact, input, 15);
        ck_assert_uint_eq(siphash24(exact, 15, key + 1), UINT64_C(0xa129ca6149be45e5));
        memmove(input + 1, exact, 15);
        ck_assert_uint_eq(siphash24(input + 1, 15, key + 1), UINT64_C(0xa129ca6149be45e5));
}
END_TEST

int main(void) {
        return UNIT_RUN("siphash", NULL, NULL, test_vectors, test_unaligned);
}
