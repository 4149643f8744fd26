/* 8-bit dot products of Q4_K rows: parts of 32, d * scale * x.d * sum w q - dmin * minimum * x.sum */
#include "cpu/q8_portable.h"

static float row_dot(const void *row, int cols, const cpu_act *x) {
    const q4_k_block *w = row;
    float y = 0;
    for (int b = 0; b < cols / 256; b++, w++) {
        float d = block_half(w->d), dmin = block_half(w->dmin);
        for (int part = 0; part < 8; part++) {
            const int8_t *q = x->q + 256 * b + 32 * part;
            const uint8_t *qs = w->qs + part / 2 * 32;
            int shift = part % 2 * 4, scale, minimum, sum = 0, at = 8 * b + part;
            block_k_scale(w->scales, part, &scale, &minimum);
            for (int i = 0; i < 32; i++) sum += (qs[i] >> shift & 15) * q[i];
            y += d * (float)scale * x->d[at] * (float)sum - dmin * (float)minimum * x->sum[at];
        }
    }
    return y;
}

Q8_KERNEL(cpu_dot_q8_q4_k, row_dot)
