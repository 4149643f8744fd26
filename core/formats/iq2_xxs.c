/* IQ2_XXS: 256 numbers in 66 bytes; 8 groups of 32, each four rows of a grid of 256, with signs and a scale.
 *
 *     0     2                                   66
 *     | d   | group 0 | group 1 | ... | group 7 |      d f16
 *
 *     group   bytes 0..3      grid row of values 0..7, 8..15, 16..23, 24..31
 *             bytes 4..7      32 bits: 4 x 7 bits of signs (see grids.h), bits 28..31 the scale
 *
 *     value = d * (scale + 1/2) / 4 * sign * grid[row][i] */
#include "core/formats/blocks.h"
#include "core/formats/grids.h"

void iq2_xxs_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const iq2_xxs_block *b = blocks, *end = b + n_blocks; b < end; b++) {
        float d = block_half(b->d);
        for (int g = 0; g < 8; g++) {
            const uint8_t *rows = b->groups + 8 * g;
            uint32_t word = block_u32(rows + 4);
            float scale = d * (0.5f + (float)(word >> 28)) * 0.25f;
            for (int l = 0; l < 4; l++, out += 8)
                grid_iq2_row(grid_iq2_xxs[rows[l]], grid_signs(word >> 7 * l), scale, out);
        }
    }
}
