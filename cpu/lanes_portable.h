/* Sixteen float32 lanes in plain C (four vectors of four, which SSE2 and NEON have). The float32 kernels are written
 * once, in f32_kernels.h, over the `lanes` of a level; every level adds in the same order.
 *
 * lanes_fma rounds once in AVX2 and AVX-512, twice here: portable code must not depend on hardware it may lack. */
#ifndef CPU_LANES_PORTABLE_H
#define CPU_LANES_PORTABLE_H

#include <stdint.h>
#include <string.h>

#include "core/formats/formats.h"

typedef float quad __attribute__((vector_size(16)));
typedef int32_t quad_int __attribute__((vector_size(16)));

typedef struct lanes {
    quad v[4];
} lanes;

enum { LANES = 16, TILE_ROWS = 2, TILE_XS = 1, MIX_LANES = 2 };

static inline lanes lanes_set(float x) {
    quad q = {x, x, x, x};
    return (lanes){{q, q, q, q}};
}

static inline lanes lanes_load(const float *p) {
    lanes a;
    memcpy(&a, p, sizeof a);
    return a;
}

static inline void lanes_store(float *p, lanes a) {
    memcpy(p, &a, sizeof a);
}

/* The first n < 16 lanes; the others are 0. */
static inline lanes lanes_load_part(const float *p, int n) {
    lanes a = lanes_set(0);
    memcpy(&a, p, (size_t)n * sizeof *p);
    return a;
}

static inline void lanes_store_part(float *p, lanes a, int n) {
    memcpy(p, &a, (size_t)n * sizeof *p);
}

/* Exponent and mantissa moved into a float's place are the number times 2^-112, denormals too; the largest exponent
 * (infinity, NaN) is set again afterwards. */
static inline lanes lanes_load_f16(const uint16_t *p) {
    uint32_t bits[LANES];
    float f[LANES];
    for (int i = 0; i < LANES; i++) bits[i] = (uint32_t)(p[i] & 0x7FFF) << 13;
    memcpy(f, bits, sizeof f);
    for (int i = 0; i < LANES; i++) f[i] *= 0x1p112f;
    memcpy(bits, f, sizeof f);
    for (int i = 0; i < LANES; i++)
        bits[i] |= (uint32_t)(p[i] & 0x8000) << 16 | ((p[i] & 0x7C00) == 0x7C00 ? 0x7F800000u : 0);
    lanes a;
    memcpy(&a, bits, sizeof a);
    return a;
}

static inline void lanes_store_f16(uint16_t *p, lanes a) {
    float f[LANES];
    lanes_store(f, a);
    for (int i = 0; i < LANES; i++) p[i] = format_f32_to_f16(f[i]);
}

static inline lanes lanes_load_bf16(const uint16_t *p) {
    uint32_t bits[LANES];
    for (int i = 0; i < LANES; i++) bits[i] = (uint32_t)p[i] << 16;
    lanes a;
    memcpy(&a, bits, sizeof a);
    return a;
}

static inline lanes lanes_add(lanes a, lanes b) {
    for (int i = 0; i < 4; i++) a.v[i] += b.v[i];
    return a;
}

static inline lanes lanes_sub(lanes a, lanes b) {
    for (int i = 0; i < 4; i++) a.v[i] -= b.v[i];
    return a;
}

static inline lanes lanes_mul(lanes a, lanes b) {
    for (int i = 0; i < 4; i++) a.v[i] *= b.v[i];
    return a;
}

static inline lanes lanes_div(lanes a, lanes b) {
    for (int i = 0; i < 4; i++) a.v[i] /= b.v[i];
    return a;
}

/* a * b + c */
static inline lanes lanes_fma(lanes a, lanes b, lanes c) {
    for (int i = 0; i < 4; i++) c.v[i] = a.v[i] * b.v[i] + c.v[i];
    return c;
}

/* The larger and the smaller; b where one of them is no number. */
static inline lanes lanes_max(lanes a, lanes b) {
    for (int i = 0; i < 4; i++) {
        quad_int larger = a.v[i] > b.v[i];
        b.v[i] = (quad)((larger & (quad_int)a.v[i]) | (~larger & (quad_int)b.v[i]));
    }
    return b;
}

static inline lanes lanes_min(lanes a, lanes b) {
    for (int i = 0; i < 4; i++) {
        quad_int smaller = a.v[i] < b.v[i];
        b.v[i] = (quad)((smaller & (quad_int)a.v[i]) | (~smaller & (quad_int)b.v[i]));
    }
    return b;
}

/* y * 2^n, where t = n + 1.5 * 2^23 holds n in its low bits. In two steps, so that the result may be denormal, 0 or
 * infinite while both factors are ordinary numbers. */
static inline lanes lanes_scale(lanes y, lanes t) {
    typedef uint32_t quad_bits __attribute__((vector_size(16)));
    for (int i = 0; i < 4; i++) {
        quad_int n = (quad_int)((quad_bits)t.v[i] - 0x4B400000u);
        quad_int half = n >> 1;
        quad_bits rest = (quad_bits)n - (quad_bits)half;
        y.v[i] = y.v[i] * (quad)(((quad_bits)half + 127u) << 23) * (quad)((rest + 127u) << 23);
    }
    return y;
}

/* Lane i + lane i + 8, then + 4, + 2, + 1. */
static inline float lanes_sum(lanes a) {
    quad q = (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]);
    return (q[0] + q[2]) + (q[1] + q[3]);
}

static inline float lanes_largest(lanes a) {
    float f[LANES], m;
    lanes_store(f, a);
    m = f[0];
    for (int i = 1; i < LANES; i++) m = f[i] > m ? f[i] : m;
    return m;
}

#endif
