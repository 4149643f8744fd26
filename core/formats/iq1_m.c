/* IQ1_M: 256 numbers in 56 bytes; 32 rows of a ternary grid of 2048, each with an offset; a 3-bit scale for each two.
 *
 *     0             32         48                  56
 *     | qs[32]      | qh[16]   | scales: 4 x 16 bits |
 *
 *     row r       low eight bits qs[r], high three: bits 0..2 of nibble r of qh; bit 3 of it: offset -1/8, else 1/8
 *     scales[w]   bits 3 k .. 3 k + 2: scale of part 4 w + k (16 values), k = 0..3
 *                 bits 12..15: bits 4 w .. 4 w + 3 of d, an f16
 *
 *     value = d * (2 scale + 1) * (grid[row][i] + offset) */
#include "core/formats/blocks.h"
#include "core/formats/grids.h"

static float iq1_m_scale(const iq1_m_block *b) {
    unsigned d = 0;
    for (int w = 0; w < 4; w++) d |= (unsigned)(block_u16(b->scales + 2 * w) >> 12) << 4 * w;
    return format_f16_to_f32((uint16_t)d);
}

void iq1_m_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const iq1_m_block *b = blocks, *end = b + n_blocks; b < end; b++) {
        float d = iq1_m_scale(b);
        for (int r = 0; r < 32; r++, out += 8) {
            int part = r / 2, qh = b->qh[r / 2] >> r % 2 * 4;
            int scale = block_u16(b->scales + part / 4 * 2) >> part % 4 * 3 & 7;
            float offset = qh & 8 ? -0.125f : 0.125f;
            grid_iq1_row(grid_iq1[b->qs[r] | (qh & 7) << 8], d * (float)(2 * scale + 1), offset, out);
        }
    }
}
