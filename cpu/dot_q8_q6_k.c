/* 8-bit dot products of Q6_K rows: parts of 16, d * scale * x.d * sum (w - 32) q */
#include "cpu/q8_portable.h"

static float row_dot(const void *row, int cols, const cpu_act *x) {
    const q6_k_block *w = row;
    float y = 0;
    for (int b = 0; b < cols / 256; b++, w++) {
        float d = block_half(w->d);
        for (int part = 0; part < 16; part++) {
            const int8_t *q = x->q + 256 * b + 16 * part;
            int half = part / 8, r = part % 8 / 2, from = part % 2 * 16, sum = 0;
            const uint8_t *ql = w->ql + half * 64 + r % 2 * 32 + from, *qh = w->qh + half * 32 + from;
            for (int i = 0; i < 16; i++) sum += (((ql[i] >> r / 2 * 4 & 15) | (qh[i] >> r * 2 & 3) << 4) - 32) * q[i];
            y += d * (float)w->scales[part] * x->d[8 * b + part / 2] * (float)sum;
        }
    }
    return y;
}

Q8_KERNEL(cpu_dot_q8_q6_k, row_dot)
