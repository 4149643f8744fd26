/* Decoding of the common formats on x86, once for AVX2 and AVX-512, over the `lanes` of the level. The layouts are
 * explained in core/formats, a file each. Every product of a scale and a quant has at most 24 significant bits, so only
 * the subtraction of a minimum rounds: any order of operations gives format_table's bits, as long as the signs of
 * zeros are kept. */
#ifndef CPU_DECODE_X86_H
#define CPU_DECODE_X86_H

#include <immintrin.h>
#include <string.h>

#include "cpu/kernels.h"

static inline float f16_at(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return _cvtsh_ss(h);
}

static inline __m128i bytes_at(const uint8_t *p) {
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline __m128i low_nibbles(__m128i x) {
    return _mm_and_si128(x, _mm_set1_epi8(15));
}

static inline __m128i high_nibbles(__m128i x) {
    return _mm_and_si128(_mm_srli_epi16(x, 4), _mm_set1_epi8(15));
}

/* Sixteen bytes of 0 or `value`: bit i of `bits` chooses byte i. */
static inline __m128i spread_bits(uint16_t bits, char value) {
    const __m128i which = _mm_set_epi64x((long long)0x8040201008040201u, (long long)0x8040201008040201u);
    const __m128i byte_of = _mm_set_epi64x(0x0101010101010101, 0);
    __m128i x = _mm_and_si128(_mm_shuffle_epi8(_mm_set1_epi16((short)bits), byte_of), which);
    return _mm_and_si128(_mm_cmpeq_epi8(x, which), _mm_set1_epi8(value));
}

static void decode_f16(const void *blocks, float *out, size_t n) {
    size_t i = 0;
    const uint16_t *x = blocks;
    for (; i + LANES <= n; i += LANES) lanes_store(out + i, lanes_load_f16(x + i));
    for (; i < n; i++) out[i] = f16_at((const uint8_t *)(x + i));
}

static void decode_bf16(const void *blocks, float *out, size_t n) {
    size_t i = 0;
    const uint16_t *x = blocks;
    for (; i + LANES <= n; i += LANES) lanes_store(out + i, lanes_load_bf16(x + i));
    if (i < n) {
        uint16_t part[LANES] = {0};
        memcpy(part, x + i, (n - i) * sizeof *part);
        lanes_store_part(out + i, lanes_load_bf16(part), (int)(n - i));
    }
}

static void decode_q4_0(const void *blocks, float *out, size_t n) {
    const uint8_t *b = blocks;
    for (size_t i = 0; i < n; i++, b += 18, out += 32) {
        lanes d = lanes_set(f16_at(b));
        __m128i q = bytes_at(b + 2), eight = _mm_set1_epi8(8);
        lanes_store(out, lanes_mul(d, lanes_from_i8(_mm_sub_epi8(low_nibbles(q), eight))));
        lanes_store(out + 16, lanes_mul(d, lanes_from_i8(_mm_sub_epi8(high_nibbles(q), eight))));
    }
}

static void decode_q5_0(const void *blocks, float *out, size_t n) {
    const uint8_t *b = blocks;
    for (size_t i = 0; i < n; i++, b += 22, out += 32) {
        lanes d = lanes_set(f16_at(b));
        __m128i q = bytes_at(b + 6), sixteen = _mm_set1_epi8(16);
        uint16_t fifth[2];
        memcpy(fifth, b + 2, sizeof fifth);
        __m128i low = _mm_or_si128(low_nibbles(q), spread_bits(fifth[0], 16));
        __m128i high = _mm_or_si128(high_nibbles(q), spread_bits(fifth[1], 16));
        lanes_store(out, lanes_mul(d, lanes_from_i8(_mm_sub_epi8(low, sixteen))));
        lanes_store(out + 16, lanes_mul(d, lanes_from_i8(_mm_sub_epi8(high, sixteen))));
    }
}

static void decode_q8_0(const void *blocks, float *out, size_t n) {
    const uint8_t *b = blocks;
    for (size_t i = 0; i < n; i++, b += 34, out += 32) {
        lanes d = lanes_set(f16_at(b));
        lanes_store(out, lanes_mul(d, lanes_from_i8(bytes_at(b + 2))));
        lanes_store(out + 16, lanes_mul(d, lanes_from_i8(bytes_at(b + 18))));
    }
}

/* The eight 6-bit scales and minimums of Q4_K and Q5_K: the first four lie in the low six bits of bytes 0 to 3 and
 * 4 to 7; the last four have their low four bits in bytes 8 to 11, their high two on top of the first ones. */
static inline void k_scales(const uint8_t *s, uint8_t scale[8], uint8_t min[8]) {
    uint32_t a, b, c;
    memcpy(&a, s, 4);
    memcpy(&b, s + 4, 4);
    memcpy(&c, s + 8, 4);
    uint32_t words[4] = {a & 0x3F3F3F3F, (c & 0x0F0F0F0F) | (a >> 2 & 0x30303030), b & 0x3F3F3F3F,
                         (c >> 4 & 0x0F0F0F0F) | (b >> 2 & 0x30303030)};
    memcpy(scale, words, 8);
    memcpy(min, words + 2, 8);
}

/* out = scale * q - min for 32 bytes of quants */
static inline void store_offset(float *out, float scale, float min, __m128i first, __m128i second) {
    lanes d = lanes_set(scale), m = lanes_set(min);
    lanes_store(out, lanes_sub(lanes_mul(d, lanes_from_i8(first)), m));
    lanes_store(out + 16, lanes_sub(lanes_mul(d, lanes_from_i8(second)), m));
}

static void decode_q4_k(const void *blocks, float *out, size_t n) {
    const uint8_t *b = blocks;
    for (size_t i = 0; i < n; i++, b += 144, out += 256) {
        float d = f16_at(b), dmin = f16_at(b + 2);
        uint8_t scale[8], min[8];
        k_scales(b + 4, scale, min);
        for (int j = 0; j < 8; j += 2) {
            __m128i q0 = bytes_at(b + 16 + 16 * j), q1 = bytes_at(b + 32 + 16 * j);
            store_offset(out + 32 * j, d * scale[j], dmin * min[j], low_nibbles(q0), low_nibbles(q1));
            store_offset(out + 32 * j + 32, d * scale[j + 1], dmin * min[j + 1], high_nibbles(q0), high_nibbles(q1));
        }
    }
}

/* 16 where bit j of a byte is set, else 0 */
static inline __m128i fifth_bit(__m128i x, int j) {
    __m128i set = _mm_cmpeq_epi8(_mm_and_si128(x, _mm_set1_epi8((char)(1 << j))), _mm_setzero_si128());
    return _mm_andnot_si128(set, _mm_set1_epi8(16));
}

static void decode_q5_k(const void *blocks, float *out, size_t n) {
    const uint8_t *b = blocks;
    for (size_t i = 0; i < n; i++, b += 176, out += 256) {
        float d = f16_at(b), dmin = f16_at(b + 2);
        uint8_t scale[8], min[8];
        k_scales(b + 4, scale, min);
        __m128i h0 = bytes_at(b + 16), h1 = bytes_at(b + 32);
        for (int j = 0; j < 8; j += 2) {
            __m128i q0 = bytes_at(b + 48 + 16 * j), q1 = bytes_at(b + 64 + 16 * j);
            store_offset(out + 32 * j, d * scale[j], dmin * min[j], _mm_or_si128(low_nibbles(q0), fifth_bit(h0, j)),
                         _mm_or_si128(low_nibbles(q1), fifth_bit(h1, j)));
            store_offset(out + 32 * j + 32, d * scale[j + 1], dmin * min[j + 1],
                         _mm_or_si128(high_nibbles(q0), fifth_bit(h0, j + 1)),
                         _mm_or_si128(high_nibbles(q1), fifth_bit(h1, j + 1)));
        }
    }
}

/* Sixteen values of Q6_K: four low bits, two high ones (already at bits 4 and 5), less 32, times the scale. */
static inline void store_six(float *out, float scale, __m128i low, __m128i high) {
    __m128i q = _mm_or_si128(low, _mm_and_si128(high, _mm_set1_epi8(0x30)));
    lanes_store(out, lanes_mul(lanes_set(scale), lanes_from_i8(_mm_sub_epi8(q, _mm_set1_epi8(32)))));
}

static void decode_q6_k(const void *blocks, float *out, size_t n) {
    const uint8_t *b = blocks;
    for (size_t i = 0; i < n; i++, b += 210) {
        float d = f16_at(b + 208);
        for (int half = 0; half < 2; half++, out += 128) {
            const uint8_t *low = b + 64 * half, *high = b + 128 + 32 * half;
            const int8_t *scale = (const int8_t *)b + 192 + 8 * half;
            for (int j = 0; j < 2; j++) { /* the two halves of each 32 have scales of their own */
                __m128i l0 = bytes_at(low + 16 * j), l1 = bytes_at(low + 32 + 16 * j), h = bytes_at(high + 16 * j);
                store_six(out + 16 * j, d * scale[j], low_nibbles(l0), _mm_slli_epi16(h, 4));
                store_six(out + 32 + 16 * j, d * scale[j + 2], low_nibbles(l1), _mm_slli_epi16(h, 2));
                store_six(out + 64 + 16 * j, d * scale[j + 4], high_nibbles(l0), h);
                store_six(out + 96 + 16 * j, d * scale[j + 6], high_nibbles(l1), _mm_srli_epi16(h, 2));
            }
        }
    }
}

static void fill_decode(cpu_kernels *k) {
    k->decode[FORMAT_F16] = decode_f16;
    k->decode[FORMAT_BF16] = decode_bf16;
    k->decode[FORMAT_Q4_0] = decode_q4_0;
    k->decode[FORMAT_Q5_0] = decode_q5_0;
    k->decode[FORMAT_Q8_0] = decode_q8_0;
    k->decode[FORMAT_Q4_K] = decode_q4_k;
    k->decode[FORMAT_Q5_K] = decode_q5_k;
    k->decode[FORMAT_Q6_K] = decode_q6_k;
}

#endif
