/* IQ1_S: 256 numbers in 50 bytes; 8 groups of 32, each four rows of a ternary grid of 2048, a 3-bit scale and an
 * offset.
 *
 *     0     2             34                   50
 *     | d   | qs[32]      | qh: 8 x 16 bits    |      d f16
 *
 *     row l of group g   low eight bits qs[4 g + l], high three: bits 3 l .. 3 l + 2 of qh[g]
 *     qh[g]              bits 12..14: scale of the group, bit 15: its offset is -1/8, else 1/8
 *
 *     value = d * (2 scale + 1) * (grid[row][i] + offset) */
#include "core/formats/blocks.h"
#include "core/formats/grids.h"

void iq1_s_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const iq1_s_block *b = blocks, *end = b + n_blocks; b < end; b++) {
        float d = block_half(b->d);
        for (int g = 0; g < 8; g++) {
            int qh = block_u16(b->qh + 2 * g);
            float scale = d * (float)(2 * (qh >> 12 & 7) + 1), offset = qh & 0x8000 ? -0.125f : 0.125f;
            for (int l = 0; l < 4; l++, out += 8)
                grid_iq1_row(grid_iq1[b->qs[4 * g + l] | (qh >> 3 * l & 7) << 8], scale, offset, out);
        }
    }
}
