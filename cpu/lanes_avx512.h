/* Sixteen float32 lanes in one AVX-512 vector; see lanes_portable.h for what each function means. */
#ifndef CPU_LANES_AVX512_H
#define CPU_LANES_AVX512_H

#include <immintrin.h>
#include <stdint.h>

typedef __m512 lanes;

enum { LANES = 16, TILE_ROWS = 4, TILE_XS = 6, MIX_LANES = 8 };

static inline lanes lanes_set(float x) {
    return _mm512_set1_ps(x);
}

static inline lanes lanes_load(const float *p) {
    return _mm512_loadu_ps(p);
}

static inline void lanes_store(float *p, lanes a) {
    _mm512_storeu_ps(p, a);
}

static inline lanes lanes_load_part(const float *p, int n) {
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}

static inline void lanes_store_part(float *p, lanes a, int n) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), a);
}

static inline lanes lanes_load_f16(const uint16_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

static inline void lanes_store_f16(uint16_t *p, lanes a) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}

static inline lanes lanes_load_bf16(const uint16_t *p) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

/* Sixteen small integers as floats. */
static inline lanes lanes_from_i8(__m128i x) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(x));
}

static inline lanes lanes_add(lanes a, lanes b) {
    return _mm512_add_ps(a, b);
}

static inline lanes lanes_sub(lanes a, lanes b) {
    return _mm512_sub_ps(a, b);
}

static inline lanes lanes_mul(lanes a, lanes b) {
    return _mm512_mul_ps(a, b);
}

static inline lanes lanes_div(lanes a, lanes b) {
    return _mm512_div_ps(a, b);
}

static inline lanes lanes_fma(lanes a, lanes b, lanes c) {
    return _mm512_fmadd_ps(a, b, c);
}

static inline lanes lanes_max(lanes a, lanes b) {
    return _mm512_max_ps(a, b);
}

static inline lanes lanes_min(lanes a, lanes b) {
    return _mm512_min_ps(a, b);
}

static inline lanes lanes_scale(lanes y, lanes t) {
    return _mm512_scalef_ps(y, _mm512_sub_ps(t, _mm512_set1_ps(0x1.8p23f)));
}

static inline float lanes_sum(lanes a) {
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline float lanes_largest(lanes a) {
    __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

#endif
