/* TQ2_0: 256 numbers in 66 bytes, 2 bits each and one scale. Made for ternary weights; the fourth code means 2.
 *
 *     0                                 64    66
 *     | qs[64]                          | d   |      d f16
 *
 *     qs   32 bytes for each half of the block: bits 2 k, 2 k + 1 of byte i hold value 32 k + i of the half
 *
 *     value = d * (q - 1) */
#include "core/formats/blocks.h"

void tq2_0_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const tq2_0_block *b = blocks, *end = b + n_blocks; b < end; b++, out += 256) {
        float d = block_half(b->d);
        for (int i = 0; i < 256; i++) {
            int q = b->qs[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
            out[i] = d * (float)(q - 1);
        }
    }
}
