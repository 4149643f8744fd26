/* Activations to 8 bits with AVX2; the same bits as quantize_q8.c. */
#include "cpu/dot_q8.h"

#include <float.h>
#include <immintrin.h>

/* The largest of 8 integers. */
static inline int32_t largest(__m256i v) {
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4E));
    return _mm_cvtsi128_si32(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0xB1)));
}

static inline int32_t add_lanes(__m256i v) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

/* |x| as an integer orders like |x|, with NaN above infinity. */
static inline float largest_magnitude(const __m256 v[4]) {
    const __m256i no_sign = _mm256_set1_epi32(0x7FFFFFFF);
    __m256i m[4];
    for (int i = 0; i < 4; i++) m[i] = _mm256_and_si256(_mm256_castps_si256(v[i]), no_sign);
    __m256i all = _mm256_max_epi32(_mm256_max_epi32(m[0], m[1]), _mm256_max_epi32(m[2], m[3]));
    return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(largest(all))));
}

void cpu_quantize_q8_avx2(const float *x, int cols, int8_t *q, float *d, float *sum) {
    const __m256i order = _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0); /* packs leave fours of the lanes interleaved */
    for (int b = 0; b < cols / 32; b++, x += 32, q += 32) {
        __m256 v[4];
        __m256i n[4];
        for (int i = 0; i < 4; i++) v[i] = _mm256_loadu_ps(x + 8 * i);
        float scale = largest_magnitude(v) / 127, inverse = 1 / scale;
        __m256i normal = _mm256_set1_epi32(scale >= FLT_MIN && scale <= FLT_MAX ? -1 : 0);
        for (int i = 0; i < 4; i++)
            n[i] = _mm256_and_si256(_mm256_cvtps_epi32(_mm256_mul_ps(v[i], _mm256_set1_ps(inverse))), normal);
        __m256i total = _mm256_add_epi32(_mm256_add_epi32(n[0], n[1]), _mm256_add_epi32(n[2], n[3]));
        __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(n[0], n[1]), _mm256_packs_epi32(n[2], n[3]));
        _mm256_storeu_si256((__m256i *)q, _mm256_permutevar8x32_epi32(packed, order));
        d[b] = scale < FLT_MIN ? 0 : scale;
        sum[b] = d[b] * (float)add_lanes(total);
    }
}
