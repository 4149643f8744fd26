/* 8-bit dot products of Q4_1 rows: d * x.d * sum w q + m * x.sum */
#include "cpu/q8_portable.h"

static float row_dot(const void *row, int cols, const cpu_act *x) {
    const q4_1_block *w = row;
    float y = 0;
    for (int b = 0; b < cols / 32; b++) {
        const int8_t *q = x->q + 32 * b;
        int sum = 0;
        for (int i = 0; i < 16; i++) sum += (w[b].qs[i] & 15) * q[i] + (w[b].qs[i] >> 4) * q[i + 16];
        y += block_half(w[b].d) * x->d[b] * (float)sum + block_half(w[b].m) * x->sum[b];
    }
    return y;
}

Q8_KERNEL(cpu_dot_q8_q4_1, row_dot)
