/* Scales of quads: a quad is 128 weights of a row, four blocks of 32; a reader a format. Used with AVX2 and AVX-512,
 * which unpack the weights themselves in q8_values_avx2.h and q8_values_avx512.h.
 *
 * Every weight of a block becomes an unsigned byte u, so that with activations d * q
 *
 *     dot of the block = scale * d * (sum of (u - offset) * q) + min * (sum of d * q)
 *
 * Formats whose scales are for 16 weights have their integer part in `sub` (and `sub_min`), one for each half of a
 * block, which multiplies the half's integer sum. Layouts of the formats: core/formats. */
#ifndef CPU_Q8_SCALES_X86_H
#define CPU_Q8_SCALES_X86_H

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#include "core/formats/blocks.h"
#include "core/formats/grids.h"

#define Q8_INLINE static inline __attribute__((always_inline))

typedef struct q8_scales {
    __m128 scale, min;    /* by block; min only where q8_format.mins */
    __m128i sub, sub_min; /* eight signed bytes, by half; where q8_format.subs, and mins too */
} q8_scales;

Q8_INLINE __m128 q8_half_scale(const uint8_t d[2]) {
    return _mm_cvtph_ps(_mm_set1_epi16((short)block_u16(d)));
}

/* Four halves, `stride` bytes apart. Loads that end up with their half in the right place, and blends, are cheaper than
 * inserts; the bytes around the halves belong to the same four blocks. */
Q8_INLINE __m128 q8_half_scales(const uint8_t *d, int stride) {
    __m128i h = _mm_loadu_si128((const __m128i *)d);
    h = _mm_blend_epi16(h, _mm_loadu_si128((const __m128i *)(d + stride - 2)), 2);
    h = _mm_blend_epi16(h, _mm_loadu_si128((const __m128i *)(d + 2 * stride - 4)), 4);
    h = _mm_blend_epi16(h, _mm_loadu_si128((const __m128i *)(d + 3 * stride - 6)), 8);
    return _mm_cvtph_ps(h);
}

/* ---- Blocks of 32: `group` is the four blocks of the quad, `part` is 0 ---- */

Q8_INLINE void q8_scales_q4_0(const void *group, int part, q8_scales *out) {
    const q4_0_block *b = group;
    (void)part;
    out->scale = q8_half_scales(b->d, sizeof *b);
}

Q8_INLINE void q8_scales_q4_1(const void *group, int part, q8_scales *out) {
    const q4_1_block *b = group;
    (void)part;
    out->scale = q8_half_scales(b->d, sizeof *b);
    out->min = q8_half_scales(b->m, sizeof *b);
}

Q8_INLINE void q8_scales_q5_0(const void *group, int part, q8_scales *out) {
    const q5_0_block *b = group;
    (void)part;
    out->scale = q8_half_scales(b->d, sizeof *b);
}

Q8_INLINE void q8_scales_q5_1(const void *group, int part, q8_scales *out) {
    const q5_1_block *b = group;
    (void)part;
    out->scale = q8_half_scales(b->d, sizeof *b);
    out->min = q8_half_scales(b->m, sizeof *b);
}

Q8_INLINE void q8_scales_q8_0(const void *group, int part, q8_scales *out) {
    const q8_0_block *b = group;
    (void)part;
    out->scale = q8_half_scales(b->d, sizeof *b);
}

Q8_INLINE void q8_scales_iq4_nl(const void *group, int part, q8_scales *out) {
    const iq4_nl_block *b = group;
    (void)part;
    out->scale = q8_half_scales(b->d, sizeof *b);
}

/* The scale 2^(e - 128) is the float with exponent bits e - 1, and subnormal for e < 2: 2^-128 or 2^-127. */
Q8_INLINE void q8_scales_mxfp4(const void *group, int part, q8_scales *out) {
    const mxfp4_block *b = group;
    (void)part;
    __m128i e = _mm_set_epi32(b[3].e, b[2].e, b[1].e, b[0].e), one = _mm_set1_epi32(1);
    __m128i normal = _mm_slli_epi32(_mm_sub_epi32(e, one), 23);
    __m128i subnormal = _mm_sllv_epi32(_mm_set1_epi32(0x00200000), e);
    out->scale = _mm_castsi128_ps(_mm_blendv_epi8(subnormal, normal, _mm_cmpgt_epi32(e, one)));
}

/* ---- Blocks of 256: `group` is the block, which has two quads ---- */

/* Scales and minima of parts 4 part .. 4 part + 3 of Q4_K and Q5_K: see block_k_scale. Four scales and then four minima
 * are the bytes of one word; d_dmin has the two halves that multiply them. */
Q8_INLINE void q8_k_scales(const void *d_dmin, const uint8_t s[12], int part, q8_scales *out) {
    uint64_t first = block_u32(s) | (uint64_t)block_u32(s + 4) << 32, bytes = first & 0x3F3F3F3F3F3F3F3F;
    if (part) {
        uint64_t last = block_u32(s + 8);
        bytes = ((last | last << 28) & 0x0F0F0F0F0F0F0F0F) | (first >> 2 & 0x3030303030303030);
    }
    __m256 integers = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)bytes)));
    /* The minimum is subtracted: its half gets the other sign. */
    __m128i halves = _mm_cvtsi32_si128((int)(block_u32(d_dmin) ^ 0x80000000));
    __m256 factors = _mm256_cvtph_ps(_mm_shuffle_epi8(halves, _mm_set_epi64x(0x0302030203020302, 0x0100010001000100)));
    __m256 both = _mm256_mul_ps(factors, integers);
    out->scale = _mm256_castps256_ps128(both);
    out->min = _mm256_extractf128_ps(both, 1);
}

Q8_INLINE void q8_scales_q4_k(const void *group, int part, q8_scales *out) {
    const q4_k_block *b = group;
    q8_k_scales(b, b->scales, part, out);
}

Q8_INLINE void q8_scales_q5_k(const void *group, int part, q8_scales *out) {
    const q5_k_block *b = group;
    q8_k_scales(b, b->scales, part, out);
}

Q8_INLINE void q8_scales_q6_k(const void *group, int part, q8_scales *out) {
    const q6_k_block *b = group;
    out->scale = q8_half_scale(b->d);
    out->sub = _mm_loadl_epi64((const __m128i *)(b->scales + 8 * part));
}

Q8_INLINE void q8_scales_q2_k(const void *group, int part, q8_scales *out) {
    const q2_k_block *b = group;
    __m128i scales = _mm_loadl_epi64((const __m128i *)(b->scales + 8 * part)), low = _mm_set1_epi8(15);
    out->sub = _mm_and_si128(scales, low);
    out->sub_min = _mm_and_si128(_mm_srli_epi16(scales, 4), low);
    out->scale = q8_half_scale(b->d);
    out->min = _mm_xor_ps(q8_half_scale(b->dmin), _mm_set1_ps(-0.0f));
}

Q8_INLINE void q8_scales_q3_k(const void *group, int part, q8_scales *out) {
    const q3_k_block *b = group;
    uint32_t first = block_u32(b->scales) >> 4 * part, second = block_u32(b->scales + 4) >> 4 * part;
    uint32_t high = block_u32(b->scales + 8) >> 4 * part;
    first = (first & 0x0F0F0F0F) | (high << 4 & 0x30303030);
    second = (second & 0x0F0F0F0F) | (high << 2 & 0x30303030);
    __m128i scales = _mm_set_epi32(0, 0, (int)second, (int)first);
    out->sub = _mm_sub_epi8(scales, _mm_set1_epi8(32));
    out->scale = q8_half_scale(b->d);
}

Q8_INLINE void q8_scales_iq4_xs(const void *group, int part, q8_scales *out) {
    const iq4_xs_block *b = group;
    /* Nibble i of `low` and the two bits 2 i of `high` come to lane i. */
    const __m128i mask = _mm_set1_epi32(15), two = _mm_set1_epi32(3);
    __m128i low = _mm_set1_epi32(block_u16(b->scales_l + 2 * part)), high = _mm_set1_epi32(b->scales_h[part]);
    low = _mm_and_si128(_mm_srlv_epi32(low, _mm_set_epi32(12, 8, 4, 0)), mask);
    high = _mm_and_si128(_mm_srlv_epi32(high, _mm_set_epi32(6, 4, 2, 0)), two);
    __m128i scale = _mm_sub_epi32(_mm_or_si128(low, _mm_slli_epi32(high, 4)), _mm_set1_epi32(32));
    out->scale = _mm_mul_ps(q8_half_scale(b->d), _mm_cvtepi32_ps(scale));
}

/* ---- The formats ---- */

/* What the drivers need to know of a format. They are inlined with a constant of this type, so that it costs nothing.
 */
typedef struct q8_format {
    int top, offset, group_bytes, parts; /* top: the largest u; parts: quads of a group */
    bool mins, subs;
    void (*values)(const void *group, int part, void *out); /* u of 128 weights */
    void (*scales)(const void *group, int part, q8_scales *out);
} q8_format;

#define Q8_OF_32(name, top, offset, mins)                                                                              \
    ((q8_format){top, offset, 4 * sizeof(name##_block), 1, mins, false, q8_values_##name, q8_scales_##name})
#define Q8_OF_256(name, top, offset, mins, subs)                                                                       \
    ((q8_format){top, offset, sizeof(name##_block), 2, mins, subs, q8_values_##name, q8_scales_##name})

#define Q8_Q4_0   Q8_OF_32(q4_0, 15, 8, false)
#define Q8_Q4_1   Q8_OF_32(q4_1, 15, 0, true)
#define Q8_Q5_0   Q8_OF_32(q5_0, 31, 16, false)
#define Q8_Q5_1   Q8_OF_32(q5_1, 31, 0, true)
#define Q8_Q8_0   Q8_OF_32(q8_0, 255, 128, false)
#define Q8_IQ4_NL Q8_OF_32(iq4_nl, 255, 128, false)
#define Q8_MXFP4  Q8_OF_32(mxfp4, 24, 12, false)
#define Q8_Q2_K   Q8_OF_256(q2_k, 3, 0, true, true)
#define Q8_Q3_K   Q8_OF_256(q3_k, 7, 4, false, true)
#define Q8_Q4_K   Q8_OF_256(q4_k, 15, 0, true, false)
#define Q8_Q5_K   Q8_OF_256(q5_k, 31, 0, true, false)
#define Q8_Q6_K   Q8_OF_256(q6_k, 63, 32, false, true)
#define Q8_IQ4_XS Q8_OF_256(iq4_xs, 255, 128, false, false)

/* ---- Memory ----
 *
 * Four short rows side by side are no stream that the processor would fetch ahead. So it is shown one: the rows that
 * come later, from the first byte to the last. (Measured: 5 to 10 GB/s without, 14 to 27 with.) The next four rows go
 * to the first-level cache where they are small, more of them to the second-level cache otherwise. */

enum { Q8_NEAR_BYTES = 4096, Q8_FAR_BYTES = 8192 };

/* How far ahead: whole stretches of `stretch` bytes. */
Q8_INLINE size_t q8_ahead(size_t stretch) {
    return stretch <= Q8_NEAR_BYTES ? stretch : (Q8_FAR_BYTES + stretch - 1) / stretch * stretch;
}

/* Fetches `bytes` bytes `offset + ahead` after `base`. May reach past the end of the weights: a prefetch never faults.
 */
Q8_INLINE void q8_prefetch(const uint8_t *base, size_t offset, size_t ahead, int bytes) {
    const char *from = (const char *)((uintptr_t)base + offset + ahead);
    if (ahead <= Q8_NEAR_BYTES)
        for (int line = 0; line < bytes; line += 64) _mm_prefetch(from + line, _MM_HINT_T0);
    else
        for (int line = 0; line < bytes; line += 64) _mm_prefetch(from + line, _MM_HINT_T1);
}

#endif
