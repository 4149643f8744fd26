/* Q8_0: 32 numbers in 34 bytes, 8 bits each and one scale.
 *
 *     0     2                                  34
 *     | d   | qs[0] qs[1] ...            qs[31] |      d f16, qs signed bytes
 *
 *     value = d * qs[i] */
#include "core/formats/blocks.h"

void q8_0_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const q8_0_block *b = blocks, *end = b + n_blocks; b < end; b++, out += 32) {
        float d = block_half(b->d);
        for (int i = 0; i < 32; i++) out[i] = d * (float)b->qs[i];
    }
}
