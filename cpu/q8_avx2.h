/* The 8-bit dot product with AVX2: one driver, compiled for a format (q8_format) and for tiles of weight rows by
 * activation rows that share what is unpacked.
 *
 * With I the exact integer dot of block b,
 *     acc[b % 4] = fma(scale * d, I, acc[b % 4]), in order of b, and then fma of the minimum,
 *     y = (acc[0] + acc[1]) + (acc[2] + acc[3])
 *
 * maddubs multiplies unsigned by signed bytes and adds pairs, saturating at 16 bits: u <= 63 stays below 2 * 63 * 127.
 * Larger u (those with offset 128) are made signed again: |w| * (q with the sign of w) is at most 2 * 128 * 127. */
#ifndef CPU_Q8_AVX2_H
#define CPU_Q8_AVX2_H

#include "cpu/kernels.h"
#include "cpu/q8_values_avx2.h"

enum { Q8_ROWS = 4, Q8_X = 4 }; /* a tile is 4 weight rows by 1 activation row, or 1 by 4 */

/* Four blocks of a weight row. */
typedef struct q8_quad {
    __m256i u[4];
    q8_scales s;
} q8_quad;

Q8_INLINE void q8_read(q8_format f, const void *group, int part, q8_quad *out) {
    f.values(group, part, out->u);
    f.scales(group, part, &out->s);
}

/* Four blocks of an activation row, and what all weight rows need of them. */
typedef struct q8_x_quad {
    __m256i q[4], half_sums; /* sums of q, times the format's offset where it has one that is not taken away before */
    __m128i offsets;         /* the same of blocks */
    __m128 d, sum;
} q8_x_quad;

/* Sums of four products u * q, by lane. */
Q8_INLINE __m256i q8_fours(__m256i u, __m256i q) {
    return _mm256_madd_epi16(_mm256_maddubs_epi16(u, q), _mm256_set1_epi16(1));
}

/* Sums of each 128 bits of four vectors, first halves of the blocks before
 * second halves. The sixteen products of a sum are at most `top` * 127,
 * four of them in each lane: where 4, or 8, of them fit in 16 bits, packing and madd need fewer steps. (vphaddd would
 * take 2 cycles a piece on Zen 4.) */
Q8_INLINE __m256i q8_half_sums(const __m256i v[4], int top) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i a, b;
    if (top <= 63) {
        a = _mm256_madd_epi16(_mm256_packs_epi32(v[0], v[1]), ones);
        b = _mm256_madd_epi16(_mm256_packs_epi32(v[2], v[3]), ones);
    } else {
        a = _mm256_add_epi32(_mm256_unpacklo_epi32(v[0], v[1]), _mm256_unpackhi_epi32(v[0], v[1]));
        b = _mm256_add_epi32(_mm256_unpacklo_epi32(v[2], v[3]), _mm256_unpackhi_epi32(v[2], v[3]));
        return _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    }
    if (top <= 31) return _mm256_madd_epi16(_mm256_packs_epi32(a, b), ones);
    __m256 fa = _mm256_castsi256_ps(a), fb = _mm256_castsi256_ps(b);
    return _mm256_add_epi32(_mm256_castps_si256(_mm256_shuffle_ps(fa, fb, 0x88)),
                            _mm256_castps_si256(_mm256_shuffle_ps(fa, fb, 0xDD)));
}

/* Halves to blocks. */
Q8_INLINE __m128i q8_add_halves(__m256i v) {
    return _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

/* Eight signed bytes, for halves (0, first) (0, second) (1, first) ..., in the order of q8_half_sums. */
Q8_INLINE __m256i q8_subs(__m128i bytes) {
    const __m128i order = _mm_set_epi8(-1, -1, -1, -1, -1, -1, -1, -1, 7, 5, 3, 1, 6, 4, 2, 0);
    return _mm256_cvtepi8_epi32(_mm_shuffle_epi8(bytes, order));
}

/* Is the offset taken away before multiplying? */
Q8_INLINE bool q8_is_signed(q8_format f) {
    return f.offset == 128;
}

/* Sums of four products u * q, or w * q of signed weights, by lane. */
Q8_INLINE __m256i q8_weight_fours(q8_format f, __m256i u, __m256i q) {
    if (!q8_is_signed(f)) return q8_fours(u, q);
    __m256i w = _mm256_xor_si256(u, _mm256_set1_epi8(-128));
    return q8_fours(_mm256_abs_epi8(w), _mm256_sign_epi8(q, w));
}

Q8_INLINE void q8_load_x(q8_format f, const int8_t *q, const float *d, const float *sum, q8_x_quad *x) {
    __m256i v[4], factor = _mm256_set1_epi8((char)(f.offset && !q8_is_signed(f) ? f.offset : 1));
    for (int b = 0; b < 4; b++) {
        x->q[b] = q8_load(q + 32 * b);
        v[b] = q8_fours(factor, x->q[b]);
    }
    x->half_sums = q8_half_sums(v, f.top);
    x->offsets = q8_add_halves(x->half_sums);
    x->d = _mm_loadu_ps(d);
    x->sum = _mm_loadu_ps(sum);
}

/* Adds the dots of four blocks to the four sums of a row. */
Q8_INLINE __m128 q8_add_quad(q8_format f, const q8_quad *w, const q8_x_quad *x, __m128 acc) {
    __m256i v[4];
    bool offset = f.offset && !q8_is_signed(f);
    for (int b = 0; b < 4; b++) v[b] = q8_weight_fours(f, w->u[b], x->q[b]);
    __m256i halves = q8_half_sums(v, f.top);
    if (offset && f.subs) halves = _mm256_sub_epi32(halves, x->half_sums);
    if (f.subs) halves = _mm256_mullo_epi32(halves, q8_subs(w->s.sub));
    __m128i dots = q8_add_halves(halves);
    if (offset && !f.subs) dots = _mm_sub_epi32(dots, x->offsets);
    acc = _mm_fmadd_ps(_mm_mul_ps(w->s.scale, x->d), _mm_cvtepi32_ps(dots), acc);
    if (!f.mins) return acc;
    if (!f.subs) return _mm_fmadd_ps(w->s.min, x->sum, acc);
    __m128i minima = q8_add_halves(_mm256_mullo_epi32(x->half_sums, q8_subs(w->s.sub_min)));
    return _mm_fmadd_ps(_mm_mul_ps(w->s.min, x->d), _mm_cvtepi32_ps(minima), acc);
}

/* `n` blocks (4, or 1 to 3 of the last quad) from column 32 * first on, copied with zeros behind them where less. */
Q8_INLINE void q8_load_x_part(q8_format f, const cpu_act *x, int first, int n, q8_x_quad *out) {
    int8_t q[128] = {0};
    float d[4] = {0}, sum[4] = {0};
    memcpy(q, x->q + 32 * first, 32 * (size_t)n);
    memcpy(d, x->d + first, (size_t)n * sizeof *d);
    memcpy(sum, x->sum + first, (size_t)n * sizeof *sum);
    q8_load_x(f, q, d, sum, out);
}

/* The last 1 to 3 blocks of the rows; the sums of blocks that are none stay as they are. */
Q8_INLINE void q8_add_tail(q8_format f, const uint8_t *const w[], int rows, const cpu_act *x, int xs, int first, int n,
                           __m128 acc[]) {
    const __m128i index = _mm_set_epi32(3, 2, 1, 0);
    __m128 there = _mm_castsi128_ps(_mm_cmpgt_epi32(_mm_set1_epi32(n), index));
    for (int r = 0; r < rows; r++) {
        uint8_t group[4 * sizeof(q8_0_block)] = {0};
        memcpy(group, w[r], (size_t)(f.group_bytes / 4 * n));
        q8_quad wq;
        q8_read(f, group, 0, &wq);
        for (int i = 0; i < xs; i++) {
            q8_x_quad xq;
            q8_load_x_part(f, &x[i], first, n, &xq);
            __m128 *a = &acc[r * xs + i];
            *a = _mm_blendv_ps(*a, q8_add_quad(f, &wq, &xq, *a), there);
        }
    }
}

/* (acc[0] + acc[1]) + (acc[2] + acc[3]) of four sums. */
Q8_INLINE __m128 q8_row_sums(const __m128 acc[4]) {
    __m128 a = acc[0], b = acc[1], c = acc[2], d = acc[3];
    _MM_TRANSPOSE4_PS(a, b, c, d);
    return _mm_add_ps(_mm_add_ps(a, b), _mm_add_ps(c, d));
}

/* The four dots of a tile of `rows` by `xs`; one of the two is 1, the other 4. */
Q8_INLINE __m128 q8_tile(q8_format f, const uint8_t *const first_groups[], int rows, int cols, const cpu_act *x, int xs,
                         size_t ahead) {
    __m128 acc[4];
    const uint8_t *w[Q8_ROWS];
    for (int k = 0; k < 4; k++) acc[k] = _mm_setzero_ps();
    for (int r = 0; r < rows; r++) w[r] = first_groups[r];
    int block = 0, blocks = cols / 32;
    for (; block + 4 * f.parts <= blocks; block += 4 * f.parts) {
        if (rows == Q8_ROWS)
            q8_prefetch(first_groups[0], Q8_ROWS * (size_t)(w[0] - first_groups[0]), ahead, Q8_ROWS * f.group_bytes);
        for (int part = 0; part < f.parts; part++) {
            int b = block + 4 * part;
            q8_quad wq;
            q8_x_quad xq;
            for (int k = 0; k < 4; k++) {
                int r = k / xs, i = k % xs;
                if (i == 0) q8_read(f, w[r], part, &wq);
                if (r == 0) q8_load_x(f, x[i].q + 32 * b, x[i].d + b, x[i].sum + b, &xq);
                acc[k] = q8_add_quad(f, &wq, &xq, acc[k]);
            }
        }
        for (int r = 0; r < rows; r++) w[r] += f.group_bytes;
    }
    if (f.parts == 1 && block < blocks) q8_add_tail(f, w, rows, x, xs, block, blocks - block, acc);
    return q8_row_sums(acc);
}

/* Stores the first n of four numbers, `stride` floats apart. */
Q8_INLINE void q8_store(__m128 v, int n, float *y, size_t stride) {
    float four[4];
    _mm_storeu_ps(four, v);
    for (int k = 0; k < n; k++) y[(size_t)k * stride] = four[k];
}

/* Rows past the last one repeat it and are not stored. */
Q8_INLINE void q8_dot(q8_format f, const uint8_t *w, size_t row_bytes, int n_rows, int cols, const cpu_act *x, int n_x,
                      float *y, size_t y_stride) {
    const size_t ahead = q8_ahead(Q8_ROWS * row_bytes);
    for (int first = 0; first < n_rows; first += Q8_ROWS) {
        const uint8_t *rows[Q8_ROWS];
        int n = n_rows - first < Q8_ROWS ? n_rows - first : Q8_ROWS, i = 0;
        for (int r = 0; r < Q8_ROWS; r++) rows[r] = w + (size_t)(first + (r < n ? r : n - 1)) * row_bytes;
        for (; i + Q8_X <= n_x; i += Q8_X)
            for (int r = 0; r < n; r++)
                q8_store(q8_tile(f, rows + r, 1, cols, x + i, Q8_X, ahead), Q8_X, y + (size_t)i * y_stride + first + r,
                         y_stride);
        for (; i < n_x; i++)
            q8_store(q8_tile(f, rows, Q8_ROWS, cols, x + i, 1, ahead), n, y + (size_t)i * y_stride + first, 1);
    }
}

/* The kernel of one format. */
#define Q8_KERNEL(name, format)                                                                                        \
    void name(const void *w, size_t row_bytes, int n_rows, int cols, const cpu_act *x, int n_x, float *y,              \
              size_t y_stride) {                                                                                       \
        q8_dot(format, w, row_bytes, n_rows, cols, x, n_x, y, y_stride);                                               \
    }

#endif
