/* 8-bit dot products of IQ4_XS rows: parts of 32, d * (scale - 32) * x.d * sum table[w] q */
#include "cpu/q8_portable.h"
#include "core/formats/grids.h"

static float row_dot(const void *row, int cols, const cpu_act *x) {
    const iq4_xs_block *w = row;
    float y = 0;
    for (int b = 0; b < cols / 256; b++, w++) {
        float d = block_half(w->d);
        for (int part = 0; part < 8; part++) {
            const int8_t *q = x->q + 256 * b + 32 * part;
            const uint8_t *qs = w->qs + part * 16;
            int low = w->scales_l[part / 2] >> part % 2 * 4 & 15, high = block_u16(w->scales_h) >> part * 2 & 3;
            int sum = 0;
            for (int i = 0; i < 16; i++) sum += grid_iq4[qs[i] & 15] * q[i] + grid_iq4[qs[i] >> 4] * q[i + 16];
            y += d * (float)((low | high << 4) - 32) * x->d[8 * b + part] * (float)sum;
        }
    }
    return y;
}

Q8_KERNEL(cpu_dot_q8_iq4_xs, row_dot)
