/* Q4_0: 32 numbers in 18 bytes, 4 bits each and one scale.
 *
 *     0     2                                  18
 *     | d   | qs[0] qs[1] ...            qs[15] |      d f16
 *             low nibble of qs[i]: q of value i, high nibble: of value i + 16
 *
 *     value = d * (q - 8) */
#include "core/formats/blocks.h"

void q4_0_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const q4_0_block *b = blocks, *end = b + n_blocks; b < end; b++, out += 32) {
        float d = block_half(b->d);
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)((b->qs[i] & 15) - 8);
            out[i + 16] = d * (float)((b->qs[i] >> 4) - 8);
        }
    }
}
