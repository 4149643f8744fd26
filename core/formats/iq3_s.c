/* IQ3_S: 256 numbers in 110 bytes; 64 rows of a grid of 512 x 4 with signs; 8 parts of 32 with a 4-bit scale.
 *
 *     0     2               66       74            106         110
 *     | d   | qs[64]        | qh[8]  | signs[32]   | scales[4] |      d f16
 *
 *     row r    low eight bits qs[r], ninth: bit r % 8 of qh[r / 8]; values 4 r .. 4 r + 3
 *     signs    bit i of signs[s]: value 8 s + i is negative
 *     scales   nibble p: scale of part p
 *
 *     value = d * (2 scale + 1) * sign * grid[row][i] */
#include "core/formats/blocks.h"
#include "core/formats/grids.h"

void iq3_s_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const iq3_s_block *b = blocks, *end = b + n_blocks; b < end; b++) {
        float d = block_half(b->d);
        for (int r = 0; r < 64; r++, out += 4) {
            int row = b->qs[r] | (b->qh[r / 8] >> r % 8 & 1) << 8;
            float scale = d * (float)(1 + 2 * (b->scales[r / 16] >> r / 8 % 2 * 4 & 15));
            grid_iq3_s_row(grid_iq3_s[row], b->signs[r / 2] >> r % 2 * 4, scale, out);
        }
    }
}
