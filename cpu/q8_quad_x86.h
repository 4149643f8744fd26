/* Quads: 128 weights of a row unpacked for 8-bit dot products, a reader a format, with AVX2 (AVX-512 where it saves).
 *
 * Every block of 32 weights becomes 32 unsigned bytes u and a few numbers, so that with activations d * q
 *
 *     dot of the block = scale * d * (sum of (u - offset) * q) + min * (sum of d * q)
 *
 * Formats whose scales are for 16 weights have their integer part in `sub` (and `sub_min`), one for each half of a
 * block, which multiplies the half's integer sum. Layouts of the formats: core/formats. */
#ifndef CPU_Q8_QUAD_X86_H
#define CPU_Q8_QUAD_X86_H

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#include "core/formats/blocks.h"
#include "core/formats/grids.h"

#define Q8_INLINE static inline __attribute__((always_inline))

/* Halves of blocks come in the order of the reduction: first halves of blocks 0..3, then second halves. */
typedef struct q8_quad {
    __m256i u[4];         /* by block */
    __m128 scale, min;    /* by block; min only where q8_format.mins */
    __m256i sub, sub_min; /* by half; where q8_format.subs, and mins too */
} q8_quad;

/* What the drivers need to know of a format. They are inlined with a constant of this type, so that it costs nothing.
 * read() gets the group that quad `part` lies in: 4 blocks of 32 (one part), or a block of 256 (two parts). */
typedef struct q8_format {
    int offset, group_bytes, parts;
    bool mins, subs;
    void (*read)(const void *group, int part, q8_quad *out);
} q8_format;

Q8_INLINE __m128 q8_half_scale(const uint8_t d[2]) {
    return _mm_cvtph_ps(_mm_set1_epi16((short)block_u16(d)));
}

/* Four halves, `stride` bytes apart. */
Q8_INLINE __m128 q8_half_scales(const uint8_t *d, int stride) {
    __m128i h = _mm_cvtsi32_si128(block_u16(d));
    h = _mm_insert_epi16(h, block_u16(d + stride), 1);
    h = _mm_insert_epi16(h, block_u16(d + 2 * stride), 2);
    return _mm_cvtph_ps(_mm_insert_epi16(h, block_u16(d + 3 * stride), 3));
}

/* The bytes of `word`, lowest first, as floats. */
Q8_INLINE __m128 q8_bytes_to_floats(uint32_t word) {
    return _mm_cvtepi32_ps(_mm_cvtepu8_epi32(_mm_cvtsi32_si128((int)word)));
}

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
#ifdef __AVX512BW__
    return _mm256_mask_add_epi8(nibbles, block_u32(qh), nibbles, _mm256_set1_epi8(16));
#else
    const __m256i byte = _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32((int)block_u32(qh)), byte);
    __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
    return _mm256_or_si256(nibbles, q8_and(set, 16));
#endif
}

/* Eight signed bytes, for halves (0, first) (0, second) (1, first) ..., in the order of q8_quad.sub. */
Q8_INLINE __m256i q8_subs(__m128i bytes) {
    const __m128i order = _mm_set_epi8(-1, -1, -1, -1, -1, -1, -1, -1, 7, 5, 3, 1, 6, 4, 2, 0);
    return _mm256_cvtepi8_epi32(_mm_shuffle_epi8(bytes, order));
}

/* ---- Blocks of 32 ---- */

Q8_INLINE void q8_read_q4_0(const void *group, int part, q8_quad *out) {
    const q4_0_block *b = group;
    (void)part;
    for (int i = 0; i < 4; i++) out->u[i] = q8_nibbles(b[i].qs);
    out->scale = q8_half_scales(b->d, sizeof *b);
}

Q8_INLINE void q8_read_q4_1(const void *group, int part, q8_quad *out) {
    const q4_1_block *b = group;
    (void)part;
    for (int i = 0; i < 4; i++) out->u[i] = q8_nibbles(b[i].qs);
    out->scale = q8_half_scales(b->d, sizeof *b);
    out->min = q8_half_scales(b->m, sizeof *b);
}

Q8_INLINE void q8_read_q5_0(const void *group, int part, q8_quad *out) {
    const q5_0_block *b = group;
    (void)part;
    for (int i = 0; i < 4; i++) out->u[i] = q8_fifth_bits(q8_nibbles(b[i].qs), b[i].qh);
    out->scale = q8_half_scales(b->d, sizeof *b);
}

Q8_INLINE void q8_read_q5_1(const void *group, int part, q8_quad *out) {
    const q5_1_block *b = group;
    (void)part;
    for (int i = 0; i < 4; i++) out->u[i] = q8_fifth_bits(q8_nibbles(b[i].qs), b[i].qh);
    out->scale = q8_half_scales(b->d, sizeof *b);
    out->min = q8_half_scales(b->m, sizeof *b);
}

/* Signed bytes become unsigned by an offset of 128, which flips the highest bit. */
Q8_INLINE void q8_read_q8_0(const void *group, int part, q8_quad *out) {
    const q8_0_block *b = group;
    (void)part;
    for (int i = 0; i < 4; i++) out->u[i] = _mm256_xor_si256(q8_load(b[i].qs), _mm256_set1_epi8(-128));
    out->scale = q8_half_scales(b->d, sizeof *b);
}

/* A row of a table of 16 signed bytes for each nibble, plus `offset`. */
Q8_INLINE __m256i q8_look_up(const int8_t table[16], int offset, const uint8_t qs[16]) {
    __m128i row = _mm_add_epi8(_mm_loadu_si128((const __m128i *)table), _mm_set1_epi8((char)offset));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(row), q8_nibbles(qs));
}

Q8_INLINE void q8_read_iq4_nl(const void *group, int part, q8_quad *out) {
    const iq4_nl_block *b = group;
    (void)part;
    for (int i = 0; i < 4; i++) out->u[i] = q8_look_up(grid_iq4, 128, b[i].qs);
    out->scale = q8_half_scales(b->d, sizeof *b);
}

/* The scale 2^(e - 128) is the float with exponent bits e - 1, and subnormal for e < 2: 2^-128 or 2^-127. */
Q8_INLINE void q8_read_mxfp4(const void *group, int part, q8_quad *out) {
    const mxfp4_block *b = group;
    (void)part;
    for (int i = 0; i < 4; i++) out->u[i] = q8_look_up(grid_e2m1, 12, b[i].qs);
    __m128i e = _mm_set_epi32(b[3].e, b[2].e, b[1].e, b[0].e), one = _mm_set1_epi32(1);
    __m128i normal = _mm_slli_epi32(_mm_sub_epi32(e, one), 23);
    __m128i subnormal = _mm_sllv_epi32(_mm_set1_epi32(0x00200000), e);
    out->scale = _mm_castsi128_ps(_mm_blendv_epi8(subnormal, normal, _mm_cmpgt_epi32(e, one)));
}

/* ---- Blocks of 256 ---- */

/* Scales and minima of parts 4 part .. 4 part + 3 of Q4_K and Q5_K, four at a time: see block_k_scale. */
Q8_INLINE void q8_k_scales(const uint8_t d[2], const uint8_t dmin[2], const uint8_t s[12], int part, q8_quad *out) {
    uint32_t low = block_u32(s), high = block_u32(s + 4), rest = block_u32(s + 8);
    uint32_t scale = low & 0x3F3F3F3F, min = high & 0x3F3F3F3F;
    if (part) {
        scale = (rest & 0x0F0F0F0F) | (low >> 2 & 0x30303030);
        min = (rest >> 4 & 0x0F0F0F0F) | (high >> 2 & 0x30303030);
    }
    out->scale = _mm_mul_ps(q8_half_scale(d), q8_bytes_to_floats(scale));
    /* dot of the block has - dmin * minimum: the sign bit of the half is flipped. */
    __m128 minus_dmin = _mm_xor_ps(q8_half_scale(dmin), _mm_set1_ps(-0.0f));
    out->min = _mm_mul_ps(minus_dmin, q8_bytes_to_floats(min));
}

Q8_INLINE void q8_read_q4_k(const void *group, int part, q8_quad *out) {
    const q4_k_block *b = group;
    for (int i = 0; i < 2; i++) {
        __m256i qs = q8_load(b->qs + 64 * part + 32 * i);
        out->u[2 * i] = q8_and(qs, 15);
        out->u[2 * i + 1] = q8_and(_mm256_srli_epi16(qs, 4), 15);
    }
    q8_k_scales(b->d, b->dmin, b->scales, part, out);
}

/* Fifth bits of the quad: bit 4 part + i of each byte of qh is block i's. */
Q8_INLINE void q8_read_q5_k(const void *group, int part, q8_quad *out) {
    const q5_k_block *b = group;
    __m256i qh = q8_load(b->qh);
    if (part) qh = _mm256_srli_epi16(qh, 4);
    for (int i = 0; i < 2; i++) {
        __m256i qs = q8_load(b->qs + 64 * part + 32 * i);
        __m256i even = i ? _mm256_slli_epi16(qh, 2) : _mm256_slli_epi16(qh, 4);
        __m256i odd = i ? _mm256_slli_epi16(qh, 1) : _mm256_slli_epi16(qh, 3);
        out->u[2 * i] = _mm256_or_si256(q8_and(qs, 15), q8_and(even, 16));
        out->u[2 * i + 1] = _mm256_or_si256(q8_and(_mm256_srli_epi16(qs, 4), 15), q8_and(odd, 16));
    }
    q8_k_scales(b->d, b->dmin, b->scales, part, out);
}

Q8_INLINE void q8_read_q6_k(const void *group, int part, q8_quad *out) {
    const q6_k_block *b = group;
    __m256i qh = q8_load(b->qh + 32 * part);
    __m256i even = q8_load(b->ql + 64 * part), odd = q8_load(b->ql + 64 * part + 32);
    out->u[0] = _mm256_or_si256(q8_and(even, 15), q8_and(_mm256_slli_epi16(qh, 4), 48));
    out->u[1] = _mm256_or_si256(q8_and(odd, 15), q8_and(_mm256_slli_epi16(qh, 2), 48));
    out->u[2] = _mm256_or_si256(q8_and(_mm256_srli_epi16(even, 4), 15), q8_and(qh, 48));
    out->u[3] = _mm256_or_si256(q8_and(_mm256_srli_epi16(odd, 4), 15), q8_and(_mm256_srli_epi16(qh, 2), 48));
    out->scale = q8_half_scale(b->d);
    out->sub = q8_subs(_mm_loadl_epi64((const __m128i *)(b->scales + 8 * part)));
}

/* Two bits of each value: block i of the quad has bits 2 i, 2 i + 1 of 32 bytes. */
Q8_INLINE void q8_two_bits(const uint8_t qs[32], __m256i u[4]) {
    __m256i v = q8_load(qs);
    u[0] = q8_and(v, 3);
    u[1] = q8_and(_mm256_srli_epi16(v, 2), 3);
    u[2] = q8_and(_mm256_srli_epi16(v, 4), 3);
    u[3] = q8_and(_mm256_srli_epi16(v, 6), 3);
}

Q8_INLINE void q8_read_q2_k(const void *group, int part, q8_quad *out) {
    const q2_k_block *b = group;
    q8_two_bits(b->qs + 32 * part, out->u);
    __m128i scales = _mm_loadl_epi64((const __m128i *)(b->scales + 8 * part)), low = _mm_set1_epi8(15);
    out->sub = q8_subs(_mm_and_si128(scales, low));
    out->sub_min = q8_subs(_mm_and_si128(_mm_srli_epi16(scales, 4), low));
    out->scale = q8_half_scale(b->d);
    out->min = _mm_xor_ps(q8_half_scale(b->dmin), _mm_set1_ps(-0.0f));
}

Q8_INLINE void q8_read_q3_k(const void *group, int part, q8_quad *out) {
    const q3_k_block *b = group;
    q8_two_bits(b->qs + 32 * part, out->u);
    __m256i qh = q8_load(b->qh);
    if (part) qh = _mm256_srli_epi16(qh, 4);
    out->u[0] = _mm256_or_si256(out->u[0], q8_and(_mm256_slli_epi16(qh, 2), 4));
    out->u[1] = _mm256_or_si256(out->u[1], q8_and(_mm256_slli_epi16(qh, 1), 4));
    out->u[2] = _mm256_or_si256(out->u[2], q8_and(qh, 4));
    out->u[3] = _mm256_or_si256(out->u[3], q8_and(_mm256_srli_epi16(qh, 1), 4));
    uint32_t first = block_u32(b->scales) >> 4 * part, second = block_u32(b->scales + 4) >> 4 * part;
    uint32_t high = block_u32(b->scales + 8) >> 4 * part;
    first = (first & 0x0F0F0F0F) | (high << 4 & 0x30303030);
    second = (second & 0x0F0F0F0F) | (high << 2 & 0x30303030);
    __m128i scales = _mm_set_epi32(0, 0, (int)second, (int)first);
    out->sub = q8_subs(_mm_sub_epi8(scales, _mm_set1_epi8(32)));
    out->scale = q8_half_scale(b->d);
}

Q8_INLINE void q8_read_iq4_xs(const void *group, int part, q8_quad *out) {
    const iq4_xs_block *b = group;
    for (int i = 0; i < 4; i++) out->u[i] = q8_look_up(grid_iq4, 128, b->qs + 64 * part + 16 * i);
    /* Nibble i of `low` and the two bits 2 i of `high` come to byte i. */
    const __m128i mask = _mm_set1_epi32(15), two = _mm_set1_epi32(3);
    __m128i low = _mm_set1_epi32(block_u16(b->scales_l + 2 * part)), high = _mm_set1_epi32(b->scales_h[part]);
    low = _mm_and_si128(_mm_srlv_epi32(low, _mm_set_epi32(12, 8, 4, 0)), mask);
    high = _mm_and_si128(_mm_srlv_epi32(high, _mm_set_epi32(6, 4, 2, 0)), two);
    __m128i scale = _mm_sub_epi32(_mm_or_si128(low, _mm_slli_epi32(high, 4)), _mm_set1_epi32(32));
    out->scale = _mm_mul_ps(q8_half_scale(b->d), _mm_cvtepi32_ps(scale));
}

/* ---- The formats, as the drivers take them ---- */

#define Q8_Q4_0   ((q8_format){8, 4 * sizeof(q4_0_block), 1, false, false, q8_read_q4_0})
#define Q8_Q4_1   ((q8_format){0, 4 * sizeof(q4_1_block), 1, true, false, q8_read_q4_1})
#define Q8_Q5_0   ((q8_format){16, 4 * sizeof(q5_0_block), 1, false, false, q8_read_q5_0})
#define Q8_Q5_1   ((q8_format){0, 4 * sizeof(q5_1_block), 1, true, false, q8_read_q5_1})
#define Q8_Q8_0   ((q8_format){128, 4 * sizeof(q8_0_block), 1, false, false, q8_read_q8_0})
#define Q8_Q2_K   ((q8_format){0, sizeof(q2_k_block), 2, true, true, q8_read_q2_k})
#define Q8_Q3_K   ((q8_format){4, sizeof(q3_k_block), 2, false, true, q8_read_q3_k})
#define Q8_Q4_K   ((q8_format){0, sizeof(q4_k_block), 2, true, false, q8_read_q4_k})
#define Q8_Q5_K   ((q8_format){0, sizeof(q5_k_block), 2, true, false, q8_read_q5_k})
#define Q8_Q6_K   ((q8_format){32, sizeof(q6_k_block), 2, false, true, q8_read_q6_k})
#define Q8_IQ4_NL ((q8_format){128, 4 * sizeof(iq4_nl_block), 1, false, false, q8_read_iq4_nl})
#define Q8_IQ4_XS ((q8_format){128, sizeof(iq4_xs_block), 2, false, false, q8_read_iq4_xs})
#define Q8_MXFP4  ((q8_format){12, 4 * sizeof(mxfp4_block), 1, false, false, q8_read_mxfp4})

#endif
