/* 8-bit dot products of Q5_0 rows: d * x.d * sum (w - 16) q */
#include "cpu/q8_portable.h"

static float row_dot(const void *row, int cols, const cpu_act *x) {
    const q5_0_block *w = row;
    float y = 0;
    for (int b = 0; b < cols / 32; b++) {
        const int8_t *q = x->q + 32 * b;
        int sum = 0;
        uint32_t high = block_u32(w[b].qh);
        for (int i = 0; i < 16; i++) {
            int first = (w[b].qs[i] & 15) | (int)(high >> i & 1) << 4;
            int second = w[b].qs[i] >> 4 | (int)(high >> (i + 16) & 1) << 4;
            sum += (first - 16) * q[i] + (second - 16) * q[i + 16];
        }
        y += block_half(w[b].d) * x->d[b] * (float)sum;
    }
    return y;
}

Q8_KERNEL(cpu_dot_q8_q5_0, row_dot)
