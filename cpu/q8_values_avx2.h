/* Weights of a quad (128 of a row) to unsigned bytes with AVX2: four vectors, a block of 32 each, in order. */
#ifndef CPU_Q8_VALUES_AVX2_H
#define CPU_Q8_VALUES_AVX2_H

#include "cpu/q8_scales_x86.h"

/* 16 bytes to 32 nibbles: the low ones first. Bits that a shift by quadwords carries into a byte are masked away. */
Q8_INLINE __m256i q8_nibbles(const uint8_t qs[16]) {
    __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)qs));
    return _mm256_and_si256(_mm256_srlv_epi64(both, _mm256_set_epi64x(4, 4, 0, 0)), _mm256_set1_epi8(15));
}

Q8_INLINE __m256i q8_load(const void *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

Q8_INLINE __m256i q8_and(__m256i v, int mask) {
    return _mm256_and_si256(v, _mm256_set1_epi8((char)mask));
}

/* 32 nibbles with 16 added where bit i of qh is set. */
Q8_INLINE __m256i q8_fifth_bits(__m256i nibbles, const uint8_t qh[4]) {
    const __m256i byte = _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32((int)block_u32(qh)), byte);
    __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
    return _mm256_or_si256(nibbles, q8_and(set, 16));
}

/* A row of a table of 16 signed bytes for each nibble, plus `offset`. */
Q8_INLINE __m256i q8_look_up(const int8_t table[16], int offset, const uint8_t qs[16]) {
    __m128i row = _mm_add_epi8(_mm_loadu_si128((const __m128i *)table), _mm_set1_epi8((char)offset));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(row), q8_nibbles(qs));
}

Q8_INLINE void q8_values_q4_0(const void *group, int part, void *out) {
    const q4_0_block *b = group;
    __m256i *u = out;
    (void)part;
    for (int i = 0; i < 4; i++) u[i] = q8_nibbles(b[i].qs);
}

Q8_INLINE void q8_values_q4_1(const void *group, int part, void *out) {
    const q4_1_block *b = group;
    __m256i *u = out;
    (void)part;
    for (int i = 0; i < 4; i++) u[i] = q8_nibbles(b[i].qs);
}

Q8_INLINE void q8_values_q5_0(const void *group, int part, void *out) {
    const q5_0_block *b = group;
    __m256i *u = out;
    (void)part;
    for (int i = 0; i < 4; i++) u[i] = q8_fifth_bits(q8_nibbles(b[i].qs), b[i].qh);
}

Q8_INLINE void q8_values_q5_1(const void *group, int part, void *out) {
    const q5_1_block *b = group;
    __m256i *u = out;
    (void)part;
    for (int i = 0; i < 4; i++) u[i] = q8_fifth_bits(q8_nibbles(b[i].qs), b[i].qh);
}

/* Signed bytes become unsigned by an offset of 128, which flips the highest bit. */
Q8_INLINE void q8_values_q8_0(const void *group, int part, void *out) {
    const q8_0_block *b = group;
    __m256i *u = out;
    (void)part;
    for (int i = 0; i < 4; i++) u[i] = _mm256_xor_si256(q8_load(b[i].qs), _mm256_set1_epi8(-128));
}

Q8_INLINE void q8_values_iq4_nl(const void *group, int part, void *out) {
    const iq4_nl_block *b = group;
    __m256i *u = out;
    (void)part;
    for (int i = 0; i < 4; i++) u[i] = q8_look_up(grid_iq4, 128, b[i].qs);
}

Q8_INLINE void q8_values_mxfp4(const void *group, int part, void *out) {
    const mxfp4_block *b = group;
    __m256i *u = out;
    (void)part;
    for (int i = 0; i < 4; i++) u[i] = q8_look_up(grid_e2m1, 12, b[i].qs);
}

Q8_INLINE void q8_values_iq4_xs(const void *group, int part, void *out) {
    const iq4_xs_block *b = group;
    __m256i *u = out;
    for (int i = 0; i < 4; i++) u[i] = q8_look_up(grid_iq4, 128, b->qs + 64 * part + 16 * i);
}

Q8_INLINE void q8_values_q4_k(const void *group, int part, void *out) {
    const q4_k_block *b = group;
    __m256i *u = out;
    for (int i = 0; i < 2; i++) {
        __m256i qs = q8_load(b->qs + 64 * part + 32 * i);
        u[2 * i] = q8_and(qs, 15);
        u[2 * i + 1] = q8_and(_mm256_srli_epi16(qs, 4), 15);
    }
}

/* Fifth bits of the quad: bit 4 part + i of each byte of qh is block i's. */
Q8_INLINE void q8_values_q5_k(const void *group, int part, void *out) {
    const q5_k_block *b = group;
    __m256i *u = out;
    __m256i qh = q8_load(b->qh);
    if (part) qh = _mm256_srli_epi16(qh, 4);
    for (int i = 0; i < 2; i++) {
        __m256i qs = q8_load(b->qs + 64 * part + 32 * i);
        __m256i even = i ? _mm256_slli_epi16(qh, 2) : _mm256_slli_epi16(qh, 4);
        __m256i odd = i ? _mm256_slli_epi16(qh, 1) : _mm256_slli_epi16(qh, 3);
        u[2 * i] = _mm256_or_si256(q8_and(qs, 15), q8_and(even, 16));
        u[2 * i + 1] = _mm256_or_si256(q8_and(_mm256_srli_epi16(qs, 4), 15), q8_and(odd, 16));
    }
}

Q8_INLINE void q8_values_q6_k(const void *group, int part, void *out) {
    const q6_k_block *b = group;
    __m256i *u = out;
    __m256i qh = q8_load(b->qh + 32 * part);
    __m256i even = q8_load(b->ql + 64 * part), odd = q8_load(b->ql + 64 * part + 32);
    u[0] = _mm256_or_si256(q8_and(even, 15), q8_and(_mm256_slli_epi16(qh, 4), 48));
    u[1] = _mm256_or_si256(q8_and(odd, 15), q8_and(_mm256_slli_epi16(qh, 2), 48));
    u[2] = _mm256_or_si256(q8_and(_mm256_srli_epi16(even, 4), 15), q8_and(qh, 48));
    u[3] = _mm256_or_si256(q8_and(_mm256_srli_epi16(odd, 4), 15), q8_and(_mm256_srli_epi16(qh, 2), 48));
}

/* Two bits of each value: block i of the quad has bits 2 i, 2 i + 1 of 32 bytes. */
Q8_INLINE void q8_two_bits(const uint8_t qs[32], __m256i u[4]) {
    __m256i v = q8_load(qs);
    u[0] = q8_and(v, 3);
    u[1] = q8_and(_mm256_srli_epi16(v, 2), 3);
    u[2] = q8_and(_mm256_srli_epi16(v, 4), 3);
    u[3] = q8_and(_mm256_srli_epi16(v, 6), 3);
}

Q8_INLINE void q8_values_q2_k(const void *group, int part, void *out) {
    const q2_k_block *b = group;
    __m256i *u = out;
    q8_two_bits(b->qs + 32 * part, u);
}

Q8_INLINE void q8_values_q3_k(const void *group, int part, void *out) {
    const q3_k_block *b = group;
    __m256i *u = out;
    q8_two_bits(b->qs + 32 * part, u);
    __m256i qh = q8_load(b->qh);
    if (part) qh = _mm256_srli_epi16(qh, 4);
    u[0] = _mm256_or_si256(u[0], q8_and(_mm256_slli_epi16(qh, 2), 4));
    u[1] = _mm256_or_si256(u[1], q8_and(_mm256_slli_epi16(qh, 1), 4));
    u[2] = _mm256_or_si256(u[2], q8_and(qh, 4));
    u[3] = _mm256_or_si256(u[3], q8_and(_mm256_srli_epi16(qh, 1), 4));
}

#endif
