/* 8-bit dot products of MXFP4 rows: 2^(e - 128) * x.d * sum table[w] q */
#include "cpu/q8_portable.h"

#include <math.h>

#include "core/formats/grids.h"

static float row_dot(const void *row, int cols, const cpu_act *x) {
    const mxfp4_block *w = row;
    float y = 0;
    for (int b = 0; b < cols / 32; b++) {
        const int8_t *q = x->q + 32 * b;
        int sum = 0;
        for (int i = 0; i < 16; i++) sum += grid_e2m1[w[b].qs[i] & 15] * q[i] + grid_e2m1[w[b].qs[i] >> 4] * q[i + 16];
        y += ldexpf(1, w[b].e - 128) * x->d[b] * (float)sum;
    }
    return y;
}

Q8_KERNEL(cpu_dot_q8_mxfp4, row_dot)
