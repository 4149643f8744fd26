/* IQ2_S: 256 numbers in 82 bytes; 32 rows of a grid of 1024, each with its signs; a 4-bit scale for each two rows.
 *
 *     0     2           34            66       74          82
 *     | d   | qs[32]    | signs[32]   | qh[8]  | scales[8] |      d f16
 *
 *     row r    low eight bits qs[r], high two: bits 2 (r % 4), 2 (r % 4) + 1 of qh[r / 4]
 *     signs    bit i of signs[r]: value i of row r is negative
 *     scales   nibble p: scale of part p (16 values)
 *
 *     value = d * (scale + 1/2) / 4 * sign * grid[row][i] */
#include "core/formats/blocks.h"
#include "core/formats/grids.h"

void iq2_s_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const iq2_s_block *b = blocks, *end = b + n_blocks; b < end; b++) {
        float d = block_half(b->d);
        for (int r = 0; r < 32; r++, out += 8) {
            int row = b->qs[r] | (b->qh[r / 4] >> r % 4 * 2 & 3) << 8;
            float scale = d * (0.5f + (float)(b->scales[r / 4] >> r / 2 % 2 * 4 & 15)) * 0.25f;
            grid_iq2_row(grid_iq2_s[row], b->signs[r], scale, out);
        }
    }
}
