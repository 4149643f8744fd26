/* Weights of a quad (128 of a row) to unsigned bytes with AVX-512: two vectors, two blocks of 32 each, in order. */
#ifndef CPU_Q8_VALUES_AVX512_H
#define CPU_Q8_VALUES_AVX512_H

#include "cpu/q8_scales_x86.h"

/* A shift for each block of a pair, as counts of 64-bit lanes. What a shift by such lanes carries from byte to byte is
 * masked away. */
Q8_INLINE __m512i q8_shifts(int first, int second) {
    return _mm512_inserti64x4(_mm512_set1_epi64(first), _mm256_set1_epi64x(second), 1);
}

Q8_INLINE __m512i q8_and(__m512i v, int mask) {
    return _mm512_and_si512(v, _mm512_set1_epi8((char)mask));
}

/* v | (w & mask) */
Q8_INLINE __m512i q8_or_and(__m512i v, __m512i w, int mask) {
    return _mm512_ternarylogic_epi64(v, w, _mm512_set1_epi8((char)mask), 0xF8);
}

/* 32 bytes for both blocks of a pair. */
Q8_INLINE __m512i q8_load_twice(const uint8_t p[32]) {
    return _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)p));
}

/* Twice 16 bytes to two blocks of nibbles, of each the low ones first. */
Q8_INLINE __m512i q8_nibbles(const uint8_t first[16], const uint8_t second[16]) {
    const __m512i shifts = _mm512_set_epi64(4, 4, 0, 0, 4, 4, 0, 0);
    __m512i v = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)first));
    v = _mm512_mask_broadcast_i32x4(v, 0xFF00, _mm_loadu_si128((const __m128i *)second));
    return q8_and(_mm512_srlv_epi64(v, shifts), 15);
}

/* Adds 16 where the bit of the value is set. */
Q8_INLINE __m512i q8_fifth_bits(__m512i nibbles, const uint8_t first[4], const uint8_t second[4]) {
    __mmask64 set = _cvtu64_mask64(block_u32(first) | (uint64_t)block_u32(second) << 32);
    return _mm512_mask_add_epi8(nibbles, set, nibbles, _mm512_set1_epi8(16));
}

/* A row of a table of 16 signed bytes for each nibble, plus `offset`. */
Q8_INLINE __m512i q8_look_up(const int8_t table[16], int offset, __m512i nibbles) {
    __m128i row = _mm_add_epi8(_mm_loadu_si128((const __m128i *)table), _mm_set1_epi8((char)offset));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(row), nibbles);
}

/* ---- Blocks of 32 ---- */

Q8_INLINE void q8_values_q4_0(const void *group, int part, void *out) {
    const q4_0_block *b = group;
    __m512i *u = out;
    (void)part;
    for (int i = 0; i < 2; i++) u[i] = q8_nibbles(b[2 * i].qs, b[2 * i + 1].qs);
}

Q8_INLINE void q8_values_q4_1(const void *group, int part, void *out) {
    const q4_1_block *b = group;
    __m512i *u = out;
    (void)part;
    for (int i = 0; i < 2; i++) u[i] = q8_nibbles(b[2 * i].qs, b[2 * i + 1].qs);
}

Q8_INLINE void q8_values_q5_0(const void *group, int part, void *out) {
    const q5_0_block *b = group;
    __m512i *u = out;
    (void)part;
    for (int i = 0; i < 2; i++)
        u[i] = q8_fifth_bits(q8_nibbles(b[2 * i].qs, b[2 * i + 1].qs), b[2 * i].qh, b[2 * i + 1].qh);
}

Q8_INLINE void q8_values_q5_1(const void *group, int part, void *out) {
    const q5_1_block *b = group;
    __m512i *u = out;
    (void)part;
    for (int i = 0; i < 2; i++)
        u[i] = q8_fifth_bits(q8_nibbles(b[2 * i].qs, b[2 * i + 1].qs), b[2 * i].qh, b[2 * i + 1].qh);
}

Q8_INLINE void q8_values_iq4_nl(const void *group, int part, void *out) {
    const iq4_nl_block *b = group;
    __m512i *u = out;
    (void)part;
    for (int i = 0; i < 2; i++) u[i] = q8_look_up(grid_iq4, 128, q8_nibbles(b[2 * i].qs, b[2 * i + 1].qs));
}

Q8_INLINE void q8_values_mxfp4(const void *group, int part, void *out) {
    const mxfp4_block *b = group;
    __m512i *u = out;
    (void)part;
    for (int i = 0; i < 2; i++) u[i] = q8_look_up(grid_e2m1, 12, q8_nibbles(b[2 * i].qs, b[2 * i + 1].qs));
}

/* Signed bytes become unsigned by an offset of 128, which flips the highest bit. */
Q8_INLINE void q8_values_q8_0(const void *group, int part, void *out) {
    const q8_0_block *b = group;
    __m512i *u = out;
    (void)part;
    for (int i = 0; i < 2; i++) {
        __m512i first = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)b[2 * i].qs));
        __m512i both = _mm512_inserti64x4(first, _mm256_loadu_si256((const __m256i *)b[2 * i + 1].qs), 1);
        u[i] = _mm512_xor_si512(both, _mm512_set1_epi8(-128));
    }
}

/* ---- Blocks of 256 ---- */

Q8_INLINE void q8_values_iq4_xs(const void *group, int part, void *out) {
    const iq4_xs_block *b = group;
    __m512i *u = out;
    for (int i = 0; i < 2; i++) {
        const uint8_t *qs = b->qs + 64 * part + 32 * i;
        u[i] = q8_look_up(grid_iq4, 128, q8_nibbles(qs, qs + 16));
    }
}

Q8_INLINE void q8_values_q4_k(const void *group, int part, void *out) {
    const q4_k_block *b = group;
    __m512i *u = out;
    for (int i = 0; i < 2; i++)
        u[i] = q8_and(_mm512_srlv_epi64(q8_load_twice(b->qs + 64 * part + 32 * i), q8_shifts(0, 4)), 15);
}

/* Bit 4 part + k of each byte of qh is the fifth bit of block k of the quad: turned to bit 4. */
Q8_INLINE void q8_values_q5_k(const void *group, int part, void *out) {
    const q5_k_block *b = group;
    __m512i *u = out, qh = q8_load_twice(b->qh);
    for (int i = 0; i < 2; i++) {
        int left = 4 - 4 * part - 2 * i;
        __m512i nibbles = _mm512_srlv_epi64(q8_load_twice(b->qs + 64 * part + 32 * i), q8_shifts(0, 4));
        u[i] = q8_or_and(q8_and(nibbles, 15), _mm512_rolv_epi64(qh, q8_shifts(left, left - 1)), 16);
    }
}

/* Bits 2 k, 2 k + 1 of each byte of qh are bits 4, 5 of block k. */
Q8_INLINE void q8_values_q6_k(const void *group, int part, void *out) {
    const q6_k_block *b = group;
    __m512i *u = out, qh = q8_load_twice(b->qh + 32 * part), ql = _mm512_loadu_si512(b->ql + 64 * part);
    u[0] = q8_or_and(q8_and(ql, 15), _mm512_rolv_epi64(qh, q8_shifts(4, 2)), 48);
    u[1] = q8_or_and(q8_and(_mm512_srli_epi16(ql, 4), 15), _mm512_rolv_epi64(qh, q8_shifts(0, -2)), 48);
}

/* Bits 2 k, 2 k + 1 of each byte of qs are block k. */
Q8_INLINE void q8_values_q2_k(const void *group, int part, void *out) {
    const q2_k_block *b = group;
    __m512i *u = out, qs = q8_load_twice(b->qs + 32 * part);
    u[0] = q8_and(_mm512_srlv_epi64(qs, q8_shifts(0, 2)), 3);
    u[1] = q8_and(_mm512_srlv_epi64(qs, q8_shifts(4, 6)), 3);
}

/* The same, and bit 4 part + k of each byte of qh is bit 2. */
Q8_INLINE void q8_values_q3_k(const void *group, int part, void *out) {
    const q3_k_block *b = group;
    __m512i *u = out, qs = q8_load_twice(b->qs + 32 * part), qh = q8_load_twice(b->qh);
    for (int i = 0; i < 2; i++) {
        int left = 2 - 4 * part - 2 * i;
        __m512i two = q8_and(_mm512_srlv_epi64(qs, q8_shifts(4 * i, 4 * i + 2)), 3);
        u[i] = q8_or_and(two, _mm512_rolv_epi64(qh, q8_shifts(left, left - 1)), 4);
    }
}

#endif
