/* The float32 kernels, once for every level: a level's file includes its lanes_LEVEL.h, then this, then fills its rows
 * of the table. See kernels.h for what each kernel computes.
 *
 * Order of sums: lane i adds the terms i, i + 16, i + 32, ... one after another, then the tree of lanes_sum. The levels
 * AVX2 and AVX-512 give the same bits; the portable one rounds products by themselves. */
#ifndef CPU_F32_KERNELS_H
#define CPU_F32_KERNELS_H

#include <math.h>
#include <string.h>

#include "cpu/kernels.h"

/* Makes a function's constant arguments constants of its loops. */
#define CPU_INLINE static inline __attribute__((always_inline))

/* ---- exp ---- */

/* exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln(2) / 2. ln 2 is taken off in two parts, the first of 15 bits so
 * that n times it is exact. exp(r) = 1 + r + r^2 q(r), q the minimax polynomial of relative error 3.1e-9 (Lawson's
 * iteration over Chebyshev nodes; ours). Below -104 the result is 0, above 89 infinite; NaN stays.
 * Largest error, from every 7th float: 1.004 ULP with fused products, 0.97 without. */
CPU_INLINE lanes exp_lanes(lanes x) {
    x = lanes_min(lanes_set(89), lanes_max(lanes_set(-104), x));
    lanes t = lanes_fma(x, lanes_set(0x1.715476p+0f), lanes_set(0x1.8p23f));
    lanes n = lanes_sub(t, lanes_set(0x1.8p23f));
    lanes r = lanes_fma(n, lanes_set(-0x1.62e4p-1f), x);
    r = lanes_fma(n, lanes_set(-0x1.7f7d1cp-20f), r);
    lanes q = lanes_fma(lanes_set(0x1.6a244ap-10f), r, lanes_set(0x1.1239d6p-7f));
    q = lanes_fma(q, r, lanes_set(0x1.5558f2p-5f));
    q = lanes_fma(q, r, lanes_set(0x1.555492p-3f));
    q = lanes_fma(q, r, lanes_set(0x1.fffffcp-2f));
    lanes p = lanes_fma(lanes_mul(r, r), q, r);
    return lanes_scale(lanes_add(lanes_set(1), p), t);
}

static float exp_sum(float *x, float max, int n) {
    lanes sum = lanes_set(0), m = lanes_set(max);
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        lanes e = exp_lanes(lanes_sub(lanes_load(x + i), m));
        lanes_store(x + i, e);
        sum = lanes_add(sum, e);
    }
    if (i < n) {
        lanes_store_part(x + i, exp_lanes(lanes_sub(lanes_load_part(x + i, n - i), m)), n - i);
        sum = lanes_add(sum, lanes_load_part(x + i, n - i));
    }
    return lanes_sum(sum);
}

/* ---- Gates ---- */

/* x sigmoid(x) */
CPU_INLINE lanes silu_lanes(lanes x) {
    lanes e = exp_lanes(lanes_sub(lanes_set(0), x));
    return lanes_div(x, lanes_add(lanes_set(1), e));
}

/* x / 2 (1 + tanh(u)), u = sqrt(2 / pi) (x + 0.044715 x^3), which is x sigmoid(2 u): no cancellation for x < 0. */
CPU_INLINE lanes gelu_tanh_lanes(lanes x) {
    const float k = 1.5957691216057308f; /* 2 sqrt(2 / pi) */
    lanes u = lanes_mul(x, lanes_fma(lanes_mul(x, x), lanes_set(k * 0.044715f), lanes_set(k)));
    lanes e = exp_lanes(lanes_sub(lanes_set(0), u));
    return lanes_div(x, lanes_add(lanes_set(1), e));
}

CPU_INLINE void gate_with(lanes (*act)(lanes), const float *gate, const float *up, float *out, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) lanes_store(out + i, lanes_mul(act(lanes_load(gate + i)), lanes_load(up + i)));
    if (i < n) {
        lanes g = lanes_load_part(gate + i, n - i), u = lanes_load_part(up + i, n - i);
        lanes_store_part(out + i, lanes_mul(act(g), u), n - i);
    }
}

static void gate_silu(const float *gate, const float *up, float *out, int n) {
    gate_with(silu_lanes, gate, up, out, n);
}

static void gate_gelu_tanh(const float *gate, const float *up, float *out, int n) {
    gate_with(gelu_tanh_lanes, gate, up, out, n);
}

/* ---- Rows ---- */

static void rms_norm(const float *x, const float *w, float eps, float *out, int n) {
    lanes sum = lanes_set(0);
    int i = 0;
    for (; i + LANES <= n; i += LANES) sum = lanes_fma(lanes_load(x + i), lanes_load(x + i), sum);
    if (i < n) sum = lanes_fma(lanes_load_part(x + i, n - i), lanes_load_part(x + i, n - i), sum);
    lanes scale = lanes_set(1 / sqrtf(lanes_sum(sum) / (float)n + eps));
    for (i = 0; i + LANES <= n; i += LANES)
        lanes_store(out + i, lanes_mul(lanes_mul(lanes_load(x + i), scale), lanes_load(w + i)));
    if (i < n) {
        lanes a = lanes_load_part(x + i, n - i), b = lanes_load_part(w + i, n - i);
        lanes_store_part(out + i, lanes_mul(lanes_mul(a, scale), b), n - i);
    }
}

static float largest(const float *x, int n) {
    if (n < LANES) {
        float m = -INFINITY;
        for (int i = 0; i < n; i++) m = x[i] > m ? x[i] : m;
        return m;
    }
    lanes m = lanes_max(lanes_load(x + n - LANES), lanes_set(-INFINITY)); /* NaN never gets into m */
    for (int i = 0; i + LANES <= n; i += LANES) m = lanes_max(lanes_load(x + i), m);
    return lanes_largest(m);
}

/* ---- 16-bit numbers ---- */

static void f16_to_f32(const uint16_t *x, float *out, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) lanes_store(out + i, lanes_load_f16(x + i));
    for (; i < n; i++) out[i] = format_f16_to_f32(x[i]);
}

static void f32_to_f16(const float *x, uint16_t *out, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) lanes_store_f16(out + i, lanes_load(x + i));
    for (; i < n; i++) out[i] = format_f32_to_f16(x[i]);
}

/* Sixteen numbers of a row in format f, from index c on. */
CPU_INLINE lanes load_as(format_id f, const void *row, int c) {
    if (f == FORMAT_F16) return lanes_load_f16((const uint16_t *)row + c);
    if (f == FORMAT_BF16) return lanes_load_bf16((const uint16_t *)row + c);
    return lanes_load((const float *)row + c);
}

/* The first n < 16 of them, then zeros. */
CPU_INLINE lanes load_part_as(format_id f, const void *row, int c, int n) {
    if (f == FORMAT_F32) return lanes_load_part((const float *)row + c, n);
    uint16_t part[LANES] = {0};
    memcpy(part, (const uint16_t *)row + c, (size_t)n * sizeof *part);
    return load_as(f, part, 0);
}

/* ---- Dot products ---- */

/* A tile of `rows` weight rows against `xs` activation rows: each pair has one accumulator, so that its sum does not
 * depend on the tile, and loads are shared. `rows`, `xs` and f are constants of the caller. */
CPU_INLINE void dot_tile(format_id f, const char *w, size_t row_bytes, int rows, int cols, const float *x,
                         size_t x_stride, int xs, float *y, size_t y_stride) {
    lanes sum[TILE_ROWS][TILE_XS];
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < xs; i++) sum[r][i] = lanes_set(0);
    int whole = cols / LANES * LANES, rest = cols - whole;
    for (int c = 0; c < whole; c += LANES) {
        lanes a[TILE_ROWS];
        for (int r = 0; r < rows; r++) a[r] = load_as(f, w + (size_t)r * row_bytes, c);
        for (int i = 0; i < xs; i++) {
            lanes b = lanes_load(x + (size_t)i * x_stride + c);
            for (int r = 0; r < rows; r++) sum[r][i] = lanes_fma(a[r], b, sum[r][i]);
        }
    }
    for (int r = 0; rest && r < rows; r++)
        for (int i = 0; i < xs; i++)
            sum[r][i] = lanes_fma(load_part_as(f, w + (size_t)r * row_bytes, whole, rest),
                                  lanes_load_part(x + (size_t)i * x_stride + whole, rest), sum[r][i]);
    for (int i = 0; i < xs; i++)
        for (int r = 0; r < rows; r++) y[(size_t)i * y_stride + (size_t)r] = lanes_sum(sum[r][i]);
}

/* All activation rows against `rows` weight rows. */
CPU_INLINE void dot_strip(format_id f, const char *w, size_t row_bytes, int rows, int cols, const float *x,
                          size_t x_stride, int n_x, float *y, size_t y_stride) {
    int i = 0;
    for (; i + TILE_XS <= n_x; i += TILE_XS)
        dot_tile(f, w, row_bytes, rows, cols, x + (size_t)i * x_stride, x_stride, TILE_XS, y + (size_t)i * y_stride,
                 y_stride);
    for (; i < n_x; i++)
        dot_tile(f, w, row_bytes, rows, cols, x + (size_t)i * x_stride, x_stride, 1, y + (size_t)i * y_stride,
                 y_stride);
}

CPU_INLINE void dot_rows(format_id f, const char *w, size_t row_bytes, int n_rows, int cols, const float *x,
                         size_t x_stride, int n_x, float *y, size_t y_stride) {
    int r = 0;
    for (; r + TILE_ROWS <= n_rows; r += TILE_ROWS)
        dot_strip(f, w + (size_t)r * row_bytes, row_bytes, TILE_ROWS, cols, x, x_stride, n_x, y + r, y_stride);
    for (; r < n_rows; r++)
        dot_strip(f, w + (size_t)r * row_bytes, row_bytes, 1, cols, x, x_stride, n_x, y + r, y_stride);
}

static void dot_f32(const void *w, size_t row_bytes, int n_rows, int cols, const float *x, size_t x_stride, int n_x,
                    float *y, size_t y_stride) {
    dot_rows(FORMAT_F32, w, row_bytes, n_rows, cols, x, x_stride, n_x, y, y_stride);
}

static void dot_f16(const void *w, size_t row_bytes, int n_rows, int cols, const float *x, size_t x_stride, int n_x,
                    float *y, size_t y_stride) {
    dot_rows(FORMAT_F16, w, row_bytes, n_rows, cols, x, x_stride, n_x, y, y_stride);
}

static void dot_bf16(const void *w, size_t row_bytes, int n_rows, int cols, const float *x, size_t x_stride, int n_x,
                     float *y, size_t y_stride) {
    dot_rows(FORMAT_BF16, w, row_bytes, n_rows, cols, x, x_stride, n_x, y, y_stride);
}

/* ---- Weighted sums of rows ---- */

/* A stretch of `n` lanes of the result stays in registers while the rows go by. n is a constant of the caller. */
CPU_INLINE void mix_stretch(format_id f, const float *p, const char *rows, size_t row_bytes, int n_rows, float *y,
                            int c, int n) {
    lanes sum[MIX_LANES];
    for (int i = 0; i < n; i++) sum[i] = lanes_load(y + c + i * LANES);
    for (int j = 0; j < n_rows; j++) {
        lanes a = lanes_set(p[j]);
        for (int i = 0; i < n; i++)
            sum[i] = lanes_fma(a, load_as(f, rows + (size_t)j * row_bytes, c + i * LANES), sum[i]);
    }
    for (int i = 0; i < n; i++) lanes_store(y + c + i * LANES, sum[i]);
}

CPU_INLINE void mix_rows(format_id f, const float *p, const char *rows, size_t row_bytes, int n_rows, float *y,
                         int cols) {
    int c = 0;
    for (; c + MIX_LANES * LANES <= cols; c += MIX_LANES * LANES)
        mix_stretch(f, p, rows, row_bytes, n_rows, y, c, MIX_LANES);
    for (; c + LANES <= cols; c += LANES) mix_stretch(f, p, rows, row_bytes, n_rows, y, c, 1);
    if (c == cols) return;
    lanes sum = lanes_load_part(y + c, cols - c);
    for (int j = 0; j < n_rows; j++)
        sum = lanes_fma(lanes_set(p[j]), load_part_as(f, rows + (size_t)j * row_bytes, c, cols - c), sum);
    lanes_store_part(y + c, sum, cols - c);
}

static void mix_f32(const float *p, const void *rows, size_t row_bytes, int n_rows, float *y, int cols) {
    mix_rows(FORMAT_F32, p, rows, row_bytes, n_rows, y, cols);
}

static void mix_f16(const float *p, const void *rows, size_t row_bytes, int n_rows, float *y, int cols) {
    mix_rows(FORMAT_F16, p, rows, row_bytes, n_rows, y, cols);
}

/* ---- The rows of the table ---- */

static void fill_rows(cpu_kernels *k) {
    k->dot_f32[FORMAT_F32] = dot_f32;
    k->dot_f32[FORMAT_F16] = dot_f16;
    k->dot_f32[FORMAT_BF16] = dot_bf16;
    k->mix[FORMAT_F32] = mix_f32;
    k->mix[FORMAT_F16] = mix_f16;
    k->rms_norm = rms_norm;
    k->gate[CPU_GATE_SILU] = gate_silu;
    k->gate[CPU_GATE_GELU_TANH] = gate_gelu_tanh;
    k->exp_sum = exp_sum;
    k->max = largest;
    k->f16_to_f32 = f16_to_f32;
    k->f32_to_f16 = f32_to_f16;
}

#endif
