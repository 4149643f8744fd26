/* The 8-bit dot product with AVX-512 and VNNI: two drivers, each compiled for a format (q8_format).
 *
 * A sum is the same number in both: with I the exact integer dot of block b,
 *     acc[b % 4] = fma(scale * d, I, acc[b % 4]), in order of b, and then fma of the minimum,
 *     y = (acc[0] + acc[1]) + (acc[2] + acc[3])
 * q8_lines  few activation rows: four weight rows at a time share what is made of the activation.
 * q8_tiles  many activation rows: 64 weight rows by 256 columns are unpacked once, turned so that a register holds four
 *           columns of 16 rows, and multiplied with up to 32 activation rows; no sums across lanes are left. */
#ifndef CPU_Q8_AVX512_H
#define CPU_Q8_AVX512_H

#include "cpu/kernels.h"
#include "cpu/q8_quad_x86.h"

enum { Q8_ROWS = 4 }; /* weight rows together in q8_lines */

/* ---- Few activation rows ---- */

/* Four blocks of an activation row, and what all weight rows need of them. */
typedef struct q8_x_quad {
    __m256i q[4], init[4]; /* init: by lane, - offset * sum of q */
    __m256i half_sums;     /* where minima are for 16 */
    __m128 d, sum;
} q8_x_quad;

/* Sums of the 16 products that lie in each 128 bits: first halves of the four blocks, then second halves. */
Q8_INLINE __m256i q8_half_sums(const __m256i v[4]) {
    return _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
}

Q8_INLINE __m128i q8_add_halves(__m256i v) {
    return _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

Q8_INLINE void q8_load_x(q8_format f, const int8_t *q, const float *d, const float *sum, q8_x_quad *x) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i ones[4];
    for (int b = 0; b < 4; b++) {
        x->q[b] = q8_load(q + 32 * b);
        __m256i offsets = _mm256_dpbusd_epi32(zero, _mm256_set1_epi8((char)f.offset), x->q[b]);
        x->init[b] = f.offset ? _mm256_sub_epi32(zero, offsets) : zero;
        ones[b] = _mm256_dpbusd_epi32(zero, _mm256_set1_epi8(1), x->q[b]);
    }
    x->half_sums = q8_half_sums(ones);
    x->d = _mm_loadu_ps(d);
    x->sum = _mm_loadu_ps(sum);
}

/* Adds the dots of four blocks to the four sums of a row. */
Q8_INLINE __m128 q8_add_quad(q8_format f, const q8_quad *w, const q8_x_quad *x, __m128 acc) {
    __m256i v[4];
    for (int b = 0; b < 4; b++) v[b] = _mm256_dpbusd_epi32(x->init[b], w->u[b], x->q[b]);
    __m256i halves = q8_half_sums(v);
    if (f.subs) halves = _mm256_mullo_epi32(halves, w->sub);
    acc = _mm_fmadd_ps(_mm_mul_ps(w->scale, x->d), _mm_cvtepi32_ps(q8_add_halves(halves)), acc);
    if (!f.mins) return acc;
    if (!f.subs) return _mm_fmadd_ps(w->min, x->sum, acc);
    __m128i minima = q8_add_halves(_mm256_mullo_epi32(x->half_sums, w->sub_min));
    return _mm_fmadd_ps(_mm_mul_ps(w->min, x->d), _mm_cvtepi32_ps(minima), acc);
}

/* The last 1 to 3 blocks of a row: copied, with zeros behind them; the sums of blocks that are none stay as they are.
 */
Q8_INLINE void q8_add_tail(q8_format f, const uint8_t *const w[Q8_ROWS], const cpu_act *x, int first, int n,
                           __m128 acc[Q8_ROWS]) {
    int8_t q[128] = {0};
    float d[4] = {0}, sum[4] = {0};
    memcpy(q, x->q + 32 * first, 32 * (size_t)n);
    memcpy(d, x->d + first, (size_t)n * sizeof *d);
    memcpy(sum, x->sum + first, (size_t)n * sizeof *sum);
    q8_x_quad xq;
    q8_load_x(f, q, d, sum, &xq);
    for (int r = 0; r < Q8_ROWS; r++) {
        uint8_t group[4 * sizeof(q8_0_block)] = {0};
        memcpy(group, w[r], (size_t)(f.group_bytes / 4 * n));
        q8_quad wq;
        f.read(group, 0, &wq);
        acc[r] = _mm_mask_mov_ps(acc[r], (__mmask8)((1 << n) - 1), q8_add_quad(f, &wq, &xq, acc[r]));
    }
}

/* (acc[0] + acc[1]) + (acc[2] + acc[3]) of four rows. */
Q8_INLINE __m128 q8_row_sums(const __m128 acc[4]) {
    __m128 a = acc[0], b = acc[1], c = acc[2], d = acc[3];
    _MM_TRANSPOSE4_PS(a, b, c, d);
    return _mm_add_ps(_mm_add_ps(a, b), _mm_add_ps(c, d));
}

Q8_INLINE __m128 q8_line(q8_format f, const uint8_t *const rows[Q8_ROWS], int cols, const cpu_act *x) {
    __m128 acc[Q8_ROWS];
    const uint8_t *w[Q8_ROWS];
    for (int r = 0; r < Q8_ROWS; r++) acc[r] = _mm_setzero_ps(), w[r] = rows[r];
    int block = 0, blocks = cols / 32;
    for (; block + 4 * f.parts <= blocks; block += 4 * f.parts) {
        for (int part = 0; part < f.parts; part++) {
            int b = block + 4 * part;
            q8_x_quad xq;
            q8_load_x(f, x->q + 32 * b, x->d + b, x->sum + b, &xq);
            for (int r = 0; r < Q8_ROWS; r++) {
                q8_quad wq;
                f.read(w[r], part, &wq);
                acc[r] = q8_add_quad(f, &wq, &xq, acc[r]);
            }
        }
        for (int r = 0; r < Q8_ROWS; r++) w[r] += f.group_bytes;
    }
    if (f.parts == 1 && block < blocks) q8_add_tail(f, w, x, block, blocks - block, acc);
    return q8_row_sums(acc);
}

/* Rows past the last one repeat it and are not stored. */
Q8_INLINE void q8_lines(q8_format f, const uint8_t *w, size_t row_bytes, int n_rows, int cols, const cpu_act *x,
                        int n_x, float *y, size_t y_stride) {
    for (int first = 0; first < n_rows; first += Q8_ROWS) {
        const uint8_t *rows[Q8_ROWS];
        int n = n_rows - first < Q8_ROWS ? n_rows - first : Q8_ROWS;
        for (int r = 0; r < Q8_ROWS; r++) rows[r] = w + (size_t)(first + (r < n ? r : n - 1)) * row_bytes;
        for (int i = 0; i < n_x; i++)
            _mm_mask_storeu_ps(y + (size_t)i * y_stride + first, (__mmask8)((1 << n) - 1),
                               q8_line(f, rows, cols, &x[i]));
    }
}

#include "cpu/q8_tiles_avx512.h"

Q8_INLINE void q8_dot(q8_format f, const void *w, size_t row_bytes, int n_rows, int cols, const cpu_act *x, int n_x,
                      float *y, size_t y_stride) {
    if (n_x < Q8_TILES_FROM)
        q8_lines(f, w, row_bytes, n_rows, cols, x, n_x, y, y_stride);
    else
        q8_tiles(f, w, row_bytes, n_rows, cols, x, n_x, y, y_stride);
}

/* The kernel of one format. */
#define Q8_KERNEL(name, format)                                                                                        \
    void name(const void *w, size_t row_bytes, int n_rows, int cols, const cpu_act *x, int n_x, float *y,              \
              size_t y_stride) {                                                                                       \
        q8_dot(format, w, row_bytes, n_rows, cols, x, n_x, y, y_stride);                                               \
    }

#endif
