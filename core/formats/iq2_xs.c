/* IQ2_XS: 256 numbers in 74 bytes; 32 rows of a grid of 512, each with its signs; a 4-bit scale for each two rows.
 *
 *     0     2                                   66          74
 *     | d   | qs: 32 words of 16 bits           | scales[8] |      d f16
 *
 *     word r   bits 0..8 grid row of values 8 r .. 8 r + 7, bits 9..15 their signs (see grids.h)
 *     scales   nibble p: scale of part p (16 values)
 *
 *     value = d * (scale + 1/2) / 4 * sign * grid[row][i] */
#include "core/formats/blocks.h"
#include "core/formats/grids.h"

void iq2_xs_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const iq2_xs_block *b = blocks, *end = b + n_blocks; b < end; b++) {
        float d = block_half(b->d);
        for (int r = 0; r < 32; r++, out += 8) {
            uint32_t word = block_u16(b->qs + 2 * r);
            float scale = d * (0.5f + (float)(b->scales[r / 4] >> r / 2 % 2 * 4 & 15)) * 0.25f;
            grid_iq2_row(grid_iq2_xs[word & 511], grid_signs(word >> 9), scale, out);
        }
    }
}
