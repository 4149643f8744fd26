/* 8-bit dot products of Q2_K rows: parts of 16, x.d * (d * scale * sum w q - dmin * minimum * sum q) */
#include "cpu/q8_portable.h"

static float row_dot(const void *row, int cols, const cpu_act *x) {
    const q2_k_block *w = row;
    float y = 0;
    for (int b = 0; b < cols / 256; b++, w++) {
        float d = block_half(w->d), dmin = block_half(w->dmin);
        for (int part = 0; part < 16; part++) {
            const int8_t *q = x->q + 256 * b + 16 * part;
            const uint8_t *qs = w->qs + part / 8 * 32 + part % 2 * 16;
            int shift = part % 8 / 2 * 2, sum = 0;
            for (int i = 0; i < 16; i++) sum += (qs[i] >> shift & 3) * q[i];
            float scale = d * (float)(w->scales[part] & 15), minimum = dmin * (float)(w->scales[part] >> 4);
            y += x->d[8 * b + part / 2] * (scale * (float)sum - minimum * (float)q8_sum(q, 16));
        }
    }
    return y;
}

Q8_KERNEL(cpu_dot_q8_q2_k, row_dot)
