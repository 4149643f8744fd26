/* IQ4_NL: 32 numbers in 18 bytes, 4 bits each that name a row of a table, and one scale.
 *
 *     0     2                                  18
 *     | d   | qs[0] qs[1] ...            qs[15] |      d f16
 *             low nibble of qs[i]: k of value i, high nibble: of value i + 16
 *
 *     value = d * table[k] */
#include "core/formats/blocks.h"
#include "core/formats/grids.h"

void iq4_nl_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const iq4_nl_block *b = blocks, *end = b + n_blocks; b < end; b++, out += 32) {
        float d = block_half(b->d);
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)grid_iq4[b->qs[i] & 15];
            out[i + 16] = d * (float)grid_iq4[b->qs[i] >> 4];
        }
    }
}
