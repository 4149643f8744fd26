/* Q4_1: 32 numbers in 20 bytes, 4 bits each, a scale and a minimum.
 *
 *     0     2     4                                  20
 *     | d   | m   | qs[0] qs[1] ...            qs[15] |      d, m f16
 *                   low nibble of qs[i]: q of value i, high nibble: of value i + 16
 *
 *     value = d * q + m */
#include "core/formats/blocks.h"

void q4_1_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const q4_1_block *b = blocks, *end = b + n_blocks; b < end; b++, out += 32) {
        float d = block_half(b->d), m = block_half(b->m);
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)(b->qs[i] & 15) + m;
            out[i + 16] = d * (float)(b->qs[i] >> 4) + m;
        }
    }
}
