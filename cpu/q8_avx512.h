/* The 8-bit dot product with AVX-512 and VNNI: two drivers, each compiled for a format (q8_format).
 *
 * A sum is the same number in both: with I the exact integer dot of block b,
 *     acc[b % 4] = fma(scale * d, I, acc[b % 4]), in order of b, and then fma of the minimum,
 *     y = (acc[0] + acc[1]) + (acc[2] + acc[3])
 * q8_lines  (here) few activation rows: four weight rows at a time share what is made of the activation.
 * q8_tiles  (q8_tiles_avx512.h) many activation rows. */
#ifndef CPU_Q8_AVX512_H
#define CPU_Q8_AVX512_H

#include "cpu/kernels.h"
#include "cpu/q8_values_avx512.h"

enum { Q8_ROWS = 4 }; /* weight rows together in q8_lines */

/* Four blocks of a weight row. */
typedef struct q8_quad {
    __m512i u[2];
    q8_scales s;
} q8_quad;

Q8_INLINE void q8_read(q8_format f, const void *group, int part, q8_quad *out) {
    f.values(group, part, out->u);
    f.scales(group, part, &out->s);
}

#include "cpu/q8_tiles_avx512.h"

/* ---- Sums of lanes ----
 *
 * Four rows of four blocks end in one vector. `halves` of rows a and b hold in 128 bits each
 *     the first halves of blocks 0, 2 of a and of b; the second halves of these; first halves of 1, 3; second halves.
 * `dots` of rows a, b, c, d: blocks 0, 2 of a and b; blocks 1, 3 of a and b; the same of c and d. */

/* Sums of the lanes of each 128 bits by two, or more where the third step needs less: v[0], v[1] are blocks 0, 1 and
 * 2, 3 of a row. Four products of at most `top` * 127 lie in a lane. Where they, or eight, fit in 16 bits, packing and
 * madd are fewer steps. */
Q8_INLINE __m512i q8_add_twos(__m512i first, __m512i second, int top) {
    if (top <= 63) return _mm512_madd_epi16(_mm512_packs_epi32(first, second), _mm512_set1_epi16(1));
    return _mm512_add_epi32(_mm512_unpacklo_epi32(first, second), _mm512_unpackhi_epi32(first, second));
}

Q8_INLINE __m512i q8_halves(__m512i a, __m512i b, int top) {
    if (top <= 31) return _mm512_madd_epi16(_mm512_packs_epi32(a, b), _mm512_set1_epi16(1));
    if (top > 63) return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    __m512 fa = _mm512_castsi512_ps(a), fb = _mm512_castsi512_ps(b);
    return _mm512_add_epi32(_mm512_castps_si512(_mm512_shuffle_ps(fa, fb, 0x88)),
                            _mm512_castps_si512(_mm512_shuffle_ps(fa, fb, 0xDD)));
}

Q8_INLINE __m512i q8_dots(__m512i ab, __m512i cd) {
    return _mm512_add_epi32(_mm512_shuffle_i32x4(ab, cd, 0x88), _mm512_shuffle_i32x4(ab, cd, 0xDD));
}

/* Four numbers of each of four rows, in the order of dots. */
Q8_INLINE __m512 q8_in_dot_order(__m128 a, __m128 b, __m128 c, __m128 d) {
    const __m512i order = _mm512_set_epi32(15, 13, 11, 9, 14, 12, 10, 8, 7, 5, 3, 1, 6, 4, 2, 0);
    __m512 all = _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_set_m128(b, a)), _mm256_set_m128(d, c), 1);
    return _mm512_permutexvar_ps(order, all);
}

/* The eight bytes, one for each half block, of each of two rows in the order of halves. */
Q8_INLINE __m512i q8_in_half_order(__m128i a, __m128i b) {
    const __m128i order = _mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    return _mm512_cvtepi8_epi32(_mm_shuffle_epi8(_mm_unpacklo_epi64(a, b), order));
}

/* ---- Few activation rows ---- */

/* Four blocks of an activation row, and what all weight rows need of them. */
typedef struct q8_x_quad {
    __m512i q[2], halves, dots; /* sums of q, times the format's offset where it has one, as of four equal rows */
    __m512 d, sum;              /* in the order of dots */
} q8_x_quad;

Q8_INLINE void q8_load_x(q8_format f, const int8_t *q, const float *d, const float *sum, q8_x_quad *x) {
    const __m512i zero = _mm512_setzero_si512(), factor = _mm512_set1_epi8((char)(f.offset ? f.offset : 1));
    for (int i = 0; i < 2; i++) x->q[i] = _mm512_loadu_si512(q + 64 * i);
    __m512i twos =
        q8_add_twos(_mm512_dpbusd_epi32(zero, factor, x->q[0]), _mm512_dpbusd_epi32(zero, factor, x->q[1]), f.top);
    x->halves = q8_halves(twos, twos, f.top);
    x->dots = q8_dots(x->halves, x->halves);
    __m128 four_d = _mm_loadu_ps(d), four_sums = _mm_loadu_ps(sum);
    x->d = q8_in_dot_order(four_d, four_d, four_d, four_d);
    x->sum = q8_in_dot_order(four_sums, four_sums, four_sums, four_sums);
}

Q8_INLINE __m512i q8_row_twos(q8_format f, const q8_quad *w, const q8_x_quad *x) {
    const __m512i zero = _mm512_setzero_si512();
    return q8_add_twos(_mm512_dpbusd_epi32(zero, w->u[0], x->q[0]), _mm512_dpbusd_epi32(zero, w->u[1], x->q[1]), f.top);
}

/* Integer dots of half blocks of two rows, times the integer scales of halves. */
Q8_INLINE __m512i q8_pair(q8_format f, const q8_quad w[2], const q8_x_quad *x) {
    __m512i halves = q8_halves(q8_row_twos(f, &w[0], x), q8_row_twos(f, &w[1], x), f.top);
    if (!f.subs) return halves;
    if (f.offset) halves = _mm512_sub_epi32(halves, x->halves);
    return _mm512_mullo_epi32(halves, q8_in_half_order(w[0].s.sub, w[1].s.sub));
}

/* Adds the dots of four blocks to the four sums of each of four rows. */
Q8_INLINE __m512 q8_add_quads(q8_format f, const q8_quad w[Q8_ROWS], const q8_x_quad *x, __m512 acc) {
    __m512i dots = q8_dots(q8_pair(f, w, x), q8_pair(f, w + 2, x));
    if (f.offset && !f.subs) dots = _mm512_sub_epi32(dots, x->dots);
    __m512 scale = q8_in_dot_order(w[0].s.scale, w[1].s.scale, w[2].s.scale, w[3].s.scale);
    acc = _mm512_fmadd_ps(_mm512_mul_ps(scale, x->d), _mm512_cvtepi32_ps(dots), acc);
    if (!f.mins) return acc;
    __m512 min = q8_in_dot_order(w[0].s.min, w[1].s.min, w[2].s.min, w[3].s.min);
    if (!f.subs) return _mm512_fmadd_ps(min, x->sum, acc);
    __m512i ab = _mm512_mullo_epi32(x->halves, q8_in_half_order(w[0].s.sub_min, w[1].s.sub_min));
    __m512i cd = _mm512_mullo_epi32(x->halves, q8_in_half_order(w[2].s.sub_min, w[3].s.sub_min));
    return _mm512_fmadd_ps(_mm512_mul_ps(min, x->d), _mm512_cvtepi32_ps(q8_dots(ab, cd)), acc);
}

/* The last 1 to 3 blocks of the rows: copied, with zeros behind; the sums of blocks that are none stay as they are. */
Q8_INLINE __m512 q8_add_tail(q8_format f, const uint8_t *const w[Q8_ROWS], const cpu_act *x, int first, int n,
                             __m512 acc) {
    static const __mmask16 there[4] = {0, 0x0505, 0x5555, 0x5F5F}; /* lanes of the first n blocks in dots */
    int8_t q[128] = {0};
    float d[4] = {0}, sum[4] = {0};
    memcpy(q, x->q + 32 * first, 32 * (size_t)n);
    memcpy(d, x->d + first, (size_t)n * sizeof *d);
    memcpy(sum, x->sum + first, (size_t)n * sizeof *sum);
    q8_x_quad xq;
    q8_load_x(f, q, d, sum, &xq);
    q8_quad wq[Q8_ROWS];
    for (int r = 0; r < Q8_ROWS; r++) {
        uint8_t group[4 * sizeof(q8_0_block)] = {0};
        memcpy(group, w[r], (size_t)(f.group_bytes / 4 * n));
        q8_read(f, group, 0, &wq[r]);
    }
    return _mm512_mask_mov_ps(acc, there[n], q8_add_quads(f, wq, &xq, acc));
}

/* (a[0] + a[1]) + (a[2] + a[3]) of four rows a, whose sums lie in the order of dots. */
Q8_INLINE __m128 q8_row_sums(__m512 acc) {
    const __m512i order = _mm512_set_epi32(15, 13, 7, 5, 11, 9, 3, 1, 14, 12, 6, 4, 10, 8, 2, 0);
    __m512 a = _mm512_permutexvar_ps(order, acc); /* a[0] of the four rows, a[1], a[2], a[3] */
    return _mm_add_ps(_mm_add_ps(_mm512_castps512_ps128(a), _mm512_extractf32x4_ps(a, 1)),
                      _mm_add_ps(_mm512_extractf32x4_ps(a, 2), _mm512_extractf32x4_ps(a, 3)));
}

/* Reads and adds quad `part` of the groups at w. */
Q8_INLINE __m512 q8_add_part(q8_format f, const uint8_t *const w[Q8_ROWS], int part, const cpu_act *x, int block,
                             __m512 acc) {
    q8_x_quad xq;
    q8_quad wq[Q8_ROWS];
    q8_load_x(f, x->q + 32 * block, x->d + block, x->sum + block, &xq);
    for (int r = 0; r < Q8_ROWS; r++) q8_read(f, w[r], part, &wq[r]);
    return q8_add_quads(f, wq, &xq, acc);
}

Q8_INLINE __m128 q8_line(q8_format f, const uint8_t *const rows[Q8_ROWS], int cols, const cpu_act *x, size_t ahead) {
    __m512 acc = _mm512_setzero_ps();
    const uint8_t *w[Q8_ROWS];
    for (int r = 0; r < Q8_ROWS; r++) w[r] = rows[r];
    int block = 0, blocks = cols / 32;
    for (; block + 4 * f.parts <= blocks; block += 4 * f.parts) {
        q8_prefetch(rows[0], Q8_ROWS * (size_t)(w[0] - rows[0]), ahead, Q8_ROWS * f.group_bytes);
        acc = q8_add_part(f, w, 0, x, block, acc);
        if (f.parts == 2) acc = q8_add_part(f, w, 1, x, block + 4, acc);
        for (int r = 0; r < Q8_ROWS; r++) w[r] += f.group_bytes;
    }
    if (f.parts == 1 && block < blocks) acc = q8_add_tail(f, w, x, block, blocks - block, acc);
    return q8_row_sums(acc);
}

/* Rows past the last one repeat it and are not stored. */
Q8_INLINE void q8_lines(q8_format f, const uint8_t *w, size_t row_bytes, int n_rows, int cols, const cpu_act *x,
                        int n_x, float *y, size_t y_stride) {
    const size_t ahead = q8_ahead(Q8_ROWS * row_bytes);
    for (int first = 0; first < n_rows; first += Q8_ROWS) {
        const uint8_t *rows[Q8_ROWS];
        int n = n_rows - first < Q8_ROWS ? n_rows - first : Q8_ROWS;
        for (int r = 0; r < Q8_ROWS; r++) rows[r] = w + (size_t)(first + (r < n ? r : n - 1)) * row_bytes;
        for (int i = 0; i < n_x; i++)
            _mm_mask_storeu_ps(y + (size_t)i * y_stride + first, (__mmask8)((1 << n) - 1),
                               q8_line(f, rows, cols, &x[i], ahead));
    }
}

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
