/* Q1_0: 128 numbers in 18 bytes, a sign each and one scale.
 *
 *     0     2                                  18
 *     | d   | qs[0] qs[1] ...            qs[15] |      d f16
 *             bit i % 8 of qs[i / 8]: q of value i
 *
 *     value = q ? d : -d */
#include "core/formats/blocks.h"

void q1_0_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const q1_0_block *b = blocks, *end = b + n_blocks; b < end; b++, out += 128) {
        float d = block_half(b->d);
        for (int i = 0; i < 128; i++) out[i] = b->qs[i / 8] >> i % 8 & 1 ? d : -d;
    }
}
