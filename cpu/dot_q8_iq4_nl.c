/* 8-bit dot products of IQ4_NL rows: d * x.d * sum table[w] q */
#include "cpu/q8_portable.h"
#include "core/formats/grids.h"

static float row_dot(const void *row, int cols, const cpu_act *x) {
    const iq4_nl_block *w = row;
    float y = 0;
    for (int b = 0; b < cols / 32; b++) {
        const int8_t *q = x->q + 32 * b;
        int sum = 0;
        for (int i = 0; i < 16; i++) sum += grid_iq4[w[b].qs[i] & 15] * q[i] + grid_iq4[w[b].qs[i] >> 4] * q[i + 16];
        y += block_half(w[b].d) * x->d[b] * (float)sum;
    }
    return y;
}

Q8_KERNEL(cpu_dot_q8_iq4_nl, row_dot)
