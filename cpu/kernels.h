/* CPU kernels: pure functions over plain memory, no tapes, no threads, no allocation. They compile and test alone.
 *
 * Levels     KERNEL.c is the portable level and the meaning; KERNEL_avx2.c and KERNEL_avx512.c override it where cpuid
 *            shows AVX2 + FMA + F16C, or AVX-512 F/BW/DQ/VL + VNNI. cpu_kernels_for() fills a table: portable rows
 * first, then the rows of each level up to the one asked for, so every slot is always valid. Bits       One level, one
 * result: a function of its own row and nothing else (not of n_x, nor of rows beside it), with a fixed order of
 * summing. Levels may differ from each other within the bounds of docs/numerics.md. Testing    tests/test_kernels.c
 * walks every slot of every level against the portable one: random data, odd sizes, guard bytes; the same harness
 * prints speed. */
#ifndef CPU_KERNELS_H
#define CPU_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "core/formats/formats.h"

typedef enum cpu_level { CPU_PORTABLE, CPU_AVX2, CPU_AVX512, CPU_LEVELS } cpu_level;

/* Activations in 8 bits for `fast`: blocks of 32, x[i] ~ d[i / 32] * q[i], d = max|x| / 127, -127 <= q <= 127 (d and q
 * are 0 where that d is subnormal; an infinity or NaN in a block shows in d, with q 0);
 * sum[b] = d[b] * (q[32 b] + ... + q[32 b + 31]), what formats with an offset need. */
typedef struct cpu_act {
    const int8_t *q;  /* cols */
    const float *d;   /* cols / 32 */
    const float *sum; /* cols / 32 */
} cpu_act;

/* y[i * y_stride + r] = dot(weight row r, activation row i), r < n_rows, i < n_x. Rows are row_bytes apart. */
typedef void cpu_dot_q8_fn(const void *w, size_t row_bytes, int n_rows, int cols, const cpu_act *x, int n_x, float *y,
                           size_t y_stride);
/* The same with float32 activations, rows x_stride floats apart, and weights in F32, F16 or BF16. */
typedef void cpu_dot_f32_fn(const void *w, size_t row_bytes, int n_rows, int cols, const float *x, size_t x_stride,
                            int n_x, float *y, size_t y_stride);

/* y[c] += p[0] * rows[0][c] + p[1] * rows[1][c] + ..., c < cols, added in this order; rows in F32 or F16. */
typedef void cpu_mix_fn(const float *p, const void *rows, size_t row_bytes, int n_rows, float *y, int cols);

enum { CPU_GATE_SILU, CPU_GATE_GELU_TANH, CPU_GATE_GELU, CPU_GATES }; /* in the order of tape_act */

typedef struct cpu_kernels {
    cpu_level level;
    cpu_dot_q8_fn *dot_q8[FORMAT_COUNT];   /* NULL: no 8-bit kernel, decode and use dot_f32[FORMAT_F32] */
    cpu_dot_f32_fn *dot_f32[FORMAT_COUNT]; /* F32, F16, BF16; NULL for all others */
    format_decode *decode[FORMAT_COUNT];   /* bit for bit format_table's; never NULL */
    /* cols a multiple of 32 */
    void (*quantize_q8)(const float *x, int cols, int8_t *q, float *d, float *sum);
    cpu_mix_fn *mix[FORMAT_COUNT]; /* F32, F16; NULL for all others */
    /* out = x / sqrt(mean(x^2) + eps) * w */
    void (*rms_norm)(const float *x, const float *w, float eps, float *out, int n);
    /* out = act(gate) * up */
    void (*gate[CPU_GATES])(const float *gate, const float *up, float *out, int n);
    /* x = exp(x - max) in place; returns the sum, added in index order within lanes. */
    float (*exp_sum)(float *x, float max, int n);
    float (*max)(const float *x, int n); /* NaN counts as -infinity */
    void (*f16_to_f32)(const uint16_t *x, float *out, int n);
    void (*f32_to_f16)(const float *x, uint16_t *out, int n);
} cpu_kernels;

/* What this processor can do; GLINT_CPU=portable|avx2|avx512 in the environment lowers it (ref is the backend's). */
cpu_level cpu_best_level(void);
/* Is what GLINT_CPU says, if anything, one of those words? */
bool cpu_mask_is_known(void);
void cpu_kernels_for(cpu_level level, cpu_kernels *out);
extern const char *const cpu_level_names[CPU_LEVELS];

/* A level's file of rows fills in what it has; cpu_kernels_for calls them in order. */
void cpu_rows_f32_portable(cpu_kernels *k);
void cpu_rows_f32_avx2(cpu_kernels *k);
void cpu_rows_f32_avx512(cpu_kernels *k);
void cpu_rows_q8_portable(cpu_kernels *k);
void cpu_rows_q8_avx2(cpu_kernels *k);
void cpu_rows_q8_avx512(cpu_kernels *k);

#endif
