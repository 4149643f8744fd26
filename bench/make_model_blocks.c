/* Random blocks without a quantiser: quants are drawn uniformly, and scales such that the numbers that they mean have
 * the deviation asked for. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "bench/make_model.h"
#include "core/formats/blocks.h"

static uint64_t next(make_random *r) {
    r->state += 0x9E3779B97F4A7C15u; /* splitmix64 */
    uint64_t z = r->state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* The sum of four uniform numbers, each of variance 1/12, is near enough. */
float make_normal(make_random *r) {
    uint64_t bits = next(r);
    float sum = 0;
    for (int i = 0; i < 4; i++) sum += (float)(bits >> 16 * i & 0xFFFF) * 0x1p-16f;
    return (sum - 2.0f) * 1.7320508f;
}

static void fill(make_random *r, void *out, size_t bytes) {
    unsigned char *to = out;
    for (size_t done = 0; done < bytes; done += 8) {
        uint64_t bits = next(r);
        memcpy(to + done, &bits, bytes - done < 8 ? bytes - done : 8);
    }
}

static void put_half(uint8_t to[2], float x) {
    uint16_t h = format_f32_to_f16(x);
    memcpy(to, &h, sizeof h);
}

/* Uniform whole numbers low .. high about `centre`: the root of their mean square. */
static float deviation(int low, int high, float centre) {
    float sum = 0;
    for (int q = low; q <= high; q++) sum += ((float)q - centre) * ((float)q - centre);
    return sqrtf(sum / (float)(high - low + 1));
}

/* Either sign, so that quants that are not centred leave no mean. */
static float signed_scale(make_random *r, float d) {
    return next(r) & 1 ? d : -d;
}

static void f32_fill(make_random *r, float sigma, void *out, size_t n) {
    float *to = out;
    for (size_t i = 0; i < n; i++) to[i] = sigma * make_normal(r);
}

static void f16_fill(make_random *r, float sigma, void *out, size_t n) {
    f16_block *to = out;
    for (size_t i = 0; i < n; i++) put_half(to[i].bits, sigma * make_normal(r));
}

static void q8_0_fill(make_random *r, float sigma, void *out, size_t n) {
    q8_0_block *to = out;
    float d = sigma / deviation(-128, 127, 0);
    fill(r, out, n * sizeof *to);
    for (size_t i = 0; i < n; i++) put_half(to[i].d, signed_scale(r, d));
}

static void q5_0_fill(make_random *r, float sigma, void *out, size_t n) {
    q5_0_block *to = out;
    float d = sigma / deviation(-16, 15, 0);
    fill(r, out, n * sizeof *to);
    for (size_t i = 0; i < n; i++) put_half(to[i].d, signed_scale(r, d));
}

/* Scales and minima are all 32..63 and the same for a part, and dmin = 7.5 d: numbers are d * scale * (q - 7.5). */
static void q4_k_fill(make_random *r, float sigma, void *out, size_t n) {
    q4_k_block *to = out;
    float d = sigma / (deviation(0, 15, 7.5f) * deviation(32, 63, 0));
    fill(r, out, n * sizeof *to);
    for (size_t i = 0; i < n; i++) {
        uint8_t *scales = to[i].scales;
        put_half(to[i].d, d);
        put_half(to[i].dmin, 7.5f * d);
        for (int part = 0; part < 4; part++) {
            int low = 32 | (scales[part] & 31), high = 32 | (scales[part + 8] & 31);
            scales[part] = scales[part + 4] = (uint8_t)(low | high >> 4 << 6);
            scales[part + 8] = (uint8_t)((high & 15) | (high & 15) << 4);
        }
    }
}

/* Scales are 64..127, either sign. */
static void q6_k_fill(make_random *r, float sigma, void *out, size_t n) {
    q6_k_block *to = out;
    float d = sigma / (deviation(-32, 31, 0) * deviation(64, 127, 0));
    fill(r, out, n * sizeof *to);
    for (size_t i = 0; i < n; i++) {
        put_half(to[i].d, d);
        for (int part = 0; part < 16; part++) {
            int scale = 64 | (to[i].scales[part] & 63);
            to[i].scales[part] = (int8_t)(to[i].scales[part] < 0 ? -scale : scale);
        }
    }
}

typedef void fill_fn(make_random *r, float sigma, void *out, size_t n);

static fill_fn *const fills[FORMAT_COUNT] = {
    [FORMAT_F32] = f32_fill,   [FORMAT_F16] = f16_fill,   [FORMAT_Q8_0] = q8_0_fill,
    [FORMAT_Q5_0] = q5_0_fill, [FORMAT_Q4_K] = q4_k_fill, [FORMAT_Q6_K] = q6_k_fill,
};

void make_blocks(make_random *r, format_id f, float sigma, void *out, size_t n) {
    assert(fills[f]);
    fills[f](r, sigma, out, n);
}
