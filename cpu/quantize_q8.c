/* Activations to 8 bits, a block of 32 with a scale: d = max|x| / 127, q = x / d rounded to nearest, ties to even. */
#include "cpu/dot_q8.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

/* |x| as an integer orders like |x|, with NaN above infinity. */
static float largest_magnitude(const float x[32]) {
    union {
        float f;
        uint32_t bits;
    } m = {0}, v;
    for (int i = 0; i < 32; i++) {
        v.f = fabsf(x[i]);
        if (v.bits > m.bits) m = v;
    }
    return m.f;
}

void cpu_quantize_q8(const float *x, int cols, int8_t *q, float *d, float *sum) {
    for (int b = 0; b < cols / 32; b++, x += 32, q += 32) {
        float scale = largest_magnitude(x) / 127, inverse = 1 / scale;
        bool normal = scale >= FLT_MIN && scale <= FLT_MAX;
        int total = 0;
        for (int i = 0; i < 32; i++) {
            q[i] = normal ? (int8_t)lrintf(x[i] * inverse) : 0;
            total += q[i];
        }
        d[b] = scale < FLT_MIN ? 0 : scale;
        sum[b] = d[b] * (float)total;
    }
}
