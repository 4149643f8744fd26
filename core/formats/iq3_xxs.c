/* IQ3_XXS: 256 numbers in 98 bytes; 8 groups of 32, each eight rows of a grid of 256 x 4, with signs and a scale.
 *
 *     0     2                       66                   98
 *     | d   | qs[64]                | signs: 8 x 32 bits |      d f16
 *
 *     qs      8 bytes a group: grid row of values 0..3, 4..7, ... 28..31
 *     signs   32 bits a group: 4 x 7 bits of signs of 8 values each (see grids.h), bits 28..31 the scale
 *
 *     value = d * (scale + 1/2) / 2 * sign * grid[row][i] */
#include "core/formats/blocks.h"
#include "core/formats/grids.h"

void iq3_xxs_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const iq3_xxs_block *b = blocks, *end = b + n_blocks; b < end; b++) {
        float d = block_half(b->d);
        for (int g = 0; g < 8; g++) {
            uint32_t word = block_u32(b->signs + 4 * g);
            float scale = d * (0.5f + (float)(word >> 28)) * 0.5f;
            for (int l = 0; l < 8; l++, out += 4)
                grid_iq3_xxs_row(grid_iq3_xxs[b->qs[8 * g + l]], grid_signs(word >> l / 2 * 7) >> l % 2 * 4, scale,
                                 out);
        }
    }
}
