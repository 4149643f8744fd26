/* 8-bit dot products of Q3_K rows: parts of 16, d * (scale - 32) * x.d * sum (w - 4) q */
#include "cpu/q8_portable.h"

static float row_dot(const void *row, int cols, const cpu_act *x) {
    const q3_k_block *w = row;
    float y = 0;
    for (int b = 0; b < cols / 256; b++, w++) {
        float d = block_half(w->d);
        for (int part = 0; part < 16; part++) {
            const int8_t *q = x->q + 256 * b + 16 * part;
            const uint8_t *qs = w->qs + part / 8 * 32 + part % 2 * 16, *qh = w->qh + part % 2 * 16;
            int shift = part % 8 / 2 * 2, sum = 0;
            int low = w->scales[part % 8] >> part / 8 * 4 & 15, high = w->scales[8 + part % 4] >> part / 4 * 2 & 3;
            for (int i = 0; i < 16; i++) sum += (((qs[i] >> shift & 3) | (qh[i] >> part / 2 & 1) << 2) - 4) * q[i];
            y += d * (float)((low | high << 4) - 32) * x->d[8 * b + part / 2] * (float)sum;
        }
    }
    return y;
}

Q8_KERNEL(cpu_dot_q8_q3_k, row_dot)
