/* Q2_0: 64 numbers in 18 bytes, 2 bits each and one scale.
 *
 *     0     2                                  18
 *     | d   | qs[0] qs[1] ...            qs[15] |      d f16
 *             bits 2 (i % 4), 2 (i % 4) + 1 of qs[i / 4]: q of value i
 *
 *     value = d * (q - 1) */
#include "core/formats/blocks.h"

void q2_0_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const q2_0_block *b = blocks, *end = b + n_blocks; b < end; b++, out += 64) {
        float d = block_half(b->d);
        for (int i = 0; i < 64; i++) out[i] = d * (float)((b->qs[i / 4] >> i % 4 * 2 & 3) - 1);
    }
}
